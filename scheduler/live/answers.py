"""The long answers as JSON, in pieces: each takes some milliseconds, and the loop turns after it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from scheduler.kernel import asking, journal
from scheduler.live import storage

PIECE_BYTES: Final = 64 * 1024  # a millisecond's work or less

# How each section of an inventory begins and ends: objects by name, but for the links.
_SHAPE: Final = ((b"{", b"}"), (b"{", b"}"), (b"[", b"]"))


def inventory(found: storage.Inventory, after: storage.Position | None, limit: int) -> Iterator[bytes]:
    """The answer of /storage-info, a number of entries at a time; ``limit`` 0 for all."""
    entries = found.entries(after)
    told = itertools.islice(entries, limit) if limit else entries
    last: storage.Position | None = None
    section, is_first = -1, True
    piece = bytearray()
    for entry in told:
        kind, name, _ = last = entry.position
        while section < kind:
            piece += _next_section(section)
            section, is_first = section + 1, True
        piece += b"" if is_first else b","
        is_first = False
        if _SHAPE[kind][0] == b"{":
            piece += msgspec.json.encode(name) + b":"
        piece += msgspec.json.encode(entry.value)
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    while section < len(_SHAPE):
        piece += _next_section(section)
        section += 1
    rest: dict[str, Any] = {
        "dataObjects": found.data_objects,
        "bandwidth": found.bandwidth,
        "maxWitnessAgeSeconds": found.witness_max_age_s,
    }
    if limit and last is not None and next(entries, None) is not None:
        rest["continue"] = storage.position_text(last)
    yield bytes(piece + msgspec.json.encode(rest)[1:])


def _next_section(section: int) -> bytes:
    """What ends one section of an object and begins the next one, or what follows the last."""
    end = _SHAPE[section][1] + b"," if section >= 0 else b"{"
    if section + 1 == len(_SHAPE):
        return end
    return end + f'"{storage.SECTIONS[section + 1]}":'.encode() + _SHAPE[section + 1][0]


def gathered(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces."""
    piece = bytearray()
    for part in parts:
        piece += part
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


def decisions(
    pod: str, records: list[tuple[int, journal.Record]], limit: int, now: asking.Now | None
) -> Iterator[bytes]:
    """The answer of /explain, a decision at a time, and what would be decided now."""
    told = records[:limit] if limit else records
    yield b'{"pod":' + msgspec.json.encode(pod) + b',"decisions":['
    for count, (_, record) in enumerate(told):
        yield (b"," if count else b"") + msgspec.json.encode(record)
    more = b',"continue":' + msgspec.json.encode(str(told[-1][0])) if len(told) < len(records) else b""
    would = b',"now":' + msgspec.json.encode(now) if now is not None else b""
    yield b"]" + more + would + b"}"
