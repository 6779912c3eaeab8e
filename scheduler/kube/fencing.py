"""Keeps a process that may not write, or not any more, from doing so.

A fence is a function that gives the seconds for which this process may still have a write under way. No write is sent
when they are over, and none is waited for beyond them. It is asked when a request is made, and again for each attempt,
between the last turn of the event loop and the bytes: a process that was stopped (SIGSTOP, a frozen cgroup or machine)
while its request stood in a line for a connection sends nothing when it goes on.

What is left is a stop that falls between that look at the clock and the system call. Nothing is awaited there, and the
request is encrypted by then (scheduler.kube.sealing), so it is a microsecond or two; of SIGCONT the process hears
before the next instruction of Python (scheduler.live.app). A frozen cgroup or machine gives no such sign. It would take
the API server's help to shut that, too; there a second Binding of a pod is refused in any case. An event loop that
collects what is written, as uvloop does, widens the gap to one of its turns.

Bytes that were sent while it was allowed must not arrive much later either. A kernel repeats what is not acknowledged
for a quarter of an hour, even for a process that is stopped; with ``unacknowledged_s`` it drops it after that time.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from aiohttp import abc, payload

from scheduler import errors

Fence = Callable[[], float]

Address = tuple[int, int, int, str, tuple[Any, ...]]  # as getaddrinfo gives it


class Body(payload.BytesPayload):
    """A request's body that is sent, together with the headers before it, only while the fence stands open.

    aiohttp holds the headers back until it has the first bytes of the body, so that all of a request goes out in one
    call of ``write_with_length``, within which nothing that waits is awaited.
    """

    def __init__(self, body: bytes, fence: Fence) -> None:
        super().__init__(body)
        self._fence = fence

    async def write_with_length(self, writer: abc.AbstractStreamWriter, content_length: int | None) -> None:
        if self._fence() <= 0:
            raise errors.FencedError
        await super().write_with_length(writer, content_length)


def sockets(unacknowledged_s: float | None) -> Callable[[Address], socket.socket] | None:
    """What makes the sockets of a connector; None where the usual ones will do."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux alone has it
    if unacknowledged_s is None or option is None:
        return None
    limit_ms = max(1, int(unacknowledged_s * 1000))

    def make(address: Address) -> socket.socket:
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.IPPROTO_TCP, option, limit_ms)
        return made

    return make
