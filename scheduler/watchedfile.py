"""A configuration file that is read again when it changes: a good one counts, a bad one changes nothing.

A mounted ConfigMap is a link that is set to another folder; files are told apart by what the link leads to.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from scheduler import errors

log = structlog.get_logger(__name__)

S = TypeVar("S")


class Source(Generic[S]):
    """The file as it changes under a running process.

    Args:
        path: None for no file, where the default counts for ever.
        load: Reads the file; raises InputError for one that cannot be used.

    Attributes:
        settings: What counts now.
        is_good: Whether the file as it is now could be read.
        again: How many times it was read since the first.

    Raises:
        InputError: it cannot be used the first time.
    """

    def __init__(self, path: str | None, load: Callable[[str], S], default: S) -> None:
        self._path = path
        self._load = load
        self._seen = _signature(path)
        self.settings = load(path) if path else default
        self.is_good = True
        self.again = 0

    def refresh(self) -> bool:
        """Read the file again if it changed; returns whether other settings count now. Blocks for a file's time."""
        seen = _signature(self._path)
        if self._path is None or seen == self._seen:
            return False
        self._seen = seen
        self.again += 1
        before = self.settings
        try:
            self.settings = self._load(self._path)
        except errors.InputError as error:
            self.is_good = False
            log.warning("configuration not taken over, the last good one stays", error=str(error))
            return False
        self.is_good = True
        log.info("configuration read again", file=self._path, changed=self.settings != before)
        return self.settings != before


def _signature(path: str | None) -> tuple[int, ...]:
    """What tells one state of a file from another."""
    try:
        stat = pathlib.Path(path or "").stat()
    except OSError:
        return ()
    return (stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size)
