"""Even spreading: a pod's own constraints, and what makes the system's defaults apply: Services and controllers."""

from __future__ import annotations

from tests.parity.hostile import chance as chances
from tests.parity.hostile.chance import APPS, HOSTNAME, NAMESPACES, REGION, ZONE, Chance, Object

_OWNERS = ("ReplicationController", "ReplicaSet", "StatefulSet", "Job")
_API = {"ReplicationController": "v1", "ReplicaSet": "apps/v1", "StatefulSet": "apps/v1", "Job": "batch/v1"}


def constraints(chance: Chance, made: Object) -> None:
    found, seen = [], set()
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        constraint = _constraint(chance, made["metadata"]["labels"])
        key = (constraint["topologyKey"], constraint["whenUnsatisfiable"])
        if key not in seen:  # the API server refuses the second
            seen.add(key)
            found.append(constraint)
    made["spec"]["topologySpreadConstraints"] = found


def _constraint(chance: Chance, own: dict[str, str]) -> Object:
    found: Object = {
        "maxSkew": chance.choice((1, 1, 1, 2, 3, 2147483647)),
        "topologyKey": chance.choice((HOSTNAME, HOSTNAME, ZONE, ZONE, REGION, "disk", "absent")),
        "whenUnsatisfiable": chance.choice(("DoNotSchedule", "DoNotSchedule", "ScheduleAnyway")),
    }
    selector = {"matchLabels": {"app": own["app"]}} if "app" in own and chance.once_in(2) else chances.selector(chance)
    if selector is not None:
        found["labelSelector"] = selector
    if found["whenUnsatisfiable"] == "DoNotSchedule" and chance.once_in(4):
        found["minDomains"] = chance.choice((1, 2, 3, 5))
    for policy in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        if chance.once_in(3):
            found[policy] = chance.choice(("Honor", "Ignore"))
    if chance.once_in(4) and selector is not None:
        found["matchLabelKeys"] = ["pod-template-hash"]
        if "pod-template-hash" in own and chance.once_in(2):  # as the API server merges them, unless it is an old one
            merged = {"key": "pod-template-hash", "operator": "In", "values": [own["pod-template-hash"]]}
            found["labelSelector"] = {**selector, "matchExpressions": [*selector.get("matchExpressions", ()), merged]}
    return found


def own(chance: Chance, made: Object) -> None:
    """The pod belongs to a controller, that may be gone."""
    kind = chance.choice(_OWNERS)
    made["metadata"]["ownerReferences"] = [
        {
            "apiVersion": _API[kind] if not chance.once_in(10) else "example.com/v1",
            "kind": kind,
            "name": chance.choice(("one", "two")),
            "uid": "owner",
            "controller": not chance.once_in(10),
        }
    ]


def owners(chance: Chance, question: Object) -> None:
    question["services"] = [
        _named(chance, f"s{index}", {"selector": _plain(chance)}) for index in range(chance.choice((0, 1, 1, 2)))
    ]
    question["replicationControllers"] = [
        _named(chance, name, {"selector": _plain(chance)}) for name in chance.some(("one", "two"), 2)
    ]
    for kind in ("replicaSets", "statefulSets"):
        question[kind] = [
            _named(chance, name, {"selector": chances.selector(chance) or {}})
            for name in chance.some(("one", "two"), 2)
        ]
    namespace = question["pod"]["metadata"]["namespace"]
    for kind in ("services", "replicationControllers", "replicaSets", "statefulSets"):
        for made in question[kind]:
            if not chance.once_in(4):
                made["metadata"]["namespace"] = namespace


def _named(chance: Chance, name: str, spec: Object) -> Object:
    return {"metadata": {"name": name, "namespace": chance.choice(NAMESPACES)}, "spec": spec}


def _plain(chance: Chance) -> dict[str, str]:
    """A Service's selector; one without any selects nothing."""
    if chance.once_in(8):
        return {}
    found = {"app": chance.choice(APPS)}
    return found | {"tier": chance.choice(("front", "back"))} if chance.once_in(4) else found
