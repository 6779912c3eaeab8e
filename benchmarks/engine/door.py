"""The engine as this benchmark drives it: nothing else here knows how a decision is asked for."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from benchmarks.scheduling import work
from scheduler import config
from scheduler.api import core
from scheduler.engine import decide
from scheduler.kernel import journal, reservations
from scheduler.offline import door, question
from scheduler.plugins import request

Json = dict[str, Any]
NOW_S = 1_800_000_000.0  # nothing here ages, but a view is of a moment
_RECORD = journal.Record("", "", "", 1, "")


class Door:
    """A cluster in the form of a question, and decisions that change it."""

    def __init__(self, objects: Mapping[str, Sequence[Json]], seed: int) -> None:
        settings = config.Settings()
        self._engine = decide.Engine(settings)
        self._draws = random.Random(seed)  # noqa: S311 (repeatable, not secret)
        asked = msgspec.convert({"pod": work.pod({"name": "none"}, {}), **objects}, question.Question)
        self._state = door.state_of(asked, settings)
        self._leaving: list[str] = []  # uids
        self._reservations = reservations.Reservations(self._state, lambda _pod: settings.plugins)

    def prepare(self, pod: Json) -> request.PodRequest:
        """Read a pod, as is done once when it comes."""
        return request.prepare(msgspec.convert(pod, core.Pod))

    def place(self, asked: request.PodRequest) -> str:
        """Decide about a pod and take its room, volumes and devices; returns its node, or "" if there is none.

        A pod for which others have to go takes the place of these, which are there until ``settle``.
        """
        view = self._state.freeze(NOW_S)
        found = self._engine.decide(view, asked, self._draws.getrandbits(63))
        chosen = found.preemption.chosen if found.preemption is not None else None
        if chosen is not None:
            self._state.assume(asked.pod, chosen.node, asked.asked)
            self._leaving += [victim.uid for victim in chosen.victims]
            return chosen.node
        if found.node:
            what = self._reservations.needed(asked, view, found.node, lambda _plugin: True)
            self._state.assume(asked.pod, found.node, asked.asked)
            if what is not None:
                self._reservations.start(asked.pod, found.node, _RECORD, what, NOW_S)
        return found.node

    def settle(self) -> None:
        """Have gone who had to go."""
        for uid in self._leaving:
            self._state.remove_pod(uid)
        self._leaving.clear()
