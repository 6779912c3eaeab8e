"""Skippy's own code on worlds from standard input; run by a Python that has it. Prints where each pod goes."""

from __future__ import annotations

import json
import sys
from typing import Any

from skippy.core import clustercontext, model, scheduler, storage  # type: ignore[import-not-found]

Json = Any
_ARCH = "amd64"


class Context(clustercontext.ClusterContext):  # type: ignore[misc]
    def __init__(self, world: Json) -> None:
        self._world = world
        self._nodes = [
            model.Node(
                each["name"],
                allocatable=model.Capacity(each["cpu_milli"], each["memory_bytes"]),
                labels={"beta.kubernetes.io/arch": _ARCH, "locality.skippy.io/type": each["kind"]}
                | {f"capability.skippy.io/{name}": "true" for name in each["can"]},
            )
            for each in world["nodes"]
        ]
        super().__init__()
        self.storage_index = storage.StorageIndex()
        for bucket, nodes in world["buckets"].items():
            for node in nodes:
                self.storage_index.mb(bucket, node)
        for bucket, name, size_bytes in world["items"]:
            self.storage_index.put(storage.DataItem(bucket, name, size_bytes))

    def get_init_image_states(self) -> Json:
        return {name: model.ImageState({_ARCH: size}) for name, size in self._world["images"].items()}

    def get_bandwidth_graph(self) -> Json:
        return self._world["bandwidth"]

    def list_nodes(self) -> Json:
        return self._nodes

    def get_next_storage_node(self, node: Json) -> str:
        raise NotImplementedError


def pod(each: Json) -> Json:
    labels = {f"capability.skippy.io/{name}": "true" for name in each["wants"]}
    if each["reads"]:
        labels["data.skippy.io/receives-from-storage/path"] = each["reads"]
    if each["writes"]:
        labels["data.skippy.io/sends-to-storage/path"] = each["writes"]
    resources = model.ResourceRequirements()
    resources.requests = {"cpu": each["cpu_milli"], "memory": each["memory_bytes"]}
    return model.Pod(each["name"], "default", model.PodSpec([model.Container(each["image"], resources)], labels))


def place(world: Json) -> list[str | None]:
    subject = scheduler.Scheduler(Context(world))
    hosts = [subject.schedule(pod(each)).suggested_host for each in world["pods"]]
    return [host.name if host is not None else None for host in hosts]


if __name__ == "__main__":
    json.dump([place(world) for world in json.load(sys.stdin)], sys.stdout)
