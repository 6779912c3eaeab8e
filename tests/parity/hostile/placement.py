"""What a pod asks of a node's own properties: tolerations, node affinity and selectors, the node's name."""

from __future__ import annotations

from collections.abc import Callable

from tests.parity.hostile.chance import HOSTNAME, ZONE, Chance, Object
from tests.parity.hostile.nodes import EFFECTS, TAINT_KEYS, Wanted

_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def place(chance: Chance, wanted: Wanted, spec: Object) -> None:
    if wanted("taints"):
        spec["tolerations"] = [_toleration(chance) for _ in range(chance.randint(0, 3))]
    if wanted("preferred"):
        spec.setdefault("affinity", {})["nodeAffinity"] = {_PREFERRED: _preferred(chance)}
    if wanted("affinity"):
        affinity = node_affinity(chance)
        if affinity:
            spec.setdefault("affinity", {})["nodeAffinity"] = affinity
        if chance.once_in(3):
            spec["nodeSelector"] = {
                chance.choice(("disk", ZONE, HOSTNAME)): chance.choice(("ssd", "hdd", "a", "b", "n0", ""))
            }


def name(chance: Chance, spec: Object) -> None:
    """The pod to place names its node, as one without a scheduler would."""
    spec["nodeName"] = chance.choice(("n0", "n1", "n7", "gone"))


def _toleration(chance: Chance) -> Object:
    found: Object = {}
    if not chance.once_in(6):
        found["key"] = chance.choice(TAINT_KEYS)
    operator = chance.choice(("Equal", "Exists", None, "Gt", "Lt")) if chance.once_in(3) else "Exists"
    if "key" not in found:
        operator = "Exists"
    if operator:
        found["operator"] = operator
    if operator != "Exists" and (value := chance.choice(("", "x", "y", "10", "-7", "many"))):
        found["value"] = value
    if not chance.once_in(3):
        found["effect"] = chance.choice(EFFECTS)
    if found.get("effect") == "NoExecute" and chance.once_in(2):
        found["tolerationSeconds"] = chance.choice((0, 300))
    return found


def node_affinity(chance: Chance) -> Object:
    found: Object = {}
    if not chance.once_in(3):
        terms = [_term(chance) for _ in range(chance.randint(1, 3))]
        found["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
    if not chance.once_in(3):
        found[_PREFERRED] = _preferred(chance)
    return found


def _preferred(chance: Chance) -> list[Object]:
    return [
        {"weight": chance.choice((1, 10, 33, 50, 100)), "preference": _term(chance)}
        for _ in range(chance.randint(1, 3))
    ]


def _term(chance: Chance) -> Object:
    if chance.once_in(20):
        return {}
    found: Object = {}
    kinds: list[tuple[str, Callable[[Chance], Object]]] = [("matchExpressions", _expression), ("matchFields", _field)]
    kind, make = kinds[chance.once_in(4)]
    found[kind] = [make(chance) for _ in range(chance.randint(1, 2))]
    if chance.once_in(6):
        found["matchFields"] = [_field(chance)]
    return found


def _expression(chance: Chance) -> Object:
    key = chance.choice(("disk", "cores", ZONE, HOSTNAME, "absent"))
    operator = chance.choice(("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"))
    found: Object = {"key": key, "operator": operator}
    if operator in {"Gt", "Lt"}:
        found["key"] = chance.choice(("cores", "cores", "cores", "disk", "absent"))
        found["values"] = [chance.choice(("4", "5", "-3", "007", "9223372036854775806", "0"))]
    elif operator in {"In", "NotIn"}:
        found["values"] = chance.some(("ssd", "hdd", "", "a", "b", "n0", "n1", "4", "16"), 4, 1)
    return found


def _field(chance: Chance) -> Object:
    return {
        "key": "metadata.name",
        "operator": chance.choice(("In", "In", "In", "NotIn")),
        "values": [chance.choice(("n0", "n1", "n2", "n3", "gone"))],
    }
