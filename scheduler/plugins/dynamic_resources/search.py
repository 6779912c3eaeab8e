"""Which devices of a node claims get: the first that will do, in upstream's order, going back where one was a mistake.

    claims one after the other, requests one after the other, ways to meet a request in order of preference,
    devices by pool, slice and place in the slice; within a request only onwards, for their order does not matter

So the devices are those that kube-scheduler would take, and where there is no way it finds none either. What ends a
search for good (an expression that fails, an amount that cannot be reckoned with) fails the cycle, as upstream.

Source: dynamic-resource-allocation/structured/internal/incubating/allocator_incubating.go, constraint.go. There, time
limits a search; here, the number of its steps does, so that an answer never depends on the machine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

from scheduler.api import devices
from scheduler.plugins.dynamic_resources import constraints, counting, outcome, shares, simple, wanted
from scheduler.state.claims import pools, use

_MAX_STEPS: Final = 20_000
_SHARE_ALONE: Final = 10  # of these, what is spent on the question whether something could be had alone: one in so many


def on_node(asked: wanted.Wanted, names: tuple[str, ...], node: outcome.Node) -> outcome.Found:
    """The devices that claims, so called, get on a node."""
    if asked.is_simple:
        found = simple.on_node(asked, names[0], node)
        if found is not None:
            return found
    return _Search(asked.claims, names, node).run()


class _Fatal(Exception):  # noqa: N818 (never leaves this module)
    """There is no use in looking on."""


class _Hopeless(Exception):  # noqa: N818 (likewise)
    """Some request has too few devices, whatever the others get."""


class _TooMany(Exception):  # noqa: N818 (likewise)
    """A claim would get more devices than any may; some other way to meet a request may need fewer."""


@dataclasses.dataclass(frozen=True, slots=True)
class _At:
    """How far a search has come: in which claim, request and way, and how many devices that has."""

    claim: int = 0
    request: int = 0
    way: int = -1
    count: int = 0


class _Search:
    """One search."""

    def __init__(
        self, asked: tuple[wanted.Claim, ...], names: tuple[str, ...], node: outcome.Node, most_steps: int = _MAX_STEPS
    ) -> None:
        self._asked = asked
        self._names = names
        self._node = node
        self._steps = 0
        self._most_steps = most_steps
        self._tried: set[tuple[int, int]] = set()  # claims and requests that can be met if they are alone
        # Where all devices of some kind must suit a constraint, to go on in vain may end in a failure.
        self._gives_up = not any(
            claim.spec.constraints and any(way.count is None for ways in claim.requests for way in ways)
            for claim in asked
        )
        self._all: dict[wanted.Option, list[tuple[pools.NodePool, pools.Item]]] = {}
        self._rules: list[list[constraints.Rule]] = []
        self._taking: dict[use.DeviceId, set[int]] = {}
        self._sharing: dict[use.DeviceId, list[use.Amounts]] = {}
        self._counters = counting.Counters(node.use)
        self._given: list[list[outcome.Given]] = [[] for _ in asked]
        self._chosen = [[0] * len(claim.requests) for claim in asked]

    def run(self) -> outcome.Found:
        try:
            self._prepare()
            if self._next(_At(), 0):
                return outcome.Found(tuple(map(tuple, self._given)), tuple(map(tuple, self._chosen)))
        except _Hopeless:
            pass
        except _TooMany:
            return outcome.Found(None, problem="allocation max size exceeded", is_error=True)
        except (_Fatal, shares.Unreadable) as fatal:
            return outcome.Found(None, problem=str(fatal), is_error=True)
        if any(pool.problem == pools.INVALID for pool in self._node.pools):
            return outcome.Found(None, problem=outcome.INVALID_POOLS)
        return outcome.NOTHING

    # What must be known first

    def _prepare(self) -> None:
        for number, claim in enumerate(self._asked):
            total = 0
            for ways in claim.requests:
                for way in ways:
                    if way.problem:
                        raise _Fatal(way.problem.format(claim=self._names[number]))
                    if way.count is None:
                        self._all[way] = self._all_of(number, way)
                least = min(self._count(way) for way in ways)
                if least > devices.MAX_RESULTS - total:
                    name = ways[0].parent or ways[0].name
                    raise _Fatal(
                        f"claim {self._names[number]}, request {name}: adding {least} devices exceeds the claim limit "
                        f"of {devices.MAX_RESULTS}, with {total} already accounted for"
                    )
                total += least
            for place, constraint in enumerate(claim.spec.constraints):
                if constraint.match_attribute is None and constraint.distinct_attribute is None:
                    empty = f"constraint #{place}: empty constraint (unsupported constraint type?)"
                    raise _Fatal(f"claim {self._names[number]}, {empty}")
            self._rules.append([constraints.Rule(constraint) for constraint in claim.spec.constraints])

    def _all_of(self, number: int, way: wanted.Option) -> list[tuple[pools.NodePool, pools.Item]]:
        who = f"claim {self._names[number]}, request {way.name}"
        found: list[tuple[pools.NodePool, pools.Item]] = []
        for pool in self._node.pools:
            if pool.problem:
                raise _Fatal(f"{who}: asks for all devices, but resource pool {'/'.join(pool.id)} is {pool.problem}")
            found += [
                (pool, item)
                for item in pool.items
                if self._is_meant(number, way, item) and _fits(f"{who}: checking", way, item, ({}, {}))
            ]
        return found

    def _count(self, way: wanted.Option) -> int:
        return way.count if way.count is not None else len(self._all[way])

    def _is_meant(self, number: int, way: wanted.Option, item: pools.Item) -> bool:
        meant = way.choosing.asks(item.content)
        if isinstance(meant, wanted.Failure):
            raise _Fatal(meant.text(self._names[number], "/".join(item.id)))
        if not meant or not item.of.spec.per_device_node_selection:
            return meant
        device, node = item.device, self._node
        return pools.reaches(device.node_name, device.node_selector, node.name, node.means, everywhere=device.all_nodes)

    # The search

    def _next(self, at: _At, start: int) -> bool:
        """Whether all from here on can be had; it is taken then. ``start``: the first device to try for a request."""
        self._steps += 1
        if self._steps > self._most_steps:
            raise _Fatal(f"node {self._node.name}: timed out trying to allocate devices")
        if at.claim >= len(self._asked):
            return True
        requests = self._asked[at.claim].requests
        if at.request >= len(requests):
            try:
                return self._next(_At(at.claim + 1), 0)
            except _TooMany:
                return False
        ways = requests[at.request]
        if at.way < 0:
            return self._one_way(at, ways)
        way = ways[at.way]
        if way.count is None and not self._all[way]:
            return False
        count = self._count(way)
        if at.count >= count:
            return self._next(_At(at.claim, at.request + 1), 0)
        if count - at.count > devices.MAX_RESULTS - len(self._given[at.claim]):
            raise _TooMany
        return self._take_this(at, way) if way.count is None else self._take_any(at, way, start)

    def _one_way(self, at: _At, ways: tuple[wanted.Option, ...]) -> bool:
        if self._gives_up and not (any(self._may_do(at, way) for way in ways) and self._can_alone(at, ways)):
            if not self._may_fail_before(at):
                raise _Hopeless
            self._gives_up = False  # only the search itself knows whether it comes to what fails
        if not ways[0].parent:
            return self._next(dataclasses.replace(at, way=0), 0)
        all_too_many = True
        for number in range(len(ways)):
            try:
                found = self._next(dataclasses.replace(at, way=number), 0)
            except _TooMany:
                continue
            all_too_many = False
            if found:
                self._chosen[at.claim][at.request] = number
                return True
        if all_too_many:
            raise _TooMany
        return False

    def _may_do(self, at: _At, way: wanted.Option) -> bool:
        """Whether there are devices enough for a way, if all that this search has taken were free.

        No more devices are looked at than the search would look at, for one of which an expression fails ends it.
        """
        left = way.count
        if left is None:
            return bool(self._all[way])
        if left > devices.MAX_RESULTS - len(self._given[at.claim]):
            return True
        for _, item in self._devices(0) if left > 0 else ():
            if not self._taking.get(item.id) and not self._is_free(at.claim, way, item):
                continue
            left -= 1
            if not left:
                break
        return left <= 0

    def _can_alone(self, at: _At, ways: tuple[wanted.Option, ...]) -> bool:
        """Whether a later claim, or a claim's later request, could be met if nothing else were wanted.

        What cannot be had alone cannot be had with others, however often these are tried otherwise. It is not so where
        a first share of a device makes the next ones cheaper.
        """
        key = at.claim, at.request
        if key == (0, 0) or key in self._tried:
            return True
        self._tried.add(key)
        if any(
            one.device.allow_multiple_allocations and one.consumes for pool in self._node.pools for one in pool.items
        ):
            return True
        claim = self._asked[at.claim]
        alone = claim if not at.request else wanted.Claim((ways,), claim.spec)
        names = self._names[at.claim : at.claim + 1]
        found = _Search((alone,), names, self._node, _MAX_STEPS // _SHARE_ALONE).run()
        return found.given is not None or found.is_error

    def _is_free(self, number: int, way: wanted.Option, item: pools.Item) -> bool:
        if item.id in self._node.use.taken and not way.asked.admin_access:
            return False
        who = f"claim {self._names[number]}, request {way.name}: checking"
        taken = self._node.use.consumed(item.id) or {}
        is_meant = self._is_meant(number, way, item) and _fits(who, way, item, (taken, {}))
        return is_meant and not constraints.is_kept_off(item.taints, way.asked.tolerations)

    def _may_fail_before(self, at: _At) -> bool:
        """Whether the search could be ended by a device that is looked at for the requests before, if it went on."""
        try:
            for number in range(at.claim, -1, -1):
                requests = self._asked[number].requests
                for ways in reversed(requests[: at.request] if number == at.claim else requests):
                    for way in (one for one in ways if one.count is not None):
                        for _, item in self._devices(0):
                            self._is_free(number, way, item)
        except (_Fatal, shares.Unreadable):
            return True
        return False

    def _take_this(self, at: _At, way: wanted.Option) -> bool:
        pool, item = self._all[way][at.count]
        return self._take(at, way, pool, item) and self._go_on(at, way, pool, item, 0)

    def _take_any(self, at: _At, way: wanted.Option, start: int) -> bool:
        who = f"claim {self._names[at.claim]}, request {way.name}: checking"
        for place, (pool, item) in enumerate(self._devices(start), start=start):
            if self._is_busy(at, way, item.id) or not self._is_meant(at.claim, way, item):
                continue
            if not _fits(who, way, item, self._taken_of(item)):
                continue
            if self._take(at, way, pool, item) and self._go_on(at, way, pool, item, place + 1):
                return True
        return False

    def _devices(self, start: int) -> Iterator[tuple[pools.NodePool, pools.Item]]:
        number = 0
        for pool in self._node.pools:
            if pool.problem:
                continue
            if number + len(pool.items) > start:
                yield from ((pool, item) for item in pool.items[max(0, start - number) :])
            number += len(pool.items)

    def _go_on(self, at: _At, way: wanted.Option, pool: pools.NodePool, item: pools.Item, start: int) -> bool:
        """With a device taken; it is given back where that leads nowhere."""
        found = False
        try:
            found = self._next(dataclasses.replace(at, count=at.count + 1), start)
        finally:
            if not found:
                self._give_back(at, way, pool, item)
        return found

    # Devices

    def _is_busy(self, at: _At, way: wanted.Option, device: use.DeviceId) -> bool:
        if way.asked.admin_access:
            return at.claim in self._taking.get(device, ())
        return device in self._node.use.taken or bool(self._taking.get(device))

    def _taken_of(self, item: pools.Item) -> tuple[use.Amounts, use.Amounts]:
        total: use.Amounts = {}
        for amounts in self._sharing.get(item.id, ()):
            for name, amount in amounts.items():
                total[name] = total.get(name, 0) + amount
        return self._node.use.consumed(item.id) or {}, total

    def _take(self, at: _At, way: wanted.Option, pool: pools.NodePool, item: pools.Item) -> bool:
        """Whether a device that is meant can be had; it is taken then."""
        is_shared = item.device.allow_multiple_allocations
        if (not way.asked.admin_access or not is_shared) and self._is_busy(at, way, item.id):
            return False
        counts = self._counts(item)
        if counts and not self._counters.take(pool, item):
            return False
        rules = self._rules[at.claim]
        joined = 0
        if not constraints.is_kept_off(item.taints, way.asked.tolerations):
            for rule in rules:
                if not rule.add(way, item):
                    break
                joined += 1
            else:
                consumed = self._consumption(at, way, item)
                if consumed is not _NO_ROOM:
                    self._note(at, way, item, consumed)
                    return True
        elif counts:
            self._counters.give_back(pool, item)
            return False
        else:
            return False
        for rule in rules[:joined]:
            rule.remove(way)
        if counts:
            self._counters.give_back(pool, item)
        if way.count is None and joined < len(rules):
            why = f"cannot add device {'/'.join(item.id)} because a claim constraint would not be satisfied"
            raise _Fatal(f"claim {self._names[at.claim]}, request {way.name}: {why}")
        return False

    def _counts(self, item: pools.Item) -> bool:
        """Whether a device takes of its pool's counters: the first of its shares does."""
        if not item.device.consumes_counters:
            return False
        is_shared = item.device.allow_multiple_allocations
        return not (is_shared and (item.id in self._node.use.shares or item.id in self._sharing))

    def _consumption(self, at: _At, way: wanted.Option, item: pools.Item) -> use.Amounts | None:
        who = f"claim {self._names[at.claim]}, request {way.name}: rechecking"
        if not _fits(who, way, item, self._taken_of(item)):
            return _NO_ROOM
        return shares.consumed(way.amounts, item.device) if item.device.allow_multiple_allocations else None

    def _note(self, at: _At, way: wanted.Option, item: pools.Item, consumed: use.Amounts | None) -> None:
        if consumed is None:
            self._taking.setdefault(item.id, set()).add(at.claim)
        else:
            self._sharing.setdefault(item.id, []).append(consumed)
        self._given[at.claim].append(outcome.Given(way, item, consumed))

    def _give_back(self, at: _At, way: wanted.Option, pool: pools.NodePool, item: pools.Item) -> None:
        given = self._given[at.claim].pop()
        if given.consumed is None:
            self._taking[item.id].discard(at.claim)
        else:
            self._sharing[item.id].pop()
            if not self._sharing[item.id]:
                del self._sharing[item.id]
        for rule in self._rules[at.claim]:
            rule.remove(way)
        if self._counts(item):
            self._counters.give_back(pool, item)


def _fits(who: str, way: wanted.Option, item: pools.Item, taken: tuple[use.Amounts, use.Amounts]) -> bool:
    """Whether what is asked of a device's capacities is left, beside what is taken and what is about to be."""
    try:
        return shares.fits(way.amounts, item.device, *taken)
    except shares.Unreadable as error:
        device = item.device.name if way.count is None and who.endswith(": checking") else "/".join(item.id)
        raise _Fatal(f"{who} capacity for device {device}: {error}") from error


_NO_ROOM: Final[use.Amounts] = {}
