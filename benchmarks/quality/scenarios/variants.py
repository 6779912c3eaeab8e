"""The same work under other conditions: pods that do not say how long they work, and pods whose images are pulled."""

from __future__ import annotations

import dataclasses
from typing import Final, NamedTuple

import msgspec
import numpy as np

from scheduler import registries
from scheduler.api import annotations as intents
from scheduler.api import core, names
from scheduler.simulate import scenario

# Compressed, as registries list them, rounded: a static binary, alpine with a tool, a slim interpreter, a whole one, a
# notebook for data science, PyTorch with CUDA.
_IMAGE_BYTES: Final = (5_000_000, 30_000_000, 150_000_000, 400_000_000, 1_500_000_000, 3_500_000_000)
_HOST: Final = "registry.example"
_HELD: Final = 0.25  # of the nodes, by whoever ran there before


class Place(NamedTuple):
    """Where a registry is."""

    region: str
    zone: str


def undeclared(given: scenario.Scenario) -> scenario.Scenario:
    """The same pods work for as long as ever, but say nothing of it: as most users would have it."""
    works = tuple(msgspec.structs.replace(work, pod=_silent(work.pod)) for work in given.works)
    return msgspec.structs.replace(given, name=f"{given.name}, undeclared", works=works)


def with_images(given: scenario.Scenario, registry: Place, seed: int) -> scenario.Scenario:
    """Each kind of pod (its name without the number) has an image of its own, which some nodes have already."""
    chance = np.random.default_rng(seed)
    kinds = dict.fromkeys(_kind(work.pod) for work in given.works)
    images = {
        kind: core.ContainerImage(names=(f"{_HOST}/{kind}:1",), size_bytes=int(chance.choice(_IMAGE_BYTES)))
        for kind in kinds
    }
    nodes = tuple(
        msgspec.structs.replace(
            node,
            status=msgspec.structs.replace(
                node.status, images=tuple(image for image in images.values() if chance.random() < _HELD)
            ),
        )
        for node in given.nodes
    )
    works = tuple(
        msgspec.structs.replace(work, pod=_from_image(work.pod, images[_kind(work.pod)].names[0]))
        for work in given.works
    )
    where = f"{names.EXTERNAL}:{registry.region}/{registry.zone}"
    return msgspec.structs.replace(
        given,
        name=f"{given.name}, images",
        settings=dataclasses.replace(
            given.settings, registries=(registries.Registry(_HOST, registry.region, registry.zone),)
        ),
        nodes=nodes,
        works=works,
        images=tuple(
            scenario.Image(name=one.names[0], size_bytes=one.size_bytes, registry=where) for one in images.values()
        ),
    )


def _kind(pod: core.Pod) -> str:
    return pod.metadata.name.rpartition("-")[0] or pod.metadata.name


def _from_image(pod: core.Pod, image: str) -> core.Pod:
    containers = tuple(msgspec.structs.replace(each, image=image) for each in pod.spec.containers)
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, containers=containers))


def _silent(pod: core.Pod) -> core.Pod:
    meta = pod.metadata
    said = intents.parse(meta.annotations)[0]
    inputs, outputs = (
        tuple(msgspec.structs.replace(each, processing_s=0.0) for each in transfers)
        for transfers in (said.inputs, said.outputs)
    )
    notes = meta.annotations | intents.format(msgspec.structs.replace(said, inputs=inputs, outputs=outputs))
    return msgspec.structs.replace(pod, metadata=msgspec.structs.replace(meta, annotations=notes))
