"""The event loop of asynchronous tests, which cuts at its end what was closed but still waits for the other side.

A TLS connection that somebody closed stays open until the other side has said goodbye, and nobody waits for that: a
watch that is cancelled, say, just goes away. Where the other side is busy at that moment, a loop that is closed leaves
the socket to the garbage collector, which warns of it, at any later time: as an error of whatever test runs then. What
nobody closed is left as it is, so that the warning tells of it. asyncio lists its connections nowhere in public, hence
the looks at what is its own.

Tests that are functions and ask something of a loop all the same ``run`` it on such a one.
"""

from __future__ import annotations

import asyncio
from asyncio import sslproto
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Loop(asyncio.SelectorEventLoop):
    """Ends with no connection half closed."""

    def close(self) -> None:
        if not self.is_closed():
            for transport in list(self._transports.values()):  # type: ignore[attr-defined]
                if _is_closing(transport):
                    transport.abort()
            for _ in range(2):  # the socket is closed in the next round, and who used it told in the one after
                self.run_until_complete(asyncio.sleep(0))
        super().close()


def _is_closing(transport: asyncio.Transport) -> bool:
    if transport._sock is None:  # type: ignore[attr-defined]
        return False  # it is closed
    protocol = transport.get_protocol()
    if isinstance(protocol, sslproto.SSLProtocol):
        above: asyncio.Transport | None = protocol._app_transport  # none yet, while hands are shaken
        return transport.is_closing() or (above is not None and above.is_closing())
    return transport.is_closing()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` on a loop of ours."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(coroutine)
