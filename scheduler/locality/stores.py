"""`kubectl locality stores`: which stores there are, what they hold, for whom they speak, why one does not count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import click
import msgspec

from scheduler.api import core, crd, names, units
from scheduler.locality import door, lookup, show
from scheduler.state import network, witnesses

EVERYBODY: Final = "everybody"
_SHOWN: Final = 3  # buckets; -o wide and json show all


class Told(msgspec.Struct, rename="camel", kw_only=True):
    """What there is to say of a store on one node.

    Attributes:
        node: Who looks after it; for ``role`` Probes the store itself stands elsewhere.
        speaks_for: A namespace, or ``everybody``.
        why_not: Why its copies do not count, "" where they do.
        secret: Whether its Service names a Secret; None where there is no Service, or it may not be read.
    """

    node: str
    name: str
    role: str
    technology: str
    endpoint: str
    speaks_for: str
    counts: bool
    why_not: str
    buckets: tuple[str, ...]
    age_seconds: float | None
    secret: bool | None


class _Services(NamedTuple):
    """Services by ``namespace/name``, and the namespaces whose could be read."""

    by_key: Mapping[str, core.ObjectMeta]
    namespaces: frozenset[str]


@click.command()
@click.option("-A", "--all-namespaces", is_flag=True, help="Those that speak for other namespaces, too.")
@show.output_option
@door.options
def stores(*, all_namespaces: bool, output: str, where: door.Where) -> None:
    """Tell which stores there are for a namespace's pods: whether they are up, what they hold, for whom they speak."""
    world, reader = lookup.read(where)
    mine = {"", *(() if all_namespaces else (where.namespace, where.scheduler_namespace))}
    found = [
        (capability, store)
        for _, capability in sorted(world.capabilities.items())
        for store in capability.status.stores
        if all_namespaces or store.namespace in mine
    ]
    services = _services(reader, {namespace for _, store in found if (namespace := _service_namespace(store))})
    reader.finish()
    told = [_told(world, capability, store, services) for capability, store in found]
    if output in {show.JSON, show.YAML}:
        show.say(show.document(msgspec.to_builtins(told), output))
        return
    show.say(_lines(told, is_wide=output == show.WIDE) or ["No store is known."])


def _services(reader: lookup.Reader, namespaces: Iterable[str]) -> _Services:
    """Only what says whether a Secret is named; Secrets themselves are never read."""
    by_key: dict[str, core.ObjectMeta] = {}
    read = set()
    for namespace in sorted(namespaces):
        found = reader.metadata("services", namespace)
        by_key |= {f"{namespace}/{one.name}": one for one in found}
        read |= {namespace} if found else set()
    return _Services(by_key, frozenset(read))


def _service_namespace(store: crd.Store) -> str:
    """Where its Service would be, by its name; "" for a store that no Service announces."""
    namespace, slash, name = store.name.partition("/")
    return namespace if slash and name and ":" not in namespace else ""


def _told(world: lookup.World, capability: crd.NodeCapability, store: crd.Store, services: _Services) -> Told:
    node = capability.metadata.name
    copy = witnesses.Copy(
        node if store.is_served else names.EXTERNAL,
        store.name,
        place=None if store.is_served else network.Site("", "", ""),
        doubt=None if store.available else witnesses.Doubt.UNAVAILABLE,
    )
    doubt = world.state.witnesses.doubt(copy, world.now_s)
    if doubt is witnesses.Doubt.UNAVAILABLE and store.message:
        why_not = store.message
    else:
        why_not = doubt.message if doubt is not None else ""
    asked_s = units.time_s(store.last_probe_time)
    service = services.by_key.get(store.name)
    return Told(
        node=node,
        name=store.name,
        role=store.role,
        technology=store.technology,
        endpoint=store.endpoint,
        speaks_for=store.namespace or EVERYBODY,
        counts=doubt is None,
        why_not=why_not,
        buckets=store.buckets,
        age_seconds=None if asked_s is None else max(world.now_s - asked_s, 0.0),
        secret=None if service is None else bool(service.annotations.get(names.STORAGE_SECRET, "").strip()),
    )


def _lines(told: list[Told], *, is_wide: bool) -> list[str]:
    if not told:
        return []
    head = ["NODE", "STORE", "UP", "FOR", "ASKED", "BUCKETS"]
    if is_wide:
        head += ["KIND", "ROLE", "SECRET", "ENDPOINT"]
    rows = [_row(one, is_wide=is_wide) for one in told]
    lines = show.table(head, rows)
    down = [one for one in told if not one.counts]
    if down:
        lines += [
            "",
            "WHY NOT",
            *show.table(["NODE", "STORE", "REASON"], [[one.node, one.name, one.why_not] for one in down]),
        ]
    return lines


def _row(one: Told, *, is_wide: bool) -> list[str]:
    shown = one.buckets if is_wide else one.buckets[:_SHOWN]
    buckets = ", ".join(shown) + (f" and {len(one.buckets) - len(shown)} more" if len(shown) < len(one.buckets) else "")
    row = [
        one.node,
        one.name,
        show.good("yes") if one.counts else show.bad("no"),
        one.speaks_for,
        "" if one.age_seconds is None else f"{show.age(one.age_seconds)} ago",
        buckets or "none",
    ]
    if is_wide:
        secret = {True: "named", False: "none", None: ""}[one.secret]
        row += [one.technology, one.role, secret, one.endpoint]
    return row
