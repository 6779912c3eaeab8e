"""Extended resources that stand for devices of a class: where no device plugin offers them, a claim is made for them.

What is asked of it is worked out for each node, as that may offer some of them. Containers that end before others start
use what those will have. Source: dynamicresources/extendeddynamicresources.go.
"""

from __future__ import annotations

import dataclasses
from typing import Final, NamedTuple

from scheduler import errors
from scheduler.api import core, devices, quantities
from scheduler.state import snapshot

NAME: Final = "<extended-resources>"  # of the claim that does not exist yet
_SIDECAR: Final = "Always"


class Mapping(NamedTuple):
    """Which request of the claim for extended resources stands for what a container asks for."""

    container: str
    resource: str
    request: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What is asked for in place of extended resources, and by whom."""

    spec: devices.DeviceClaim
    mappings: tuple[Mapping, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A pod's extended resources, some of which stand for devices.

    Attributes:
        scalars: All of them, with how many.
        containers: Those that start first, then the others; of each its name, whether it ends before others start, and
            what it requests.
        is_left_over: Whether a claim is left of an attempt before, which must go first.
    """

    scalars: tuple[tuple[str, int], ...]
    containers: tuple[tuple[str, bool, tuple[tuple[str, core.Quantity], ...]], ...]
    is_left_over: bool


def of_pod(pod: core.Pod, scalars: tuple[tuple[str, int], ...], view: snapshot.Snapshot) -> Asked | None:
    """A pod's; None where none of them stands for devices."""
    if not any(view.claims.class_of(name) is not None for name, _ in scalars):
        return None
    meta, spec = pod.metadata, pod.spec
    left = view.claims.special(meta.uid, meta.name)
    containers = [(one, one.restart_policy != _SIDECAR) for one in spec.init_containers]
    containers += [(one, False) for one in spec.containers]
    return Asked(
        scalars,
        tuple((one.name, ends, tuple(sorted(one.resources.requests.items()))) for one, ends in containers),
        left is not None and bool(left.spec.devices.requests),
    )


def lacking(asked: Asked, view: snapshot.Snapshot, slot: int) -> tuple[str, ...] | None:
    """The resources that are to be had by a claim on a node; None where one cannot be had at all."""
    found = []
    for name, _ in asked.scalars:
        row = view.resource_row.get(name)
        if row is not None and view.offered.item(row, slot) != 0:
            continue
        if view.claims.class_of(name) is not None:
            found.append(name)
        elif name not in view.offering.get(slot, ()):
            return None
    return tuple(found)


def made_for(asked: Asked, resources: tuple[str, ...], view: snapshot.Snapshot) -> Made:
    """The claim for some resources."""
    requests: list[devices.Request] = []
    mappings: list[Mapping] = []
    for resource in sorted(resources):
        of = view.claims.class_of(resource)
        if of is not None:
            more, mapped = _of_resource(asked, resource, of.metadata.name)
            requests += more
            mappings += mapped
    requests.sort(key=lambda one: one.name)
    return Made(devices.DeviceClaim(tuple(requests)), tuple(mappings))


def _of_resource(asked: Asked, resource: str, class_name: str) -> tuple[list[devices.Request], list[Mapping]]:
    staying: dict[int, devices.Request] = {}
    mappings: list[Mapping] = []
    for number, (name, ends, amounts) in enumerate(asked.containers):
        count = _count(amounts, resource)
        if not ends and count:
            staying[number] = _request(number, resource, amounts, class_name, count)
            mappings.append(Mapping(name, resource, staying[number].name))
    most: devices.Request | None = None
    own: list[devices.Request] = []
    passing: list[Mapping] = []
    for number, (name, ends, amounts) in enumerate(asked.containers):
        left = _count(amounts, resource) if ends else 0
        if not left:
            continue
        for later in (one for at, one in staying.items() if at >= number):
            left -= _count_of(later)
            passing.append(Mapping(name, resource, later.name))
            if left <= 0:
                break
        if left > 0:
            made = _request(number, resource, amounts, class_name, left)
            own.append(made)
            passing.append(Mapping(name, resource, made.name))
            most = made if most is None or _count_of(most) < left else most
    names = {one.name for one in own}
    if most is not None:
        passing = [one._replace(request=most.name) if one.request in names else one for one in passing]
    return [*([most] if most is not None else []), *staying.values()], [*mappings, *passing]


def _count(amounts: tuple[tuple[str, core.Quantity], ...], resource: str) -> int:
    """How many a container asks for; none where that is no whole number."""
    amount = dict(amounts).get(resource)
    try:
        whole, rest = divmod(quantities.nano(amount), quantities.NANO) if amount is not None else (0, 0)
    except errors.InputError:
        return 0
    return 0 if rest else whole


def _count_of(request: devices.Request) -> int:
    return request.exactly.count if request.exactly is not None else 0


def _request(
    number: int, resource: str, amounts: tuple[tuple[str, core.Quantity], ...], class_name: str, count: int
) -> devices.Request:
    place = [name for name, _ in amounts].index(resource)
    return devices.Request(
        name=f"container-{number}-request-{place}",
        exactly=devices.Asked(device_class_name=class_name, count=count),
    )
