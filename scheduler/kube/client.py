"""The one HTTP client for the API server.

A request is a method, a path, query parameters and bytes; the answer is bytes. Nothing is modelled here, because the
callers decode exactly the fields they need (scheduler.api.core), which is what makes an event cost 20 us rather than
400. Every request has a deadline, every failure is one of scheduler.errors, and nothing is retried but a 401 after
reading the credentials again: only the caller knows whether a second attempt is harmless.

Where only one of several processes may write, ``Api.fence`` is asked before each write (scheduler.kube.fencing).
"""

from __future__ import annotations

import asyncio
import email.utils
import ssl
import time
import urllib.parse
from collections.abc import AsyncGenerator, Mapping
from typing import Final, Self

import aiohttp
import structlog
import yarl

from scheduler import errors
from scheduler.kube import credentials, failures, fencing, protobuf, wire

log = structlog.get_logger(__name__)

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"  # JSON is YAML, so the body may be JSON

DEADLINE_S: Final = 30.0
REREAD_S: Final = 60.0  # a projected service account token is renewed at 80% of its life, which is an hour or more
CLOCK_EVERY_S: Final = 60.0  # how often the server's clock is read off an answer
URGENT_S: Final = 0.05  # after an urgent request: a decision and an answer, on a machine that has other work too
USER_AGENT: Final = "data-locality-scheduler"
CONNECTIONS: Final = 128  # of lists and watches: a daemon has a hundred of them
# A TLS handshake costs either side as much as ten requests. What is beyond these waits here instead of at the server.
WRITE_CONNECTIONS: Final = 32


class Api:
    """A connection to one API server: ``await Api.connect(...)``, then requests, then ``await close()``.

    Attributes:
        fence: Asked before every write but those that say ``fenced=False``; None where this process alone writes.
        tls: What a connection of others to the same server needs; None where there is no TLS.
    """

    def __init__(
        self,
        login: credentials.Login,
        found: credentials.Credentials,
        *,
        reread_s: float,
        unacknowledged_s: float | None = None,
    ) -> None:
        self._login = login
        self.credentials = found
        self.fence: fencing.Fence | None = None
        self._urgently = _Urgently()
        self.ahead_s = 0.0  # how far the server's clock is ahead of ours, to a second, as of its last answers
        self._clock_due = 0.0
        self._reread_s = reread_s
        self._reread_at = time.monotonic() + reread_s
        self._afresh_at = 0.0
        self._reading = asyncio.Lock()
        self.tls = found.ssl_context() if found.server.startswith("https:") else None
        make_socket = fencing.sockets(unacknowledged_s)
        self._wire = wire.Wire(self.tls, make_socket, limit=WRITE_CONNECTIONS)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=self.tls or True, socket_factory=make_socket),
            # Compressing a list costs the server more CPU than the bytes cost the cluster's network.
            headers={"Accept-Encoding": "identity", "User-Agent": USER_AGENT},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    @classmethod
    async def connect(
        cls, kubeconfig: str | None = None, *, reread_s: float = REREAD_S, unacknowledged_s: float | None = None
    ) -> Self:
        """Read the credentials and prepare a session; the server is not asked anything yet.

        Args:
            kubeconfig: A file, or None for the pod's service account.
            reread_s: How often the credentials are read again.
            unacknowledged_s: See scheduler.kube.fencing; None for the kernel's own patience.

        Raises:
            InputError: the kubeconfig (or the service account of the pod) cannot be used.
        """
        login = credentials.Login(kubeconfig)
        return cls(login, await login.read(afresh=True), reread_s=reread_s, unacknowledged_s=unacknowledged_s)

    async def close(self) -> None:
        self._wire.close()
        await self._session.close()

    def urgently(self) -> _Urgently:
        """Have others give way to what is asked inside; they are to look at ``is_urgent``."""
        return self._urgently

    def is_urgent(self) -> bool:
        """Whether an urgent request is under way, or was just now, so that the next one is likely near."""
        return self._urgently.is_in_use()

    async def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        accept: str = JSON,
        deadline_s: float = DEADLINE_S,
    ) -> bytes:
        """Read; ``accept`` may ask for another form of the objects, such as their metadata alone."""
        return await self._request("GET", path, params=params, accept=accept, deadline_s=deadline_s)

    async def post(
        self,
        path: str,
        body: bytes,
        *,
        content_type: str = JSON,
        params: Mapping[str, str] | None = None,
        deadline_s: float = DEADLINE_S,
        fenced: bool = True,
    ) -> bytes:
        """Create, and return what was made, in the encoding of the body.

        Args:
            fenced: False is for what changes nothing, such as a review, and for the Lease itself.
        """
        return await self._request(
            "POST", path, params=params, body=body, content_type=content_type, deadline_s=deadline_s, fenced=fenced
        )

    async def put(
        self,
        path: str,
        body: bytes,
        *,
        content_type: str = JSON,
        params: Mapping[str, str] | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> bytes:
        return await self._request(
            "PUT", path, params=params, body=body, content_type=content_type, deadline_s=deadline_s, fenced=True
        )

    async def patch(
        self,
        path: str,
        body: bytes,
        content_type: str = MERGE_PATCH,
        *,
        params: Mapping[str, str] | None = None,
        deadline_s: float = DEADLINE_S,
        fenced: bool = True,
    ) -> bytes:
        return await self._request(
            "PATCH", path, params=params, body=body, content_type=content_type, deadline_s=deadline_s, fenced=fenced
        )

    async def delete(
        self, path: str, body: bytes = b"{}", *, params: Mapping[str, str] | None = None, deadline_s: float = DEADLINE_S
    ) -> bytes:
        return await self._request("DELETE", path, params=params, body=body, deadline_s=deadline_s, fenced=True)

    async def stream(
        self, path: str, params: Mapping[str, str] | None = None, *, silence_s: float, accept: str = JSON
    ) -> AsyncGenerator[bytes]:
        """Yield the lines of an answer that does not end by itself, such as a watch.

        Lines have no length limit, as aiohttp's own reader has: an object may be megabytes.

        Args:
            silence_s: How long nothing may arrive before the connection counts as dead.
            accept: As for ``get``.

        Raises:
            UnreachableError: the connection broke or fell silent. The end of the answer is a plain return.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=DEADLINE_S, sock_read=silence_s)
        rest: list[bytes] = []
        try:
            response = await self._open("GET", path, params=params, timeout=timeout, accept=accept)
            async with response:
                async for chunk in response.content.iter_any():
                    head, *lines = chunk.split(b"\n")
                    rest.append(head)
                    for line in lines:
                        yield b"".join(rest)
                        rest = [line]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error
        # What follows the last newline is half an event: the server went away while it wrote.

    async def reread(self, *, afresh: bool) -> bool:
        """Read the credentials again; returns whether they changed. A failure is logged and the old ones stay."""
        before, asked_at = self.credentials, time.monotonic()
        async with self._reading:
            if self.credentials is not before or (afresh and self._afresh_at >= asked_at):
                return self.credentials != before  # another request did it while this one waited
            self._reread_at = time.monotonic() + self._reread_s
            try:
                found = await self._login.read(afresh=afresh)
                if self.tls:
                    found.load_certificate(self.tls)
            except errors.InputError as error:
                log.warning("credentials could not be read again, the old ones stay in use", error=str(error))
                return False
            finally:
                if afresh:
                    self._afresh_at = time.monotonic()
            if found != before:
                self.credentials = found
            return found != before

    async def _request(
        self,
        method: str,
        path: str,
        *,
        deadline_s: float,
        params: Mapping[str, str] | None = None,
        body: bytes = b"",
        content_type: str = JSON,
        accept: str = JSON,
        fenced: bool = False,
    ) -> bytes:
        if content_type == protobuf.MEDIA_TYPE:
            accept = f"{protobuf.MEDIA_TYPE}, {JSON}"
        fence = self.fence if fenced else None
        if fence is not None:
            deadline_s = min(deadline_s, fence())
            if deadline_s <= 0:
                raise errors.FencedError
        try:
            if body and not self.credentials.proxy:
                async with asyncio.timeout(deadline_s):
                    return await self._write(
                        method, path, params=params, body=body, content_type=content_type, accept=accept, fence=fence
                    )
            async with await self._open(
                method,
                path,
                params=params,
                timeout=aiohttp.ClientTimeout(total=deadline_s),
                body=body,
                content_type=content_type,
                accept=accept,
                fence=fence,
            ) as response:
                return await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(error.__cause__, errors.FencedError):
                raise error.__cause__ from None
            raise self._unreachable(error) from error

    async def _open(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - handed on to aiohttp
        body: bytes = b"",
        content_type: str = JSON,
        accept: str = JSON,
        fence: fencing.Fence | None = None,
    ) -> aiohttp.ClientResponse:
        """Send a request and return the answer, its body unread; raises ApiError for anything but success."""
        if time.monotonic() > self._reread_at:
            await self.reread(afresh=False)
        for last in (False, True):
            used = self.credentials
            headers = {"Accept": accept}
            if used.authorization:
                headers["Authorization"] = used.authorization
            if body:
                headers["Content-Type"] = content_type
            response = await self._session.request(
                method,
                yarl.URL(used.server + path, encoded=True),
                params=params,
                data=(body or None) if fence is None else fencing.Body(body, fence),
                headers=headers,
                timeout=timeout,
                allow_redirects=False,  # an API server sends none, and credentials must not follow one
                proxy=used.proxy,
                server_hostname=used.tls_server_name,
            )
            self._read_clock(response.headers.get("Date", ""))
            if response.status < 300:
                return response
            async with response:
                error = failures.of(response.status, response.headers.get("Retry-After", ""), await response.read())
            if last or response.status != 401:
                raise error
            if used is self.credentials and not await self.reread(afresh=True):
                raise error
        raise AssertionError("unreachable")  # the second round returns or raises

    async def _write(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None,
        body: bytes,
        content_type: str,
        accept: str,
        fence: fencing.Fence | None,
    ) -> bytes:
        """Send what is not a mere question, as ``_open`` does, and return the body of the answer."""
        if time.monotonic() > self._reread_at:
            await self.reread(afresh=False)
        target = f"{path}?{urllib.parse.urlencode(params)}" if params else path
        for last in (False, True):
            used = self.credentials
            headers: wire.Headers = (("User-Agent", USER_AGENT), ("Accept", accept), ("Content-Type", content_type))
            if used.authorization:
                headers += (("Authorization", used.authorization),)
            origin = wire.origin(used.server, used.tls_server_name)
            answer = await self._wire.ask(origin, wire.request(origin, method, target, headers, body), fence)
            self._read_clock(answer.headers.get("date", ""))
            if answer.status < 300:
                return answer.body
            error = failures.of(answer.status, answer.headers.get("retry-after", ""), answer.body)
            if last or answer.status != 401 or (used is self.credentials and not await self.reread(afresh=True)):
                raise error
        raise AssertionError("unreachable")  # the second round returns or raises

    def _read_clock(self, date: str) -> None:
        if time.monotonic() < self._clock_due:
            return
        self._clock_due = time.monotonic() + CLOCK_EVERY_S
        try:
            self.ahead_s = email.utils.parsedate_to_datetime(date).timestamp() - time.time()
        except ValueError:  # a proxy's answer, perhaps, which tells nothing of the server
            return

    def _unreachable(self, error: Exception) -> errors.UnreachableError:
        server = self.credentials.server
        if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
            why = getattr(error, "certificate_error", error)
            remedy = "compare certificate-authority in the kubeconfig with the CA that signed the server's certificate"
            return errors.UnreachableError(0, "Untrusted", f"{server}: its certificate is not trusted: {why}; {remedy}")
        if isinstance(error, ssl.SSLError | aiohttp.ClientSSLError):
            return errors.UnreachableError(0, "TLS", f"{server}: no TLS connection: {error}")
        if isinstance(error, TimeoutError):
            return errors.UnreachableError(0, "Timeout", f"{server}: no answer in time")
        return errors.UnreachableError(0, "Unreachable", f"{server}: {str(error) or type(error).__name__}")


class _Urgently:
    """The context of all urgent requests."""

    def __init__(self) -> None:
        self._inside = 0
        self._until_s = 0.0

    def __enter__(self) -> None:
        self._inside += 1

    def __exit__(self, *_: object) -> None:
        self._inside -= 1
        self._until_s = time.monotonic() + URGENT_S

    def is_in_use(self) -> bool:
        return self._inside > 0 or time.monotonic() < self._until_s
