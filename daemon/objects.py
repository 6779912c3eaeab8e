"""From what this node's stores hold to what has to be written into DataObjects. Pure: no clock, no network.

Many daemons share a DataObject. Each owns the replica entries of its own node (server-side apply, list keys node and
store, one field manager per node), so entries never collide. The fields that sum them up (sizeBytes, sizeHuman,
objectCount, replicaCount, nodesText, the conditions) belong to whoever wrote last, by forced apply. That does not end
in ping-pong because they are a function of what everybody can read in the object: all daemons compute the same values
from the same entries, and a daemon writes only what differs. It does not end in a stale sum either, because a daemon
computes again from the answer to its write, and the last of several concurrent writers gets an answer with
everybody's entries.

Three traps. Only the daemon that counted knows an object count and whether it is complete, so these two follow the
*primary* copy (the largest available one): its daemon writes them, the others carry over what stands there. Summary
fields are never left out once they stood there, for server-side apply removes a field only when its last owner drops
it, and an earlier writer may still own it. And what a store that is down held is unknown rather than gone: its
entries stay, marked unavailable; only a store that answers without the bucket or key removes them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from daemon import conditions, listing, stores
from scheduler.api import crd, names, units

MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"

_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_MAX_NODES_TEXT: Final = 4096  # the schema's bound
_CONDITIONS: Final = frozenset({"Ready", "CountComplete"})


@dataclasses.dataclass(frozen=True)
class View:
    """A store with the outcome of its last probe."""

    store: stores.Store
    outcome: listing.Listing | listing.Failure
    probed_at: str


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


def to_create(objects: Iterable[crd.DataObject], views: Iterable[View], namespace: str) -> list[dict[str, Any]]:
    """The DataObjects, as bodies to apply, of buckets that have none in ``namespace`` yet."""
    mine = [item for item in objects if item.metadata.namespace == namespace]
    urns = {item.spec.urn for item in mine}
    taken = {item.metadata.name for item in mine}
    buckets = {name for view in views for name in listed_buckets(view)}
    return [
        {
            "apiVersion": names.API_VERSION,
            "kind": "DataObject",
            "metadata": {
                "name": hashed_name_of(bucket) if name_of(bucket) in taken else name_of(bucket),
                "namespace": namespace,
                "labels": {names.BUCKET_LABEL: bucket, MANAGED_BY_LABEL: names.DAEMON_FIELD_MANAGER},
            },
            "spec": {"urn": bucket},
        }
        for bucket in sorted(buckets - urns)
    ]


def to_look_up(objects: Iterable[crd.DataObject]) -> tuple[str, ...]:
    """The keys and prefixes that somebody has a DataObject for; buckets are listed anyway."""
    return tuple(sorted({item.spec.urn for item in objects if "/" in item.spec.urn}))


def listed_buckets(view: View) -> Iterable[str]:
    return view.outcome.buckets if isinstance(view.outcome, listing.Listing) else ()


def status_to_apply(
    item: crd.DataObject, *, node: str, discovered: Sequence[stores.Store], views: Mapping[str, View], now: str
) -> dict[str, Any] | None:
    """The status that this node's daemon applies to ``item``, or None where nothing is to be written.

    Args:
        discovered: The node's stores; one without a view has not been asked yet, and what is known of it stays.
        views: The last outcome by store name.
    """
    before = [replica for replica in item.status.replicas if replica.node == node]
    others = [replica for replica in item.status.replicas if replica.node != node]
    own, counted = _own_replicas(item, node=node, discovered=discovered, views=views, before=before, now=now)
    if not own and not before:
        return None  # none of this node's business
    summary = _summary(item, replicas=[*own, *others], counted=counted, node=node, now=now)
    if _plain(own) == _plain(before) and summary == _standing(item.status) and not _refreshes(before, own, now):
        return None
    return {
        "apiVersion": names.API_VERSION,
        "kind": "DataObject",
        "metadata": {"name": item.metadata.name, "namespace": item.metadata.namespace},
        "status": {"replicas": [_entry(replica) for replica in own], **summary},
    }


def _own_replicas(
    item: crd.DataObject,
    *,
    node: str,
    discovered: Sequence[stores.Store],
    views: Mapping[str, View],
    before: Sequence[crd.Replica],
    now: str,
) -> tuple[list[crd.Replica], dict[str, listing.Content]]:
    """This node's entries as they should be, and what was counted for them, by store."""
    standing = {replica.store: replica for replica in before}
    own: list[crd.Replica] = []
    counted: dict[str, listing.Content] = {}
    if any(location.node == node for location in item.spec.locations):
        own.append(crd.Replica(node=node, size_bytes=item.spec.size_bytes, available=True, last_probe_time=now))
    for store in discovered:
        view = views.get(store.name)
        old = standing.get(store.name)
        content, known = _content(item.spec.urn, view)
        if view is None or (not known and isinstance(view.outcome, listing.Listing)):
            own += [old] if old else []  # not asked yet
        elif not known:
            if old:
                own.append(msgspec.structs.replace(old, available=False, last_probe_time=view.probed_at))
        elif content is not None:
            counted[store.name] = content
            own.append(_replica(node, store, content, view.probed_at))
        elif item.spec.urn in listed_buckets(view):
            own.append(
                crd.Replica(node=node, store=store.name, endpoint=store.endpoint, last_probe_time=view.probed_at)
            )
    return own, counted


def _content(urn: str, view: View | None) -> tuple[listing.Content | None, bool]:
    """What a store holds of ``urn``, and whether it is known at all (None and known: it holds nothing readable)."""
    if view is None or isinstance(view.outcome, listing.Failure):
        return None, False
    outcome = view.outcome
    if "/" not in urn:
        return outcome.buckets.get(urn), urn not in outcome.uncounted
    if listing.bucket_of(urn) not in outcome.buckets or urn in outcome.missing:
        return None, True
    return outcome.found.get(urn), urn in outcome.found


def _replica(node: str, store: stores.Store, content: listing.Content, probed_at: str) -> crd.Replica:
    return crd.Replica(
        node=node,
        store=store.name,
        endpoint=store.endpoint,
        size_bytes=content.size_bytes,
        etag=content.etag,
        last_modified=content.last_modified,
        available=True,
        last_probe_time=probed_at,
    )


def _summary(
    item: crd.DataObject,
    *,
    replicas: Sequence[crd.Replica],
    counted: Mapping[str, listing.Content],
    node: str,
    now: str,
) -> dict[str, Any]:
    """The fields that sum up all entries, as they stand in the object's JSON."""
    status = item.status
    available = [replica for replica in replicas if replica.available]
    sized = [replica for replica in available or replicas if replica.size_bytes is not None]
    primary = min(sized, key=lambda r: (-(r.size_bytes or 0), r.node, r.store), default=None)
    size_bytes = primary.size_bytes if primary is not None else status.size_bytes
    if item.spec.size_bytes is not None:
        size_bytes = item.spec.size_bytes
    content = counted.get(primary.store) if primary is not None and primary.node == node else None
    object_count = content.object_count if content is not None else status.object_count
    nodes = sorted({replica.node for replica in available})
    found = [
        _ready(item, replicas=replicas, available=available, size_bytes=size_bytes),
        _counted(item, content),
    ]
    summary: dict[str, Any] = {
        "observedGeneration": item.metadata.generation,
        "granularity": _granularity(item.spec.urn),
        "replicaCount": len(available),
        "nodesText": conditions.cut(",".join(nodes), _MAX_NODES_TEXT),
        "conditions": conditions.merged(status.conditions, [c for c in found if c is not None], item.metadata, now),
    }
    if size_bytes is not None:
        summary |= {"sizeBytes": size_bytes, "sizeHuman": units.format_bytes(size_bytes)}
    if object_count is not None:
        summary["objectCount"] = object_count
    return summary


def _ready(
    item: crd.DataObject, *, replicas: Sequence[crd.Replica], available: Sequence[crd.Replica], size_bytes: int | None
) -> crd.Condition:
    if not replicas:
        return crd.Condition("Ready", "False", "NotFound", f"no store that is known holds {item.spec.urn}")
    if not available:
        where = ", ".join(sorted({f"{replica.store or 'data'} on {replica.node}" for replica in replicas}))
        return crd.Condition("Ready", "False", "Unavailable", conditions.cut(f"cannot be read now: {where}"))
    if size_bytes is None:
        return crd.Condition("Ready", "False", "SizeUnknown", "no size is known: pin one as spec.sizeBytes")
    return crd.Condition("Ready", "True", "Available", f"{len(available)} of {len(replicas)} known copies can be read")


def _counted(item: crd.DataObject, content: listing.Content | None) -> crd.Condition | None:
    """Whether the count covers everything; None leaves what stands there, for only the counting daemon knows."""
    if content is None:
        return next((c for c in item.status.conditions if c.type == "CountComplete"), None)
    if content.complete:
        return crd.Condition("CountComplete", "True", "Counted", "everything was counted")
    return crd.Condition(
        "CountComplete",
        "False",
        "ListingBounded",
        "sizeBytes and objectCount are lower bounds: counting stopped at the daemon's limit",
    )


def _standing(status: crd.DataObjectStatus) -> dict[str, Any]:
    """The summary as it stands, in the form of ``_summary``."""
    standing: dict[str, Any] = {
        "observedGeneration": status.observed_generation,
        "granularity": status.granularity,
        "replicaCount": status.replica_count,
        "nodesText": status.nodes_text,
        "conditions": conditions.built(c for c in status.conditions if c.type in _CONDITIONS),
    }
    if status.size_bytes is not None:
        standing |= {"sizeBytes": status.size_bytes, "sizeHuman": status.size_human}
    if status.object_count is not None:
        standing["objectCount"] = status.object_count
    return standing


def _granularity(urn: str) -> str:
    if "/" not in urn:
        return "Bucket"
    return "Prefix" if urn.endswith("/") else "Key"


def _entry(replica: crd.Replica) -> dict[str, Any]:
    # The list keys and available are written out even where they have the empty value.
    entry: dict[str, Any] = {"store": "", "available": False, **msgspec.to_builtins(replica)}
    return entry


def _refreshes(before: Iterable[crd.Replica], own: Iterable[crd.Replica], now: str) -> bool:
    """Whether a probe time that has become stale can be replaced by a newer one."""
    newer = {replica.store: replica.last_probe_time for replica in own}
    return any(
        conditions.is_stale(old.last_probe_time, now) and newer.get(old.store) != old.last_probe_time for old in before
    )


def _plain(replicas: Iterable[crd.Replica]) -> list[crd.Replica]:
    """Replicas without the probe time, whose passing is no reason to write."""
    plain = [msgspec.structs.replace(replica, last_probe_time="") for replica in replicas]
    return sorted(plain, key=lambda replica: replica.store)
