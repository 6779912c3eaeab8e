"""Reads the small text files in which a kernel tells about its machine; one that cannot be read says nothing."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable


def text(path: pathlib.Path) -> str:
    """The file's text without white space around it, "" where there is none to be had."""
    try:
        return path.read_text(errors="replace").strip(" \t\r\n\0")
    except OSError:  # absent, not ours to read, or a driver that answers EINVAL
        return ""


def number(path: pathlib.Path) -> int | None:
    """The file's decimal number, None where it holds none."""
    try:
        return int(text(path))
    except ValueError:
        return None


def entries(path: pathlib.Path, pattern: str = "*") -> list[pathlib.Path]:
    """The entries of a folder that match, in the order of their names; none where it cannot be read."""
    try:
        return sorted(path.glob(pattern))
    except OSError:
        return []


def target(path: pathlib.Path) -> str:
    """The last part of what a symbolic link leads to, "" where there is no link.

    Links of sysfs are read, never followed out of the tree: below a mounted root they still lead where they say.
    """
    try:
        return path.readlink().name
    except OSError:
        return ""


def pairs(lines: Iterable[str], separator: str) -> dict[str, str]:
    """``key SEPARATOR value`` lines as a mapping, the first of each key."""
    found: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(separator)
        found.setdefault(key.strip(), value.strip())
    return found
