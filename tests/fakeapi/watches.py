"""One open watch of the fake server, and what tests do to all of them."""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from aiohttp import web

from tests.fakeapi import store

Json = dict[str, Any]


class Ended(Exception):  # noqa: N818 - how a watch ends, not a fault of the test
    """The watch is over; ``abruptly`` means that the connection is cut rather than closed."""

    def __init__(self, *, abruptly: bool = False) -> None:
        self.abruptly = abruptly
        super().__init__()


class Watch:
    """Streams the changes of one kind from a version on."""

    def __init__(
        self,
        held: store.Store,
        kind: store.Kind,
        *,
        matches: Callable[[Json], bool],
        version: int,
        bookmarks: bool,
    ) -> None:
        self.plural = kind.plural
        self._store = held
        self._kind = kind
        self._matches = matches
        self._version = version
        self._bookmarks = bookmarks
        self._wake = asyncio.Event()
        self._orders: collections.deque[bytes | Ended] = collections.deque()

    def notice(self) -> None:
        self._wake.set()

    def order(self, what: bytes | Ended) -> None:
        """Send these bytes as they are, or end, before anything else happens."""
        self._orders.append(what)
        self._wake.set()

    async def serve(self, response: web.StreamResponse, *, bookmark_s: float, hung: Callable[[], bool]) -> None:
        """Write to the response until an order ends it."""
        while True:
            self._wake.clear()
            while self._orders:
                order = self._orders.popleft()
                if isinstance(order, Ended):
                    raise order
                await response.write(order)
            if not hung():
                if self._version < self._store.floor:
                    await response.write(error_event(410, "Expired", "too old resource version"))
                    raise Ended
                data = b"".join(self._events())
                if data:
                    await response.write(data)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(bookmark_s):
                    await self._wake.wait()
                continue
            if self._bookmarks and not hung():
                await response.write(self._bookmark())

    def _events(self) -> Iterator[bytes]:
        """What happened since, as one who sees only the matching objects sees it."""
        for change in self._store.since(self._version):
            self._version = change.version
            if change.plural != self.plural:
                continue
            before = change.before is not None and self._matches(change.before)
            after = change.after is not None and self._matches(change.after)
            if after:
                yield event("MODIFIED" if before else "ADDED", change.after)
            elif before and change.before is not None:
                # What left the selector is sent as it was, with the version at which it left.
                meta = change.before["metadata"] | {"resourceVersion": str(change.version)}
                yield event("DELETED", change.before | {"metadata": meta})

    def _bookmark(self) -> bytes:
        # Nulls where older servers write them.
        meta = {"resourceVersion": str(self._version), "creationTimestamp": None}
        obj = {
            "apiVersion": self._kind.api_version,
            "kind": self._kind.kind,
            "metadata": meta,
            "spec": {"containers": None},
        }
        return event("BOOKMARK", obj)


def event(kind: str, obj: Json | None) -> bytes:
    return msgspec.json.encode({"type": kind, "object": obj}) + b"\n"


def error_event(code: int, reason: str, message: str) -> bytes:
    return event("ERROR", status(code, reason, message))


def status(code: int, reason: str, message: str) -> Json:
    outcome = "Failure" if code >= 400 else "Success"
    return {"kind": "Status", "apiVersion": "v1", "status": outcome, "code": code, "reason": reason, "message": message}
