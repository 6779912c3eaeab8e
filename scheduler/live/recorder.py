"""Writes a recording of the kernel's run to a file (scheduler.kernel.recording), for who reports or looks for a defect.

Each input is written as it is taken in, so that a run that ends badly is recorded up to its end. It holds all that the
scheduler reads of the cluster: names, labels and annotations of everybody's pods. It is bounded: at its limit the
recording ends, which is a shorter recording, and the log says so; likewise where it cannot be written.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from typing import Final

import structlog

from scheduler import errors
from scheduler.kernel import commands, events, recording

log = structlog.get_logger(__name__)

LIMIT_BYTES: Final = 2**30  # about 100,000 pods from their creation to their binding


class Recorder:
    """Writes to a file that is made anew.

    Raises:
        InputError: the file cannot be made.
    """

    def __init__(self, path: pathlib.Path, header: recording.Header, limit_bytes: int = LIMIT_BYTES) -> None:
        try:
            path.touch(mode=0o600)
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise errors.InputError("--record", path, f"cannot be written: {error.strerror or error}") from error
        self._path = path
        self._left_bytes = limit_bytes
        self._add(recording.first_line(header))

    def write(self, sequence: int, event: events.Event, followed: Iterable[commands.Command] | None) -> None:
        """Keep an input with its number and the commands that followed, None where it met a defect."""
        if not self._file.closed:
            self._add(recording.line(sequence, event, followed))

    def close(self) -> None:
        self._file.close()

    def _add(self, data: bytes) -> None:
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            log.warning("recording ends, as it has reached its limit", file=str(self._path))
            self._file.close()
            return
        try:
            self._file.write(data)
        except OSError as error:
            log.warning("recording ends, as it cannot be written", file=str(self._path), error=str(error))
            self._file.close()
