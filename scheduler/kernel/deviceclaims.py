"""A pod's claims to devices, as they are written before it is bound: what they are given, and who uses them.

What was decided is in flight in the state from the decision on, so that the next pod sees the devices taken. It stays
so beyond the pod's Binding, until the watch has shown it (``is_shown``). Where a device is ready only when its driver
says so, that is awaited; a driver may also say that it failed.

Source: dynamicresources.go (Reserve, PreBind, isClaimReadyForBinding, isPodReadyForBinding).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from scheduler.api import core, devices
from scheduler.kernel import commands
from scheduler.plugins.dynamic_resources import granting, readiness
from scheduler.state import snapshot
from scheduler.state.claims import store

PLUGIN: Final = "DynamicResources"
TIME_IS_UP: Final = "device binding timeout: context deadline exceeded"


class DeviceClaims:
    """The claims of one pod.

    Args:
        known: The claims that there are.
        what: What is to be written of them.
        timeout_s: For how long it is awaited, once it is written, that devices are ready.

    Attributes:
        plugin: Whose part of a reservation it is.
        ends_s: When time is up; never before it is written.
        used, extended: What is to be written, as a command has it.
    """

    def __init__(self, known: store.Claims, pod: core.Pod, what: tuple[granting.Grant, ...], timeout_s: float) -> None:
        self.plugin = PLUGIN
        self.ends_s = math.inf
        self._known = known
        self._pod = pod
        self._what = what
        self._timeout_s = timeout_s
        if flights := tuple(store.Flight(one.claim, one.allocation) for one in what if one.allocation is not None):
            known.start(pod.metadata.uid, flights)
        named = [one for one in what if one.claim.metadata.name]
        self.used = tuple(_used(one) for one in named)
        self.extended = next((_extended(one) for one in what if not one.claim.metadata.name), None)

    def claims(self) -> Iterator[tuple[str, str, str]]:
        """What of it may change: kind, namespace and name."""
        for name in self._names():
            yield devices.ResourceClaim.__name__, self._pod.metadata.namespace, name

    def written(self, now_s: float) -> None:
        """All is written; the drivers have so long from now on."""
        self.ends_s = now_s + self._timeout_s

    def late(self) -> str:
        """What to say where time is up."""
        return TIME_IS_UP

    def end(self, *, is_done: bool) -> None:
        """It is over; what was written well is in flight until it is shown."""
        if not is_done or self.is_shown():
            self._known.end(self._pod.metadata.uid)

    def is_shown(self) -> bool:
        """Whether the watch has shown all that was given, or that the claim is gone."""
        return all(one.allocation is None or self._is_shown(one.claim.metadata) for one in self._what)

    def problem(self, view: snapshot.Snapshot) -> str | None:
        """Why it cannot come to a good end once it is written; "" if it has; None while that is awaited."""
        del view
        decided = {one.claim.metadata.name: one.allocation for one in self._what}
        found = [self._of(name, decided.get(name)) for name in self._names()]
        if decided.get("") is not None and _has_conditions(decided[""]):
            found.append(self._of("", decided[""]))
        said = next((problem for problem in found if problem), None)
        if said is not None:
            return said
        return "" if None not in found else None

    def _of(self, name: str, decided: devices.Allocation | None) -> str | None:
        """Whether the devices of a claim are ready, as their drivers say."""
        meta = self._pod.metadata
        claim = self._known.claim(meta.namespace, name) if name else self._known.special(meta.uid, meta.name)
        if claim is None or claim.status.allocation is None:
            if decided is None:
                return f'resourceclaim.resource.k8s.io "{name}" not found' if claim is None else None
            return None if _has_conditions(decided) else ""
        return readiness.failure(claim) or (None if not readiness.is_ready(claim) else "")

    def _is_shown(self, meta: core.ObjectMeta) -> bool:
        pod = self._pod.metadata
        claim = self._known.claim(pod.namespace, meta.name) if meta.name else self._known.special(pod.uid, pod.name)
        if claim is None:
            return bool(meta.name)
        return claim.status.allocation is not None or (bool(meta.name) and claim.metadata.uid != meta.uid)

    def _names(self) -> Iterator[str]:
        return names(self._pod)


def names(pod: core.Pod) -> Iterator[str]:
    """The claims that a pod's spec refers to, as far as they are made."""
    made = {one.name: one.resource_claim_name for one in pod.status.resource_claim_statuses}
    for one in pod.spec.resource_claims:
        name = one.resource_claim_name or made.get(one.name)
        if name:
            yield name


def _has_conditions(allocation: devices.Allocation | None) -> bool:
    return allocation is not None and any(one.binding_conditions for one in allocation.devices.results)


def _used(one: granting.Grant) -> commands.Used:
    meta = one.claim.metadata
    return commands.Used(meta.name, meta.uid, meta.resource_version, one.allocation, one.claim.status.reserved_for)


def _extended(one: granting.Grant) -> commands.Extended:
    if one.allocation is None:
        raise ValueError("a claim that is to be made is given something")
    return commands.Extended(one.generate_name, one.claim.spec.devices.requests, one.allocation, one.mappings)
