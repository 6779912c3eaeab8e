"""Whole questions by theme: what a theme is about shows often, what the other chosen themes are about now and then."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from tests.parity.hostile import (
    claims,
    company,
    configs,
    crowd,
    nodes,
    placement,
    pods,
    spreading,
    storage,
    unreadable,
)
from tests.parity.hostile.chance import NAMESPACES, Chance, Object

# What each theme is about: by feature how likely it shows where it can, on each object anew.
THEMES: Final[Mapping[str, Mapping[str, float]]] = {
    "plain": {"gates": 0.4},
    "taints": {"taints": 0.7},
    "affinity": {"affinity": 0.7, "name": 0.2},
    "preferred": {"preferred": 0.7, "images": 0.8, "liking": 0.5},
    "unreadable": {"unreadable": 0.6, "affinity": 0.4, "company": 0.4, "spread": 0.3},
    "ports": {"ports": 0.6},
    "resources": {"resources": 0.7},
    "resize": {"resources": 0.5, "resize": 0.7, "podlevel": 0.4},
    "images": {"images": 0.8},
    "company": {"company": 0.6},
    "features": {"features": 0.6},
    "nominated": {"nominated": 0.4, "ports": 0.3, "company": 0.3, "priorities": 0.6},
    "config": {
        "config": 0.9,
        "affinity": 0.2,
        "company": 0.2,
        "resources": 0.3,
        "taints": 0.2,
        "volumes": 0.1,
        "owners": 0.3,
    },
    "spread": {"spread": 0.8, "affinity": 0.1, "taints": 0.15},
    "default-spread": {"owners": 0.8},
    "volumes": {"volumes": 0.7},
    "attached": {"volumes": 0.8},
    "zoned": {"volumes": 0.8},
    "provisioned": {"volumes": 0.95},
    "claims": {"claims": 0.85},
    "extended": {"extended": 0.7, "claims": 0.1},
    "preemption": {
        "priorities": 0.9,
        "crowd": 1.0,
        "company": 0.1,
        "ports": 0.15,
        "nominated": 0.05,
        "spread": 0.1,
        "volumes": 0.12,
        "resources": 0.1,
        "taints": 0.03,
    },
}
# Amounts beyond 64 bits, or whose products are: upstream wraps or reads nothing, we saturate, and say so.
DIFFERENT: Final[Mapping[str, Mapping[str, float]]] = {"huge": {"resources": 0.5, "huge": 0.2}}
# How many questions a theme has to one of another: those in which what it is about seldom comes to be.
_WEIGHTS: Final[Mapping[str, int]] = {
    "claims": 5,
    "images": 2,
    "preemption": 4,
    "preferred": 2,
    "provisioned": 5,
    "volumes": 2,
}
_ALL: Final = {**THEMES, **DIFFERENT}
_SELDOM: Final = 0.06  # for what another chosen theme is about


def question(seed: int, chosen: Collection[str] = tuple(THEMES)) -> Object:
    """The question of a seed, of one of the chosen themes; features of themes that were not chosen never show.

    Raises:
        KeyError: there is no such theme.
    """
    chance = Chance(seed)
    themes = [name for name in sorted(chosen) for _ in range(_WEIGHTS.get(name, 1))]
    theme = themes[seed % len(themes)]
    often = _ALL[theme]
    seldom = {feature for name in chosen for feature in _ALL[name]}

    def wanted(feature: str) -> bool:
        return feature in often.keys() | seldom and chance.happens(often.get(feature, _SELDOM))

    found: Object = {"id": f"{theme}-{seed}", "nodes": nodes.nodes(chance, wanted)}
    names = [node["metadata"]["name"] for node in found["nodes"]]
    leaning = storage.LEANINGS.get(theme, storage.ANY)
    found["pod"] = _pod(chance, wanted, "asked", leaning)
    number = chance.randint(4, 30) if "crowd" in often else chance.randint(0, 10)
    found["pods"] = [_other(chance, wanted, f"p{index}", names, leaning) for index in range(number)]
    if wanted("name"):
        placement.name(chance, found["pod"]["spec"])
    if wanted("nominated") and chance.once_in(4) and names:
        found["pod"]["status"]["nominatedNodeName"] = chance.choice(names)
    if any("owners" in _ALL[name] for name in chosen):
        spreading.owners(chance, found)
    if any("volumes" in _ALL[name] for name in chosen):
        storage.fill(chance, found, names, leaning)
    if "claims" in often or claims.are_asked(found["pod"]):
        claims.fill(chance, found, names)
        found["now"] = claims.NOW
    if "crowd" in often:
        crowd.fill(chance, found)
    found["namespaces"] = company.namespaces(chance)
    _make_odd(chance, wanted, found)
    if wanted("config"):
        found["config"] = configs.config(chance)
    return found


def _make_odd(chance: Chance, wanted: nodes.Wanted, found: Object) -> None:
    """Gates, and selectors that cannot be read."""
    if wanted("gates"):
        gates = chance.some(("example.com/quota", "budget", "team.example.com/a"), 2, 1)
        found["pod"]["spec"]["schedulingGates"] = [{"name": name} for name in gates]
    for pod in (found["pod"], *found["pods"]):
        if wanted("unreadable"):
            unreadable.spoil(chance, pod["spec"])


def _pod(chance: Chance, wanted: nodes.Wanted, name: str, leaning: storage.Leaning) -> Object:
    made = pods.pod(chance, wanted, name, chance.choice(NAMESPACES))
    placement.place(chance, wanted, made["spec"])
    if wanted("company"):
        company.seek(chance, made["spec"])
    if wanted("liking"):
        company.like(chance, made["spec"])
    if wanted("spread"):
        spreading.constraints(chance, made)
    if wanted("owners"):
        spreading.own(chance, made)
    if wanted("volumes"):
        storage.mount(chance, made, leaning)
    if wanted("claims"):
        claims.claim(chance, made)
    if wanted("extended"):
        claims.extend(chance, made)
    return made


def _other(chance: Chance, wanted: nodes.Wanted, name: str, names: list[str], leaning: storage.Leaning) -> Object:
    made = _pod(chance, wanted, name, leaning)
    if wanted("nominated") and names:
        made["status"]["nominatedNodeName"] = chance.choice((*names, "gone"))
        return made
    if chance.once_in(12):
        return made  # it waits, too
    return pods.run(chance, wanted, made, chance.choice((*names, *names, "gone")))
