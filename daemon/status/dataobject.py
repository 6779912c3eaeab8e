"""From what this node's stores hold to what has to be written into DataObjects. Pure: no clock, no network.

Many daemons share a DataObject. Each owns the replica entries of its own node (server-side apply, list keys node and
store, one field manager per node), so entries never collide. The fields that sum them up (daemon.status.summary)
belong to whoever wrote last, by forced apply. That does not end in ping-pong because they are a function of what
everybody can read in the object: all daemons compute the same values from the same entries, and a daemon writes only
what differs. It does not end in a stale sum either, because a daemon computes again from the answer to its write, and
the last of several concurrent writers gets an answer with everybody's entries.

Who writes them: where a daemon's own entries change, it does at once. Where only the summary is out of date (the spec
was edited, somebody's entry vanished), one daemon is enough: that of the primary copy, or, of a key that nobody has,
the first of the bucket's holders (``leads``). The others write it in their next regular round if it still differs.

A store of everybody's counts in objects of every namespace, any other in those of its own alone: what stands of it
elsewhere, written when that was not so, is taken back.

Two traps. What a store that is down held is unknown rather than gone: its entries stay, marked unavailable; only a
store that answers without the bucket or key removes them. And the list of copies has room for so many and no more:
those that are listed stay, and the daemon whose copy is one too many writes none, for a list that is too long would
have the API server refuse every write.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from daemon.status import conditions, summary
from daemon.stores import contents, model
from scheduler.api import crd, names, units

Items = Iterable[crd.DataObject]


_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_STALE_S: Final = 3600.0
_TAKEOVER_S: Final = 120.0  # longer than two nodes ask one store at the same time


@dataclasses.dataclass(frozen=True)
class View:
    """A store with the outcome of its last probe."""

    store: model.Store
    outcome: contents.Listing | contents.Failure
    probed_at: str


def field_manager(node: str, store: str = "") -> str:
    """Who owns the entries of a node, or, of names.EXTERNAL, those of one store outside the cluster.

    The API server allows 128 characters.
    """
    name = f"{names.DAEMON_FIELD_MANAGER}-{node}" + (f"-{store}" if store else "")
    if len(name) <= 128:
        return name
    return f"{name[:111]}-{hashlib.sha256(f'{node}{store}'.encode()).hexdigest()[:16]}"


def speakers(node: str, discovered: Sequence[model.Store]) -> list[tuple[str, str, list[model.Store]]]:
    """For whom this daemon speaks, each with its field manager and stores.

    A store outside the cluster has a manager of its own, so that what one daemon wrote of it is the next one's to take
    back when another node asks.
    """
    here = [store for store in discovered if store.place is None]
    outside = [store for store in discovered if store.place is not None]
    return [
        (node, field_manager(node), here),
        *((names.EXTERNAL, field_manager(names.EXTERNAL, store.name), [store]) for store in outside),
    ]


def name_of(urn: str) -> str:
    """A valid object name for a urn, always the same: the bucket's own name where that is one, else with a hash."""
    if _SUBDOMAIN.fullmatch(urn) and len(urn) <= 253:
        return urn
    return hashed_name_of(urn)


def hashed_name_of(urn: str) -> str:
    """A name for a urn whose plain name is invalid or taken: what is readable of it, and a hash."""
    words = re.sub(r"[^a-z0-9]+", "-", urn.lower()).strip("-")[:63].strip("-")
    digest = hashlib.sha256(urn.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{words}-{digest}" if words else f"urn-{digest}"


def to_create(objects: Items, views: Iterable[View], home: str) -> list[dict[str, Any]]:
    """The DataObjects, as bodies to apply, of buckets that have none yet.

    Args:
        home: The namespace for buckets of stores that speak for everybody.
    """
    buckets: dict[str, set[str]] = {}
    for view in views:
        buckets.setdefault(view.store.speaks_for or home, set()).update(listed_buckets(view))
    by_namespace: dict[str, list[crd.DataObject]] = {}
    for item in objects:
        by_namespace.setdefault(item.metadata.namespace, []).append(item)
    return [
        body
        for namespace in sorted(buckets)
        for body in _to_create_in(namespace, buckets[namespace], by_namespace.get(namespace, ()))
    ]


def _to_create_in(namespace: str, buckets: set[str], there: Items) -> list[dict[str, Any]]:
    urns = {item.spec.urn for item in there}
    taken = {item.metadata.name for item in there}
    return [
        {
            "apiVersion": names.API_VERSION,
            "kind": "DataObject",
            "metadata": {
                "name": hashed_name_of(bucket) if name_of(bucket) in taken else name_of(bucket),
                "namespace": namespace,
                "labels": {names.BUCKET_LABEL: bucket, names.MANAGED_BY_LABEL: names.DAEMON_FIELD_MANAGER},
            },
            "spec": {"urn": bucket},
        }
        for bucket in sorted(buckets - urns)
    ]


def listed_buckets(view: View) -> Iterable[str]:
    return view.outcome.buckets if isinstance(view.outcome, contents.Listing) else ()


def status_to_apply(
    item: crd.DataObject,
    *,
    node: str,
    discovered: Sequence[model.Store],
    views: Mapping[str, View],
    now: str,
    leads: bool = True,
    heals: bool = True,
) -> dict[str, Any] | None:
    """The status that this node's daemon applies to ``item``, or None where nothing is to be written.

    Args:
        node: The node that is spoken for, or names.EXTERNAL for one store outside the cluster.
        discovered: The node's stores; one without a view has not been asked yet, and what is known of it stays.
        views: The last outcome by store name.
        leads: Whether this daemon is the one to say that nobody has it.
        heals: Whether to write a summary that another daemon should have written.
    """
    before, others = _parted(item, node, discovered)
    counting = _counting(discovered, item)
    own, counted = _own_replicas(item, node=node, discovered=counting, views=views, before=before, now=now)
    own = _fitting(own, before, summary.MAX_REPLICAS - len(others))
    if not own and not before and (others or not _is_missing(item.spec.urn, counting, views)):
        return None  # none of this node's business
    primary = summary.primary([*own, *others])
    speaks = leads if primary is None else _is_own(primary, node, discovered)
    silent = {store.name for store in discovered if store not in counting}
    forgets = any(replica.store in silent for replica in before)
    found = summary.of(item, replicas=[*own, *others], counted=counted, forgets=forgets, now=now)
    is_fresh = found == summary.standing(item.status) or not (speaks or heals)
    if is_fresh and _plain(own) == _plain(before) and not _refreshes(before, own, now):
        return None
    return {**letting_go(item), "status": {"replicas": [_entry(replica) for replica in own], **found}}


def is_crowded_out(
    item: crd.DataObject, node: str, discovered: Sequence[model.Store], views: Mapping[str, View]
) -> bool:
    """Whether there is no room for what the stores of ``node`` have of the object's bucket."""
    before, others = _parted(item, node, discovered)
    if before or len(others) < summary.MAX_REPLICAS:
        return False
    here = (store.name for store in _counting(discovered, item) if store.place is None)
    found = (views[name] for name in here if name in views)
    return any(contents.bucket_of(item.spec.urn) in listed_buckets(view) for view in found)


def letting_go(item: crd.DataObject) -> dict[str, Any]:
    """The body with which a field manager gives up all that it owns of the status."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": "DataObject",
        "metadata": {"name": item.metadata.name, "namespace": item.metadata.namespace},
    }


def etags_of(item: crd.DataObject, node: str) -> set[str]:
    """Which contents the stores of ``node`` have, as far as is known."""
    return {replica.etag for replica in item.status.replicas if replica.node == node}


def is_behind(item: crd.DataObject, before: crd.DataObject, *, node: str) -> bool:
    """Whether other nodes' copies changed to what this node has not, as far as is known.

    Where stores replicate, the one that receives a copy announces nothing; the news is then the other one's entry.
    """
    mine = etags_of(item, node)
    now, then = (
        {(replica.node, replica.store): replica.etag for replica in seen.status.replicas if replica.node != node}
        for seen in (item, before)
    )
    changed = [now.get(key) for key in now.keys() | then.keys() if now.get(key) != then.get(key)]
    return any(bool(mine) if etag is None else etag not in mine for etag in changed)


def _parted(
    item: crd.DataObject, node: str, discovered: Sequence[model.Store]
) -> tuple[list[crd.Replica], list[crd.Replica]]:
    """The entries that ``node`` speaks of, and all others."""
    own = [replica for replica in item.status.replicas if _is_own(replica, node, discovered)]
    return own, [replica for replica in item.status.replicas if not _is_own(replica, node, discovered)]


def _counting(discovered: Iterable[model.Store], item: crd.DataObject) -> list[model.Store]:
    """The stores that speak for the object's namespace."""
    return [store for store in discovered if store.counts_in(item.metadata.namespace)]


def _fitting(own: list[crd.Replica], before: Sequence[crd.Replica], room: int) -> list[crd.Replica]:
    """As many of the entries as there is room for, first those that are listed already."""
    if len(own) <= room:
        return own
    listed = {replica.store for replica in before}
    return sorted(own, key=lambda replica: (replica.store not in listed, replica.store))[: max(0, room)]


def _is_own(replica: crd.Replica, node: str, discovered: Iterable[model.Store]) -> bool:
    if replica.node != node:
        return False
    return node != names.EXTERNAL or any(store.name == replica.store for store in discovered)


def _is_missing(urn: str, discovered: Sequence[model.Store], views: Mapping[str, View]) -> bool:
    """Whether some store of this node has the bucket, and surely not the key or prefix."""
    outcomes = [views[store.name].outcome for store in discovered if store.name in views]
    return any(isinstance(outcome, contents.Listing) and urn in outcome.missing for outcome in outcomes)


def _own_replicas(
    item: crd.DataObject,
    *,
    node: str,
    discovered: Sequence[model.Store],
    views: Mapping[str, View],
    before: Sequence[crd.Replica],
    now: str,
) -> tuple[list[crd.Replica], dict[tuple[str, str], contents.Content]]:
    """This node's entries as they should be, and what was counted for them, by node and store."""
    standing = {replica.store: replica for replica in before}
    own: list[crd.Replica] = []
    counted: dict[tuple[str, str], contents.Content] = {}
    if any(location.node == node for location in item.spec.locations):
        own.append(crd.Replica(node=node, size_bytes=item.spec.size_bytes, available=True, last_probe_time=now))
    for store in discovered:
        view = views.get(store.name)
        old = standing.get(store.name)
        content, known = _content(item.spec.urn, view)
        if view is not None and old is not None and node == names.EXTERNAL and _is_later(old, view):
            own.append(old)  # while one node takes over from another, both ask: the later answer stands
        elif view is None or (not known and isinstance(view.outcome, contents.Listing)):
            own += [old] if old else []  # not asked yet
        elif not known:
            if old:
                own.append(msgspec.structs.replace(old, available=False, last_probe_time=view.probed_at))
        elif content is not None:
            own.append(_replica(node, store, content, view.probed_at))
            counted[own[-1].node, store.name] = content
        elif item.spec.urn in listed_buckets(view):
            own.append(_described(node, store, view.probed_at))
    return own, counted


def _is_later(standing: crd.Replica, view: View) -> bool:
    """Whether somebody asked a little later than we did; a clock that is far ahead is not believed."""
    was_s, is_s = units.time_s(standing.last_probe_time), units.time_s(view.probed_at)
    return was_s is not None and is_s is not None and 0 < was_s - is_s <= _TAKEOVER_S


def _content(urn: str, view: View | None) -> tuple[contents.Content | None, bool]:
    """What a store holds of ``urn``, and whether it is known at all (None and known: it holds nothing readable)."""
    if view is None or isinstance(view.outcome, contents.Failure):
        return None, False
    outcome = view.outcome
    if "/" not in urn:
        return outcome.buckets.get(urn), urn not in outcome.uncounted
    if contents.bucket_of(urn) not in outcome.buckets or urn in outcome.missing:
        return None, True
    return outcome.found.get(urn), urn in outcome.found


def _described(node: str, store: model.Store, probed_at: str) -> crd.Replica:
    """An entry for what ``store`` has of a bucket, as long as nothing more is known."""
    return crd.Replica(
        node=names.EXTERNAL if store.place is not None else node,
        store=store.name,
        role=store.role,
        region=store.place.region if store.place is not None else "",
        zone=store.place.zone if store.place is not None else "",
        endpoint=store.endpoint,
        last_probe_time=probed_at,
    )


def _replica(node: str, store: model.Store, content: contents.Content, probed_at: str) -> crd.Replica:
    return msgspec.structs.replace(
        _described(node, store, probed_at),
        size_bytes=content.size_bytes,
        etag=content.etag,
        version_id=content.version_id,
        last_modified=content.last_modified,
        available=True,
    )


def _entry(replica: crd.Replica) -> dict[str, Any]:
    # The list keys and available are written out even where they have the empty value.
    entry: dict[str, Any] = {"store": "", "available": False, **msgspec.to_builtins(replica)}
    return entry


def _refreshes(before: Iterable[crd.Replica], own: Iterable[crd.Replica], now: str) -> bool:
    """Whether a probe time that has become stale can be replaced by a newer one.

    A node has one NodeCapability, whose probe time tells whether its daemon lives, but maybe thousands of entries here:
    they are refreshed seldom.
    """
    newer = {replica.store: replica.last_probe_time for replica in own}
    return any(
        conditions.is_stale(old.last_probe_time, now, stale_s=_STALE_S) and newer.get(old.store) != old.last_probe_time
        for old in before
    )


def _plain(replicas: Iterable[crd.Replica]) -> list[crd.Replica]:
    """Replicas without the probe time, whose passing is no reason to write."""
    plain = [msgspec.structs.replace(replica, last_probe_time="") for replica in replicas]
    return sorted(plain, key=lambda replica: replica.store)
