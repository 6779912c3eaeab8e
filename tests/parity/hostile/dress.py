"""The same question with data added: what the pod moves and prefers, where copies lie, what nodes can do.

Nothing of it may change which nodes fit, nor a word of why others do not: a pod with data obeys all that others do.
"""

from __future__ import annotations

import copy

from tests.parity.hostile.chance import Chance, Object
from tests.state import build

_BUCKETS = ("logs", "raw-data", "models")
_KEYS = ("", "/a/", "/a/b.bin", "/c")
_SIZES = ("0", "4000", "1000000", "250000000", "70000000000")
_PREFERENCES = {
    "data_intensive": "true",
    "compute_intensive": "true",
    "prefer_region": "r1",
    "prefer_zone": "a",
    "prefer_edge": "true",
    "prefer_cloud": "true",
    "data_sources": "logs,cold",
    "capability_tpu": "v2",
    "capability_fast-storage": "true",
}


def with_data(seed: int, question: Object) -> Object:
    """A copy of a question about a pod with data or preferences, in a cluster that knows of some."""
    chance = Chance(f"data-{seed}")
    made = copy.deepcopy(question)
    names = [node["metadata"]["name"] for node in made.get("nodes") or ()] or ["gone"]
    namespace = made["pod"]["metadata"].get("namespace", "")
    for pod in (made["pod"], *(made.get("pods") or ())):
        if pod is made["pod"] or chance.once_in(4):
            pod["metadata"].setdefault("annotations", {}).update(_annotations(chance))
    made["dataObjects"] = [_object(chance, number, namespace, names) for number in range(chance.randint(0, 4))]
    made["nodeCapabilities"] = [_capability(chance, name, names) for name in names if not chance.once_in(3)]
    return made


def _annotations(chance: Chance) -> dict[str, str]:
    few = chance.some(sorted(_PREFERENCES), 3)
    found = build.data(
        inputs=[_transfer(chance) for _ in range(chance.randint(0, 3))],
        outputs=[_transfer(chance) for _ in range(chance.randint(0, 2))],
        **{name: _PREFERENCES[name] for name in few},
    )
    return found or build.data(inputs=[_transfer(chance)])


def _transfer(chance: Chance) -> str:
    text = f"{_urn(chance)},{chance.choice(_SIZES)}"
    return f"{text},{chance.choice(('0', '0.5', '4000'))}" if chance.once_in(2) else text


def _urn(chance: Chance) -> str:
    return chance.choice(_BUCKETS) + chance.choice(_KEYS)


def _object(chance: Chance, number: int, namespace: str, names: list[str]) -> Object:
    return build.data_object(
        _urn(chance),
        at=chance.some(names, 2),
        gone=chance.some(names, 1),
        size=chance.choice((None, 0, 5_000_000)),
        namespace=chance.choice((namespace, build.HOME, "other")),
        name=f"o{number}",
    )


def _capability(chance: Chance, name: str, names: list[str]) -> Object:
    return build.capability(
        name,
        found=chance.choice(({}, {"tpu": "v2"}, {"fast-storage": "true"})),
        stores=[build.store(*chance.some(_BUCKETS, 2), available=not chance.once_in(4))] if chance.once_in(2) else (),
        links=[build.link(chance.choice(names), bandwidth=chance.choice((5, 7_000_000)), latency_s=0.2)],
        kind=chance.choice(("", "edge", "cloud")),
    )
