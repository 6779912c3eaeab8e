"""What pods are still to write, and whether whoever reads it waits for that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from scheduler.plugins import request
from scheduler.simulate import order, scenario


class Coming:
    """The outputs of pods that have not written them.

    Args:
        works: The pods.
        asked: By namespace/name, what each asks for.
    """

    def __init__(self, works: Iterable[scenario.Work], asked: Mapping[str, request.PodRequest]) -> None:
        self._after = {work.pod.key: work.after for work in works}
        self._place = {pod: place for place, pod in enumerate(order.ordered(self._after))}
        self._writers: dict[str, dict[str, None]] = {}  # by urn
        for pod in self._after:
            for each in asked[pod].transfers:
                if each.is_output:
                    self._writers.setdefault(each.urn, {})[pod] = None

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
