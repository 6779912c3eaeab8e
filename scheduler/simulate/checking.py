"""Whether a scenario makes sense and can be simulated; the first thing that does not is named, with what to do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from scheduler import errors
from scheduler.api import core, names
from scheduler.simulate import order, scenario
from scheduler.state import network

_NO_NODE: Final = "no such node; name one of the nodes"


def check(given: scenario.Scenario) -> None:
    """Look through a scenario.

    Raises:
        InputError: something in it cannot be simulated, or is there twice, or refers to what is not there.
    """
    nodes = [one.metadata.name for one in given.nodes]
    _unique("node", nodes)
    _unique("pod", [*(one.pod.key for one in given.works), *(one.key for one in given.running)])
    _unique("uid of a pod that runs", [one.metadata.uid for one in given.running if one.metadata.uid])
    known = set(nodes)
    if names.EXTERNAL in known:
        raise errors.InputError("node", names.EXTERNAL, "stands for what is outside the cluster; name it otherwise")
    for pod in given.running:
        _check_pod(pod)
        if pod.spec.node_name not in known:
            raise errors.InputError("pod that runs", pod.spec.node_name, _NO_NODE)
    for work in given.works:
        _check_work(work)
    _check_order({work.pod.key: work.after for work in given.works})
    for outage in given.outages:
        if outage.node not in known:
            raise errors.InputError("outage", outage.node, _NO_NODE)
        if not 0 <= outage.begins_s < outage.ends_s:
            raise errors.InputError("outage", outage.node, "it must begin at 0 or later, and before it ends")
    for image in given.images:
        if image.registry not in known and place(image.registry) is None:
            remedy = f"no such node; write one, or {names.EXTERNAL}:REGION/ZONE"
            raise errors.InputError(f"registry of image {image.name}", image.registry, remedy)


def place(name: str) -> network.Site | None:
    """The place outside the cluster that a name stands for; None for a node's."""
    prefix = f"{names.EXTERNAL}:"
    if not name.startswith(prefix):
        return None
    region, _, zone = name.removeprefix(prefix).partition("/")
    return network.Site(region, zone, "")


def _check_work(work: scenario.Work) -> None:
    _check_pod(work.pod)
    where, node = f"pod {work.pod.key}", work.pod.spec.node_name
    if node:
        raise errors.InputError(where, node, "it is to come, and has a node already; leave that out")
    if not 0 <= work.arrives_s < math.inf or not 0 <= work.works_s < math.inf:
        raise errors.InputError(where, f"{work.arrives_s}, {work.works_s}", "seconds must be finite, and 0 or more")


def _check_order(after: Mapping[str, tuple[str, ...]]) -> None:
    for pod, waits in after.items():
        for before in waits:
            if before not in after:
                raise errors.InputError(f"{pod}: after", before, "no such pod; name one that comes")
    left = after.keys() - set(order.ordered(after))
    if left:  # all of which come after another one of these, so that the way from one to the next ends in a circle
        way = [min(left)]
        while way[-1] not in way[:-1]:
            way.append(next(before for before in after[way[-1]] if before in left))
        circle = way[way.index(way[-1]) :]
        raise errors.InputError(f"{circle[0]}: after", " after ".join(circle), "comes after itself; break the circle")


def _check_pod(pod: core.Pod) -> None:
    volumes = [one.name for one in pod.spec.volumes if one.persistent_volume_claim or one.ephemeral]
    if volumes:
        raise errors.InputError(f"pod {pod.key}", volumes[0], "claims of volumes are not simulated; leave them out")
    if pod.spec.resource_claims:
        claim = pod.spec.resource_claims[0].name
        raise errors.InputError(f"pod {pod.key}", claim, "claims of devices are not simulated; leave them out")


def _unique(what: str, found: Iterable[str]) -> None:
    seen: set[str] = set()
    for one in found:
        if one in seen:
            raise errors.InputError(what, one, "it is there twice; keep one of them")
        seen.add(one)
