"""Brings PodDisruptionBudgets to the kernel, by an informer: whom preemption would rather spare.

A role of an earlier release does not let us list them. Preemption goes on then as if there were none, and the log says
so once.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from scheduler.api import policy
from scheduler.kernel import events
from scheduler.kube import client, informer, mishaps, reading
from scheduler.live import driver

log = structlog.get_logger(__name__)

BUDGETS: Final = "/apis/policy/v1/poddisruptionbudgets"


class _Handler:
    """Hands them in."""

    def __init__(self, scheduling: driver.Driver) -> None:
        self._driver = scheduling

    def apply(self, budget: policy.PodDisruptionBudget) -> None:
        self._driver.handle(events.BudgetSeen(self._driver.clock(), budget))

    def remove(self, key: informer.Key) -> None:
        self._driver.handle(events.BudgetGone(self._driver.clock(), key.namespace, key.name))

    def replaced(self, count: int) -> None:
        log.info("pod disruption budgets read", budgets=count)


class Budgets:
    """The informer.

    Attributes:
        synced: Set once all have been read, or are known not to be ours to read.
    """

    def __init__(self, api: client.Api, scheduling: driver.Driver, failures: mishaps.Mishaps) -> None:
        self.synced = asyncio.Event()
        self._api = api
        self._informer = informer.Informer(
            api, BUDGETS, policy.PodDisruptionBudget, _Handler(scheduling), failures=failures
        )

    async def run(self) -> None:
        """Follow them if they can be seen, until cancelled."""
        error = await reading.why_withheld(self._api, BUDGETS)
        if error is not None:
            log.warning(
                "not followed: pods are evicted whatever these say", kind="PodDisruptionBudget", error=str(error)
            )
        await informer.run_all([self._informer] if error is None else [], self.synced)
