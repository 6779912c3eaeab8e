"""The engine as this benchmark drives it: nothing else here knows how a decision is asked for."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import msgspec

from scheduler import config
from scheduler.api import core, crd, names
from scheduler.engine import decide
from scheduler.plugins import request
from scheduler.state import cluster

Json = dict[str, Any]
NOW_S = 1_800_000_000.0  # nothing here ages, but a view is of a moment


class Door:
    """A state, and decisions that change it."""

    def __init__(self, nodes: Iterable[Json], pods: Iterable[Json], objects: Iterable[Json], seed: int) -> None:
        self._settings = config.Settings()
        self._engine = decide.Engine(self._settings)
        self._draws = random.Random(seed)  # noqa: S311 (repeatable, not secret)
        self._state = cluster.Cluster(self._settings.network, names.HOME_NAMESPACE)
        for node in nodes:
            self._state.apply_node(msgspec.convert(node, core.Node))
        for pod in pods:
            self._state.apply_pod(msgspec.convert(pod, core.Pod))
        for obj in objects:
            self._state.apply_data_object(msgspec.convert(obj, crd.DataObject))

    def prepare(self, pod: Json) -> request.PodRequest:
        """Read a pod, as is done once when it comes."""
        return request.prepare(msgspec.convert(pod, core.Pod))

    def place(self, asked: request.PodRequest) -> str:
        """Decide about a pod and take its room; returns its node, or "" if there is none."""
        found = self._engine.decide(self._state.freeze(NOW_S), asked, self._draws.getrandbits(63))
        if found.node:
            self._state.assume(asked.pod, found.node, asked.asked)
        return found.node
