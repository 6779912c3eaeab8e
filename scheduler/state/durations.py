"""How long workloads work, learned from pods that were seen to run and to finish; used where nobody declares it.

A workload is what pods have in common that come again: namespace, the name of their controller (else their own) without
the part that is made up for each, images, and how much they read of which bucket, in steps of four. A run took the
seconds from its start to its end but for those that its transfers were reckoned to take.

Kept is the mean of the runs' logarithms, for durations spread over decades. In it the n-th run counts 1/n, but at least
_NEWEST, so that the mean follows a workload that changes; and a run counts as at most _FARTHEST times off it, so that
one that hung or died early moves it little. A pod that was deleted before it ended, or whose node was lost, tells
nothing. What was added to the longest ago makes room, and what is too old is not believed.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Final

from scheduler.api import annotations as intents
from scheduler.api import core, units

_NEWEST: Final = 0.25
_FARTHEST: Final = 4.0
# One run may have been the one that failed at once.
_ENOUGH: Final = 2
# Some 500 bytes each.
_KEPT: Final = 8192
_OLD_S: Final = 14 * 86400.0
# What is shorter is as short as anything: logarithms end somewhere.
_SHORTEST_S: Final = 0.001
# Of a run that lasts longer than it should: how much of its whole time it is still taken to need.
_OVERDUE: Final = 0.1

# What controllers append: a number (Jobs of a CronJob, completions, replicas), or letters and digits of which names are
# made up (k8s.io/apimachinery/pkg/util/rand: no vowels, and neither 0, 1 nor 3; 5 for a pod, up to 10 for a template).
_MADE_UP: Final = re.compile(r"(?:-(?:[0-9]+|[bcdfghjklmnpqrstvwxz2456789]{5,10}))+$")

Reads = tuple[tuple[str, int], ...]
"""Buckets, and the logarithm of the bytes that are read of each, to the base of four."""

Workload = tuple[str, str, tuple[str, ...], Reads]
"""Namespace, name, images, what is read."""


def workload_of(pod: core.Pod) -> Workload:
    """What a pod has in common with those of its kind."""
    meta = pod.metadata
    owner = next((one.name for one in meta.owner_references if one.controller), meta.name)
    read_bytes: dict[str, int] = {}
    for transfer in intents.parse(meta.annotations)[0].inputs:
        read_bytes[transfer.bucket] = read_bytes.get(transfer.bucket, 0) + transfer.size_bytes
    reads = tuple(sorted((bucket, size_bytes.bit_length() // 2) for bucket, size_bytes in read_bytes.items()))
    images = tuple([container.image for container in pod.spec.containers])
    return meta.namespace, _MADE_UP.sub("", owner), images, reads


@dataclasses.dataclass(slots=True)
class Run:
    """A pod at work.

    Attributes:
        seen_s: When it was first known to be on its node, in the seconds that inputs come with.
        started_s: When it started by its node's clock, in seconds since 1970; None where it began before our eyes.
        transfers_s: What its transfers were reckoned to take.
    """

    seen_s: float
    started_s: float | None = None
    transfers_s: float = 0.0


@dataclasses.dataclass(slots=True)
class _Estimate:
    mean: float  # of logarithms of seconds
    runs: int
    added_s: float


class Durations:
    """What is learned, and the runs that it is learned of.

    Args:
        learns: Whether anything is; if not, only what pods declare is known.
    """

    def __init__(self, *, learns: bool = True) -> None:
        self._learns = learns
        self._runs: dict[str, Run] = {}  # by uid
        self._known: dict[Workload, _Estimate] = {}  # what was used last, last
        self._now_s = 0.0
        self._ahead_s: float | None = None  # from the seconds that inputs come with to those since 1970

    def set_learning(self, *, learns: bool) -> None:
        """Begin to learn, or cease to and forget what was learned."""
        self._learns = learns
        if not learns:
            self._known.clear()

    def at(self, now_s: float, wall_s: float) -> None:
        """It is so late, by both clocks."""
        self._now_s = now_s
        self._ahead_s = wall_s - now_s

    # -------------------------------------------------------------------------------------------------- what is seen

    def placed(self, pod: core.Pod, transfers_s: float, now_s: float) -> None:
        """A pod is about to start on a node, where its transfers take so long."""
        self._runs[pod.metadata.uid] = Run(now_s, transfers_s=transfers_s)

    def withdrawn(self, uid: str) -> None:
        """It does not start there after all."""
        self._runs.pop(uid, None)

    def began(self, pod: core.Pod, now_s: float) -> None:
        """A pod is on a node."""
        if pod.metadata.uid not in self._runs:
            self._runs[pod.metadata.uid] = Run(now_s, units.time_s(pod.status.start_time))

    def ended(self, pod: core.Pod, now_s: float, *, is_lost: bool) -> None:
        """A pod is on no node any more; ``is_lost``: by a fault of its node's, not because its work was done."""
        run = self._runs.pop(pod.metadata.uid, None)
        if run is None or is_lost or not self._learns or pod.metadata.deletion_timestamp:
            return
        whole_s = self._elapsed_s(run, now_s)
        if whole_s is not None:
            # Transfers that were reckoned too long leave a share, for work takes some time.
            self._learn(workload_of(pod), max(whole_s - run.transfers_s, _OVERDUE * whole_s, _SHORTEST_S), now_s)

    # ------------------------------------------------------------------------------------------------ what is known

    def learned_s(self, pod: core.Pod) -> float | None:
        """How long pods of its workload work; None where too few were seen."""
        if not self._known:
            return None
        workload = workload_of(pod)
        found = self._known.get(workload)
        if found is None or found.runs < _ENOUGH or self._now_s - found.added_s > _OLD_S:
            return None
        return math.exp(found.mean)

    def work_s(self, pod: core.Pod) -> float | None:
        """How long a pod works, as it declares or as was learned; None where neither is known."""
        return intents.parse(pod.metadata.annotations)[0].processing_s or self.learned_s(pod)

    def left_s(self, pod: core.Pod, now_s: float) -> float | None:
        """How long a pod on a node is still going to stay there; None where that is not known."""
        run, work_s = self._runs.get(pod.metadata.uid), self.work_s(pod)
        if run is None or work_s is None:
            return None
        elapsed_s = self._elapsed_s(run, now_s)
        whole_s = work_s + run.transfers_s
        return max(whole_s - elapsed_s, _OVERDUE * whole_s) if elapsed_s is not None else None

    def at_work(self) -> list[str]:
        """The uids of the pods that are on nodes."""
        return list(self._runs)

    def count(self) -> int:
        """Workloads of which something is known."""
        return len(self._known)

    def _elapsed_s(self, run: Run, now_s: float) -> float | None:
        if run.started_s is None:
            return now_s - run.seen_s
        return max(0.0, now_s + self._ahead_s - run.started_s) if self._ahead_s is not None else None

    def _learn(self, workload: Workload, work_s: float, now_s: float) -> None:
        new = math.log(work_s)
        found = self._known.pop(workload, None)
        if found is None or now_s - found.added_s > _OLD_S:
            found = _Estimate(new, 0, now_s)
        found.runs += 1
        off = min(max(new - found.mean, -math.log(_FARTHEST)), math.log(_FARTHEST))
        found.mean += off * max(1 / found.runs, _NEWEST)
        found.added_s = now_s
        self._known[workload] = found
        if len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
