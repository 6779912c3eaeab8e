"""What there is to say of a file, and where: collected while it is read."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from scheduler import errors

Kind = Literal["problem", "ignored", "unreadable"]
PROBLEM: Final = "problem"
IGNORED: Final = "ignored"  # accepted, and without effect
UNREADABLE: Final = "unreadable"


class Mark(msgspec.Struct, frozen=True):
    """A place in a file, both counted from 1."""

    line: int = 1
    column: int = 1


class Finding(msgspec.Struct, frozen=True):
    """One thing to say.

    Attributes:
        object: What it is said of, such as ``Pod photos/resize``; "" for a file as a whole.
        path: The field that holds it.
        value: What stands there, in quotes and shortened; "" where that tells nothing.
    """

    file: str
    line: int
    column: int
    kind: Kind
    object: str
    path: str
    value: str
    message: str

    @property
    def text(self) -> str:
        """All but file, place and kind."""
        return ": ".join(part for part in (self.path, self.value, self.message) if part)


class Report:
    """What was read and found so far.

    Attributes:
        files, objects: How many were read.
    """

    def __init__(self) -> None:
        self.files = 0
        self.objects = 0
        self.found: list[Finding] = []

    def add(
        self, file: str, mark: Mark, kind: Kind, message: str, *, obj: str = "", path: str = "", value: str = ""
    ) -> None:
        message = message if message.isprintable() else errors.shorten(message, 500).strip('"')
        shown = "" if value == '""' else value
        self.found.append(Finding(file, mark.line, mark.column, kind, obj, path, shown, message))

    def count(self, kind: Kind) -> int:
        return sum(finding.kind == kind for finding in self.found)

    def in_order(self) -> list[Finding]:
        """By file as they were given, then by place; what is the same in all is told once."""
        files = {file: number for number, file in enumerate(dict.fromkeys(finding.file for finding in self.found))}
        return sorted(dict.fromkeys(self.found), key=lambda one: (files[one.file], one.line, one.column, one.path))
