"""What a pod asks of a node: its resource requests and host ports, as kube-scheduler 1.36 adds them up.

Source: component-helpers/resource (PodRequests) and reference section "Resources": the request of each resource is the
larger of (containers + sidecars) and the dearest moment of initialisation; pod-level requests replace it; overhead is
added. Sums are exact and rounded up at the end: cpu to milli-cores, all else to whole units.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np

from scheduler.api import core, units

# pkg/scheduler/util/pod_resources.go: what scoring assumes for a container that states no request.
DEFAULT_CPU_MILLI: Final = 100
DEFAULT_MEMORY_BYTES: Final = 200 * 1024 * 1024
# Exact sums are kept in thousandths of a unit; API defaulting has rounded every request up to that.
_MILLI: Final = 1000

ANY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 -- a value found in pods, nothing listens here

Sums = dict[str, int]  # resource name -> thousandths of its unit
_ASSUMED: Final[Sums] = {"cpu": DEFAULT_CPU_MILLI, "memory": DEFAULT_MEMORY_BYTES * _MILLI}
FIXED: Final = 6  # length of Demand.vector


@dataclass(frozen=True, slots=True)
class Port:
    """A host port that a pod takes, on one address or on ANY_ADDRESS."""

    ip: str
    protocol: str
    number: int


class Demand:
    """What one pod asks for; immutable by convention, and shared by pods that ask for the same.

    Attributes:
        cpu_milli, memory_bytes, ephemeral_bytes: True requests.
        scalars: Extended resources, hugepages and the like, whole units; zero requests included.
        nonzero_cpu_milli, nonzero_memory_bytes: Requests with upstream's defaults for what is stated nowhere, as they
            count on the node for scoring.
        scored: What NodeResourcesFit's score takes the pending pod to ask for, by resource name. Upstream leaves
            pod-level requests out there (and only there), and defaults every container.
        vector: [FIXED] all of these but the scalars, and a 1 for the pod itself, in the order of state.usage's rows.
    """

    __slots__ = (
        "cpu_milli",
        "ephemeral_bytes",
        "memory_bytes",
        "nonzero_cpu_milli",
        "nonzero_memory_bytes",
        "scalars",
        "scored",
        "vector",
    )

    def __init__(self, true: Sums, nonzero: Sums, scored: Sums) -> None:
        self.cpu_milli = min(true.get("cpu", 0), units.INT64_MAX)
        self.memory_bytes = _whole(true.get("memory", 0))
        self.ephemeral_bytes = _whole(true.get("ephemeral-storage", 0))
        self.scalars = {name: _whole(amount) for name, amount in true.items() if is_scalar(name)}
        self.nonzero_cpu_milli = min(nonzero.get("cpu", 0), units.INT64_MAX)
        self.nonzero_memory_bytes = _whole(nonzero.get("memory", 0))
        self.scored = {
            name: min(amount, units.INT64_MAX) if name == "cpu" else _whole(amount) for name, amount in scored.items()
        }
        self.vector = np.array(
            (
                self.cpu_milli,
                self.memory_bytes,
                self.ephemeral_bytes,
                self.nonzero_cpu_milli,
                self.nonzero_memory_bytes,
                1,
            ),
            np.int64,
        )


def of(pod: core.Pod) -> Demand:
    """Add up what a pod requests.

    Raises:
        InputError: a quantity cannot be read (the API server lets none such through).
    """
    spec, status = pod.spec, pod.status
    if not (spec.init_containers or spec.overhead or spec.resources or status.container_statuses):
        return _of_containers(tuple([tuple(c.resources.requests.items()) for c in spec.containers]))
    pod_level = _pod_level(pod)
    true = _pod_requests(pod, {}, pod_level)
    scored = _pod_requests(pod, _ASSUMED, {})
    if not pod_level:
        return Demand(true, nonzero=scored, scored=scored)
    missing = {name: amount for name, amount in _ASSUMED.items() if name not in true}
    return Demand(true, nonzero=_pod_requests(pod, missing, pod_level), scored=scored)


@functools.lru_cache(maxsize=16384)
def _of_containers(requests: tuple[tuple[tuple[str, core.Quantity], ...], ...]) -> Demand:
    """The demand of containers alone. Replicas ask for the same, so most pods are answered from the cache."""
    true: Sums = {}
    nonzero: Sums = {}
    for container in requests:
        own = {name: _exact(amount) for name, amount in container}
        _add(true, own)
        _add(nonzero, {**_ASSUMED, **own})
    return Demand(true, nonzero=nonzero, scored=nonzero)


def is_scalar(name: str) -> bool:
    """Whether scheduling counts a resource beyond cpu, memory and ephemeral storage.

    Source: pkg/apis/core/v1/helper IsScalarResourceName: extended resources, hugepages, native names with a
    kubernetes.io/ prefix, attachable volumes. Others are ignored.
    """
    if "/" in name:
        return not name.startswith("requests.") or "kubernetes.io/" in name
    return name.startswith(("hugepages-", "attachable-volumes-"))


def is_extended(name: str) -> bool:
    """Whether a resource is an extended one, such as nvidia.com/gpu."""
    return "/" in name and "kubernetes.io/" not in name and not name.startswith("requests.")


def host_ports(pod: core.Pod) -> tuple[Port, ...]:
    """The host ports that containers and sidecars take; plain init containers take none."""
    sidecars = tuple(container for container in pod.spec.init_containers if _is_sidecar(container))
    found: dict[Port, None] = {}
    for container in pod.spec.containers + sidecars:
        for port in container.ports:
            if port.host_port > 0:
                ip = port.host_ip or ANY_ADDRESS
                found[Port(ip=ip, protocol=port.protocol or "TCP", number=port.host_port)] = None
    return tuple(found)


def _pod_level(pod: core.Pod) -> Sums:
    """Requests of the pod as a whole, of the resources for which Kubernetes has them."""
    requests = pod.spec.resources.requests if pod.spec.resources is not None else {}
    return {
        name: _exact(amount)
        for name, amount in requests.items()
        if name in ("cpu", "memory") or name.startswith("hugepages-")
    }


def _pod_requests(pod: core.Pod, assumed: Sums, pod_level: Sums) -> Sums:
    spec, statuses = pod.spec, _resize_statuses(pod)
    total: Sums = {}
    for container in spec.containers:
        _add(total, _container_requests(container, assumed, statuses))
    init_peak: Sums = {}
    sidecars: Sums = {}
    for container in spec.init_containers:
        sidecar = _is_sidecar(container)
        request = _container_requests(container, assumed, statuses if sidecar else {})
        if sidecar:
            _add(total, request)
            _add(sidecars, request)
            at_this_moment = sidecars
        else:
            at_this_moment = dict(sidecars)
            _add(at_this_moment, request)
        _raise_to(init_peak, at_this_moment)
    _raise_to(total, init_peak)
    total.update(pod_level)
    _add(total, {name: _exact(amount) for name, amount in spec.overhead.items()})
    return total


def _container_requests(
    container: core.Container, assumed: Sums, statuses: dict[str, tuple[core.ContainerStatus, bool]]
) -> Sums:
    requests = {name: _exact(amount) for name, amount in container.resources.requests.items()}
    if container.name in statuses:
        status, infeasible = statuses[container.name]
        seen: Sums = {} if infeasible else dict(requests)
        actuated = status.resources.requests if status.resources is not None else {}
        for amounts in (actuated, status.allocated_resources):
            _raise_to(seen, {name: _exact(amount) for name, amount in amounts.items()})
        requests = seen
    for name, amount in assumed.items():
        requests.setdefault(name, amount)
    return requests


def _resize_statuses(pod: core.Pod) -> dict[str, tuple[core.ContainerStatus, bool]]:
    """Statuses of containers whose resources a kubelet reports, and whether a pending resize cannot be met."""
    reported = [
        status
        for status in (*pod.status.container_statuses, *pod.status.init_container_statuses)
        if status.resources is not None
    ]
    if not reported:
        return {}
    infeasible = any(
        condition.type == "PodResizePending" and condition.reason == "Infeasible" for condition in pod.status.conditions
    )
    return {status.name: (status, infeasible) for status in reported}


def _is_sidecar(container: core.Container) -> bool:
    return container.restart_policy == "Always"


def _add(total: Sums, more: Sums) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _raise_to(total: Sums, other: Sums) -> None:
    for name, amount in other.items():
        if amount > total.get(name, -1):
            total[name] = amount


def _exact(amount: core.Quantity) -> int:
    """Thousandths of a unit, exact where an int64 can hold them and rounded up to a whole unit beyond."""
    milli = units.quantity_milli(amount)
    return milli if milli < units.INT64_MAX else units.quantity(amount) * _MILLI


def _whole(milli: int) -> int:
    return min(-(-milli // _MILLI), units.INT64_MAX)
