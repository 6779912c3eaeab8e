"""Whole questions by theme: what a theme is about shows often, what the other chosen themes are about now and then."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from tests.parity.hostile import company, configs, nodes, placement, pods
from tests.parity.hostile.chance import NAMESPACES, Chance, Object

# What each theme is about. A theme of several features is about how they meet.
THEMES: Final[dict[str, tuple[str, ...]]] = {
    "plain": (),
    "taints": ("taints",),
    "affinity": ("affinity", "name"),
    "ports": ("ports",),
    "resources": ("resources",),
    "resize": ("resources", "resize", "podlevel"),
    "images": ("images",),
    "company": ("company",),
    "features": ("features",),
    "nominated": ("nominated", "ports", "company", "priorities"),
    "config": ("config", "affinity", "company", "resources"),
    "preemption": ("priorities", "crowd", "company", "ports"),
}
_OFTEN, _SELDOM = 0.7, 0.06


def question(seed: int, chosen: Collection[str] = tuple(THEMES)) -> Object:
    """The question of a seed, of one of the chosen themes; features of themes that were not chosen never show.

    Raises:
        KeyError: there is no such theme.
    """
    chance = Chance(seed)
    theme = sorted(chosen)[seed % len(chosen)]
    often = THEMES[theme]
    seldom = {feature for name in chosen for feature in THEMES[name]}

    def wanted(feature: str) -> bool:
        return chance.happens(_OFTEN) if feature in often else feature in seldom and chance.happens(_SELDOM)

    found: Object = {"id": f"{theme}-{seed}", "nodes": nodes.nodes(chance, wanted)}
    names = [node["metadata"]["name"] for node in found["nodes"]]
    found["pod"] = _pod(chance, wanted, "asked")
    number = chance.randint(0, 25 if "crowd" in often else 10)
    found["pods"] = [_other(chance, wanted, f"p{index}", names) for index in range(number)]
    if wanted("name"):
        placement.name(chance, found["pod"]["spec"])
    if wanted("nominated") and chance.once_in(4) and names:
        found["pod"]["status"]["nominatedNodeName"] = chance.choice(names)
    if "crowd" in often:
        found["pod"]["spec"]["priority"] = chance.choice((0, 10, 100, 1000))
    found["namespaces"] = company.namespaces(chance)
    if wanted("config"):
        found["config"] = configs.config(chance)
    return found


def _pod(chance: Chance, wanted: nodes.Wanted, name: str) -> Object:
    made = pods.pod(chance, wanted, name, chance.choice(NAMESPACES))
    placement.place(chance, wanted, made["spec"])
    if wanted("company"):
        company.seek(chance, made["spec"])
    return made


def _other(chance: Chance, wanted: nodes.Wanted, name: str, names: list[str]) -> Object:
    made = _pod(chance, wanted, name)
    if wanted("nominated") and names:
        made["status"]["nominatedNodeName"] = chance.choice((*names, "gone"))
        return made
    if chance.once_in(12):
        return made  # it waits, too
    return pods.run(chance, wanted, made, chance.choice((*names, *names, "gone")))
