"""Which nodes hold which container images, and how big these are, as kube-scheduler's cache keeps it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.api import core


@dataclass(frozen=True, slots=True)
class Image:
    """An image that some nodes hold: its size as first reported, in bytes, and who holds it."""

    size_bytes: int
    held: NDArray[np.bool_]


class ImageTable:
    """The images of all nodes, in ``by_name``."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self.by_name: dict[str, Image] = {}

    def grow(self, capacity: int) -> None:
        """Make room for node indices below ``capacity``."""
        for name, image in self.by_name.items():
            held = np.concatenate([image.held, np.zeros(capacity - len(image.held), np.bool_)])
            self.by_name[name] = Image(size_bytes=image.size_bytes, held=held)
        self._capacity = capacity

    def replace(
        self, index: int, before: tuple[core.ContainerImage, ...], after: tuple[core.ContainerImage, ...]
    ) -> bool:
        """Take in that node ``index``, which held those ``before``, holds those ``after``; returns whether they differ.

        They are taken out, then put in anew, as upstream: the size of an image is the one that came first among those
        nodes that hold it now. A name that a node lists twice has the size listed first.
        """
        if before == after:
            return False
        for name in {name for image in before for name in image.names}:
            self.by_name[name].held[index] = False
            if not self.by_name[name].held.any():
                del self.by_name[name]
        for name, size_bytes in {name: image.size_bytes for image in reversed(after) for name in image.names}.items():
            if name not in self.by_name:
                self.by_name[name] = Image(size_bytes=size_bytes, held=np.zeros(self._capacity, np.bool_))
            self.by_name[name].held[index] = True
        return True
