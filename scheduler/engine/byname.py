"""One engine for each profile, chosen by the scheduler that a pod names.

They decide on one state, and share the rows of what their plugins ask alike (scheduler.engine.rows.Shelf). What a
profile makes of the rows, as its weights say, is its own.
"""

from __future__ import annotations

from scheduler import config
from scheduler.api import core
from scheduler.engine import decide, rows


class Engines:
    """The engines of all profiles that the settings name."""

    def __init__(self, settings: config.Settings) -> None:
        self.configure(settings)

    def configure(self, settings: config.Settings) -> None:
        """From now on decide by other settings: with new engines, as whatever these keep is made of settings."""
        shelf = rows.Shelf()
        self._first = decide.Engine(settings.of(settings.scheduler_name), shelf)
        self._others = {
            profile.scheduler_name: decide.Engine(settings.of(profile.scheduler_name), shelf)
            for profile in settings.further
        }

    def of(self, pod: core.Pod) -> decide.Engine:
        """Who decides a pod; the first profile's where it names none of ours."""
        return self._others.get(pod.spec.scheduler_name, self._first)
