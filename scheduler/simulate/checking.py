"""Whether a scenario makes sense and can be simulated; the first thing that does not is named."""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from scheduler import errors
from scheduler.api import core, names
from scheduler.simulate import scenario
from scheduler.state import network


def check(given: scenario.Scenario) -> None:
    """Look through a scenario.

    Raises:
        InputError: something in it cannot be simulated, or is there twice, or refers to what is not there.
    """
    nodes = [one.metadata.name for one in given.nodes]
    keys = [one.pod.key for one in given.works]
    _unique("nodes", nodes)
    _unique("pods", (*keys, *(one.key for one in given.running)))
    known, works = set(nodes), set(keys)
    for pod in given.running:
        _check_pod(pod)
        if pod.spec.node_name not in known:
            raise errors.InputError(f"pod {pod.key}", pod.spec.node_name, "it runs on a node that is not there")
    for work in given.works:
        _check_work(work, works)
    for outage in given.outages:
        if outage.node not in known:
            raise errors.InputError("outages", outage.node, "no such node")
        if not 0 <= outage.begins_s < outage.ends_s:
            raise errors.InputError("outages", outage.node, "it must begin at 0 or later, and before it ends")
    for image in given.images:
        if image.registry not in known and place(image.registry) is None:
            remedy = f"no such node; write one, or {names.EXTERNAL}:REGION/ZONE"
            raise errors.InputError(f"image {image.name}", image.registry, remedy)


def place(name: str) -> network.Site | None:
    """The place outside the cluster that a name stands for; None for a node's."""
    prefix = f"{names.EXTERNAL}:"
    if not name.startswith(prefix):
        return None
    region, _, zone = name.removeprefix(prefix).partition("/")
    return network.Site(region, zone, "")


def _check_work(work: scenario.Work, works: AbstractSet[str]) -> None:
    _check_pod(work.pod)
    where, node = f"pod {work.pod.key}", work.pod.spec.node_name
    if node:
        raise errors.InputError(where, node, "it is to come, and has a node already")
    if not 0 <= work.arrives_s < math.inf or not 0 <= work.works_s < math.inf:
        raise errors.InputError(where, f"{work.arrives_s}, {work.works_s}", "seconds must be finite, and 0 or more")
    for before in work.after:
        if before not in works:
            raise errors.InputError(where, before, "it comes after a pod that does not come")


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
            raise errors.InputError(what, one, "it is there twice; names must differ")
        seen.add(one)
