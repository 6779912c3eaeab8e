"""What pods have moved to their nodes and from them: from where and to where, and who waits for what meanwhile.

Each input is fetched from where it can be had soonest, as far as can be told when that begins; one that is still to be
written is waited for, as is one that can be had nowhere just now. An output goes where it can be written soonest. What
nobody knows of adds nothing. Where nodes keep what pods fetch, whoever needs the same there meanwhile waits for it with
the first; images are always kept, and shared in that way.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable, Mapping

from scheduler.api import core
from scheduler.plugins.data import spread, wanted
from scheduler.simulate import agenda, coming, ground, hauling, outcome, scenario, stock, wires

Kind = outcome.Kind
Key = tuple[Kind, int, str, str]


@dataclasses.dataclass(slots=True, eq=False)
class Waiter:
    """A pod on its node, in a stage of its life.

    Attributes:
        then: What follows when nothing is left to wait for.
        errands: What it waits for.
        is_lost: Whether it is gone before its end.
    """

    pod: core.Pod
    slot: int
    then: Callable[[], None]
    errands: dict[Errand, None] = dataclasses.field(default_factory=dict)
    is_lost: bool = False


@dataclasses.dataclass(slots=True, eq=False)
class Errand:
    """Something that has to be moved to a node or from it, for those who wait for it.

    Attributes:
        by: The pod that it was begun for.
        is_kept: Whether the node keeps it, so that it goes on whoever waits.
        haul: The transfer, while it is under way.
    """

    kind: outcome.Kind
    by: core.Pod
    one: wanted.Wanted
    slot: int
    is_kept: bool
    waiters: dict[Waiter, None] = dataclasses.field(default_factory=dict)
    haul: hauling.Haul | None = None

    @property
    def key(self) -> Key:
        """Two that are equal in this bring the same."""
        return self.kind, self.slot, self.by.metadata.namespace, self.one.urn


class _Found(enum.Enum):
    UNDER_WAY = enum.auto()
    AWAITED = enum.auto()
    NOTHING = enum.auto()  # nobody knows of any place: it adds nothing


class Errands:
    """Has them run.

    Args:
        images: Those that nodes pull, by name, and from where.
        keeps_inputs: Whether nodes keep what pods fetch.
        to_come: What pods are still to write.
        pulled: Told of a node that holds one more image.
    """

    def __init__(
        self,
        *,
        grounds: ground.Ground,
        on: wires.Wires,
        hauls: hauling.Hauling,
        objects: stock.Stock,
        to_come: coming.Coming,
        images: Mapping[str, tuple[scenario.Image, spread.End]],
        keeps_inputs: bool,
        time: agenda.Agenda,
        pulled: Callable[[core.Node], None],
    ) -> None:
        self._ground = grounds
        self._wires = on
        self._hauling = hauls
        self._stock = objects
        self._to_come = to_come
        self._images = images
        self._keeps_inputs = keeps_inputs
        self._time = time
        self._pulled = pulled
        self._shared: dict[Key, Errand] = {}
        self._of: dict[hauling.Haul, Errand] = {}
        self._waiting: dict[str, dict[Errand, None]] = {}  # by urn: those that wait for something to change
        self._kept: set[tuple[int, str, str]] = set()

    def run(self, waiter: Waiter, kind: outcome.Kind, wants: Iterable[wanted.Wanted]) -> None:
        """Have all of it moved for a pod, and go on with it then."""
        for one in wants:
            is_kept = kind is Kind.IMAGE or (kind is Kind.INPUT and self._keeps_inputs)
            errand = Errand(kind, waiter.pod, one, waiter.slot, is_kept)
            if is_kept and errand.key in self._shared:
                errand = self._shared[errand.key]
            elif self._begin(errand) is _Found.NOTHING:
                continue
            errand.waiters[waiter] = None
            waiter.errands[errand] = None
        if not waiter.errands:
            waiter.then()

    def bring(self, namespace: str, urn: str, slot: int) -> None:
        """Have a node fetch something in advance, for nobody, and keep it."""
        nobody = core.Pod(core.ObjectMeta(namespace=namespace))
        errand = Errand(Kind.INPUT, nobody, wanted.Wanted(urn, 0, 0.0, is_output=False), slot, is_kept=True)
        if errand.key not in self._shared:
            self._begin(errand)

    def leave(self, waiter: Waiter) -> None:
        """A pod is lost: what was moved for it alone is broken off."""
        waiter.is_lost = True
        for errand in waiter.errands:
            del errand.waiters[waiter]
            if not errand.waiters and not (errand.is_kept and errand.haul is not None):
                self._drop(errand)
        waiter.errands.clear()

    def node_lost(self, slot: int) -> None:
        """Nothing goes to a node or comes from it any more; what others had from there they seek elsewhere."""
        broken = [self._of[haul] for haul in self._hauling.at(slot)]
        for errand in broken:
            self._drop(errand)
        for errand in broken:
            if errand.slot != slot:
                self._begin_again(errand)

    def look_again(self, urn: str | None = None) -> None:
        """Something has changed for a urn, or (None) perhaps for all: those that wait may find it now."""
        urns = [urn] if urn is not None else list(self._waiting)
        for errand in [errand for each in urns for errand in self._waiting.get(each, ())]:
            if errand in self._waiting.get(errand.one.urn, ()):
                self._drop(errand)
                self._begin_again(errand)

    def nearest(self, namespace: str, one: wanted.Wanted, slot: int) -> tuple[spread.End, int] | None:
        """Where an input comes from, or an output goes to, and how many bytes; None if there is no place now."""
        ends = self._ground.ends(namespace, one.urn, is_output=one.is_output) or ()
        if (slot, namespace, one.urn) in self._kept:
            ends = (*ends, slot)
        if not ends:
            return None
        size_bytes = self._ground.size_bytes(namespace, one)
        return self._wires.nearest(ends, slot, size_bytes, outward=not one.is_output), size_bytes

    # ------------------------------------------------------------------------------------------------------- inside

    def _begin(self, errand: Errand) -> _Found:
        found = self._source(errand)
        if isinstance(found, tuple):
            end, size_bytes = found
            source, target = (errand.slot, end) if errand.kind is Kind.OUTPUT else (end, errand.slot)
            errand.haul = hauling.Haul(
                pod=errand.by.key,
                urn=errand.one.urn,
                kind=errand.kind,
                source=source,
                target=target,
                size_bytes=size_bytes,
                begun_s=self._time.now_s,
                then=lambda: self._arrived(errand, end, size_bytes),
            )
            self._of[errand.haul] = errand
            self._hauling.begin(errand.haul)
            found = _Found.UNDER_WAY
        elif found is _Found.AWAITED:
            self._waiting.setdefault(errand.one.urn, {})[errand] = None
        if found is not _Found.NOTHING and errand.is_kept:
            self._shared[errand.key] = errand
        if found is _Found.NOTHING and errand.kind is Kind.OUTPUT:
            self._came(errand)
        return found

    def _source(self, errand: Errand) -> tuple[spread.End, int] | _Found:
        """The other end, and how many bytes there are to move."""
        one, namespace = errand.one, errand.by.metadata.namespace
        if errand.kind is Kind.IMAGE:
            end = self._images[one.urn][1]
            return (end, one.size_bytes) if self._ground.is_up(end) else _Found.AWAITED
        is_awaited = errand.kind is Kind.INPUT and self._to_come.is_awaited(one.urn, errand.by.key)
        if is_awaited and not self._ground.is_there(namespace, one.urn):
            return _Found.AWAITED
        found = self.nearest(namespace, one, errand.slot)
        if found is not None:
            return found
        is_known = self._ground.ends(namespace, one.urn, is_output=one.is_output) is not None
        return _Found.AWAITED if is_known else _Found.NOTHING

    def _begin_again(self, errand: Errand) -> None:
        if self._begin(errand) is _Found.NOTHING:
            self._over(errand)

    def _drop(self, errand: Errand) -> None:
        """It is not under way any more, nor waits."""
        if errand.haul is not None:
            self._hauling.cut(errand.haul)
            del self._of[errand.haul]
            errand.haul = None
        beside = self._waiting.get(errand.one.urn, {})
        beside.pop(errand, None)
        if not beside:
            self._waiting.pop(errand.one.urn, None)
        if errand.is_kept:
            self._shared.pop(errand.key, None)

    def _arrived(self, errand: Errand, end: spread.End, size_bytes: int) -> None:
        if errand.haul is not None:
            del self._of[errand.haul]
            errand.haul = None
        namespace, urn = errand.by.metadata.namespace, errand.one.urn
        if errand.is_kept:
            self._shared.pop(errand.key, None)
        if errand.kind is Kind.IMAGE:
            self._pulled(self._ground.add_image(self._ground.view.names[errand.slot], self._images[urn][0]))
        elif errand.kind is Kind.OUTPUT:
            self._stock.wrote(errand.by, urn, end, size_bytes)
            self._came(errand)
        elif errand.is_kept:
            self._kept.add((errand.slot, namespace, urn))
            self._stock.keeps(namespace, urn, errand.slot, size_bytes)
        self._over(errand)

    def _came(self, errand: Errand) -> None:
        """An output is written, or will not be: nobody waits for this pod's any more."""
        self._to_come.came(errand.one.urn, errand.by.key)
        self.look_again(errand.one.urn)

    def _over(self, errand: Errand) -> None:
        for waiter in list(errand.waiters):
            del errand.waiters[waiter]
            del waiter.errands[errand]
            if not waiter.errands:
                waiter.then()
