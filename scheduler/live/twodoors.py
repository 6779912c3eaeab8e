"""Two watches of the same objects, Kopf's and the informers', and which of them tells the kernel.

Informers follow everything anyway. Kopf watches our pending pods and both custom resources too, and in calm times it is
the door: it tells the kernel, and the informers only see to it that nothing is forgotten. An event costs Kopf eight
times what it costs an informer, so in a surge, during the first lists, and whenever Kopf does not watch, the informers
tell the kernel at once. Either way the kernel hears the same: an object as it is, or that it is gone.

Both doors may tell of one object, in any order. A version that is not newer than what was told is left out, and so is
an object that is gone, as no uid ever comes back. Hence the doors may change at any moment: whatever the informers know
and the kernel has not heard is told when they take over, or when Kopf is late.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from scheduler import errors
from scheduler.api import core
from scheduler.kube import informer
from scheduler.live import metrics

KOPF: Final = "kopf"
INFORMER: Final = "informer"

REMEMBERED: Final = 10_000  # objects that are gone, of which Kopf may still have an event to tell: seconds of a surge

T = TypeVar("T", bound=informer.HasMetadata)


@dataclasses.dataclass(frozen=True)
class Law:
    """When which door speaks.

    Attributes:
        surge_per_s: More news than that within a second (new pods, changes of custom resources) are a surge. Kopf takes
            about 1.5 ms of CPU more for one than an informer does (docs/decisions/0006-pods-by-two-doors.md): up to
            here less than a tenth of the one core that decides.
        quiet_s: So long after the last such second it is calm again. To begin and to end its watches costs Kopf 25 ms,
            so that it may come and go with every wave of pods, but not with every breath.
        late_s: What the informer saw and Kopf has not told of for so long, the informer tells.
    """

    surge_per_s: int = 60
    quiet_s: float = 10.0
    late_s: float = 1.0


LAW: Final = Law()


class Surge:
    """Notices that much happens at once, and that it no longer does.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, law: Law, clock: Callable[[], float]) -> None:
        self._law = law
        self._clock = clock
        self._second_ends = 0.0
        self._count = 0
        self._calm_from = clock() + law.quiet_s

    def came(self) -> None:
        """There is news of one more object."""
        now = self._clock()
        if now >= self._second_ends:
            self._second_ends, self._count = now + 1.0, 0
        self._count += 1
        if self._count > self._law.surge_per_s:
            self._calm_from = now + self._law.quiet_s

    def left_s(self) -> float:
        """In how many seconds it will be calm at the earliest; 0 or less where it is."""
        return self._calm_from - self._clock()

    def suppose(self) -> None:
        """Count this moment as one of a surge, such as one at which Kopf failed."""
        self._calm_from = self._clock() + self._law.quiet_s


class Switch:
    """Which door speaks, for all kinds alike: one core has to bear them all.

    Attributes:
        taken_over: Set while the informers speak.
        surge: Whether much happens.
    """

    def __init__(self, *, clock: Callable[[], float], law: Law | None = None) -> None:
        self.taken_over = asyncio.Event()
        self.taken_over.set()
        self.clock = clock
        self._law = law or LAW
        self.surge = Surge(self._law, clock)
        self._tell_since: list[Callable[[float], None]] = []

    @property
    def source(self) -> str:
        """Which door speaks, KOPF or INFORMER."""
        return INFORMER if self.taken_over.is_set() else KOPF

    def attend(self, tell_since: Callable[[float], None]) -> None:
        """Have what a kind has not told since a time told when its time has come."""
        self._tell_since.append(tell_since)

    def take_over(self) -> None:
        """From now on the informers tell, beginning with what Kopf has not told yet."""
        self.taken_over.set()
        self._tell(self.clock())

    def hand_over(self) -> None:
        """From now on Kopf tells."""
        self.taken_over.clear()

    def remind(self) -> None:
        """Tell what Kopf is late with."""
        self._tell(self.clock() - self._law.late_s)

    def _tell(self, since: float) -> None:
        for tell_since in self._tell_since:
            tell_since(since)


class Heard(Generic[T]):
    """The objects of one kind as both doors tell of them.

    Args:
        tell: Hears of each version once, the newest last.
    """

    def __init__(self, switch: Switch, kind: type[T], tell: Callable[[T], None], counters: metrics.Metrics) -> None:
        self._switch = switch
        self._kind = kind
        self._hear = tell
        self._metrics = counters
        self._known: dict[str, T] = {}  # by uid, the newest version that either door brought
        self._untold: dict[str, float] = {}  # of those the uids of which nobody was told, since when
        self._gone: collections.OrderedDict[str, None] = collections.OrderedDict()  # uids, the latest last
        switch.attend(self._tell_since)

    def knows(self, uid: str) -> bool:
        """Whether a version of an object was brought by either door, and it is not gone."""
        return uid in self._known

    def by_kopf(self, body: Mapping[str, Any]) -> None:
        """Kopf brings an object, as given; while the informers speak it is not heard, for they bring it too."""
        if self._switch.source != KOPF:
            return
        meta = body["metadata"]
        uid, version = meta["uid"], _number(meta.get("resourceVersion", ""))
        known = self._known.get(uid)
        if uid in self._gone or (known is not None and version and version < _version(known)):
            return
        if known is not None and version and version == _version(known):
            if uid in self._untold:  # the informer has read it already
                self._tell(uid, known)
            return
        try:
            obj = core.convert(body, self._kind, self._kind.__name__)
        except errors.InputError:
            return  # the informer says so, and counts it
        self._known[uid] = obj
        self._tell(uid, obj)

    def by_informer(self, obj: T) -> None:
        """An informer brings an object, as given."""
        uid = obj.metadata.uid
        known = self._known.get(uid)
        if uid in self._gone or (known is not None and 0 < _version(obj) <= _version(known)):
            return
        self._known[uid] = obj
        if self._switch.source == INFORMER:
            self._tell(uid, obj)
            return
        self._untold.setdefault(uid, self._switch.clock())
        if self._switch.surge.left_s() > 0:
            self._switch.take_over()

    def gone(self, uid: str) -> None:
        """An object is there no longer, or is not of those that are followed any more: nothing is told of it again."""
        self._known.pop(uid, None)
        self._untold.pop(uid, None)
        self._gone[uid] = None
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)

    def _tell_since(self, moment: float) -> None:
        for uid in [uid for uid, since in self._untold.items() if since <= moment]:
            obj = self._known[uid]
            with self._metrics.failures.contained("watch", object=f"{obj.metadata.namespace}/{obj.metadata.name}"):
                self._tell(uid, obj)

    def _tell(self, uid: str, obj: T) -> None:
        self._untold.pop(uid, None)
        self._hear(obj)


def name_of(body: Mapping[str, Any]) -> str:
    """Namespace and name of an object of which nothing is sure."""
    meta = body.get("metadata") or {}
    return f"{meta.get('namespace', '')}/{meta.get('name', '')}"


def _version(obj: informer.HasMetadata) -> int:
    return _number(obj.metadata.resource_version)


def _number(version: str) -> int:
    """Where in the order of an object's versions one is; the API server counts them upwards. 0: cannot be compared."""
    return int(version) if version.isdecimal() else 0
