"""What has to be known of the cluster, and whether it is: nothing is concluded from what could not be read.

A source that was never read is unknown; one that can no longer be read stays as it was. Either is said to people, but a
server that is away for a moment is not: whoever cannot be reached cannot be written to either.
"""

from __future__ import annotations

import time
from typing import Any, Final, Protocol

from scheduler import errors
from scheduler.kube import informer

_PATIENCE_S: Final = 300.0  # for a server that is away, overloaded, or has just been restarted
_FIRST_S: Final = 60.0  # for the very first answer


class Source(Protocol):
    """Something that is read or watched."""

    @property
    def is_known(self) -> bool:
        """Whether it was ever read completely."""

    @property
    def is_settled(self) -> bool:
        """Whether it is known, or was refused: nobody has to wait for it."""

    @property
    def misfits(self) -> frozenset[str]:
        """The names of what is there and cannot be decoded, with their namespaces if they have one."""

    @property
    def complaint(self) -> str:
        """Why it is not known as it is now, in a word or two; "" where there is nothing to say."""


class Read:
    """A source that is read now and then."""

    def __init__(self) -> None:
        self._is_known = False
        self._misfits: frozenset[str] = frozenset()
        self._fault: Exception | None = None
        self._good_s = time.monotonic()

    @property
    def is_known(self) -> bool:
        return self._is_known

    @property
    def misfits(self) -> frozenset[str]:
        return self._misfits

    @property
    def is_settled(self) -> bool:
        return self.is_known or self._fault is not None

    @property
    def complaint(self) -> str:
        return _complaint(self._fault, self.misfits, is_known=self.is_known, good_s=self._good_s)

    def succeeded(self, misfits: frozenset[str] = frozenset()) -> None:
        self._is_known, self._misfits, self._fault, self._good_s = True, misfits, None, time.monotonic()

    def failed(self, error: Exception) -> None:
        self._fault = error


class Watched:
    """A source that an informer follows."""

    def __init__(self, watch: informer.Informer[Any]) -> None:
        self._watch = watch
        self._born_s = time.monotonic()

    @property
    def is_known(self) -> bool:
        return self._watch.synced.is_set()

    @property
    def is_settled(self) -> bool:
        return self.is_known or (self._watch.fault is not None and not _is_passing(self._watch.fault))

    @property
    def misfits(self) -> frozenset[str]:
        return frozenset("/".join(filter(None, place)) for place in self._watch.misfits)

    @property
    def complaint(self) -> str:
        good_s = self._watch.last_event_s if self.is_known else self._born_s
        return _complaint(self._watch.fault, self.misfits, is_known=self.is_known, good_s=good_s)


def _is_passing(fault: Exception) -> bool:
    return isinstance(fault, errors.UnreachableError | errors.ThrottledError | errors.GoneError)


def _complaint(fault: Exception | None, misfits: frozenset[str], *, is_known: bool, good_s: float) -> str:
    patience_s = _PATIENCE_S if is_known else _FIRST_S
    is_late = time.monotonic() - good_s > patience_s
    if fault is not None and (is_late or not _is_passing(fault)):
        # Not the whole message: it is in the log, and may differ from one attempt to the next.
        return f"{fault.status or ''} {fault.reason}".strip() if isinstance(fault, errors.ApiError) else "not readable"
    if not is_known and is_late:
        return "no answer"
    if misfits:
        return f"{len(misfits)} cannot be decoded, such as {min(misfits)}"
    return ""
