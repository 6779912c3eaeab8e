"""What a pod asks of a node: its resource requests and host ports, as kube-scheduler 1.37 adds them up.

Source: component-helpers/resource (PodRequests) and reference section "Resources": the request of each resource is the
larger of (containers + sidecars) and the dearest moment of initialisation; pod-level requests replace it; overhead is
added. Sums are exact and rounded up at the end: cpu to milli-cores, all else to whole units.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from scheduler import errors
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

    def amount(self, resource: str) -> int:
        """What is truly requested of a resource, in its unit."""
        match resource:
            case "cpu":
                return self.cpu_milli
            case "memory":
                return self.memory_bytes
            case "ephemeral-storage":
                return self.ephemeral_bytes
            case _:
                return self.scalars.get(resource, 0)


def of(pod: core.Pod, *, runs: bool = True) -> Demand:
    """Add up what a pod requests; what a kubelet reports of it counts only where it ``runs``.

    Raises:
        InputError: a quantity cannot be read (the API server lets none such through); names its field.
    """
    try:
        return _of(pod, runs=runs)
    except errors.InputError as error:
        raise _located(error, pod) from None


def _of(pod: core.Pod, *, runs: bool) -> Demand:
    spec = pod.spec
    has_status = runs and not _is_settled(pod)
    if not (spec.init_containers or spec.overhead or spec.resources or has_status):
        return _of_containers(tuple([tuple(c.resources.requests.items()) for c in spec.containers]))
    pod_level = _pod_level(pod, has_status=has_status)
    true = _pod_requests(pod, {}, pod_level, has_status=has_status)
    scored = _pod_requests(pod, _ASSUMED, {}, has_status=has_status)
    if not pod_level:
        return Demand(true, nonzero=scored, scored=scored)
    missing = {name: amount for name, amount in _ASSUMED.items() if name not in true}
    nonzero = _pod_requests(pod, missing, pod_level, has_status=has_status)
    return Demand(true, nonzero=nonzero, scored=scored)


@functools.lru_cache(maxsize=16384)
def _of_containers(requests: tuple[tuple[tuple[str, core.Quantity], ...], ...]) -> Demand:
    """The demand of containers alone. Replicas ask for the same, so most pods are answered from the cache."""
    true: Sums = {}
    nonzero: Sums = {}
    for container in requests:
        own = _read(dict(container))
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
    containers = pod.spec.containers
    if pod.spec.init_containers:
        containers += tuple(container for container in pod.spec.init_containers if _is_sidecar(container))
    if not any(container.ports for container in containers):
        return ()
    found: dict[Port, None] = {}
    for container in containers:
        for port in container.ports:
            if port.host_port > 0:
                ip = port.host_ip or ANY_ADDRESS
                found[Port(ip=ip, protocol=port.protocol or "TCP", number=port.host_port)] = None
    return tuple(found)


def _pod_level(pod: core.Pod, *, has_status: bool) -> Sums:
    """Requests of the pod as a whole, of the resources for which Kubernetes has them."""
    spec, status = pod.spec.resources, pod.status
    if spec is None or not any(_is_pod_level(name) for name in spec.requests):
        return {}
    stages = [spec.requests]
    if has_status and status.resources is not None:
        wished = [] if _is_infeasible(pod) else stages
        stages = [*wished, status.resources.requests or {}, status.allocated_resources or {}]
    return {name: amount for name, amount in _dearest(map(_read, stages)).items() if _is_pod_level(name)}


def _is_pod_level(name: str) -> bool:
    return name in ("cpu", "memory") or name.startswith("hugepages-")


def _pod_requests(pod: core.Pod, assumed: Sums, pod_level: Sums, *, has_status: bool) -> Sums:
    """What containers ask for, with ``assumed`` for those that do not say, then the pod as a whole, then overhead.

    A pod that is being resized counts by the dearest of three sums: what is wished, what the node has allocated, what
    is in force. A wish that the node has called infeasible does not count. Source: AggregateContainerRequests, 1.37.
    """
    total = _containers(pod, assumed, _wished)
    if has_status:
        status = pod.status
        in_force = status.resources.requests if status.resources is not None else None
        if in_force is not None and status.allocated_resources is not None:
            stages = [_read(status.allocated_resources), _read(in_force)]
        else:
            stages = [_containers(pod, assumed, _allocated), _containers(pod, assumed, _actuated)]
        total = _dearest(stages if _is_infeasible(pod) else [total, *stages])
    total.update(pod_level)
    _add(total, _read(pod.spec.overhead))
    return total


_Stage = Callable[[core.Container, core.ContainerStatus | None, bool], core.ResourceList]


def _wished(container: core.Container, _status: core.ContainerStatus | None, _infeasible: bool) -> core.ResourceList:
    return container.resources.requests


def _allocated(container: core.Container, status: core.ContainerStatus | None, infeasible: bool) -> core.ResourceList:
    if status is not None and status.allocated_resources is not None:
        return status.allocated_resources
    return {} if infeasible else container.resources.requests


def _actuated(container: core.Container, status: core.ContainerStatus | None, infeasible: bool) -> core.ResourceList:
    if status is not None and status.resources is not None and status.resources.requests is not None:
        return status.resources.requests
    return _allocated(container, status, infeasible)


def _containers(pod: core.Pod, assumed: Sums, stage: _Stage) -> Sums:
    """The most that containers ask for at one time, at one stage of a resize."""
    reported = (*pod.status.container_statuses, *pod.status.init_container_statuses)
    statuses = {status.name: status for status in reversed(reported)}  # the first of a name counts
    infeasible = _is_infeasible(pod)

    def requests(container: core.Container) -> Sums:
        return {**assumed, **_read(stage(container, statuses.get(container.name), infeasible))}

    total: Sums = {}
    for container in pod.spec.containers:
        _add(total, requests(container))
    init_peak: Sums = {}
    sidecars: Sums = {}
    for container in pod.spec.init_containers:
        request = requests(container)
        if _is_sidecar(container):
            _add(total, request)
            _add(sidecars, request)
            at_this_moment = sidecars
        else:
            at_this_moment = dict(sidecars)
            _add(at_this_moment, request)
        _raise_to(init_peak, at_this_moment)
    _raise_to(total, init_peak)
    return total


def _is_settled(pod: core.Pod) -> bool:
    """Whether the node has given what is wished, as it has for nearly every pod: then there is one sum, not three."""
    status = pod.status
    if status.resources is not None or (status.conditions and _is_infeasible(pod)):
        return False
    if not (status.container_statuses or status.init_container_statuses):
        return True
    wishes = {one.name: one.resources.requests for one in (*pod.spec.containers, *pod.spec.init_containers)}
    for one in (*status.container_statuses, *status.init_container_statuses):
        wish = wishes.get(one.name)
        in_force = one.resources.requests if one.resources is not None else None
        if wish is not None and (one.allocated_resources not in (None, wish) or in_force not in (None, wish)):
            return False
    return True


def _is_infeasible(pod: core.Pod) -> bool:
    """Whether the node has said that it cannot meet the resize that is wished."""
    pending = next((condition for condition in pod.status.conditions if condition.type == "PodResizePending"), None)
    return pending is not None and pending.reason == "Infeasible"


def _located(error: errors.InputError, pod: core.Pod) -> errors.InputError:
    """The refusal with the field that holds the quantity."""
    spec, status = pod.spec, pod.status
    lists = [
        (f"spec.{kind}[{number}].resources.requests", container.resources.requests)
        for kind, containers in (("containers", spec.containers), ("initContainers", spec.init_containers))
        for number, container in enumerate(containers)
    ]
    lists += [("spec.overhead", spec.overhead), ("status.allocatedResources", status.allocated_resources or {})]
    if spec.resources is not None:
        lists.append(("spec.resources.requests", spec.resources.requests))
    if status.resources is not None:
        lists.append(("status.resources.requests", status.resources.requests or {}))
    for kind, statuses in (
        ("containerStatuses", status.container_statuses),
        ("initContainerStatuses", status.init_container_statuses),
    ):
        for number, one in enumerate(statuses):
            lists.append((f"status.{kind}[{number}].allocatedResources", one.allocated_resources or {}))
            if one.resources is not None:
                lists.append((f"status.{kind}[{number}].resources.requests", one.resources.requests or {}))
    return next((refusal for path, amounts in lists if (refusal := units.refused(amounts, path)) is not None), error)


def _is_sidecar(container: core.Container) -> bool:
    return container.restart_policy == "Always"


def _add(total: Sums, more: Sums) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _raise_to(total: Sums, other: Sums) -> None:
    for name, amount in other.items():
        if amount > total.get(name, -1):
            total[name] = amount


def _dearest(stages: Iterable[Sums]) -> Sums:
    found: Sums = {}
    for stage in stages:
        _raise_to(found, stage)
    return found


def _read(amounts: core.ResourceList) -> Sums:
    return {name: _exact(amount) for name, amount in amounts.items()}


def _exact(amount: core.Quantity) -> int:
    """Thousandths of a unit, exact where an int64 can hold them and rounded up to a whole unit beyond."""
    milli = units.quantity_milli(amount)
    return milli if milli < units.INT64_MAX else units.quantity(amount) * _MILLI


def _whole(milli: int) -> int:
    return min(-(-milli // _MILLI), units.INT64_MAX)
