"""Shows how far the clocks are apart that the scheduler compares: its own, the API server's, and those of the daemons.

Minutes change no answer: what is compared across clocks is compared with an allowance (scheduler.live.expected,
scheduler.state.witnesses). More of it does, so it is measured, and said while there is time to mend it. A daemon whose
clock is behind looks like one that was silent for so long, and is told as that.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Final

import structlog

from scheduler.kube import client
from scheduler.live import metrics
from scheduler.state import witnesses

log = structlog.get_logger(__name__)

WORTH_SAYING_S: Final = 60.0
SAID_EVERY_S: Final = 3600.0

API_SERVER: Final = "api_server"
DAEMONS: Final = "daemons"


class Clocks:
    """Compares them now and then.

    Args:
        clock: Monotonic seconds.
        now: The time of day.
    """

    def __init__(
        self,
        *,
        api: client.Api,
        seen: witnesses.Witnesses,
        counters: metrics.Metrics,
        clock: Callable[[], float],
        now: Callable[[], datetime.datetime],
    ) -> None:
        self._api = api
        self._witnesses = seen
        self._metrics = counters
        self._clock = clock
        self._now = now
        self._said: dict[str, float] = {}

    def sweep(self) -> None:
        """Compare once."""
        newest_s = self._witnesses.newest_s()
        self._show(API_SERVER, self._api.ahead_s)
        self._show(DAEMONS, max(0.0, newest_s - self._now().timestamp()) if newest_s else 0.0)

    def _show(self, whose: str, ahead_s: float) -> None:
        self._metrics.clock_ahead(whose, ahead_s)
        now = self._clock()
        if abs(ahead_s) >= WORTH_SAYING_S and now - self._said.get(whose, now - SAID_EVERY_S) >= SAID_EVERY_S:
            self._said[whose] = now
            log.warning("clocks differ, synchronize them", of=whose, ahead_s=round(ahead_s))
