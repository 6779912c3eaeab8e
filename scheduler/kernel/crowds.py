"""Who is crowded out: pods whose namespace has its share of bindings under way, by namespace."""

from __future__ import annotations

from scheduler.kernel import lines, places, waiters


class Crowds:
    """The pods in their place, the first of each namespace at the head."""

    def __init__(self) -> None:
        self._of: dict[str, lines.Line] = {}

    def come(self, entry: waiters.Entry) -> None:
        """A pod is in its place now."""
        if entry.place is places.Place.CROWDED:
            self._of.setdefault(entry.namespace, lines.Line()).add(entry.uid, entry.rank)

    def leave(self, entry: waiters.Entry) -> None:
        """It is not in that place any more."""
        if entry.place is places.Place.CROWDED:
            line = self._of[entry.namespace]
            line.discard(entry.uid)
            if not line:
                del self._of[entry.namespace]

    def namespaces(self) -> list[str]:
        """Those with pods that wait for their own bindings."""
        return list(self._of)

    def first(self, namespace: str) -> str | None:
        """Of such a namespace, whose turn is the first, by uid."""
        head = self._of[namespace].head()
        return head[1] if head is not None else None
