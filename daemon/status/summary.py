"""The fields that sum up all copies of a DataObject, as every daemon works them out alike from what stands there. Pure.

Only copies with today's content are summed up (scheduler.api.copies): what is older is named in the condition
Consistent and counts as no replica. The *primary* copy, the largest of today's that can be had, gives the size; only
the daemon that counted it knows the number of objects and whether the count is complete, so it writes these two, and
the others carry over what stands there.

Summary fields are never left out once they stood there, for server-side apply removes a field only when its last owner
drops it, and an earlier writer may still own it. The same holds for conditions: one that stood once is set to True.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from daemon.status import conditions
from daemon.stores import contents
from scheduler.api import copies, crd, units

MAX_REPLICAS: Final = 256  # the schema's bound

_MAX_NODES_TEXT: Final = 4096  # the schema's bound
_CONDITIONS: Final = frozenset({"Ready", "Consistent", "CopiesComplete", "CountComplete"})


def primary(replicas: Sequence[crd.Replica]) -> crd.Replica | None:
    """The copy that the summary follows."""
    today = copies.current(replicas)
    available = [replica for replica in today if replica.available]
    sized = [replica for replica in available or today if replica.size_bytes is not None]
    return min(sized, key=lambda r: (-(r.size_bytes or 0), r.node, r.store), default=None)


def of(
    item: crd.DataObject,
    *,
    replicas: Sequence[crd.Replica],
    counted: Mapping[tuple[str, str], contents.Content],
    forgets: bool,
    now: str,
) -> dict[str, Any]:
    """The fields that sum up ``replicas``, as they stand in the object's JSON.

    Args:
        counted: What this daemon counted itself, by node and store.
        forgets: Whether what stands there came of stores that do not speak for the object's namespace, so that with
            the last copy the figures go, too.
    """
    status = item.status
    today = copies.current(replicas)
    available = [replica for replica in today if replica.available]
    leading = primary(replicas)
    content = counted.get((leading.node, leading.store)) if leading is not None else None
    size_bytes = leading.size_bytes if leading is not None else status.size_bytes
    # What this node counted has an entry of this node: another node's store may have the same name.
    object_count = content.object_count if content is not None else status.object_count
    if forgets and not replicas:
        size_bytes, object_count = (None if known is None else 0 for known in (size_bytes, object_count))
    if item.spec.size_bytes is not None:
        size_bytes = item.spec.size_bytes
    found = [
        _ready(item, replicas=replicas, available=available, size_bytes=size_bytes),
        _consistent(item, replicas, today),
        _complete(item, replicas),
        _counted(item, content),
    ]
    summary: dict[str, Any] = {
        "observedGeneration": item.metadata.generation,
        "granularity": _granularity(item.spec.urn),
        "replicaCount": len(available),
        "nodesText": conditions.cut(",".join(sorted({replica.node for replica in available})), _MAX_NODES_TEXT),
        "conditions": conditions.merged(status.conditions, [c for c in found if c is not None], item.metadata, now),
    }
    if size_bytes is not None:
        summary |= {"sizeBytes": size_bytes, "sizeHuman": units.format_bytes(size_bytes)}
    if object_count is not None:
        summary["objectCount"] = object_count
    return summary


def standing(status: crd.DataObjectStatus) -> dict[str, Any]:
    """The summary as it stands, in the form of ``of``."""
    found: dict[str, Any] = {
        "observedGeneration": status.observed_generation,
        "granularity": status.granularity,
        "replicaCount": status.replica_count,
        "nodesText": status.nodes_text,
        "conditions": conditions.built(c for c in status.conditions if c.type in _CONDITIONS),
    }
    if status.size_bytes is not None:
        found |= {"sizeBytes": status.size_bytes, "sizeHuman": status.size_human}
    if status.object_count is not None:
        found["objectCount"] = status.object_count
    return found


def _ready(
    item: crd.DataObject, *, replicas: Sequence[crd.Replica], available: Sequence[crd.Replica], size_bytes: int | None
) -> crd.Condition:
    if not replicas:
        return crd.Condition("Ready", "False", "NotFound", f"no store that is known holds {item.spec.urn}")
    if not available:
        return crd.Condition(
            "Ready", "False", "Unavailable", f"cannot be read now: {_places(copies.current(replicas))}"
        )
    if size_bytes is None:
        return crd.Condition("Ready", "False", "SizeUnknown", "no size is known: pin one as spec.sizeBytes")
    return crd.Condition("Ready", "True", "Available", f"{len(available)} of {len(replicas)} known copies can be read")


def _consistent(
    item: crd.DataObject, replicas: Sequence[crd.Replica], today: Sequence[crd.Replica]
) -> crd.Condition | None:
    """Whether all copies have today's content; None where there are no two contents to compare."""
    older = [replica for replica in replicas if replica not in today]
    if older:
        words = f"older than the newest copy, and not counted: {_places(older)}"
        return crd.Condition("Consistent", "False", "StaleCopies", words)
    if sum(bool(replica.etag) for replica in replicas) > 1 or _stood(item, "Consistent"):
        return crd.Condition("Consistent", "True", "CopiesAgree", "no copy is known to be older than another")
    return None


def _complete(item: crd.DataObject, replicas: Sequence[crd.Replica]) -> crd.Condition | None:
    """Whether there is room for every copy; those that are listed stay, and the one too many is left out."""
    if len(replicas) >= MAX_REPLICAS:
        words = f"no more than {MAX_REPLICAS} copies are listed: further nodes count by their NodeCapability alone"
        return crd.Condition("CopiesComplete", "False", "AtLimit", words)
    if _stood(item, "CopiesComplete"):
        return crd.Condition("CopiesComplete", "True", "AllListed", "all copies that are known are listed")
    return None


def _counted(item: crd.DataObject, content: contents.Content | None) -> crd.Condition | None:
    """Whether the count covers everything; None leaves what stands there, for only the counting daemon knows."""
    if content is None:
        return next((c for c in item.status.conditions if c.type == "CountComplete"), None)
    if content.complete:
        return crd.Condition("CountComplete", "True", "Counted", "everything was counted")
    if content.unreadable:
        words = f"sizeBytes and objectCount are lower bounds: {content.unreadable} entries cannot be read"
        return crd.Condition("CountComplete", "False", "Unreadable", words)
    return crd.Condition(
        "CountComplete",
        "False",
        "ListingBounded",
        "sizeBytes and objectCount are lower bounds: counting stopped at the daemon's limit",
    )


def _stood(item: crd.DataObject, kind: str) -> bool:
    return any(condition.type == kind for condition in item.status.conditions)


def _places(replicas: Sequence[crd.Replica]) -> str:
    found = sorted({f"{replica.store or 'data'} on {replica.node}" for replica in replicas})
    return conditions.cut(", ".join(found), 900)


def _granularity(urn: str) -> str:
    if "/" not in urn:
        return "Bucket"
    return "Prefix" if urn.endswith("/") else "Key"
