"""``leaderElection`` of a configuration file, our own or kube-scheduler's: how replicas agree who places pods."""

from __future__ import annotations

import dataclasses
from typing import Final

from scheduler import sections
from scheduler.api import names, requirements

# client-go's tools/leaderelection wants a renewal tried at least once before it is too late, however its jitter falls.
_RETRY_JITTER: Final = 1.2


@dataclasses.dataclass(frozen=True)
class LeaderElection:
    """``leaderElection``: how several replicas agree which one places pods. Keys and defaults are kube-scheduler's."""

    is_on: bool = True
    """``leaderElect``: where it is false, no other scheduler of the same name may run."""

    duration_s: float = 15.0
    """``leaseDuration``: how long others wait after the last renewal that they saw before one of them takes over."""

    renew_within_s: float = 10.0
    """``renewDeadline``: how long after its last renewal the leader goes on writing. What is left of the duration is
    for requests under way and for clocks that do not run alike."""

    retry_s: float = 2.0
    """``retryPeriod``: how often the leader renews, and at least the others look."""

    name: str = names.SCHEDULER_NAME
    """``resourceName``: of the Lease. Schedulers of different names need different ones."""

    namespace: str = ""
    """``resourceNamespace``: where the Lease is; by default in the scheduler's own namespace."""


def read(top: sections.Section, *, is_kube: bool) -> LeaderElection:
    """The section of both kinds of file. Source: ValidateLeaderElectionConfiguration, and client-go for the ratios.

    Args:
        is_kube: Whether it is kube-scheduler's file, where durations always have units, one of 0 is the default, and
            what is off is not looked at.
    """
    section, default = top.section("leaderElection"), LeaderElection()

    def duration_s(key: str, otherwise: float, low: float) -> float:
        if not is_kube:
            return section.duration_s(key, otherwise, low)
        if section.is_null(key):
            section.report(key, "write a duration, or leave it out")
        return section.go_duration_s(key, otherwise) or otherwise

    found = LeaderElection(
        is_on=section.boolean("leaderElect", default=default.is_on),
        duration_s=duration_s("leaseDuration", default.duration_s, 1),
        renew_within_s=duration_s("renewDeadline", default.renew_within_s, 0.1),
        retry_s=duration_s("retryPeriod", default.retry_s, 0.1),
        name=_read_name(section, "resourceName", default.name),
        namespace=_read_name(section, "resourceNamespace", default.namespace),
    )
    lock = section.text_or_empty("resourceLock", "leases")
    if found.is_on or not is_kube:
        if lock != "leases":
            section.report("resourceLock", "write leases")
        _check_terms(section, found)
    section.finish()
    return found


def _read_name(section: sections.Section, key: str, default: str) -> str:
    name = section.text_or_empty(key, default)
    if name and not requirements.is_subdomain(name):
        section.report(key, "write a name in lower case, such as data-locality-scheduler; others are not supported")
    return name


def _check_terms(section: sections.Section, found: LeaderElection) -> None:
    if not found.retry_s > 0:
        section.report("retryPeriod", "write a duration of more than 0 s")
    if not found.duration_s >= 1:
        section.report("leaseDuration", "less than 1 s, the shortest that a Lease can say, is not supported")
    if found.renew_within_s >= found.duration_s:
        section.report("renewDeadline", f"write less than leaseDuration, which is {found.duration_s:g} s")
    if found.retry_s * _RETRY_JITTER >= found.renew_within_s:
        section.report("retryPeriod", f"write less than renewDeadline, {found.renew_within_s:g} s, by {_RETRY_JITTER}")
