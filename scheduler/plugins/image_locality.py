"""ImageLocality: prefers nodes that hold the pod's images, dearer for images that many nodes hold.

Source: pkg/scheduler/framework/plugins/imagelocality/image_locality.go (1.37: image volumes count too).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from scheduler import config
from scheduler.api import core
from scheduler.plugins import contract, request
from scheduler.state import changes, images, snapshot

# image_locality.go: below 23 MB an image is not worth a preference, above 1000 MB a container gets no more of it.
_MIN_BYTES: Final = 23 * 1024 * 1024
_MAX_BYTES: Final = 1000 * 1024 * 1024

References = tuple[str, ...]


def _compile(pod: request.PodRequest, settings: config.Settings) -> References | None:
    if settings.image_pull_as_data and pod.transfers:
        return None  # images are reckoned with the rest of what it moves
    return references(pod.pod)


def references(pod: core.Pod) -> References:
    """The names of a pod's images, as nodes know them."""
    return tuple(_normal(reference) for reference in _references(pod))


def _references(pod: core.Pod) -> Iterator[str]:
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        yield container.image
    for volume in pod.spec.volumes:
        if volume.image is not None:
            yield volume.image.reference


def _normal(reference: str) -> str:
    """Give an untagged name its tag: a colon after the last slash is a tag (or belongs to a digest)."""
    return reference if reference.rfind(":") > reference.rfind("/") else f"{reference}:latest"


def _worth(image: images.Image, view: snapshot.Snapshot) -> int:
    holders = int(np.count_nonzero(image.held[: view.size]))
    return int(image.size_bytes * (holders / view.count)) if view.count else 0


def _raws(references: References, view: snapshot.Snapshot) -> contract.Ints:
    total = np.zeros(view.size, np.int64)
    for reference in references:
        image = view.images.get(reference)
        if image is not None:
            total += np.where(image.held[: view.size], _worth(image, view), 0)
    low, high = _bounds(references)
    return contract.MAX_SCORE * (np.clip(total, low, high) - low) // max(high - low, 1)


def _raw(references: References, view: snapshot.Snapshot, slot: int) -> int:
    total = 0
    for reference in references:
        image = view.images.get(reference)
        if image is not None and image.held.item(slot):
            total += _worth(image, view)
    low, high = _bounds(references)
    return contract.MAX_SCORE * (min(max(total, low), high) - low) // max(high - low, 1)


def _bounds(references: References) -> tuple[int, int]:
    return _MIN_BYTES, max(_MAX_BYTES * len(references), _MIN_BYTES)


SCORE: Final = contract.Score(
    name="ImageLocality",
    compile=_compile,
    raws=_raws,
    raw=_raw,
    facets=changes.IMAGES | changes.ALIVE,
)
