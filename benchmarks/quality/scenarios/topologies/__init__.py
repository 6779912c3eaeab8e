"""Clusters that any workload can be simulated on: one switch, edge sites around a cloud, three cloud regions.

Each is a file in the simulator's own format beside this one, in which every node has a store of every bucket. With
stores per site, only the first node of each zone has one.
"""

from __future__ import annotations

import pathlib
from typing import Final, Literal

import msgspec

from scheduler import sections
from scheduler.api import crd, names
from scheduler.simulate.reading import assembling, expanding

NAMES: Final = ("cluster", "edge", "regions")
_FOLDER: Final = pathlib.Path(__file__).parent

Stores = Literal["node", "site"]


def path(name: str) -> pathlib.Path:
    """The file of a topology."""
    return _FOLDER / f"{name}.yaml"


def part(name: str, stores: Stores = "node") -> assembling.Part:
    """The nodes and links of one of NAMES."""
    found = expanding.part(sections.load(path(name)), f"{name}.yaml")
    if stores == "node":
        return found
    first: dict[str, str] = {}
    for node in found.nodes:
        first.setdefault(node.metadata.labels.get(names.ZONE_LABEL, ""), node.metadata.name)
    return msgspec.structs.replace(
        found,
        name=f"{found.name}, stores per site",
        capabilities=tuple(
            one if one.metadata.name in first.values() else _without_stores(one) for one in found.capabilities
        ),
    )


def _without_stores(one: crd.NodeCapability) -> crd.NodeCapability:
    return msgspec.structs.replace(one, status=msgspec.structs.replace(one.status, stores=()))
