"""Who reads what others write: of the pods that wait (gated ones, too), and as seen of earlier pods of their kind.

A pod that names a urn as an input reads what a pod of its namespace writes that names it as an output. Of pods that
wait both ends are known exactly. Where nobody waits for an output yet, but pods of the same workload
(scheduler.state.durations) wrote some before, the pods that read those tell what is to be expected: the last reader of
each kind stands for those to come, with what else it read.

How much depends on a pod is its upward rank: the seconds of its own work and transfers, and of the longest way from
there to the end of what is known of its pipeline. It is worked out when it is asked for, and kept until a pod joins or
leaves further down.
Source of the rank: Topcuoglu, Hariri, Wu, Performance-Effective and Low-Complexity Task Scheduling (HEFT), 2002.

Where a pod will write is known as soon as its node is, and before any DataObject says so.

All is bounded: of pods as the queue is, of what was learned by numbers below.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from scheduler.api import annotations as intents
from scheduler.api import core
from scheduler.state import durations

# Outputs of which it is remembered who wrote them, some 300 bytes each.
_WRITTEN: Final = 16_384
# Outputs of workloads of which readers are known, each reader a pod of some 3 kB.
_LEARNED: Final = 1024
_KINDS: Final = 4  # of readers of one output
# Transfers of a rank are reckoned at this rate, whoever they are between: it only compares pods.
_RANK_BYTES_PER_S: Final = 200_000_000  # config.Network: two zones of one region

Urn = tuple[str, str]  # namespace and urn
Output = tuple[durations.Workload, int]  # a workload, and which of its outputs


class Reader(NamedTuple):
    """A pod that reads an output.

    Attributes:
        output: The urn that is written.
        urn, size_bytes: What the reader itself calls it, and how much it reads of it.
        pod: The reader; one that stands for those to come where ``is_learned``.
    """

    output: str
    urn: str
    size_bytes: int
    pod: core.Pod
    is_learned: bool = False


class _Waits(NamedTuple):
    """A pod that waits, and what it reads and writes."""

    pod: core.Pod
    inputs: dict[Urn, int]  # with bytes
    outputs: tuple[Urn, ...]


class Pipelines:
    """The pods that wait for their nodes, by what they read and write.

    Args:
        known: How long pods work.
        learns: Whether it is remembered who read what of whom.
    """

    def __init__(self, known: durations.Durations, *, learns: bool = True) -> None:
        self._durations = known
        self._learns = learns
        self._waits: dict[str, _Waits] = {}  # by uid
        self._readers: dict[Urn, dict[str, None]] = {}  # uids, in the order in which they came
        self._writers: dict[Urn, dict[str, None]] = {}
        self._ranks: dict[str, float] = {}  # by uid, as far as they were asked for
        self._coming: dict[Urn, tuple[str, str]] = {}  # whose output, by uid, will lie on which node
        self._of_producer: dict[str, list[Urn]] = {}  # the same by uid
        self._written: dict[Urn, Output] = {}  # the latest last
        self._learned: dict[Output, dict[durations.Workload, Reader]] = {}  # likewise

    def set_learning(self, *, learns: bool) -> None:
        """Begin to remember, or cease to and forget what was."""
        self._learns = learns
        if not learns:
            self._written.clear()
            self._learned.clear()
        self._ranks.clear()

    # -------------------------------------------------------------------------------------------------- what is seen

    def waits(self, pod: core.Pod) -> None:
        """A pod waits, gated or not, as it is now."""
        uid, known = pod.metadata.uid, self._waits.get(pod.metadata.uid)
        intent = intents.parse(pod.metadata.annotations)[0]
        if not (intent.inputs or intent.outputs):
            if known is not None:
                self.leaves(uid)
            return
        namespace = pod.metadata.namespace
        inputs: dict[Urn, int] = {}
        for one in intent.inputs:
            inputs[namespace, one.urn] = max(one.size_bytes, inputs.get((namespace, one.urn), 0))
        now = _Waits(pod, inputs, tuple(dict.fromkeys([(namespace, one.urn) for one in intent.outputs])))
        if known is not None and (known.inputs, known.outputs) == (now.inputs, now.outputs):
            self._waits[uid] = now
            return
        if known is not None:
            self.leaves(uid)
        self._waits[uid] = now
        for urn in now.inputs:
            self._readers.setdefault(urn, {})[uid] = None
        for urn in now.outputs:
            self._writers.setdefault(urn, {})[uid] = None
        self._forget_ranks(now)
        if self._learns:
            self._remember(now)

    def leaves(self, uid: str) -> None:
        """A pod waits no longer."""
        known = self._waits.get(uid)
        if known is None:
            return
        self._forget_ranks(known)
        del self._waits[uid]
        for of, urns in ((self._readers, known.inputs), (self._writers, known.outputs)):
            for urn in urns:
                there = of[urn]
                del there[uid]
                if not there:
                    del of[urn]

    def placed(self, pod: core.Pod, outputs: Mapping[str, str]) -> None:
        """A pod has a node; ``outputs``: the nodes to which it will write, by urn."""
        uid, namespace = pod.metadata.uid, pod.metadata.namespace
        if outputs:
            self._of_producer[uid] = [(namespace, urn) for urn in outputs]
            self._coming.update({(namespace, urn): (uid, node) for urn, node in outputs.items()})

    def ended(self, uid: str) -> None:
        """A pod has no node any more: what it wrote is there, or will not come."""
        for urn in self._of_producer.pop(uid, ()):
            if urn in self._coming and self._coming[urn][0] == uid:
                del self._coming[urn]

    def known(self) -> list[str]:
        """The uids of all that wait."""
        return list(self._waits)

    # ------------------------------------------------------------------------------------------------ what is known

    def readers_of(self, pod: core.Pod) -> Iterator[Reader]:
        """Who will read what a pod writes, output by output: who waits for it, else who is to be expected."""
        namespace = pod.metadata.namespace
        outputs = intents.parse(pod.metadata.annotations)[0].outputs
        workload: durations.Workload | None = None
        for number, output in enumerate(outputs):
            urn = namespace, output.urn
            if urn in self._readers:
                for uid in self._readers[urn]:
                    reader = self._waits[uid]
                    yield Reader(output.urn, output.urn, reader.inputs[urn] or output.size_bytes, reader.pod)
            elif self._learned:
                workload = workload or durations.workload_of(pod)
                for learned in self._learned.get((workload, number), {}).values():
                    yield learned._replace(output=output.urn)

    def reads_alone(self, pod: core.Pod) -> bool:
        """Whether nobody else waits who reads what a pod reads."""
        waits = self._waits.get(pod.metadata.uid)
        return waits is not None and all(len(self._readers.get(urn, ())) <= 1 for urn in waits.inputs)

    def coming(self, namespace: str, urn: str) -> str | None:
        """The node on which an output will lie of a pod that has its node; None if there is none."""
        found = self._coming.get((namespace, urn))
        return found[1] if found is not None else None

    def producers(self) -> list[str]:
        """The uids of the pods whose outputs are to come."""
        return list(self._of_producer)

    def rank_s(self, pod: core.Pod) -> float:
        """Seconds from a pod's start to the end of what is known to come after it; 0 for one that moves no data."""
        uid = pod.metadata.uid
        if uid not in self._waits:
            return 0.0
        # Depth first, with the way back on a stack, for pipelines may be long. Who is on the way twice is in a circle.
        ways: list[tuple[str, Iterator[str]]] = [(uid, self._after(uid))]
        under_way = {uid}
        while ways and uid not in self._ranks:
            here, rest = ways[-1]
            following = next((one for one in rest if one not in self._ranks and one not in under_way), None)
            if following is not None:
                under_way.add(following)
                ways.append((following, self._after(following)))
                continue
            ways.pop()
            under_way.discard(here)
            longest_s = max([self._ranks.get(one, 0.0) for one in self._after(here)], default=0.0)
            self._ranks[here] = self._own_s(here) + longest_s
        return self._ranks[uid]

    def pipelines_of(self, pods: Sequence[core.Pod]) -> list[int | None]:
        """By pod a number that those of one pipeline have in common; None for those for whom nobody waits.

        They are of one if sooner or later the same pod waits for them; and if one owner made them, or they are named
        alike, as who reads of many names only some.
        """
        of: dict[str | tuple[str, str], int] = {}  # by uid, as reached from which pod; likewise by namespace and owner
        merged = list(range(len(pods)))

        def root(number: int) -> int:
            while merged[number] != number:
                merged[number] = number = merged[merged[number]]
            return number

        for number, pod in enumerate(pods):
            left = [pod.metadata.uid] if pod.metadata.uid in self._waits else []
            while left:
                uid = left.pop()
                if uid in of:
                    merged[root(number)] = root(of[uid])
                else:
                    of[uid] = number
                    left += self._after(uid)
            kind = durations.workload_of(pod)[:2]
            merged[root(number)] = root(of.setdefault(kind, number))
        awaited = {root(number) for number, pod in enumerate(pods) if self._is_awaited(pod)}
        return [root(number) if root(number) in awaited else None for number in range(len(pods))]

    def is_any_awaited(self) -> bool:
        """Whether anybody waits for what somebody else is to write."""
        return any(urn in self._readers for urn in self._writers)

    def _is_awaited(self, pod: core.Pod) -> bool:
        return pod.metadata.uid in self._waits and any(True for _ in self._after(pod.metadata.uid))

    # ------------------------------------------------------------------------------------------------------- inside

    def _after(self, uid: str) -> Iterator[str]:
        """Who waits for what a pod writes."""
        for urn in self._waits[uid].outputs:
            yield from self._readers.get(urn, ())

    def _own_s(self, uid: str) -> float:
        waits = self._waits[uid]
        transfers = intents.parse(waits.pod.metadata.annotations)[0]
        moved_bytes = math.fsum([one.size_bytes for one in (*transfers.inputs, *transfers.outputs)])
        return (self._durations.work_s(waits.pod) or 0.0) + moved_bytes / _RANK_BYTES_PER_S

    def _forget_ranks(self, of: _Waits) -> None:
        """A pod joined or left: those before it, as far as they have ranks, have others now."""
        before = [uid for urn in of.inputs for uid in self._writers.get(urn, ())]
        before.append(of.pod.metadata.uid)
        while before:
            uid = before.pop()
            if self._ranks.pop(uid, None) is not None:
                before += [one for urn in self._waits[uid].inputs for one in self._writers.get(urn, ())]

    def _remember(self, new: _Waits) -> None:
        """Note who wrote what this pod reads, and who reads what it writes, for those that come after them."""
        workload = durations.workload_of(new.pod)
        for number, urn in enumerate(new.outputs):
            _put_last(self._written, urn, (workload, number), _WRITTEN)
            for uid in self._readers.get(urn, ()):
                self._read((workload, number), urn, self._waits[uid])
        for urn in new.inputs:
            if (output := self._written.get(urn)) is not None:
                self._read(output, urn, new)

    def _read(self, output: Output, urn: Urn, by: _Waits) -> None:
        kinds = self._learned.pop(output, {})
        reader = Reader(urn[1], urn[1], by.inputs[urn], by.pod, is_learned=True)
        _put_last(kinds, durations.workload_of(by.pod), reader, _KINDS)
        _put_last(self._learned, output, kinds, _LEARNED)


K = TypeVar("K")
V = TypeVar("V")


def _put_last(of: dict[K, V], key: K, value: V, most: int) -> None:
    """Put an entry at the end; the first makes room where there are too many."""
    of.pop(key, None)
    of[key] = value
    if len(of) > most:
        del of[next(iter(of))]
