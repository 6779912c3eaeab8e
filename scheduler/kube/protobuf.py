"""The API server's own encoding, for the few small messages that are written by the thousand, and for its refusals.

What comes in JSON the server decodes by reflection, which costs it about as much as to store it
(docs/decisions/0009-protobuf.md). A message is the pieces of its fields one behind the other; a field that is empty or
0 is left out. The numbers of fields stand in the generated.proto beside each group of k8s.io/api and
k8s.io/apimachinery; like its JSON, an API version's numbers never change.
"""

from __future__ import annotations

import functools
from typing import Final

MEDIA_TYPE: Final = "application/vnd.kubernetes.protobuf"
MAGIC: Final = b"k8s\0"  # before an object, so that it cannot be mistaken for anything else

_NUMBER, _BYTES = 0, 2  # the wire types that are met here


def text(field: int, value: str) -> bytes:
    """A field that holds a string."""
    return _sized(field, value.encode()) if value else b""


def whole(field: int, value: int) -> bytes:
    """A field that holds a number, which is not negative."""
    return _varint(field << 3 | _NUMBER) + _varint(value) if value else b""


def message(field: int, *pieces: bytes) -> bytes:
    """A field that holds a message of such fields."""
    return _sized(field, b"".join(pieces))


def micro_time(field: int, since_1970_us: int) -> bytes:
    """A field that holds a MicroTime."""
    seconds, rest_us = divmod(since_1970_us, 1_000_000)
    return message(field, _seconds(seconds), whole(2, rest_us * 1000))


@functools.lru_cache(maxsize=4)
def _seconds(since_1970: int) -> bytes:
    return whole(1, since_1970)


def obj(api_version: str, kind: str, *pieces: bytes) -> bytes:
    """A body: an object with its kind (runtime.Unknown)."""
    return _beginning(api_version, kind) + message(2, *pieces)


@functools.lru_cache(maxsize=16)
def _beginning(api_version: str, kind: str) -> bytes:
    return MAGIC + message(1, text(1, api_version), text(2, kind))


def contents(body: bytes) -> bytes:
    """The object within a body.

    Raises:
        ValueError: it is no such body.
    """
    if not body.startswith(MAGIC):
        raise ValueError("not an object in protobuf")
    held = fields(body[len(MAGIC) :]).get(2, b"")
    if isinstance(held, int):
        raise ValueError("an object that is a number")  # noqa: TRY004 (of what came in, not of an argument)
    return held


def fields(data: bytes) -> dict[int, int | bytes]:
    """The fields of a message by number, strings and messages as their bytes; of one that is repeated, the last.

    Raises:
        ValueError: it is cut off, or holds what is not met here.
    """
    found: dict[int, int | bytes] = {}
    at = 0
    while at < len(data):
        key, at = _number(data, at)
        value, at = _number(data, at)
        if key & 7 == _NUMBER:
            found[key >> 3] = value
        elif key & 7 == _BYTES and at + value <= len(data):
            found[key >> 3] = data[at : at + value]
            at += value
        else:
            raise ValueError("a field that is cut off or of another type")
    return found


def _sized(field: int, value: bytes) -> bytes:
    if field < 16 and len(value) < 0x80:  # nearly always
        return _SINGLE[field << 3 | _BYTES] + _SINGLE[len(value)] + value
    return _varint(field << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    if value < 0x80:
        return _SINGLE[value]
    pieces = bytearray()
    while value >= 0x80:
        pieces.append(value & 0x7F | 0x80)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)


_SINGLE: Final = [bytes((value,)) for value in range(0x80)]


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number that begins there, and where it ends."""
    value = shift = 0
    while at < len(data) and shift < 64:
        value |= (data[at] & 0x7F) << shift
        if data[at] < 0x80:
            return value, at + 1
        at, shift = at + 1, shift + 7
    raise ValueError("a number that is cut off")
