"""The few API requests that a local cluster makes without kubectl, which takes a tenth of a second to start.

Blocking and from the standard library: the callers are threads that create a handful of objects, or thousands of nodes
over a few connections that are kept open. The scheduler's own client (scheduler.kube) is deliberately not used, so that
tests of that client do not depend on it.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Self

from scheduler import errors

Object = Mapping[str, Any]

TIMEOUT_S = 60.0
PARALLEL = 8  # connections for creating many objects; more do not help against an API server on two cores


class Connection:
    """One connection to the API server; a context manager; not to be shared between threads."""

    def __init__(self, port: int, ca_pem: str, token: str) -> None:
        context = ssl.create_default_context(cadata=ca_pem)
        self._http = http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_S, context=context)
        self._token = token

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def request(self, method: str, path: str, body: Object | None = None) -> Object:
        """Send one request and return the decoded answer (``{}`` where the answer is not JSON).

        Raises:
            errors.ApiError: The server refused (NotFoundError and ConflictError for 404 and 409), or did not answer.
        """
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            self._http.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = self._http.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            raise errors.UnreachableError(0, "Unreachable", f"{method} {path}: {error}") from error
        is_json = response.headers.get_content_type() == "application/json"
        answer: Object = json.loads(data) if is_json else {}
        if response.status < 300:
            return answer
        kind = _ERRORS.get(response.status, errors.ApiError)
        message = answer.get("message", data[:300].decode(errors="replace"))
        raise kind(response.status, answer.get("reason", ""), f"{method} {path}: {message}")


_ERRORS: Mapping[int, type[errors.ApiError]] = {
    401: errors.DeniedError,
    403: errors.DeniedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
}


class Api:
    """The API server as one user sees it; may be used from any thread."""

    def __init__(self, port: int, ca_pem: str, token: str) -> None:
        self._port = port
        self._ca_pem = ca_pem
        self._token = token

    def connect(self) -> Connection:
        """A connection for several requests in a row."""
        return Connection(self._port, self._ca_pem, self._token)

    def request(self, method: str, path: str, body: Object | None = None) -> Object:
        """One request over a connection of its own; see Connection.request."""
        with self.connect() as connection:
            return connection.request(method, path, body)

    def answers(self, path: str) -> bool:
        """Whether the path answers with success, for waiting."""
        try:
            self.request("GET", path)
        except errors.ApiError:
            return False
        return True

    def serves(self, crd: Object) -> bool:
        """Whether objects of a CRD can be had, for waiting: Established comes a moment before."""
        spec = crd["spec"]
        return all(
            self.answers(f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}?limit=1")
            for version in spec["versions"]
            if version["served"]
        )

    def create_all(self, path: str, objects: Sequence[Object]) -> None:
        """Create many objects of one kind, several at a time."""
        workers = min(PARALLEL, len(objects) // 20 + 1)
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda part: self._create(path, part), [objects[i::workers] for i in range(workers)]))

    def _create(self, path: str, objects: Sequence[Object]) -> None:
        with self.connect() as connection:
            for item in objects:
                connection.request("POST", path, item)
