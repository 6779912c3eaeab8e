"""PodDisruptionBudgets as typed structs: what is read of how many of some pods may be disrupted."""

from __future__ import annotations

from typing import Any

import msgspec

from scheduler.api import core


class PodDisruptionBudgetSpec(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """Which pods it speaks of; without a selector, or with an empty one, none."""

    selector: core.LabelSelector | None = None


class PodDisruptionBudgetStatus(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """How many more may be disrupted now, and those by name that are being disrupted and do not count any more."""

    disruptions_allowed: core.Int32 = 0
    disrupted_pods: dict[str, Any] = {}


class PodDisruptionBudget(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """How many of some pods may be disrupted."""

    metadata: core.ObjectMeta
    spec: PodDisruptionBudgetSpec = PodDisruptionBudgetSpec()
    status: PodDisruptionBudgetStatus = PodDisruptionBudgetStatus()
