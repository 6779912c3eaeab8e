"""Work drawn by chance, from a seed: batches to be placed together, bursts over shared data, and a crowd for speed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from scheduler import config
from scheduler.api import annotations as intents
from scheduler.api import core
from scheduler.simulate import scenario
from scheduler.simulate.reading import assembling, making

BUCKET: Final = "data"
_REGIONS: Final = 4
_SPREAD: Final = 1.0  # of logarithms: a sixth of all are above e times the median
_MEDIAN_BYTES: Final = 300e6
_CPU_MILLI: Final = (250, 500, 1000, 2000)
_NODE_SIZES: Final = (1, 2, 4)  # relative to each other
_HEADROOM: Final = 1.25
_SHARED: Final = 12
_SHARED_BYTES: Final = 1e9
_OWN_BYTES: Final = 100e6
_WORKS_S: Final = 20.0
_CROWD_OBJECTS: Final = 1000


def batch(pods: int, nodes: int, seed: int) -> scenario.Scenario:
    """Pods that all come at once to a cluster in which there is room for 1.25 times as much, and not much more.

    Four regions, half of the nodes at the edge of each. A pod reads one to three objects of one to three copies each,
    of sizes around 300 MB, and asks for a quarter to two cores.
    """
    chance = np.random.default_rng(seed)
    names = [f"node-{number}" for number in range(nodes)]
    works = []
    objects = []
    asked_milli = 0
    for number in range(pods):
        inputs = []
        for each in range(chance.integers(1, 4)):
            urn = f"{BUCKET}/{number}-{each}"
            size_bytes = _around(_MEDIAN_BYTES, chance)
            copies = chance.choice(nodes, min(nodes, int(chance.integers(1, 4))), replace=False)
            objects.append(making.data_object(urn, size_bytes, [names[copy] for copy in copies]))
            inputs.append(intents.Transfer(urn, size_bytes))
        cpu_milli = int(chance.choice(_CPU_MILLI))
        asked_milli += cpu_milli
        works.append(_work(f"pod-{number}", inputs, cpu_milli=cpu_milli))
    sizes = chance.choice(_NODE_SIZES, nodes)
    unit_milli = max(1000.0, _HEADROOM * asked_milli / sizes.sum())
    return scenario.Scenario(
        name=f"{pods} pods at once on {nodes} nodes, seed {seed}",
        settings=config.Settings(),
        nodes=tuple(
            _node(name, number % _REGIONS, number // _REGIONS % 2, math.ceil(sizes[number] * unit_milli))
            for number, name in enumerate(names)
        ),
        objects=tuple(objects),
        works=tuple(works),
    )


def bursts(topology: assembling.Part, seed: int, *, count: int = 20, mean_gap_s: float = 15.0) -> scenario.Scenario:
    """Pods that come in bursts of 4 to 16 at random times; those of a burst share an object, popular ones often.

    Each reads some data of its own besides, works for some seconds, and writes a result.
    """
    chance = np.random.default_rng(seed)
    shared = [_around(_SHARED_BYTES, chance) for _ in range(_SHARED)]
    popularity = 1 / np.arange(1, _SHARED + 1)  # Zipf's law
    works = []
    time_s = 0.0
    for burst in range(count):
        which = int(chance.choice(_SHARED, p=popularity / popularity.sum()))
        for number in range(chance.integers(4, 17)):
            name = f"burst-{burst}-{number}"
            inputs = [
                intents.Transfer(f"{BUCKET}/shared-{which}", shared[which]),
                intents.Transfer(f"{BUCKET}/{name}", _around(_OWN_BYTES, chance)),
            ]
            output = intents.Transfer(f"{BUCKET}/{name}.out", _around(_OWN_BYTES, chance))
            works_s = round(float(chance.lognormal(np.log(_WORKS_S), _SPREAD)), 3)
            cpu_milli = int(chance.choice(_CPU_MILLI))
            works.append(_work(name, inputs, [output], cpu_milli=cpu_milli, arrives_s=time_s, works_s=works_s))
        time_s += float(chance.exponential(mean_gap_s))
    found = assembling.assemble([topology, assembling.Part(where="bursts", works=tuple(works))])
    return msgspec.structs.replace(found, name=f"{count} bursts on {topology.name}, seed {seed}")


def crowd(pods: int = 100_000, nodes: int = 5_000, *, seed: int = 1, pods_per_s: float = 500.0) -> scenario.Scenario:
    """Many small pods one after another on many nodes, to see how fast a simulation is.

    Nodes of 32 cores in 25 regions of 4 zones, each zone with one store. A pod reads one of 1,000 objects, which lie on
    three nodes each, works for a minute, and one in ten writes something.
    """
    chance = np.random.default_rng(seed)
    names = [f"node-{number}" for number in range(nodes)]
    objects = [
        making.data_object(
            f"{BUCKET}/{number}",
            _around(_OWN_BYTES, chance),
            [names[at] for at in chance.choice(nodes, min(nodes, 3), replace=False)],
        )
        for number in range(_CROWD_OBJECTS)
    ]
    inputs = [intents.Transfer(obj.spec.urn, obj.status.size_bytes or 0) for obj in objects]
    read = chance.integers(0, _CROWD_OBJECTS, pods)
    return scenario.Scenario(
        name=f"{pods} pods on {nodes} nodes, seed {seed}",
        settings=config.Settings(),
        nodes=tuple(_node(name, number // 4 % 25, number % 4, 32_000) for number, name in enumerate(names)),
        capabilities=tuple(making.capability(name, buckets=[BUCKET]) for name in names[:100]),
        objects=tuple(objects),
        works=tuple(
            _work(
                f"pod-{number}",
                [inputs[read[number]]],
                [intents.Transfer(f"{BUCKET}/out-{number}", 10_000_000)] if number % 10 == 0 else [],
                cpu_milli=500,
                arrives_s=number / pods_per_s,
                works_s=60.0,
            )
            for number in range(pods)
        ),
    )


def _around(median_bytes: float, chance: np.random.Generator) -> int:
    return int(chance.lognormal(np.log(median_bytes), _SPREAD))


def _node(name: str, region: int, zone: int, cpu_milli: int) -> core.Node:
    """A node; those of every second zone of a region are at the edge."""
    return making.node(
        name,
        region=f"region-{region}",
        zone=f"region-{region}-{zone}",
        node_type="edge" if zone % 2 else "cloud",
        resources={"cpu": f"{cpu_milli}m", "memory": "128Gi", "pods": "110"},
    )


def _work(
    name: str,
    inputs: Sequence[intents.Transfer],
    outputs: Sequence[intents.Transfer] = (),
    *,
    cpu_milli: int,
    arrives_s: float = 0.0,
    works_s: float = 0.0,
) -> scenario.Work:
    first = msgspec.structs.replace(inputs[0], processing_s=works_s)
    return scenario.Work(
        pod=making.pod(
            name,
            intent=intents.Intent(inputs=(first, *inputs[1:]), outputs=tuple(outputs)),
            resources={"cpu": f"{cpu_milli}m", "memory": "64Mi"},
        ),
        arrives_s=arrives_s,
        works_s=works_s,
    )
