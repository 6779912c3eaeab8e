"""Claims of devices, the devices there are, their classes and taints, as typed structs like those of core.

The kinds are those of resource.k8s.io/v1. Each says its kind where it is written, as the API server's objects do, so
that one event can carry any of them. What is off by default in Kubernetes 1.37 is not read, but for what makes a device
one that must not be taken as long as it is off.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from scheduler.api import core

# k8s.io/api/resource/v1
CLASS_RESOURCE: Final = "deviceclass.resource.kubernetes.io/"  # an extended resource that stands for a class by name
FINALIZER: Final = "resource.kubernetes.io/delete-protection"
FOR_EXTENDED_RESOURCES: Final = "resource.kubernetes.io/extended-resource-claim"
MAX_RESULTS: Final = 32
ALL: Final = "All"
EXACT_COUNT: Final = "ExactCount"
FROM_CLASS: Final = "FromClass"
FROM_CLAIM: Final = "FromClaim"


class _Object(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, gc=False):
    """Base of the parts here, with the habits of core's."""


class _Kind(_Object, frozen=True, tag_field="kind", tag=True):
    """Base of the objects here."""


class Expression(_Object, frozen=True):
    """An expression in CEL over one device."""

    expression: str = ""


class Selector(_Object, frozen=True):
    """Which devices are meant; without an expression it is of a type that nobody knows yet."""

    cel: Expression | None = None


class CapacityAsked(_Object, frozen=True):
    """How much is asked of a device's capacities."""

    requests: core.ResourceList = {}


class Asked(_Object, frozen=True):
    """What is asked for: so many devices of a class, or all of them.

    ``name`` is set where it is one of several of which the first that can be had is taken; there is no admin access.
    """

    name: str = ""
    device_class_name: str = ""
    selectors: tuple[Selector, ...] = ()
    allocation_mode: str = EXACT_COUNT
    count: core.Int64 = 1
    admin_access: bool | None = None
    tolerations: tuple[core.Toleration, ...] = ()
    capacity: CapacityAsked | None = None
    derived_attributes: tuple[dict[str, Any], ...] = ()


class Request(_Object, frozen=True):
    """One request of a claim: exactly this, or the first of several that can be had."""

    name: str = ""
    exactly: Asked | None = None
    first_available: tuple[Asked, ...] = ()


class Constraint(_Object, frozen=True):
    """What must hold of the devices of some requests together; no requests mean all of them."""

    requests: tuple[str, ...] = ()
    match_attribute: str | None = None
    distinct_attribute: str | None = None


class Opaque(_Object, frozen=True):
    """What a driver is told; the parameters are the driver's business."""

    driver: str = ""
    parameters: Any = None


class Configuration(_Object, frozen=True):
    """What a driver is told about the devices of some requests; ``source`` once they are allocated."""

    source: str = ""
    requests: tuple[str, ...] = ()
    opaque: Opaque | None = None


class DeviceClaim(_Object, frozen=True):
    """What a claim asks for."""

    requests: tuple[Request, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    config: tuple[Configuration, ...] = ()


class ClaimSpec(_Object, frozen=True):
    """A claim as its user wrote it."""

    devices: DeviceClaim = DeviceClaim()


class Result(_Object, frozen=True):
    """One device that a claim was given.

    Attributes:
        request: Whose it is; "request/part" where the request has parts of which one was taken.
        share_id: Which share of the device it is, where several may be given; None for the whole.
    """

    request: str = ""
    driver: str = ""
    pool: str = ""
    device: str = ""
    admin_access: bool | None = None
    tolerations: tuple[core.Toleration, ...] = ()
    binding_conditions: tuple[str, ...] = ()
    binding_failure_conditions: tuple[str, ...] = ()
    share_id: str | None = msgspec.field(default=None, name="shareID")
    consumed_capacity: core.ResourceList = {}


class Results(_Object, frozen=True):
    """All devices that a claim was given, and what their drivers are told."""

    results: tuple[Result, ...] = ()
    config: tuple[Configuration, ...] = ()


class Allocation(_Object, frozen=True):
    """What a claim was given, and from which nodes that can be used; None for all of them."""

    devices: Results = Results()
    node_selector: core.NodeSelector | None = None
    allocation_timestamp: str = ""


class Consumer(_Object, frozen=True):
    """Who may use a claim."""

    api_group: str = ""
    resource: str = ""
    name: str = ""
    uid: str = ""


class Condition(_Object, frozen=True):
    """Something that a driver says of a device."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class DeviceStatus(_Object, frozen=True):
    """What a driver says of a device that a claim was given."""

    driver: str = ""
    pool: str = ""
    device: str = ""
    conditions: tuple[Condition, ...] = ()


class ClaimStatus(_Object, frozen=True):
    """What a claim was given, and who uses it."""

    allocation: Allocation | None = None
    reserved_for: tuple[Consumer, ...] = ()
    devices: tuple[DeviceStatus, ...] = ()


class ResourceClaim(_Kind, frozen=True):
    """A claim to devices."""

    metadata: core.ObjectMeta
    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()

    def is_for(self, pod: core.Pod) -> bool:
        """Whether it was made for a pod."""
        return any(owner.controller and owner.uid == pod.metadata.uid for owner in self.metadata.owner_references)

    def is_reserved_for(self, pod: core.Pod) -> bool:
        """Whether a pod may use it."""
        return any(one.uid == pod.metadata.uid for one in self.status.reserved_for)


class ClassSpec(_Object, frozen=True):
    """Which devices are of a class, what their drivers are told, and which extended resource stands for them."""

    selectors: tuple[Selector, ...] = ()
    config: tuple[Configuration, ...] = ()
    extended_resource_name: str | None = None


class DeviceClass(_Kind, frozen=True):
    """A kind of device."""

    metadata: core.ObjectMeta
    spec: ClassSpec = ClassSpec()


class Attribute(_Object, frozen=True):
    """One thing that is so of a device; of the values one is set."""

    number: core.Int64 | None = msgspec.field(default=None, name="int")
    truth: bool | None = msgspec.field(default=None, name="bool")
    string: str | None = None
    version: str | None = None


class ValidRange(_Object, frozen=True):
    """From where to where in which steps a share of a capacity may be."""

    min: core.Quantity | None = None
    max: core.Quantity | None = None
    step: core.Quantity | None = None


class RequestPolicy(_Object, frozen=True):
    """How a capacity may be shared out."""

    default: core.Quantity | None = None
    valid_values: tuple[core.Quantity, ...] = ()
    valid_range: ValidRange | None = None


class Capacity(_Object, frozen=True):
    """How much of something a device has, and how that may be shared out."""

    value: core.Quantity = 0
    request_policy: RequestPolicy | None = None


class Counter(_Object, frozen=True):
    """How much of something there is, or is taken."""

    value: core.Quantity = 0


class CounterSet(_Object, frozen=True):
    """What devices of a pool have in common, and take from it."""

    name: str = ""
    counters: dict[str, Counter] = {}


class Consumption(_Object, frozen=True):
    """What a device takes of a counter set."""

    counter_set: str = ""
    counters: dict[str, Counter] = {}
    compatibility_groups: tuple[str, ...] = ()


class Device(_Object, frozen=True):
    """A device; ``binding_conditions`` of None are not the same as none: upstream puts such pools last."""

    name: str = ""
    attributes: dict[str, Attribute] = {}
    capacity: dict[str, Capacity] = {}
    consumes_counters: tuple[Consumption, ...] = ()
    node_name: str | None = None
    node_selector: core.NodeSelector | None = None
    all_nodes: bool = False
    taints: tuple[core.Taint, ...] = ()
    binds_to_node: bool = False
    binding_conditions: tuple[str, ...] | None = None
    binding_failure_conditions: tuple[str, ...] = ()
    allow_multiple_allocations: bool = False


class Pool(_Object, frozen=True):
    """The pool that a slice is a part of: of which generation, and of how many slices that generation is."""

    name: str = ""
    generation: core.Int64 = 0
    resource_slice_count: core.Int64 = 0


class SliceSpec(_Object, frozen=True):
    """Devices of a driver, and from which nodes they can be used."""

    driver: str = ""
    pool: Pool = Pool()
    node_name: str | None = None
    node_selector: core.NodeSelector | None = None
    all_nodes: bool = False
    devices: tuple[Device, ...] = ()
    per_device_node_selection: bool = False
    shared_counters: tuple[CounterSet, ...] = ()


class ResourceSlice(_Kind, frozen=True):
    """Some of the devices of a pool."""

    metadata: core.ObjectMeta
    spec: SliceSpec = SliceSpec()


class TaintSelector(_Object, frozen=True):
    """Which devices are tainted; what is None is not looked at."""

    driver: str | None = None
    pool: str | None = None
    device: str | None = None


class TaintRuleSpec(_Object, frozen=True):
    """A taint, and of which devices; without a selector, of none."""

    device_selector: TaintSelector | None = None
    taint: core.Taint = core.Taint()


class DeviceTaintRule(_Kind, frozen=True):
    """A taint that an administrator gives to devices."""

    metadata: core.ObjectMeta
    spec: TaintRuleSpec = TaintRuleSpec()


Object = ResourceClaim | ResourceSlice | DeviceClass | DeviceTaintRule
KINDS: Final[tuple[type[Object], ...]] = (ResourceClaim, ResourceSlice, DeviceClass, DeviceTaintRule)
