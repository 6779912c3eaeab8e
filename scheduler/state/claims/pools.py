"""The devices there are: the slices that drivers published, put together to pools as a node sees them.

A node looks at the slices of its own and at those of several nodes that reach it. Of a pool it takes the latest
generation that it sees. A pool is incomplete as long as slices of that generation are missing anywhere; one in which
devices or counters contradict each other is invalid. Taints that administrators gave are added to the devices' own.

Which nodes a slice of several nodes reaches is asked of the caller, as labels are not known here.
Source: dynamic-resource-allocation/structured/internal/incubating/pools_incubating.go, resourceslice/tracker.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from scheduler.api import core, devices, quantities
from scheduler.state.claims import use

# Says whether a node is meant by a selector.
Means = Callable[[core.NodeSelector], bool]
CounterKey = tuple[str, str]  # counter set and counter
Counters = dict[CounterKey, int]  # billionths


class Content:
    """All that an expression can read of a device; devices that are alike share one.

    Attributes:
        answers: What expressions gave, by expression; filled by who evaluates them.
    """

    __slots__ = ("allows_many", "answers", "attributes", "capacity", "driver")

    def __init__(self, driver: str, device: devices.Device) -> None:
        self.driver = driver
        self.attributes = device.attributes
        self.capacity = device.capacity
        self.allows_many = device.allow_multiple_allocations
        self.answers: dict[object, object] = {}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A device as it may be taken.

    Attributes:
        taints: Its own and those that rules give it, as far as they keep somebody from taking it.
        consumes: What it takes of the counters of its pool, in billionths.
        is_plain: Whether it is given as a whole, to whoever comes first to its node.
    """

    id: use.DeviceId
    device: devices.Device
    of: devices.ResourceSlice
    content: Content
    taints: tuple[core.Taint, ...]
    consumes: tuple[tuple[CounterKey, int], ...]
    is_plain: bool


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class NodePool:
    """A pool as a node sees it.

    Attributes:
        problem: "currently being updated" or "currently invalid": nothing is taken from it then; "" otherwise.
        items: The devices that can be had there, in the order in which they are tried.
        others: Those of the pool that cannot be had there, but take of its counters.
        counters: What there is of them in all, in billionths.
    """

    id: use.PoolId
    problem: str
    items: tuple[Item, ...] = ()
    others: tuple[Item, ...] = ()
    counters: Counters = dataclasses.field(default_factory=dict)
    has_conditions: bool = False


INCOMPLETE: Final = "currently being updated"
INVALID: Final = "currently invalid"
_KEEPING_OFF: Final = ("NoSchedule", "NoExecute")


class Pools:
    """See the module."""

    def __init__(self) -> None:
        self._slices: dict[str, devices.ResourceSlice] = {}
        self._of_pool: dict[use.PoolId, dict[str, devices.ResourceSlice]] = {}
        self._local: dict[str, set[str]] = {}  # node -> slices of it alone
        self._shared: set[str] = set()
        self._rules: dict[str, devices.DeviceTaintRule] = {}
        self._contents: dict[bytes, tuple[Content, set[str]]] = {}  # with the slices that have such devices
        self._contents_of: dict[str, set[bytes]] = {}
        self._items: dict[str, tuple[Item, ...]] = {}  # by slice
        self._built: dict[use.PoolId, dict[frozenset[str], NodePool]] = {}  # by the slices that reach a node
        self._at: dict[str, tuple[NodePool, ...]] = {}  # by node, where only slices of its own reach it

    # Reading

    def at(self, node: str, means: Means) -> tuple[NodePool, ...]:
        """The pools that a node sees, in the order in which they are tried.

        Raises:
            ValueError: a selector cannot be read; says whose.
        """
        if self._shared:
            return self._gather(node, means)
        found = self._at.get(node)
        if found is None:
            found = self._at[node] = self._gather(node, means)
        return found

    def nodes_of(self, pool: use.PoolId) -> Iterable[str] | None:
        """The nodes whose devices a pool has; None where it may be others, too."""
        slices = self._of_pool.get(pool, {}).values()
        names = {one.spec.node_name for one in slices}
        return None if None in names or "" in names else {name for name in names if name}

    def slices(self) -> Iterable[devices.ResourceSlice]:
        """All of them."""
        return self._slices.values()

    def kept(self) -> tuple[set[bytes], dict[str, set[str]], set[str]]:
        """What is kept beside the slices: contents that no slice has, slices by node and slices of several nodes."""
        stale = {key for key, (_, held_by) in self._contents.items() if not held_by & self._slices.keys()}
        return stale, {node: set(names) for node, names in self._local.items()}, set(self._shared)

    def _gather(self, node: str, means: Means) -> tuple[NodePool, ...]:
        seen: dict[use.PoolId, list[devices.ResourceSlice]] = {}
        for name in (*sorted(self._local.get(node, ())), *sorted(self._shared)):
            one = self._slices[name]
            if _uses_groups(one) or not self._reaches(one, node, means):
                continue
            pool = _pool_of(one)
            known = seen.get(pool)
            newer = one.spec.pool.generation - known[0].spec.pool.generation if known is not None else 1
            if newer > 0:
                seen[pool] = [one]
            elif newer == 0 and known is not None:
                known.append(one)
        found = [built for pool, slices in seen.items() if (built := self._build(pool, slices)) is not None]
        found.sort(key=lambda one: (one.has_conditions, one.id))
        return tuple(found)

    @staticmethod
    def _reaches(one: devices.ResourceSlice, node: str, means: Means) -> bool:
        spec = one.spec
        if spec.node_name or spec.all_nodes or spec.node_selector is not None:
            return reaches(spec.node_name, spec.node_selector, node, means, everywhere=spec.all_nodes)
        return spec.per_device_node_selection and any(
            reaches(each.node_name, each.node_selector, node, means, everywhere=each.all_nodes) for each in spec.devices
        )

    def _build(self, pool: use.PoolId, slices: list[devices.ResourceSlice]) -> NodePool | None:
        """None where a later generation is elsewhere already."""
        names, built = frozenset(one.metadata.name for one in slices), self._built.setdefault(pool, {})
        if names in built:
            return built[names]
        generation, wanted = slices[0].spec.pool.generation, slices[0].spec.pool.resource_slice_count
        others: list[devices.ResourceSlice] = []
        if len(slices) != wanted:
            whole = self._of_pool[pool].values()
            if any(one.spec.pool.generation > generation for one in whole):
                return None
            same = [one for one in whole if one.spec.pool.generation == generation and not _uses_groups(one)]
            if len(same) != wanted:
                built[names] = NodePool(pool, INCOMPLETE)
                return built[names]
            others = [one for one in same if one.metadata.name not in names]
        built[names] = self._put_together(pool, sorted(slices, key=_name), others)
        return built[names]

    def _put_together(
        self, pool: use.PoolId, slices: list[devices.ResourceSlice], others: list[devices.ResourceSlice]
    ) -> NodePool:
        items = [item for one in slices if not one.spec.shared_counters for item in self._items_of(one)]
        away = [item for one in others if not one.spec.shared_counters for item in self._items_of(one)]
        counters: Counters = {}
        sets: set[str] = set()
        is_valid = len({item.id for item in items}) == len(items)
        for one in (*slices, *others):
            for counted in one.spec.shared_counters:
                is_valid = is_valid and counted.name not in sets
                sets.add(counted.name)
                for name, counter in counted.counters.items():
                    counters[counted.name, name] = quantities.nano(counter.value)
        for item in (*items, *away):
            is_valid = is_valid and all(one.counter_set in sets for one in item.device.consumes_counters)
            is_valid = is_valid and all(key in counters for key, _ in item.consumes)
        if not is_valid:
            return NodePool(pool, INVALID)
        conditions = any(item.device.binding_conditions is not None for item in items)
        return NodePool(pool, "", tuple(items), tuple(away), counters, conditions)

    def _items_of(self, one: devices.ResourceSlice) -> tuple[Item, ...]:
        name = one.metadata.name
        found = self._items.get(name)
        if found is None:
            found = self._items[name] = tuple(self._item(one, device) for device in one.spec.devices)
        return found

    def _item(self, one: devices.ResourceSlice, device: devices.Device) -> Item:
        spec = one.spec
        given = [rule.spec.taint for rule in self._rules.values() if _taints(rule, spec, device.name)]
        return Item(
            id=use.DeviceId(spec.driver, spec.pool.name, device.name),
            device=device,
            of=one,
            content=self._content(one, device),
            taints=tuple(taint for taint in (*device.taints, *given) if taint.effect in _KEEPING_OFF),
            consumes=tuple(
                ((taken.counter_set, name), quantities.nano(counter.value))
                for taken in device.consumes_counters
                for name, counter in taken.counters.items()
            ),
            is_plain=not (
                device.allow_multiple_allocations or device.consumes_counters or spec.per_device_node_selection
            )
            and all(one.request_policy is None and quantities.nano(one.value) >= 0 for one in device.capacity.values()),
        )

    def _content(self, one: devices.ResourceSlice, device: devices.Device) -> Content:
        read = (one.spec.driver, device.attributes, device.capacity, device.allow_multiple_allocations)
        key, name = _ENCODE(read), one.metadata.name
        content, held_by = self._contents.setdefault(key, (Content(one.spec.driver, device), set()))
        held_by.add(name)
        self._contents_of.setdefault(name, set()).add(key)
        return content

    # Taking in

    def replace(self, before: devices.ResourceSlice | None, after: devices.ResourceSlice | None) -> None:
        """A slice is new, another version of it is, or it is gone."""
        for one in (before, after):
            if one is None:
                continue
            pool, name, node = _pool_of(one), one.metadata.name, one.spec.node_name
            of_pool = self._of_pool.setdefault(pool, {})
            at = self._local.setdefault(node, set()) if node else self._shared
            if one is after:
                self._slices[name] = of_pool[name] = one
                at.add(name)
            else:
                del self._slices[name], of_pool[name]
                at.discard(name)
            if not of_pool:
                del self._of_pool[pool]
            if node and not at:
                del self._local[node]
            self._items.pop(name, None)
            self._release(name)
            self._built.pop(pool, None)
            for each in (one, *of_pool.values()):
                self._at.pop(each.spec.node_name or "", None)

    def replace_rule(self, before: devices.DeviceTaintRule | None, after: devices.DeviceTaintRule | None) -> None:
        """A rule is new, another version of it is, or it is gone."""
        for one in (before, after):
            if one is not None:
                self._rules.pop(one.metadata.name, None)
        if after is not None:
            self._rules[after.metadata.name] = after
        self._items.clear()
        self._built.clear()
        self._at.clear()

    def _release(self, name: str) -> None:
        for key in self._contents_of.pop(name, ()):
            held_by = self._contents[key][1]
            held_by.discard(name)
            if not held_by:
                del self._contents[key]


def reaches(
    node_name: str | None, selector: core.NodeSelector | None, node: str, means: Means, *, everywhere: bool
) -> bool:
    """Whether what says this of nodes can be had on one."""
    if node_name:
        return node_name == node
    return everywhere or (selector is not None and means(selector))


_ENCODE: Final[Callable[[object], bytes]] = msgspec.msgpack.Encoder(order="deterministic").encode


def _name(one: devices.ResourceSlice) -> str:
    return one.metadata.name


def _pool_of(one: devices.ResourceSlice) -> use.PoolId:
    return one.spec.driver, one.spec.pool.name


def _uses_groups(one: devices.ResourceSlice) -> bool:
    """Whether devices say with which others they can be taken, which nobody looks at as long as that is off."""
    return any(taken.compatibility_groups for device in one.spec.devices for taken in device.consumes_counters)


def _taints(rule: devices.DeviceTaintRule, spec: devices.SliceSpec, device: str) -> bool:
    meant = rule.spec.device_selector
    return (
        meant is not None
        and meant.driver in (None, spec.driver)
        and meant.pool in (None, spec.pool.name)
        and meant.device in (None, device)
    )
