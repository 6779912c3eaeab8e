"""Asks one S3 server: signed requests over one session, and in one place the limits on what may come back.

A client lives as long as its store is looked after. Its session and TLS context are made when it is first needed, and
anew only when the CA certificates change. Nothing is retried, for the next round is the retry; no proxy is asked, for
stores are neighbours; no redirect is followed, and nothing is unpacked, so that an answer is as long as it is.

A whole answer has a time as well as each of its parts, so that a server that trickles costs no more than one that
hangs; and it has a size. A connection over which more came than was taken is cut.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import hashlib
import socket
import ssl
import time
import urllib.parse
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import aiohttp
import yarl
from minio import signer
from minio.credentials import credentials as minio_credentials

from daemon.stores import contents, credentials, model, trust
from daemon.stores.s3 import answers, faults, resolver
from scheduler.api import urns as grammar

MAX_ANSWER_BYTES: Final = 8 * 2**20  # a page of 1,000 keys of 1,024 bytes, escaped, has 4 MiB
MAX_ERROR_BYTES: Final = 64 * 2**10

_ANSWER_TIMEOUTS: Final = 3.0  # how many timeouts a whole answer may take
_PIECE: Final = 8 * 2**10  # parsed at a time: some milliseconds at worst
_BUFFER: Final = 2**16  # read at a time, and ahead of the parser
_DEFAULT_REGION: Final = "us-east-1"
_NO_BODY: Final = hashlib.sha256(b"").hexdigest()
# Servers of these take buckets as host names only, or prefer it so.
_VIRTUAL_HOSTS: Final = (".amazonaws.com", ".amazonaws.com.cn", ".aliyuncs.com")

Clock = Callable[[], datetime.datetime]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Budget:
    """What one listing may take: time, requests and bytes together."""

    def __init__(self, limits: contents.Limits) -> None:
        self._ends_s = time.monotonic() + limits.budget_s
        self._requests = limits.max_requests
        self._bytes = limits.max_bytes

    def is_spent(self) -> bool:
        return self._requests <= 0 or self._bytes <= 0 or time.monotonic() > self._ends_s

    def take(self, *, requests: int = 0, size_bytes: int = 0) -> None:
        self._requests -= requests
        self._bytes -= size_bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Request:
    """What is asked for; no ``bucket`` is the server itself, no ``key`` the bucket."""

    method: str
    bucket: str = ""
    key: str = ""
    query: Mapping[str, str] = dataclasses.field(default_factory=dict)
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Client:
    """One store; as a context manager it closes its connections at the end.

    Attributes:
        ahead_s: By how much the server's clock was last seen to be ahead of ours.

    Args:
        now: For signatures.
    """

    def __init__(
        self,
        store: model.Store,
        limits: contents.Limits,
        access: credentials.Access | None = None,
        *,
        now: Clock = _now,
    ) -> None:
        self.store = store
        self.limits = limits
        self.ahead_s = 0.0
        self._access = access or credentials.Access()
        self._now = now
        self._base = base_of(store)
        self._session: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()
        self._resolver = resolver.Resolver()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._disconnect()
        await self._resolver.close()

    async def _disconnect(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def use(self, access: credentials.Access) -> None:
        """Ask with these credentials and certificates from now on."""
        if access.ca_pem != self._access.ca_pem:
            await self._disconnect()
        self._access = access

    async def head(self, bucket: str, key: str = "", *, budget: Budget) -> Mapping[str, str] | faults.Fault:
        """The headers of a bucket or key."""
        async with self._asking(_Request(method="HEAD", bucket=bucket, key=key), budget) as answer:
            if isinstance(answer, faults.Fault):
                return answer
            if answer.status == 200:
                return answer.headers
            refusal = _refusal_of_headers(answer, self.ahead_s)
        subject = faults.Subject.KEY if key else faults.Subject.BUCKET
        if refusal.status == 400 and not refusal.code:
            return await self._explained(bucket, key, budget) or faults.of_refusal(refusal, subject, self.store)
        return faults.of_refusal(refusal, subject, self.store)

    async def read(
        self, bucket: str, query: Mapping[str, str], document: answers.Document, *roots: str, budget: Budget
    ) -> faults.Fault | None:
        """Ask for an XML document, and read it into ``document``."""
        subject = faults.Subject.BUCKET if bucket else faults.Subject.BUCKETS
        async with self._asking(_Request(method="GET", bucket=bucket, query=query), budget) as answer:
            if isinstance(answer, faults.Fault):
                return answer
            try:
                if answer.status != 200:
                    refusal = await self._refusal_of_body(answer, budget)
                    return faults.of_refusal(refusal, subject, self.store)
                if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                    raise answers.MalformedError("it compresses what was asked for as it is")
                async for piece in _pieces(answer, MAX_ANSWER_BYTES, budget):
                    document.feed(piece)
                document.close(*roots, "Error")
            except Exception as error:  # noqa: BLE001 - the client raises whatever an odd answer makes of its parsers
                # The answer keeps the error by which it ended, that the frames of its traceback, and these the answer.
                error.__traceback__ = None
                return faults.of_exception(error, self.store, self.limits)
            finally:
                document.let_go()
        if document.root == "Error":  # S3 may notice late that it cannot answer
            refusal = dataclasses.replace(_refusal_of(document.error, 200), ahead_s=self._ahead_of(document.error))
            return faults.of_refusal(refusal, subject, self.store)
        return None

    async def answers_at(self, path: str, *, budget: Budget) -> bool:
        """Whether an unsigned request for ``path`` is answered with 200."""
        async with self._sending("GET", f"{self._base}{path}", {}, budget) as answer:
            return not isinstance(answer, faults.Fault) and answer.status == 200

    async def _explained(self, bucket: str, key: str, budget: Budget) -> faults.Fault | None:
        """What a bare 400 to a HEAD means, None where the server does not say it to a GET either.

        That is the answer to a wrong region, to expired credentials, and to a name that cannot be.
        """
        if not key:
            return await self.read(bucket, {"list-type": "2", "max-keys": "0"}, answers.Page(), _PAGE, budget=budget)
        request = _Request(method="GET", bucket=bucket, key=key, headers={"Range": "bytes=0-0"})
        async with self._asking(request, budget) as answer:
            if isinstance(answer, faults.Fault):
                return answer
            if answer.status < 300:
                return None
            try:
                refusal = await self._refusal_of_body(answer, budget)
            except Exception as error:  # noqa: BLE001 - as above
                return faults.of_exception(error, self.store, self.limits)
        if refusal.status == 400 and refusal.code in {"", "InvalidArgument", "InvalidRequest", "BadRequest"}:
            words = f"cannot hold a key of this name ({refusal.code or 'HTTP status 400'})"
            return faults.Fault(faults.Effect.GONE, "NotFound", words)
        return faults.of_refusal(refusal, faults.Subject.KEY, self.store)

    # ---- requests ----

    @asynccontextmanager
    async def _asking(self, request: _Request, budget: Budget) -> AsyncIterator[aiohttp.ClientResponse | faults.Fault]:
        bucket, key, query = request.bucket, request.key, request.query
        if self._access.credentials is not None and not _can_be_sent(self._access.credentials):
            words = f"cannot be told the keys of Secret {self.store.secret_name}: write both, without line breaks"
            yield faults.Fault(faults.Effect.STORE, "SecretUnusable", words)
            return
        try:
            path = urllib.parse.quote(f"/{bucket}/{key}" if key else f"/{bucket}", safe="/~")
        except UnicodeEncodeError:  # half of a surrogate pair
            yield faults.Fault(faults.Effect.GONE, "NotFound", "cannot hold a key that is no Unicode")
            return
        base = self._base
        parts = urllib.parse.urlsplit(base)
        if bucket and _is_virtual(parts, bucket):
            base, path = f"{parts.scheme}://{bucket}.{parts.netloc}", path.removeprefix(f"/{bucket}") or "/"
        words = "&".join(f"{name}={urllib.parse.quote(value, safe='~')}" for name, value in sorted(query.items()))
        url = f"{base}{path}?{words}" if words else f"{base}{path}"
        signed = sign(request.method, url, self.store, self._access, self._now())
        async with self._sending(request.method, url, {**signed, **request.headers}, budget) as answer:
            yield answer

    @asynccontextmanager
    async def _sending(
        self, method: str, url: str, headers: Mapping[str, str], budget: Budget
    ) -> AsyncIterator[aiohttp.ClientResponse | faults.Fault]:
        budget.take(requests=1)
        try:
            session = await self._opened()
            answer = await session.request(
                method,
                yarl.URL(url, encoded=True),
                headers=headers,
                allow_redirects=False,
                server_hostname=self.store.tls_name or None,
            )
        except Exception as error:  # noqa: BLE001 - as above
            yield faults.of_exception(error, self.store, self.limits)
            return
        try:
            self.ahead_s = self._ahead_of(answer.headers) or 0.0
            yield answer
        finally:
            answer.release() if answer.content.at_eof() else _cut(answer)

    async def _opened(self) -> aiohttp.ClientSession:
        async with self._opening:  # lanes come together
            if self._session is None:
                is_secure = self.store.endpoint.startswith("https:")
                self._session = self._made(await trust.context(self._access.ca_pem) if is_secure else True)
            return self._session

    def _made(self, tls: ssl.SSLContext | bool) -> aiohttp.ClientSession:
        timeout_s = self.limits.timeout_s
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=tls, limit=0, socket_factory=open_socket(self.store), resolver=self._resolver
            ),
            timeout=aiohttp.ClientTimeout(
                total=_ANSWER_TIMEOUTS * timeout_s, connect=timeout_s, sock_connect=timeout_s, sock_read=timeout_s
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity"},
            read_bufsize=_BUFFER,
        )

    # ---- refusals ----

    async def _refusal_of_body(self, answer: aiohttp.ClientResponse, budget: Budget) -> faults.Refusal:
        """What is said in an answer that is no success; a body that is no XML says nothing but its status."""
        document, head = answers.Document(), b""
        in_headers = _refusal_of_headers(answer, self.ahead_s)
        try:
            async for piece in _pieces(answer, MAX_ERROR_BYTES, budget):
                head = head or piece[:200]
                document.feed(piece)
            document.close("Error")
        except answers.MalformedError:
            return dataclasses.replace(in_headers, head=head)
        finally:
            document.let_go()
        found = _refusal_of(document.error, answer.status)
        return dataclasses.replace(
            in_headers,
            code=found.code or in_headers.code,
            region=found.region or in_headers.region,
            ahead_s=self._ahead_of(document.error) or in_headers.ahead_s,
        )

    def _ahead_of(self, said: answers.Error | Mapping[str, str]) -> float | None:
        if isinstance(said, answers.Error):
            return faults.ahead_s(said.server_time, self._now())
        return faults.ahead_s(answers.http_time_of(said.get("Date", "")), self._now())


_PAGE: Final = "ListBucketResult"


def _refusal_of(error: answers.Error, status: int) -> faults.Refusal:
    return faults.Refusal(status, error.code, error.region)


def _refusal_of_headers(answer: aiohttp.ClientResponse, ahead_s: float) -> faults.Refusal:
    headers = answer.headers
    return faults.Refusal(
        answer.status,
        code=answers.clean_code(headers.get("x-minio-error-code", "")),
        region=answers.clean_region(headers.get("x-amz-bucket-region", "")),
        ahead_s=ahead_s,
        retry_after_s=answers.retry_after_s(headers.get("Retry-After", "")),
        is_bare=answer.method == "HEAD",
        is_deleted=headers.get("x-amz-delete-marker", "").lower() == "true",
    )


def _cut(answer: aiohttp.ClientResponse) -> None:
    """Close the answer's connection at once: TLS would wait for the goodbye, which a server that hangs never says."""
    if answer.connection is not None and answer.connection.transport is not None:
        answer.connection.transport.abort()
    answer.close()


async def _pieces(answer: aiohttp.ClientResponse, most_bytes: int, budget: Budget) -> AsyncIterator[bytes]:
    """The body, in pieces between which others get their turn.

    Raises:
        MalformedError: it is longer than ``most_bytes``.
    """
    taken_bytes = 0
    async for piece in answer.content.iter_chunked(_PIECE):
        taken_bytes += len(piece)
        budget.take(size_bytes=len(piece))
        if taken_bytes > most_bytes:
            raise answers.MalformedError(f"its answer has more than {most_bytes} bytes")
        yield piece
        await asyncio.sleep(0)


def base_of(store: model.Store) -> str:
    """Where the store's requests go: the endpoint, or what stands for it on this node."""
    return f"{urllib.parse.urlsplit(store.endpoint).scheme}://{store.address}" if store.address else store.endpoint


def open_socket(store: model.Store) -> Callable[[tuple[Any, ...]], socket.socket]:
    """What opens sockets to the store: none that lead to where it must not be asked.

    Their buffers are small, because all that is there is read, and taken apart, in one turn of the loop.
    """

    def opened(info: tuple[Any, ...]) -> socket.socket:
        made = store.guard.open(info) if store.guard is not None else socket.socket(*info[:3])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER // 2)  # Linux doubles it
        return made

    return opened


def _is_virtual(parts: urllib.parse.SplitResult, bucket: str) -> bool:
    host = f".{parts.hostname or ''}"
    return host.endswith(_VIRTUAL_HOSTS) and not (parts.scheme == "https" and "." in bucket)


def _can_be_sent(found: contents.Credentials) -> bool:
    """Whether keys and token can stand in a header."""
    texts = (found.access_key, found.secret_key, found.session_token)
    return bool(found.access_key and found.secret_key) and all(map(grammar.is_printable, texts))


def region_of(store: model.Store) -> str:
    """The region to sign for: the one that was written down, or that AWS has in its hosts' names, or the usual one."""
    host = urllib.parse.urlsplit(store.endpoint).hostname or ""
    words = host.split(".")
    named = words[-3] if host.endswith(".amazonaws.com") and len(words) > 3 and words[-3].count("-") > 1 else ""
    return store.region or named or _DEFAULT_REGION


def sign(
    method: str, url: str, store: model.Store, access: credentials.Access, now: datetime.datetime
) -> dict[str, str]:
    """The headers of a request without a body: with S3's signature, unless the store is asked anonymously."""
    found = access.credentials
    if found is None:
        return {}
    parts = urllib.parse.urlsplit(url)
    headers = {"Host": parts.netloc, "x-amz-content-sha256": _NO_BODY, "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ")}
    if found.session_token:
        headers["x-amz-security-token"] = found.session_token
    signed = signer.sign_v4_s3(
        method=method,
        url=parts,
        region=region_of(store),
        headers=dict(headers),
        credentials=minio_credentials.Credentials(found.access_key, found.secret_key),
        content_sha256=_NO_BODY,
        date=now,
    )
    return {name: str(value) for name, value in signed.items()}
