"""Who would be placed together with others of its kind, and where it is: ready for that, or crowded out."""

from __future__ import annotations

from scheduler.kernel import lines, places, waiters


class Company:
    """Pods by where they are; the most urgent ones count, for they have their turns first."""

    def __init__(self) -> None:
        self._ready, self._crowd = lines.Line(), lines.Line()

    def come(self, entry: waiters.Entry) -> None:
        """A pod is in its place now."""
        if entry.place is places.Place.CROWDED:
            entry.company = self._crowd if entry.joins else None
        elif entry.place is places.Place.ACTIVE or entry.place is places.Place.ASKED:
            entry.company = self._ready if entry.joins else None
        if entry.company is not None:
            entry.company.add(entry.uid, entry.rank)

    def leave(self, entry: waiters.Entry) -> None:
        """It is not in that place any more."""
        if entry.company is not None:
            entry.company.discard(entry.uid)
            entry.company = None

    def is_ready(self, priority: int) -> bool:
        """Whether somebody of this priority is ready, or about to be."""
        return _first(self._ready, priority) is not None

    def in_crowd(self, priority: int) -> str | None:
        """The first of this priority that is crowded out, by uid."""
        return _first(self._crowd, priority)


def _first(line: lines.Line, priority: int) -> str | None:
    head = line.head()
    return head[1] if head is not None and -head[0][0] == priority else None
