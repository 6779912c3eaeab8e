"""What pods ask of each other: affinity and anti-affinity, required and preferred, with namespaces by name or label."""

from __future__ import annotations

from tests.parity.hostile import chance as chances
from tests.parity.hostile.chance import HOSTNAME, NAMESPACES, REGION, ZONE, Chance, Object

_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
KEYS = (HOSTNAME, HOSTNAME, ZONE, ZONE, REGION, "disk", "absent")


def seek(chance: Chance, spec: Object) -> None:
    affinity = spec.setdefault("affinity", {})
    for kind in chance.some(("podAffinity", "podAntiAffinity"), 2, 1):
        found: Object = {}
        if not chance.once_in(3):
            found["requiredDuringSchedulingIgnoredDuringExecution"] = [
                _term(chance) for _ in range(chance.choice((1, 1, 1, 2)))
            ]
        if chance.once_in(2):
            found[_PREFERRED] = _preferred(chance)
        if found:
            affinity[kind] = found


def like(chance: Chance, spec: Object) -> None:
    """Only what does not keep it from any node."""
    kind = chance.choice(("podAffinity", "podAntiAffinity"))
    spec.setdefault("affinity", {})[kind] = {_PREFERRED: _preferred(chance)}


def _preferred(chance: Chance) -> list[Object]:
    return [
        {"weight": chance.choice((1, 5, 33, 100)), "podAffinityTerm": _term(chance)}
        for _ in range(chance.randint(1, 2))
    ]


def _term(chance: Chance) -> Object:
    found: Object = {"topologyKey": chance.choice(KEYS)}
    selector = chances.selector(chance)
    if selector is not None:
        found["labelSelector"] = selector
    if chance.once_in(3):
        found["namespaces"] = chance.some(NAMESPACES, 2, 1)
    if chance.once_in(3):
        found["namespaceSelector"] = chance.choice(
            (
                {},
                {"matchLabels": {"team": "a"}},
                {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]},
                {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]},
                {"matchExpressions": [{"key": "team", "operator": "Exists"}]},
            )
        )
    return found


def namespaces(chance: Chance) -> list[Object]:
    """Some without labels, and one of those that pods are in that nobody has heard of."""
    labelled = {"default": {}, "team-a": {"team": "a"}, "team-b": {"team": "b"}}
    return [
        {
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}
            if labels or chance.once_in(2)
            else {"name": name}
        }
        for name, labels in labelled.items()
        if not chance.once_in(10)
    ]
