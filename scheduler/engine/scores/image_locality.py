"""ImageLocality: prefers nodes that hold the pod's images, dearer for images that many nodes hold.

Source: pkg/scheduler/framework/plugins/imagelocality/image_locality.go (1.37: image volumes count too).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.api import core
from scheduler.engine import request, scores
from scheduler.state import snapshot

PLUGIN: Final = "ImageLocality"
# image_locality.go: below 23 MB an image is not worth a preference, above 1000 MB a container gets no more of it.
_MIN_BYTES: Final = 23 * 1024 * 1024
_MAX_BYTES: Final = 1000 * 1024 * 1024

Ints = NDArray[np.int64]


def raw(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings, feasible: Ints) -> Ints:
    """The score of each feasible node, 0..100."""
    total = np.zeros(len(feasible), np.int64)
    references = list(_references(asked.pod))
    for reference in references:
        image = snap.images.get(_normal(reference))
        if image is not None:
            held = image.held[: snap.size]
            spread = int(np.count_nonzero(held)) / snap.count
            total += np.where(held[feasible], int(image.size_bytes * spread), 0)
    low, high = _MIN_BYTES, _MAX_BYTES * len(references)
    return scores.MAX_SCORE * (np.clip(total, low, max(high, low)) - low) // max(high - low, 1)


def _references(pod: core.Pod) -> Iterator[str]:
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        yield container.image
    for volume in pod.spec.volumes:
        if volume.image is not None:
            yield volume.image.reference


def _normal(reference: str) -> str:
    """Give an untagged name its tag: a colon after the last slash is a tag (or belongs to a digest)."""
    return reference if reference.rfind(":") > reference.rfind("/") else f"{reference}:latest"
