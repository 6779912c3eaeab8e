"""Where events are posted to.

    POST /events/NAMESPACE/NAME   for the pods of this Knative Service or workload
    POST /events                  for all whose ``scheduler.thesis/data-sources`` have the bucket of what it names

The answer is 202 without a body, once what the event says is written down: Knative takes a body that is an event for a
reply, and any 2xx makes the sender forget what it sent. An event that names no data gets the same, as that is no fault
of its sender. 400, 403, 413 and 415 say what to change, 401 that the token is not known; 503, with Retry-After, means
that it is worth sending again.

A slash at the end changes nothing. What the sender may do is checked before any of the body is read, and the body is
bounded, alone and together with others, and never compressed, so a stranger costs little. A long body is understood in
a thread, as pods are admitted on the same event loop.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec
import structlog
from aiohttp import web

from scheduler import errors
from webhook import doors, facts
from webhook.events import keeping, messages, metrics, senders

log = structlog.get_logger(__name__)

MAX_BYTES: Final = 2**20
AT_ONCE_BYTES: Final = 16 * MAX_BYTES
WAITING: Final = 256  # requests at once
READ_S: Final = 10.0  # for the body to arrive
WRITE_S: Final = 15.0
RETRY_S: Final = 2
LONG_BYTES: Final = 16_384  # from there on it is read in a thread: a millisecond or so of work
ASIDE: Final = 2  # threads that do so; a hostile megabyte becomes tens of them

_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_NAMESPACE: Final = re.compile(_LABEL)
_NAME: Final = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")

ReadersOf = Callable[[str], Sequence[facts.Consumer]]
_Shares = dict[facts.Consumer, list[messages.Message]]

_CROWDED: Final = senders.Refusal(503, "too many requests are waiting; send it again later")
_COMPRESSED: Final = senders.Refusal(415, "a compressed body is not read; send it as it is")
_UNKNOWN_KIND: Final = senders.Refusal(
    415,
    f"not a kind of body that is read; send {messages.STRUCTURED}, {messages.BATCH}, {messages.JSON}, or the headers "
    "Ce-Specversion, Ce-Id, Ce-Source and Ce-Type with data of any kind",
)
_NO_NAME: Final = senders.Refusal(404, "no workload can have that name; post to /events/NAMESPACE/NAME")
_NO_PATH: Final = senders.Refusal(404, "nothing is here; post to /events or /events/NAMESPACE/NAME")
_NO_POST: Final = senders.Refusal(405, "events are posted; send POST")


def build(
    keeper: keeping.Keeper, known_senders: senders.Senders, readers_of: ReadersOf, figures: metrics.Metrics
) -> web.Application:
    """The application to be served, with TLS, on the port for events.

    Stop serving it before the keeper is cancelled: requests wait for what it writes.

    Args:
        readers_of: The consumers that read a bucket.
    """
    receiver = _Receiver(keeper, known_senders, readers_of, figures)
    # Compressed bodies are refused by the handler; the server must not have unpacked them by then.
    app = web.Application(handler_args={"auto_decompress": False})
    for path in ("/events", "/events/{namespace}/{name}"):
        for end in ("", "/"):
            app.router.add_route("*", f"{path}{end}", receiver.handle, expect_handler=receiver.expected)
    app.router.add_route("*", "/{path:.*}", receiver.lost)
    return app


class _Allowed(NamedTuple):
    """Who sends, and for whom; None for all who read what the data is in."""

    sender: senders.Sender
    consumer: facts.Consumer | None


class _Receiver:
    def __init__(
        self,
        keeper: keeping.Keeper,
        known_senders: senders.Senders,
        readers_of: ReadersOf,
        figures: metrics.Metrics,
    ) -> None:
        self._keeper = keeper
        self._senders = known_senders
        self._readers_of = readers_of
        self._figures = figures
        self._bodies = doors.Bodies(largest_bytes=MAX_BYTES, at_once_bytes=AT_ONCE_BYTES, read_s=READ_S)
        self._aside = asyncio.Semaphore(ASIDE)
        self._waiting = 0

    async def lost(self, _: web.Request) -> web.Response:
        return self._answer(_NO_PATH)

    async def handle(self, request: web.Request) -> web.Response:
        refusal: senders.Refusal | None = _CROWDED
        if self._waiting < WAITING:
            self._waiting += 1
            try:
                refusal = await self._take(request)
            finally:
                self._waiting -= 1
        return self._answer(refusal)

    def _answer(self, refusal: senders.Refusal | None) -> web.Response:
        status = refusal.status if refusal else 202
        self._figures.requests.labels(code=str(status)).inc()
        if refusal is None:
            return web.Response(status=status)
        headers = {
            401: {"WWW-Authenticate": "Bearer"},
            405: {"Allow": "POST"},
            503: {"Retry-After": str(RETRY_S)},
        }.get(status)
        response = web.Response(status=status, text=f"{refusal.message}\n", headers=headers)
        response.force_close()  # what is left of the body is nothing that anybody wants
        return response

    async def expected(self, request: web.Request) -> web.Response | None:
        """Answer a sender that asks before it sends the body (Expect: 100-continue)."""
        allowed = await self._allowed(request)
        if isinstance(allowed, senders.Refusal):
            return self._answer(allowed)
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # what follows is the answer, of which nothing is written yet
        return None

    async def _take(self, request: web.Request) -> senders.Refusal | None:
        allowed = await self._allowed(request)
        if isinstance(allowed, senders.Refusal):
            return allowed
        headers = {name.lower(): value for name, value in request.headers.items()}
        async with self._bodies.reading(request) as body:
            if isinstance(body, doors.Unread):
                return senders.Refusal(body.status, body.message)
            try:
                said = messages.read(headers, body) if len(body) < LONG_BYTES else await self._read_aside(headers, body)
            except errors.InputError as error:
                log.info("events refused", sender=allowed.sender.name, error=str(error))
                return senders.Refusal(400, str(error))
        return await self._deliver(allowed.sender, allowed.consumer, said)

    async def _read_aside(self, headers: dict[str, str], body: bytes) -> list[messages.Message]:
        async with self._aside:
            return await asyncio.to_thread(messages.read, headers, body)

    async def _allowed(self, request: web.Request) -> _Allowed | senders.Refusal:
        """Whether the body is worth reading, by all that stands before it."""
        if request.method != "POST":
            return _NO_POST
        sender = await self._senders.identify(request.headers.get("Authorization", ""))
        if isinstance(sender, senders.Refusal):
            return sender
        consumer = None
        if names := request.match_info:
            consumer = facts.Consumer(names["namespace"], names["name"])
            if not _NAMESPACE.fullmatch(consumer.namespace) or not _NAME.fullmatch(consumer.name):
                return _NO_NAME
            if not sender.may_speak_for(consumer.namespace):
                return senders.Refusal(403, f"{sender.name} may not speak for namespace {consumer.namespace}")
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return _COMPRESSED
        if not messages.understands({name.lower(): value for name, value in request.headers.items()}):
            return _UNKNOWN_KIND
        return _Allowed(sender, consumer)

    async def _deliver(
        self, sender: senders.Sender, consumer: facts.Consumer | None, said: Sequence[messages.Message]
    ) -> senders.Refusal | None:
        useful = [message for message in said if message.says_something]
        self._count("ignored", len(said) - len(useful))
        shares: _Shares = {consumer: useful} if consumer and useful else {}
        if consumer is None:
            unclaimed = 0
            for message in useful:
                parts = self._parts(sender, message)
                unclaimed += not parts
                for reader, part in parts.items():
                    shares.setdefault(reader, []).append(part)
            self._count("unclaimed", unclaimed)
            useful = useful[unclaimed:]  # their number is all that still counts
        if not shares:
            return None
        try:
            async with asyncio.timeout(WRITE_S):
                kept = await asyncio.gather(*(self._keeper.keep(reader, its) for reader, its in shares.items()))
        except (errors.ApiError, TimeoutError) as error:
            return senders.Refusal(503, f"it cannot be written down now; send it again later ({_why(error)})")
        self._count("kept" if any(kept) else "duplicate", len(useful))
        return None

    def _parts(self, sender: senders.Sender, message: messages.Message) -> dict[facts.Consumer, messages.Message]:
        """For each consumer that reads any of it, the part that it reads, and what the event says besides."""
        wanted: dict[facts.Consumer, set[str]] = {}
        urns = [*(transfer.urn for transfer in message.inputs), *message.removed, *message.withdrawn]
        for bucket in dict.fromkeys(urn.partition("/")[0] for urn in urns):
            for reader in self._readers_of(bucket):
                if sender.may_speak_for(reader.namespace):
                    wanted.setdefault(reader, set()).add(bucket)
        return {
            reader: msgspec.structs.replace(
                message,
                inputs=tuple(transfer for transfer in message.inputs if transfer.bucket in buckets),
                removed=tuple(urn for urn in message.removed if urn.partition("/")[0] in buckets),
                withdrawn=tuple(urn for urn in message.withdrawn if urn.partition("/")[0] in buckets),
            )
            for reader, buckets in wanted.items()
        }

    def _count(self, outcome: str, number: int) -> None:
        self._figures.events.labels(outcome=outcome).inc(number)


def _why(error: Exception) -> str:
    return error.reason if isinstance(error, errors.ApiError) else "Timeout"
