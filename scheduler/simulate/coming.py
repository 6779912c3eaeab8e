"""What pods are still to write, and whether whoever reads it waits for that."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

from scheduler.simulate import order


class Coming:
    """The outputs of pods that have not written them.

    Args:
        outputs: By pod (namespace/name), the urns that it writes.
        after: By pod, those that it comes after.
    """

    def __init__(self, outputs: Mapping[str, Iterable[str]], after: Mapping[str, Collection[str]]) -> None:
        self._after = after
        self._place = {pod: place for place, pod in enumerate(order.ordered(after))}
        self._writers: dict[str, dict[str, None]] = {}
        for pod, urns in outputs.items():
            for urn in urns:
                self._writers.setdefault(urn, {})[pod] = None

    def is_awaited(self, urn: str, reader: str) -> bool:
        """Whether a pod waits for something to be written: nobody does for what it or who comes after it writes."""
        writers = self._writers.get(urn, {})
        return any(writer != reader and not self._is_after(writer, reader) for writer in writers)

    def came(self, urn: str, writer: str) -> None:
        """It is written, or will not be: nobody waits for this pod's any more."""
        self._writers.get(urn, {}).pop(writer, None)

    def _is_after(self, later: str, earlier: str) -> bool:
        earliest = self._place.get(earlier, math.inf)
        seen, left = {later}, [later]
        while left:
            pod = left.pop()
            if pod == earlier:
                return True
            # In that order, who stands before cannot come after: mostly nobody has to be looked at.
            further = [one for one in self._after[pod] if one not in seen and self._place[one] >= earliest]
            seen.update(further)
            left += further
        return False
