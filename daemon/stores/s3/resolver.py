"""Finds the addresses of a store's host name, so that a name server that hangs holds up that store alone.

The system's look-up blocks a thread, and the loop's threads are few and everybody's. So each client has one of its own,
made when there is a name to look up: while it is stuck, further look-ups of that store wait for it, and are given up
with what wanted them.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from concurrent import futures

from aiohttp import abc


class Resolver(abc.AbstractResolver):
    """One store's."""

    def __init__(self) -> None:
        self._thread: futures.ThreadPoolExecutor | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[abc.ResolveResult]:
        self._thread = self._thread or futures.ThreadPoolExecutor(1, thread_name_prefix="resolver")
        flags = socket.AI_ADDRCONFIG  # as aiohttp's own
        ask = functools.partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=flags)
        found = await asyncio.get_running_loop().run_in_executor(self._thread, ask)
        return [
            abc.ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False, cancel_futures=True)
