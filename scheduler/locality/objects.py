"""`kubectl locality objects`: where data lies, how that is known, what of it does not count, and who moves it now.

A urn is resolved as decisions do it: the key, else the longest prefix that is known, else the bucket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import click
import msgspec

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.api import core, crd, names, units, urns
from scheduler.locality import door, lookup, show
from scheduler.state import replicas, witnesses

_FINISHED: Final = frozenset({"Succeeded", "Failed"})
_SHOWN: Final = 3  # nodes; -o wide and json show all
_LABEL: Final = "label"


class Copy(msgspec.Struct, rename="camel", kw_only=True):
    """A copy that is known.

    Attributes:
        where: A node, or ``external:REGION/ZONE``.
        said_by: Which daemon saw it, or ``declared``, or ``label`` of its node.
        why_not: Why it does not count, "" where it does.
    """

    where: str
    store: str
    said_by: str
    size_bytes: int | None
    age_seconds: float | None
    counts: bool
    why_not: str


class Object(msgspec.Struct, rename="camel", kw_only=True):
    """What is known of a urn; ``namespace`` is whose pods may use it, "" for everybody's, ``name`` the DataObject's."""

    urn: str
    namespace: str
    name: str
    size_bytes: int | None
    object_count: int | None
    copies: list[Copy]
    expected: list[crd.Expected]


class Use(msgspec.Struct, rename="camel", kw_only=True):
    """A pod that reads or writes it."""

    pod: str
    node: str
    writes: bool
    urn: str
    size_bytes: int


class Resolved(msgspec.Struct, rename="camel", kw_only=True):
    """Where a urn can be had by the pods of a namespace.

    Attributes:
        found_as: What of it is known: itself, a prefix or its bucket; "" where nothing is.
        from_: Where it can be had now; of what is expected, where it is looked for if it will not be there.
        expected_on: Where a pod is about to write it, and ``sure``, how sure that is, 0 to 1.
    """

    urn: str
    namespace: str
    found_as: str
    from_: list[str] = msgspec.field(name="from")
    expected_on: list[str]
    sure: float
    size_bytes: int | None
    objects: list[Object]
    below: list[Object]
    pods: list[Use]


@click.command()
@click.argument("urn", required=False, default="")
@click.option("-A", "--all-namespaces", is_flag=True, help="The data and pods of all namespaces.")
@show.output_option
@door.options
def objects(*, urn: str, all_namespaces: bool, output: str, where: door.Where) -> None:
    """Tell where URN (a bucket, a prefix/ or a key) can be had, how that is known and who moves it; without, list all.

    As the pods of one namespace find it: their own data first, then the scheduler's.
    """
    if urn and (fault := urns.fault(urn)):
        raise errors.InputError("URN", urn, fault)
    namespaces = ("",) if all_namespaces else (where.namespace, where.scheduler_namespace)
    world, reader = lookup.read(where, *namespaces)
    pods = reader.pods("" if all_namespaces else where.namespace)
    reader.finish()
    looked = _Look(world, where.namespace, where.scheduler_namespace, pods)
    if not urn:
        told = list(looked.all(is_everybodys=all_namespaces))
        if output in {show.JSON, show.YAML}:
            show.say(show.document(msgspec.to_builtins(told), output))
            return
        show.say(_listed(told, looked, is_wide=output == show.WIDE) or ["No data is known."])
        return
    found = looked.resolve(urn, is_everybodys=all_namespaces)
    if output in {show.JSON, show.YAML}:
        show.say(show.document(msgspec.to_builtins(found), output))
        return
    show.say(_told(found, looked, is_wide=output == show.WIDE))


class _Look:
    """What there is to say, of one moment."""

    def __init__(self, world: lookup.World, namespace: str, home: str, pods: Iterable[core.Pod]) -> None:
        self._world = world
        self._namespace = namespace
        self.home = home
        self._replicas = world.state.replicas
        self.uses = [use for pod in pods if pod.status.phase not in _FINISHED for use in _uses(pod)]

    def all(self, *, is_everybodys: bool) -> Iterator[Object]:
        """All that is known, by urn: DataObjects, and buckets of which only the stores tell."""
        told = [self._object(*key) for key in self._world.objects]
        stores = {
            (store.namespace, bucket)
            for capability in self._world.capabilities.values()
            for store in capability.status.stores
            for bucket in store.buckets
            if store.is_served and (is_everybodys or store.namespace in {"", self._namespace, self.home})
        }
        known = {(one.namespace, one.urn) for one in told}
        told += [self._bucket(namespace, bucket) for namespace, bucket in stores - known]
        yield from sorted(told, key=lambda one: (one.urn, one.namespace))

    def resolve(self, urn: str, *, is_everybodys: bool) -> Resolved:
        entry = self._replicas.resolve(self._namespace, urn, self._world.now_s)
        found_as = entry.urn if entry is not None else ""
        said = self._said(found_as) if found_as else []
        if not found_as:  # what is said of exactly this, though it tells of no copy
            said = [self._object(*key) for key in self._replicas.exactly(self._namespace, urn)]
        is_whole = urn.endswith("/") or "/" not in urn
        begin = urn if urn.endswith("/") else f"{urn}/"
        below = [one for one in self.all(is_everybodys=is_everybodys) if is_whole and one.urn.startswith(begin)]
        return Resolved(
            urn=urn,
            namespace=self._namespace,
            found_as=found_as,
            from_=_places(entry),
            expected_on=_places(entry.expected) if entry is not None else [],
            sure=entry.expected.confidence if entry is not None and entry.expected is not None else 0.0,
            size_bytes=entry.size_bytes if entry is not None and entry.urn == urn else None,
            objects=said,
            below=[one for one in below if one.urn != urn],
            pods=self.moving(urn),
        )

    def moving(self, urn: str) -> list[Use]:
        """The pods that move data of that name, some of it, or what it is a part of."""
        return [use for use in self.uses if _is_within(use.urn, urn) or _is_within(urn, use.urn)]

    def _said(self, urn: str) -> list[Object]:
        """What of exactly one urn counts for the namespace, in order."""
        found = [self._object(*key) for key in self._replicas.exactly(self._namespace, urn)]
        if "/" not in urn:
            first = self._replicas.speaks_in(self._namespace, urn)
            told = [self._bucket("" if first == self.home else self._namespace, urn)]
            seen = {(copy.where, copy.store) for one in found for copy in one.copies}
            for one in told:
                one.copies = [copy for copy in one.copies if (copy.where, copy.store) not in seen]
            found += [one for one in told if one.copies]
        return found

    def _object(self, namespace: str, name: str) -> Object:
        """A DataObject."""
        obj = self._world.objects[namespace, name]
        known = replicas.known_of(obj)
        declared = len(obj.spec.locations)
        sizes = [None] * declared + [copy.size_bytes for copy in obj.status.replicas]
        stores = [location.store for location in obj.spec.locations] + [""] * len(obj.status.replicas)
        copies = [
            self._copy(copy, size, "declared" if number < declared else "", stores[number])
            for number, (copy, size) in enumerate(zip(known.copies, sizes, strict=True))
        ]
        return Object(
            urn=obj.spec.urn,
            namespace="" if namespace == self.home else namespace,
            name=name,
            size_bytes=known.size_bytes,
            object_count=obj.status.object_count,
            copies=copies,
            expected=list(obj.status.expected),
        )

    def _bucket(self, namespace: str, bucket: str) -> Object:
        """A bucket, as the stores that speak for a namespace tell of it."""
        copies = [
            self._copy(copy, None, "" if copy.store else _LABEL)
            for copy in self._replicas.served.copies(namespace or self.home, bucket)
        ]
        return Object(
            urn=bucket,
            namespace=namespace,
            name="",
            size_bytes=None,
            object_count=None,
            copies=copies,
            expected=[],
        )

    def _copy(self, copy: witnesses.Copy, size_bytes: int | None, said_by: str, store: str = "") -> Copy:
        doubt = self._world.state.witnesses.doubt(copy, self._world.now_s)
        seen_s = self._world.state.witnesses.last_seen_s(copy)
        return Copy(
            where=copy.where,
            store=copy.store or store,
            said_by=said_by or self._witness(copy),
            size_bytes=size_bytes,
            age_seconds=None if seen_s is None else max(self._world.now_s - seen_s, 0.0),
            counts=doubt is None,
            why_not=doubt.message if doubt is not None else "",
        )

    def _witness(self, copy: witnesses.Copy) -> str:
        """The node whose daemon saw a copy last: its own, or the one that asks a store outside the cluster."""
        if copy.place is None:
            return copy.node
        asked = {
            name: units.time_s(store.last_probe_time) or 0.0
            for name, capability in self._world.capabilities.items()
            for store in capability.status.stores
            if store.name == copy.store and not store.is_served
        }
        return max(asked, key=lambda name: asked[name], default="")


def _places(found: replicas.Entry | replicas.Expected | None) -> list[str]:
    """The nodes and places of what was found."""
    return [] if found is None else [*found.nodes, *(crd.place_name(*place[:2]) for place in found.places)]


def _uses(pod: core.Pod) -> Iterator[Use]:
    intent = intents.parse(pod.metadata.annotations)[0]
    read = {one.urn for one in intent.inputs}
    sources = (intents.Transfer(bucket, 0) for bucket in intent.sources if bucket not in read)
    for transfers, writes in (((*intent.inputs, *sources), False), (intent.outputs, True)):
        for one in transfers:
            yield Use(pod=pod.key, node=pod.spec.node_name, writes=writes, urn=one.urn, size_bytes=one.size_bytes)


def _is_within(urn: str, whole: str) -> bool:
    """Whether a urn names a part of what another names, or the same."""
    return urn == whole or urn.startswith(whole if whole.endswith("/") else f"{whole}/")


def _listed(told: Sequence[Object], looked: _Look, *, is_wide: bool) -> list[str]:
    if not told:
        return []
    rows = []
    for one in told:
        counting = list(dict.fromkeys(copy.where for copy in one.copies if copy.counts))
        shown = counting if is_wide else counting[:_SHOWN]
        more = f" and {len(counting) - len(shown)} more" if len(shown) < len(counting) else ""
        ages = [copy.age_seconds for copy in one.copies if copy.age_seconds is not None]
        number = f"{sum(copy.counts for copy in one.copies)}/{len(one.copies)}"
        rows.append([
            one.urn,
            one.namespace or "everybody",
            "" if one.size_bytes is None else show.size(one.size_bytes),
            number if counting or not one.copies else show.bad(number),
            ", ".join(shown) + more or ("expected" if one.expected else "nowhere"),
            f"{show.age(min(ages))} ago" if ages else "",
            str(len({use.pod for use in looked.moving(one.urn)}) or ""),
        ])  # fmt: skip
    return show.table(["URN", "FOR", "SIZE", "COPIES", "NODES", "SEEN", "PODS"], rows, right={2, 3, 5, 6})


def _told(found: Resolved, looked: _Look, *, is_wide: bool) -> list[str]:
    size = f", {show.size(found.size_bytes)}" if found.size_bytes is not None else ""
    lines = [f"{show.strong(found.urn)}{size}, for the pods of {found.namespace}:"]
    if not found.found_as:
        lines.append(f"{show.bad('No copy is known')} of it, of a prefix of it, or of its bucket; it counts nowhere.")
    elif found.expected_on:
        expected = f"expected on {', '.join(found.expected_on)} ({found.sure:.0%} sure)"
        otherwise = f", else looked for on {', '.join(found.from_)}" if found.from_ else ""
        lines.append(f"It is {show.doubtful('not there yet')}: {expected}{otherwise}.")
    elif found.from_:
        lines.append(f"It can be had from {', '.join(show.good(one) for one in found.from_)}.")
    else:
        lines.append(f"It {show.bad('cannot be had now')}: no copy counts, and so it counts nowhere.")
    if found.found_as and found.found_as != found.urn:
        kind = "prefix" if found.found_as.endswith("/") else "bucket"
        lines.append(
            f"Nothing is known of a copy of it by itself; this is what is known of the {kind} {found.found_as}."
        )
    copies = [
        [copy.where, copy.store, "" if copy.size_bytes is None else show.size(copy.size_bytes), copy.said_by,
         "" if copy.age_seconds is None else f"{show.age(copy.age_seconds)} ago", _source(one, looked.home),
         show.good("yes") if copy.counts else f"{show.bad('no')}: {copy.why_not}"]
        for one in found.objects for copy in one.copies
    ]  # fmt: skip
    if copies:
        lines += [
            "",
            *show.table(["COPY ON", "STORE", "SIZE", "SAID BY", "SEEN", "IN", "COUNTS"], copies, right={2, 4}),
        ]
    coming = [
        [one.producer, one.node if one.node != names.EXTERNAL else crd.place_name(one.region, one.zone), one.store,
         f"{one.confidence:.0%}"]
        for each in found.objects for one in each.expected
    ]  # fmt: skip
    if coming:
        lines += ["", *show.table(["EXPECTED FROM", "ON", "STORE", "SURE"], coming, right={3})]
    if found.below:
        lines += ["", "BELOW IT", *_listed(found.below, looked, is_wide=is_wide)]
    if found.pods:
        rows = [
            [use.pod, use.node or show.doubtful("pending"), "writes" if use.writes else "reads", use.urn,
             show.size(use.size_bytes) if use.size_bytes else ""]
            for use in found.pods
        ]  # fmt: skip
        lines += ["", *show.table(["POD", "NODE", "", "URN", "SIZE"], rows, right={4})]
    return lines


def _source(one: Object, home: str) -> str:
    """Which object tells of it: a DataObject, or a store's own list of buckets."""
    if not one.name:
        return "NodeCapability"
    return f"{one.namespace or home}/{one.name}"
