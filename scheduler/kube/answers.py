"""Answers in HTTP/1.1, taken from the bytes of a connection as they come, however they were cut into pieces."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

HEAD_BYTES: Final = 2**16
BODY_BYTES: Final = 2**25  # an object is at most 1.5 MB (etcd's --max-request-bytes)
_HEXADECIMAL: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")


class Answer(NamedTuple):
    """What the server said; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class BrokenAnswerError(OSError):
    """What came is no answer in HTTP/1.1."""


class Reading:
    """One answer that is coming in."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body: _Body | None = None  # until the head is here

    def take(self, data: bytes) -> Answer | None:
        """The answer, once this was the last of it.

        Raises:
            BrokenAnswerError: it is none, or more came than belongs to it.
        """
        self._data += data
        try:
            coming = self._body = self._body or self._take_head()
            body = None if coming is None else coming.take(self._data)
        except ValueError as error:
            raise BrokenAnswerError(str(error)) from error
        if body is None:
            return None
        if self._data:
            raise BrokenAnswerError("bytes behind the answer")
        return Answer(self._status, self._headers, body)

    def end(self) -> Answer | None:
        """The answer, if what ends it is the end of the connection."""
        if self._body is None or not self._body.ends_with_connection:
            return None
        return Answer(self._status, self._headers, bytes(self._data))

    def _take_head(self) -> _Body | None:
        while self._status < 200:  # what comes before is no answer yet
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                if len(self._data) > HEAD_BYTES:
                    raise BrokenAnswerError("a head without end")
                return None
            self._status, self._headers = _head(bytes(self._data[:end]))
            del self._data[: end + 4]
        return _Body(self._status, self._headers)


class _Body:
    """How the body of an answer is delimited, and what of it has come."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self._is_chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        length = headers.get("content-length", "")
        self.ends_with_connection = not self._is_chunked and not length and status not in {204, 304}
        if length and not length.isdecimal():
            raise BrokenAnswerError("a length that is no number")
        self._length = int(length) if length and not self._is_chunked and status not in {204, 304} else 0
        self._chunks: list[bytes] = []

    def take(self, data: bytearray) -> bytes | None:
        """Take from ``data`` what belongs to the body; returns the whole body once it is there."""
        if len(data) > BODY_BYTES or self._length > BODY_BYTES:
            raise BrokenAnswerError("an answer that is too long")
        if self.ends_with_connection:
            return None
        if not self._is_chunked:
            if len(data) < self._length:
                return None
            body = bytes(data[: self._length])
            del data[: self._length]
            return body
        return self._take_chunks(data)

    def _take_chunks(self, data: bytearray) -> bytes | None:
        while (end := data.find(b"\r\n")) >= 0:
            digits = bytes(data[:end]).partition(b";")[0].strip()
            if not _HEXADECIMAL.fullmatch(digits):
                raise BrokenAnswerError("a chunk without a size")
            size = int(digits, 16)
            past = end + 2 + size + 2
            if len(data) < past:
                return None
            if data[past - 2 : past] != b"\r\n":
                raise BrokenAnswerError("a chunk that does not end, or a trailer")
            self._chunks.append(bytes(data[end + 2 : past - 2]))
            del data[:past]
            if not size:
                return b"".join(self._chunks)
        return None


def _head(data: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = data.decode("latin-1").split("\r\n")
    version, status, *_ = first.split(" ", 2)
    if version != "HTTP/1.1":
        raise BrokenAnswerError(f"{version[:20]!r} is not its version")
    return int(status), dict(map(_header, lines))


@functools.lru_cache(maxsize=64)
def _header(line: str) -> tuple[str, str]:
    """The name and the value in a line; most of them are the same in all answers."""
    name, colon, value = line.partition(":")
    if not colon:
        raise BrokenAnswerError("a header without a name")
    return name.lower(), value.strip()
