"""TLS of one connection, apart from its socket, so that a request is encrypted before the fence is asked.

The ssl module's own sockets encrypt and send in one call. A process that is stopped within it sends when it goes on,
whatever became of its lease meanwhile, and encrypting takes most of that call.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Final

READ_BYTES: Final = 2**16


class Sealing:
    """Turns what is said into what is sent, and back.

    Args:
        name: By which the server's certificate is checked.
    """

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._goes, server_hostname=name)

    async def shake_hands(self, connected: socket.socket) -> None:
        """Agree with the server; the connection is the caller's to close where that fails.

        Raises:
            OSError: it broke, or the server is not who it should be (SSLError).
        """
        loop = asyncio.get_running_loop()
        is_agreed = False
        while not is_agreed:
            try:
                self._tls.do_handshake()
                is_agreed = True
            except ssl.SSLWantReadError:
                pass
            if self._goes.pending:
                await loop.sock_sendall(connected, self._goes.read())
            if not is_agreed:
                self._take(await loop.sock_recv(connected, READ_BYTES))

    def seal(self, data: bytes) -> bytes:
        """What is sent for some bytes; who does not send it cannot use the connection any more."""
        left = memoryview(data)
        while left:  # one record at a time
            left = left[self._tls.write(left) :]
        return self._goes.read()

    def open(self, data: bytes) -> tuple[bytes, bool]:
        """What was said by what came, none of it being the end of the connection; and whether the server ends it.

        Raises:
            SSLEOFError: the connection ended without the server's word.
            SSLError: what came is not what the server sent.
        """
        self._take(data)
        said = []
        try:
            while piece := self._tls.read(READ_BYTES):
                said.append(piece)
        except ssl.SSLWantReadError:
            return b"".join(said), False
        return b"".join(said), True

    def _take(self, data: bytes) -> None:
        if data:
            self._came.write(data)
        else:
            self._came.write_eof()
