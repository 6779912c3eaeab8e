"""What became of each case, one line of JSON each: kept as they come, so that a run that ended early goes on."""

from __future__ import annotations

import pathlib

import msgspec

from benchmarks.quality import cases, chain
from scheduler.simulate import figures


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A case and what came of it.

    Attributes:
        figures, parts: None where it failed; ``fault`` says why.
        cpu_s: Of the simulation, with its scheduler.
    """

    case: cases.Case
    figures: figures.Figures | None = None
    parts: chain.Parts | None = None
    cpu_s: float = 0.0
    fault: str = ""


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Result)


def read(path: pathlib.Path) -> list[Result]:
    """Those of a file, if there is one; a last line that was cut off counts as not there."""
    if not path.exists():
        return []
    *whole, _cut = path.read_bytes().split(b"\n")
    return [_DECODER.decode(line) for line in whole]


class Book:
    """A file of results that grows.

    Attributes:
        kept: What was in it.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.kept = read(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        path.write_bytes(b"".join(_line(one) for one in self.kept))

    def add(self, found: Result) -> None:
        """Write one more."""
        with self._path.open("ab") as file:
            file.write(_line(found))


def _line(one: Result) -> bytes:
    return _ENCODER.encode(one) + b"\n"
