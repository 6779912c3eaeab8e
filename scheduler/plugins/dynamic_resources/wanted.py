"""What claims want, read once for all claims that want the same: requests with their classes, and constraints."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Final

import msgspec

from scheduler.api import devices, quantities
from scheduler.plugins.dynamic_resources import expressions, extended
from scheduler.state import snapshot
from scheduler.state.claims import pools, store

_KEPT: Final = 4096


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """Why a device cannot be told from others: a class's selector, or ("") the claim's, by its number."""

    of_class: str
    number: int
    why: expressions.Failure

    def text(self, claim: str, device: str) -> str:
        """Upstream's words."""
        who = f"class {self.of_class}" if self.of_class else f"claim {claim}"
        where = f" on device {device}" if self.why.compiles else ""
        return f"{who}: selector #{self.number}{where}: {self.why.text}"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Choosing:
    """The selectors of a class and of a request, asked in this order; devices that are alike are asked once.

    Attributes:
        listed: The class's name ("" for the request), the selector's number, and the expression.
    """

    listed: tuple[tuple[str, int, str], ...]

    def asks(self, content: pools.Content) -> bool | Failure:
        """Whether a device is meant by all of them."""
        found = content.answers.get(self)
        if found is None:
            found = content.answers[self] = self._ask(content)
        return found  # type: ignore[return-value]  # contents keep answers for whoever asks

    def _ask(self, content: pools.Content) -> bool | Failure:
        for of_class, number, expression in self.listed:
            found = content.answers.get(expression)
            if found is None:
                found = content.answers[expression] = expressions.matches(expression, content)
            if isinstance(found, expressions.Failure):
                return Failure(of_class, number, found)
            if not found:
                return False
        return True


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Option:
    """One way to meet a request.

    Attributes:
        parent: The request's name, where this is one way of several; "" otherwise.
        count: How many devices; None for all that are meant.
        amounts: What is asked of capacities, in billionths; None where nothing is said of them.
        problem: Why it cannot be met anywhere, with a place for the claim's name; "" if it can.
    """

    name: str
    parent: str
    asked: devices.Asked
    of: devices.DeviceClass | None
    choosing: Choosing
    count: int | None
    amounts: dict[str, int] | None
    problem: str

    @property
    def full_name(self) -> str:
        """As results name it."""
        return f"{self.parent}/{self.name}" if self.parent else self.name


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """What one claim wants: by request, the ways to meet it, the preferred first."""

    requests: tuple[tuple[Option, ...], ...]
    spec: devices.DeviceClaim


@dataclasses.dataclass(slots=True, eq=False)
class Wanted:
    """What claims want together.

    Attributes:
        claims: One by one.
        is_simple: Whether it is a number of devices of one kind, so that there is nothing to choose but which.
        has_ways: Whether some request can be met in several ways.
        names_are_told: Whether a failure was met, which names the claims.
    """

    claims: tuple[Claim, ...]
    is_simple: bool
    has_ways: bool
    names_are_told: bool = False

    @property
    def specs(self) -> tuple[devices.DeviceClaim, ...]:
        """As the claims have it."""
        return tuple(claim.spec for claim in self.claims)


class Reader:
    """Reads what is wanted, and keeps it; made anew when classes change."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Wanted] = {}
        self._made: dict[tuple[Wanted | None, extended.Asked, tuple[str, ...]], tuple[extended.Made, Wanted]] = {}
        self._classes: object = None

    def read(self, specs: tuple[devices.DeviceClaim, ...], known: store.Claims) -> Wanted:
        """What some claims want."""
        self._renew(known)
        key = _ENCODE(specs)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = _read(specs, known)
        return found

    def with_extended(
        self, want: Wanted | None, asked: extended.Asked, resources: tuple[str, ...], view: snapshot.Snapshot
    ) -> tuple[extended.Made, Wanted]:
        """The claim for some extended resources, and what is wanted with it."""
        self._renew(view.claims)
        found = self._made.get((want, asked, resources))
        if found is None:
            made = extended.made_for(asked, resources, view)
            whole = self.read((*(want.specs if want is not None else ()), made.spec), view.claims)
            found = self._made[want, asked, resources] = made, whole
        return found

    def _renew(self, known: store.Claims) -> None:
        if self._classes is not known.classes_version or len(self._kept) + len(self._made) >= _KEPT:
            self._classes = known.classes_version
            self._kept.clear()
            self._made.clear()


_ENCODE: Final[Callable[[object], bytes]] = msgspec.msgpack.Encoder(order="deterministic").encode


def _read(specs: tuple[devices.DeviceClaim, ...], known: store.Claims) -> Wanted:
    claims = tuple(Claim(tuple(_ways(one, known) for one in spec.requests), spec) for spec in specs)
    is_simple = len(claims) == 1 and len(claims[0].requests) == 1 and not specs[0].constraints
    has_ways = any(request.first_available for spec in specs for request in spec.requests)
    if is_simple:
        (ways,) = claims[0].requests
        is_simple = len(ways) == 1 and not ways[0].parent and ways[0].count is not None and not ways[0].problem
        is_simple = is_simple and not ways[0].asked.admin_access and ways[0].amounts is None
        is_simple = is_simple and (ways[0].count or 0) <= devices.MAX_RESULTS
    return Wanted(claims, is_simple, has_ways)


def _ways(request: devices.Request, known: store.Claims) -> tuple[Option, ...]:
    if request.first_available:
        return tuple(_option(part.name, request.name, part, known) for part in request.first_available)
    return (_option(request.name, "", request.exactly or devices.Asked(), known),)


def _option(name: str, parent: str, asked: devices.Asked, known: store.Claims) -> Option:
    of = known.device_class(asked.device_class_name)
    listed: list[tuple[str, int, str]] = []
    of_class = of.spec.selectors if of is not None else ()
    for owner, selectors in ((asked.device_class_name, of_class), ("", asked.selectors)):
        listed += [
            (owner, number, selector.cel.expression)
            for number, selector in enumerate(selectors)
            if selector.cel is not None
        ]
    return Option(
        name=name,
        parent=parent,
        asked=asked,
        of=of,
        choosing=_choosing(tuple(listed)),
        count=None if asked.allocation_mode == devices.ALL else asked.count,
        amounts=(
            {key: quantities.nano(amount) for key, amount in asked.capacity.requests.items()}
            if asked.capacity is not None
            else None
        ),
        problem=_problem(name, asked, of),
    )


@functools.lru_cache(maxsize=_KEPT)
def _choosing(listed: tuple[tuple[str, int, str], ...]) -> Choosing:
    return Choosing(listed)


def _problem(name: str, asked: devices.Asked, of: devices.DeviceClass | None) -> str:
    said = ""
    bare = next((number for number, selector in enumerate(asked.selectors) if selector.cel is None), None)
    class_name = asked.device_class_name
    if asked.derived_attributes:
        said = "cannot handle request with derived attributes, the feature is disabled"
    elif bare is not None:
        return f"claim {{claim}}, request {name}, selector #{bare}: CEL expression empty (unsupported selector type?)"
    elif not class_name:
        said = "missing device class name (unsupported request type?)"
    elif of is None:
        missing = f'deviceclass.resource.k8s.io "{class_name}" not found'
        said = f"could not retrieve device class {class_name}: {missing}"
    elif asked.allocation_mode not in (devices.ALL, devices.EXACT_COUNT):
        said = f"unsupported count mode {asked.allocation_mode}"
    return f"claim {{claim}}, request {name}: {said}" if said else ""
