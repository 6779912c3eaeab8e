"""Scenarios as the state takes them in, so that tests can ask what a scheduler would see of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from scheduler.api import annotations as intents
from scheduler.api import names
from scheduler.simulate import reading, scenario
from scheduler.state import cluster


def written(folder: Path, *files: Any) -> list[Path]:
    """Files with these contents: texts as they are, all else as YAML."""
    paths = [folder / f"{number}.yaml" for number in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False), "utf-8")
    return paths


def read(folder: Path, *files: Any) -> scenario.Scenario:
    return reading.read(written(folder, *files))


def state(world: scenario.Scenario) -> cluster.Cluster:
    """The cluster as it is in the beginning."""
    found = cluster.Cluster(world.settings.network, names.HOME_NAMESPACE)
    for node in world.nodes:
        found.apply_node(node)
    for capability in world.capabilities:
        found.apply_capability(capability)
    for obj in world.objects:
        found.apply_data_object(obj)
    for pod in world.running:
        found.apply_pod(pod)
    return found


def where(world: scenario.Scenario, urn: str, namespace: str = "default") -> tuple[str, ...]:
    """The nodes from which a urn can be had."""
    entry = state(world).replicas.resolve(namespace, urn, 0.0)
    return entry.nodes if entry is not None else ()


def intent(world: scenario.Scenario, pod: str) -> intents.Intent:
    """What a pod (namespace/name) that comes asks for, all of it understood."""
    (found,) = [work.pod for work in world.works if work.pod.key == pod]
    read_, problems = intents.parse(found.metadata.annotations)
    assert not problems
    return read_
