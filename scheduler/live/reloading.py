"""The configuration under a running scheduler: what changes in its file counts at once, as far as that is possible.

The file is looked at every few seconds, by every replica. A new one that can be used goes to the kernel as one more
event, so that a recording holds it. What a process begins with and keeps (config.FIXED, the names of profiles) is left
as it is and named, in the log and as a figure, until a restart. A file that cannot be used changes nothing.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Final

import prometheus_client as prometheus
import structlog

from scheduler import config, watchedfile

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 5.0
_PROFILES: Final = "profiles"


def taken(running: config.Settings, new: config.Settings) -> tuple[config.Settings, tuple[str, ...]]:
    """What of new settings can count in a process that runs with others, and the keys of what waits for a restart."""
    waiting = [key for field, key in config.FIXED.items() if getattr(new, field) != getattr(running, field)]
    if {one.scheduler_name for one in new.further} != {one.scheduler_name for one in running.further}:
        waiting.append(_PROFILES)
    known = {one.scheduler_name: one for one in new.further}
    further = tuple(known.get(one.scheduler_name, one) for one in running.further)
    kept = {field: getattr(running, field) for field in config.FIXED}
    return dataclasses.replace(new, further=further, **kept), tuple(waiting)


class Reloading:
    """Looks at the file.

    Args:
        apply: Has other settings count.
        registry: Where its figures are served.
    """

    def __init__(
        self,
        source: watchedfile.Source[config.Settings],
        apply: Callable[[config.Settings], None],
        registry: prometheus.CollectorRegistry,
    ) -> None:
        self._source = source
        self._running = source.settings
        self._apply = apply
        self._is_good = prometheus.Gauge(
            "data_locality_scheduler_config_last_reload_success",
            "Whether the configuration file as it is now could be read.",
            registry=registry,
        )
        self._is_good.set(1)
        self._waiting = prometheus.Gauge(
            "data_locality_scheduler_config_keys_waiting_for_restart",
            "Keys of the configuration file that changed and take effect only when the process starts anew.",
            registry=registry,
        )
        self._reloads = prometheus.Counter(
            "data_locality_scheduler_config_reloads",
            "Times that a changed configuration file was read, by result.",
            ["result"],
            registry=registry,
        )
        for result in ("success", "failure"):
            self._reloads.labels(result)

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            before = self._source.again
            is_other = await asyncio.to_thread(self._source.refresh)
            if self._source.again > before:
                self._is_good.set(self._source.is_good)
                self._reloads.labels("success" if self._source.is_good else "failure").inc()
            if is_other:
                self._take()

    def _take(self) -> None:
        settings, waiting = taken(self._running, self._source.settings)
        self._waiting.set(len(waiting))
        if waiting:
            log.warning("configuration keys that take effect at the next start", keys=waiting)
        if settings.ignored != self._running.ignored:
            log.info("configuration keys without an effect here", keys=dict(settings.ignored))
        if settings != self._running:
            self._running = settings
            self._apply(settings)
