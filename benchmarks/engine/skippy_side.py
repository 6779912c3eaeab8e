"""Skippy's core at its own work; runs in an environment that has edgerun-skippy-core, and nothing of ours.

    python skippy_side.py NODES DECISIONS SEED      -> milliseconds of each decision by kind, as JSON

Its defaults throughout: all predicates and priorities, all nodes scored. It reads one input a pod, so that is what its
data pods have. Links are looked up in plain dictionaries, which is the least that a context can cost it.
"""

from __future__ import annotations

import json
import random
import sys
import time
from typing import Any

from skippy.core import clustercontext, model, scheduler, storage  # type: ignore[import-not-found]

STORAGE_NODES = 10
ITEMS = 1000
IMAGE = "registry.example/app:1"
_LABEL = "data.skippy.io/receives-from-storage/path"


class Context(clustercontext.ClusterContext):  # type: ignore[misc]
    """A cluster of equal nodes in two sorts, edge and cloud."""

    def __init__(self, nodes: int, rng: random.Random) -> None:
        self.nodes = [
            model.Node(
                f"node-{number}",
                capacity=model.Capacity(32_000, 128 * 2**30),
                allocatable=model.Capacity(32_000, 128 * 2**30),
                labels={
                    "beta.kubernetes.io/arch": "amd64",
                    "locality.skippy.io/type": "edge" if number % 2 else "cloud",
                },
            )
            for number in range(nodes)
        ]
        self._rng = rng
        super().__init__()
        self.storage_index = storage.StorageIndex()
        for number in range(STORAGE_NODES):
            self.storage_index.mb(f"bucket-{number}", f"node-{number}")
        for number in range(ITEMS):
            item = storage.DataItem(f"bucket-{number % STORAGE_NODES}", f"part-{number}", rng.randrange(10**6, 10**9))
            self.storage_index.put(item)

    def get_init_image_states(self) -> dict[str, Any]:
        return {IMAGE: model.ImageState(size={"amd64": 100_000_000})}

    def get_bandwidth_graph(self) -> dict[str, dict[str, float]]:
        sources = ["registry", *(f"node-{number}" for number in range(STORAGE_NODES))]
        return {
            source: {node.name: float(self._rng.randrange(10**6, 10**8)) for node in self.nodes} for source in sources
        }

    def list_nodes(self) -> list[Any]:
        return self.nodes

    def get_next_storage_node(self, node: object) -> str:
        return str(node)


def measure(nodes: int, decisions: int, seed: int) -> dict[str, list[float]]:
    """Milliseconds of each decision."""
    rng = random.Random(seed)  # noqa: S311 (repeatable, not secret)
    found: dict[str, list[float]] = {}
    for kind in ("plain", "data"):
        decider = scheduler.Scheduler(Context(nodes, rng))
        found[kind] = []
        for number in range(decisions):
            item = rng.randrange(ITEMS)
            labels = {_LABEL: f"bucket-{item % STORAGE_NODES}/part-{item}"} if kind == "data" else {}
            requests = model.ResourceRequirements({"cpu": 100, "memory": 500 * 2**20})
            spec = model.PodSpec([model.Container(IMAGE, requests)], labels)
            pod = model.Pod(f"pod-{number}", "default", spec)
            began_s = time.thread_time()
            chosen = decider.schedule(pod).suggested_host
            found[kind].append((time.thread_time() - began_s) * 1000)
            assert chosen is not None
    return found


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:]))))
