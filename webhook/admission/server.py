"""Receives admission reviews over TLS, has Kopf answer them, and lets through whatever Kopf cannot answer.

This takes the place of Kopf's own server, through the door that Kopf documents for it (``settings.admission.server``).
Kopf's server answers requests for resources that it did not find at its start with an HTTP error, so that Knative
Services would be a failing webhook until a restart if Knative came later; it refuses bodies above a megabyte, which the
two forms of a large object exceed; it puts no bound to what strangers send; and it restarts to show a renewed
certificate. And where Kopf's own steps raise, the API server would be told that the webhook failed. Here that is an
object that is admitted as it is, with a warning.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, Final, Protocol

import msgspec
import structlog
from aiohttp import web

from webhook import doors, metrics
from webhook.certificates import tls

log = structlog.get_logger(__name__)

# The API server takes objects of up to 3 MiB, and an update sends the old and the new one.
MAX_BODY_BYTES: Final = 8 * 1024**2
# Longer than the API server keeps an idle connection (90 s): where both ends close at once, a request gets lost.
KEEP_ALIVE_S: Final = 180.0
# Lists, objects and what stands between commas. Each becomes a Python object or two, of which Kopf makes a copy: eight
# megabytes of nothing but brackets would be half a gigabyte. A large Deployment has some thousands, and its annotations
# may hold a hundred thousand commas.
MAX_PARTS: Final = 2**18
# So two addresses can have one of the largest read and answered at a time, and usual ones of a few KiB beside them.
AT_ONCE_BYTES: Final = 2 * MAX_BODY_BYTES
READ_S: Final = 2.0  # the API server asks for an answer within three

# One path, "check", serves all kinds. Kopf answers for resources only that it saw when it started, and Knative may come
# later; but which handler is meant it takes from us, and this one does not mind what it gets.
CHECK: Final = "check-namespaces"
NAMESPACES: Final = {"group": "", "version": "v1", "resource": "namespaces"}


class Answer(Protocol):
    """Kopf's function that answers a review."""

    def __call__(self, request: Any, *, webhook: str | None = None) -> Awaitable[Any]: ...  # noqa: ANN401


class Server:
    """Where the API server asks; the operator calls it with the function that answers.

    Args:
        client_config: How the API server is to reach us, for a webhook configuration that Kopf writes.
        port: 0 takes a free one.
    """

    def __init__(
        self, certificate: tls.Certificate, client_config: Mapping[str, Any], figures: metrics.Metrics, *, port: int
    ) -> None:
        self._certificate = certificate
        self._client_config = client_config
        self._figures = figures
        self._port = port
        self._bodies = doors.Bodies(largest_bytes=MAX_BODY_BYTES, at_once_bytes=AT_ONCE_BYTES, read_s=READ_S)
        self.is_listening = False

    async def __call__(self, answer: Answer) -> AsyncIterator[Any]:
        """Serve until cancelled; yields the client configuration once."""

        async def serve(request: web.Request) -> web.Response:
            return await self._serve(answer, request)

        app = web.Application()
        app.router.add_post("/{id}", serve)
        door = await doors.serve(app, None, self._port, context=self._certificate.context, keep_alive_s=KEEP_ALIVE_S)
        try:
            self.is_listening = True
            log.info("admission server listens", port=door.addresses[0][1])
            authority = base64.b64encode(self._certificate.authority_pem()).decode("ascii")
            yield {**self._client_config, "caBundle": authority}
            await asyncio.Event().wait()
        finally:
            self.is_listening = False
            await door.close()

    async def _serve(self, answer: Answer, request: web.Request) -> web.Response:
        began_s = time.perf_counter()
        async with self._bodies.reading(request) as body:
            if isinstance(body, doors.Unread):
                return web.Response(status=body.status, text=f"{body.message}\n")
            if sum(body.count(mark) for mark in (b",", b"[", b"{")) > MAX_PARTS:
                return web.Response(status=413, text=f"a review has at most {MAX_PARTS} parts\n")
            return await self._answer(answer, request.match_info["id"], body, began_s)

    async def _answer(self, answer: Answer, path: str, asked_for: bytes, began_s: float) -> web.Response:
        try:
            review = msgspec.json.decode(asked_for)
            asked: dict[str, Any] = review["request"]
            resource = asked["resource"]["resource"]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, TypeError) as error:
            return web.Response(status=400, text=f"no AdmissionReview: {error}\n")
        if path == "enrich":
            asked = asked | {"object": _part(asked.get("object"))}
        elif path == "check":
            path, asked = CHECK, asked | {"resource": NAMESPACES}
        if path != "enrich" and asked.get("operation") == "UPDATE":
            # Of an object that exists Kopf keeps a memory, which only a watch on the resource would end.
            asked |= {"operation": "CREATE"}
        review["request"] = asked
        try:
            response = await answer(review, webhook=path)
            body = msgspec.json.encode(response)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody's object must fail by it
            self._figures.failed(path)
            log.warning("not answered, so admitted as it is", path=path, resource=resource, error=repr(error))
            response = _admitted(review)
            body = msgspec.json.encode(response)
        warnings = response["response"].get("warnings", ())
        self._figures.answered(path, time.perf_counter() - began_s, len(warnings))
        return web.Response(body=body, content_type="application/json")


def _part(pod: Any) -> Any:  # noqa: ANN401 - whatever was sent
    """What is read of a pod, and changed.

    Kopf copies all of it and compares it with the copy, which is most of what a request costs. The patch that comes out
    speaks of the same paths.
    """
    try:
        spec = {key: value for key, value in pod["spec"].items() if key in {"schedulerName", "nodeName"}}
        return {key: value for key, value in pod.items() if key != "status"} | {"spec": spec}
    except (AttributeError, KeyError, TypeError):
        return pod


def _admitted(review: Mapping[str, Any]) -> dict[str, Any]:
    warning = "the data-locality webhook could not look at this object, so no data annotations were added or checked"
    return {
        "apiVersion": review.get("apiVersion", "admission.k8s.io/v1"),
        "kind": "AdmissionReview",
        "response": {"uid": review["request"].get("uid", ""), "allowed": True, "warnings": [warning]},
    }
