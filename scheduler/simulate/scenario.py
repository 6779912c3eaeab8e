"""What is simulated: a cluster, what lies where in it, and the work that comes to it.

Nodes, stores and data are the API's own objects, so that what kubectl lists of a real cluster is a scenario, and the
kernel is shown what it would be shown there. Links are what the settings and the NodeCapabilities say, and they are
what transfers then really meet. Times are in seconds from the beginning.
"""

from __future__ import annotations

import math

import msgspec

from scheduler import config
from scheduler.api import core, crd
from scheduler.api import services as selects


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A pod that is to run.

    Attributes:
        pod: As its user writes it, with its inputs and outputs in its annotations.
        arrives_s: When it is created.
        after: Pods (namespace/name) that must have done their work before; until then it has a scheduling gate, so
            that a scheduler knows of it.
        works_s: How long it works when its inputs are there and until it writes its outputs, whatever it declares.
    """

    pod: core.Pod
    arrives_s: float = 0.0
    after: tuple[str, ...] = ()
    works_s: float = 0.0


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A node is not ready, and its pods and stores are gone until it is again; its pods are created anew."""

    node: str
    begins_s: float
    ends_s: float = math.inf


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A container image, and where nodes pull it from that do not have it: a node, or ``external:REGION/ZONE``."""

    name: str
    size_bytes: int
    registry: str


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """All of it.

    Attributes:
        name: As tables and pictures call it.
        settings: The scheduler's, and with them the links between nodes of which nobody reports.
        nodes, capabilities, objects: As the API server has them in the beginning.
        controllers, services: Likewise, ReplicaSets and Services, by which pods are spread that ask for nothing else.
        running: Pods that are there from the beginning, on their nodes, and stay.
        works: Whose time comes later.
        keeps_inputs: Whether a node keeps what a pod has fetched, so that the next pod there need not fetch it again.
    """

    name: str
    settings: config.Settings
    nodes: tuple[core.Node, ...]
    capabilities: tuple[crd.NodeCapability, ...] = ()
    objects: tuple[crd.DataObject, ...] = ()
    controllers: tuple[selects.Controller, ...] = ()
    services: tuple[selects.Service, ...] = ()
    running: tuple[core.Pod, ...] = ()
    works: tuple[Work, ...] = ()
    images: tuple[Image, ...] = ()
    outages: tuple[Outage, ...] = ()
    keeps_inputs: bool = False
