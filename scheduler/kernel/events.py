"""All that may happen to the kernel, as values: what was seen of the cluster, the answers to commands, time's passing.

Each carries the time at which it is taken in, in seconds of a monotonic clock, so that the kernel needs none. Each can
be written as one line of JSON and read again (scheduler.kernel.recording).
"""

from __future__ import annotations

import msgspec

from scheduler import config
from scheduler.api import core, crd, devices, podgroups, policy, verdicts, volumes
from scheduler.kernel import commands


class Event(msgspec.Struct, frozen=True, tag_field="what", tag=True, gc=False):
    """Something that happened.

    Attributes:
        now_s: When it is taken in, in seconds of a monotonic clock.
    """

    now_s: float


# ---------------------------------------------------------------------------------------------- what the cluster holds


class NodeSeen(Event, frozen=True):
    """A node is there, as given."""

    node: core.Node


class NodeGone(Event, frozen=True):
    """A node is gone."""

    name: str


class NamespaceSeen(Event, frozen=True):
    """A namespace is there, with these labels."""

    namespace: core.Namespace


class NamespaceGone(Event, frozen=True):
    """A namespace is gone."""

    name: str


class SelectorSeen(Event, frozen=True):
    """A Service or a controller of pods is there, and selects these."""

    kind: str
    namespace: str
    name: str
    selector: core.LabelSelector


class SelectorGone(Event, frozen=True):
    """A Service or a controller of pods is gone."""

    kind: str
    namespace: str
    name: str


class BudgetSeen(Event, frozen=True):
    """A PodDisruptionBudget is there, as given."""

    budget: policy.PodDisruptionBudget


class BudgetGone(Event, frozen=True):
    """A PodDisruptionBudget is gone."""

    namespace: str
    name: str


class ObjectSeen(Event, frozen=True):
    """A DataObject is there, as given."""

    obj: crd.DataObject


class ObjectGone(Event, frozen=True):
    """A DataObject is gone."""

    namespace: str
    name: str


class CapabilitySeen(Event, frozen=True):
    """A NodeCapability is there, as given."""

    capability: crd.NodeCapability


class CapabilityGone(Event, frozen=True):
    """A NodeCapability is gone."""

    name: str


class PodSeen(Event, frozen=True):
    """A pod that has a node and is not finished is there, whoever placed it."""

    pod: core.Pod


class PodGone(Event, frozen=True):
    """A pod that had a node is gone or finished."""

    uid: str


class GroupsKnown(Event, frozen=True):
    """The API server has groups of pods, and all that there are have been seen."""


class GroupSeen(Event, frozen=True):
    """A group of pods is there, as given."""

    group: podgroups.PodGroup


class GroupGone(Event, frozen=True):
    """A group of pods is gone."""

    namespace: str
    name: str


class StorageSeen(Event, frozen=True):
    """A claim, a volume, or what says which can be had where, is there, as given."""

    obj: volumes.Object


class StorageGone(Event, frozen=True):
    """One of them is gone; ``kind`` is its type."""

    kind: str
    namespace: str
    name: str


class DevicesSeen(Event, frozen=True):
    """A claim of devices, some devices, or a class or taint of some, is there, as given."""

    obj: devices.Object


class DevicesGone(Event, frozen=True):
    """One of them is gone; ``kind`` is its type."""

    kind: str
    namespace: str
    name: str


# ----------------------------------------------------------------------------------------------- the pods that wait


class PendingSeen(Event, frozen=True):
    """A pod of ours, as given; one that is bound, finished or being deleted waits no longer."""

    pod: core.Pod


class PendingGone(Event, frozen=True):
    """A pod of ours is no longer pending: bound, deleted or finished."""

    uid: str


class PendingListed(Event, frozen=True):
    """All pods of ours that are pending, by a list that was asked for at ``asked_s``."""

    asked_s: float
    pods: tuple[core.Pod, ...]


class DataCame(Event, frozen=True):
    """What a pod was held for has come."""

    uid: str


# ----------------------------------------------------------------------------------------------- answers to commands


class DataAnswered(Event, frozen=True):
    """The answer to AskData: until when the pod is to be held at most, None if it is to be decided now."""

    uid: str
    until_s: float | None


class BindAnswered(Event, frozen=True):
    """The answer to Bind; ``after_s`` is how long the server asked to wait (0: it did not say)."""

    uid: str
    verdict: verdicts.Verdict
    message: str = ""
    after_s: float = 0.0


class ReserveAnswered(Event, frozen=True):
    """The answer to Reserve of that number: why not all could be written, "" if it was, and of which plugin's part.

    ``held`` is what was written of claims to devices, even so.
    """

    uid: str
    number: int
    problem: str = ""
    plugin: str = ""
    held: commands.Held = commands.NOTHING


class EvictAnswered(Event, frozen=True):
    """The answer to Evict of that number, for the pod of this uid: what went wrong, "" where all were deleted."""

    uid: str
    number: int
    problem: str = ""


class LookedUp(Event, frozen=True):
    """The answer to LookUp, likewise."""

    uid: str
    verdict: verdicts.Verdict
    message: str = ""
    after_s: float = 0.0


# ------------------------------------------------------------------------------------- what is decided by, and time


class SettingsSeen(Event, frozen=True):
    """Other settings count from now on. Names of the schedulers and the seed stay what the run began with."""

    settings: config.Settings


class Turn(Event, frozen=True):
    """Time has passed, and pods may be decided.

    Attributes:
        wall_s: The time of day, in seconds since 1970, to which ages of measurements and copies are reckoned.
        budget: How many pods may be taken from the queue.
    """

    wall_s: float
    budget: int


Any = (
    NodeSeen
    | NodeGone
    | NamespaceSeen
    | NamespaceGone
    | SelectorSeen
    | SelectorGone
    | BudgetSeen
    | BudgetGone
    | ObjectSeen
    | ObjectGone
    | CapabilitySeen
    | CapabilityGone
    | GroupsKnown
    | GroupSeen
    | GroupGone
    | StorageSeen
    | StorageGone
    | DevicesSeen
    | DevicesGone
    | PodSeen
    | PodGone
    | PendingSeen
    | PendingGone
    | PendingListed
    | DataCame
    | DataAnswered
    | BindAnswered
    | ReserveAnswered
    | EvictAnswered
    | LookedUp
    | SettingsSeen
    | Turn
)
