"""Devices as the API wants them written: the allocation of a claim.

A share of a device is told from others by a name that is made of whose claim it is and which of its devices, so that
the same decision gives the same name. Source: the end of allocator_incubating.go, Allocate.
"""

from __future__ import annotations

import uuid
from typing import Final

from scheduler.api import core, devices, quantities
from scheduler.plugins.dynamic_resources import outcome, wanted

_SHARES: Final = uuid.UUID("5c0c0f6e-6d1b-4d0f-9f43-2f6d3c0a8e51")  # the name space of shares


def of_claim(
    claim: wanted.Claim, chosen: tuple[int, ...], given: tuple[outcome.Given, ...], node: str, identity: str
) -> devices.Allocation:
    """What a claim is given on a node.

    Args:
        claim: What it wants.
        chosen: By request, the way that it is met.
        given: The devices.
        identity: What the claim is told from others by.
    """
    ways = [options[number] for options, number in zip(claim.requests, chosen, strict=True)]
    results = tuple(_result(one, number, identity) for number, one in enumerate(given))
    config = (*_of_classes(ways), *_of_claim(claim.spec, ways))
    whole = tuple(_for_all(one, claim.spec, ways) for one in config)
    return devices.Allocation(devices.Results(results, whole), _node_selector(given, node))


def _result(one: outcome.Given, number: int, identity: str) -> devices.Result:
    way, item = one.way, one.item
    share = str(uuid.uuid5(_SHARES, f"{identity}/{number}/{'/'.join(item.id)}")) if one.consumed is not None else None
    return devices.Result(
        request=way.full_name,
        driver=item.id.driver,
        pool=item.id.pool,
        device=item.id.device,
        admin_access=True if way.asked.admin_access else None,
        tolerations=way.asked.tolerations,
        binding_conditions=item.device.binding_conditions or (),
        binding_failure_conditions=item.device.binding_failure_conditions,
        share_id=share,
        consumed_capacity={name: _text(amount, name, one) for name, amount in (one.consumed or {}).items()},
    )


def _text(amount_nano: int, name: str, one: outcome.Given) -> core.Quantity:
    """An amount as somebody wrote it; what was rounded to a step, as steps are written."""
    capacity, asked = one.item.device.capacity[name], one.way.asked.capacity
    policy = capacity.request_policy or devices.RequestPolicy()
    limits = policy.valid_range or devices.ValidRange()
    own = asked.requests.get(name) if asked is not None else None
    least = quantities.nano(limits.min) if limits.min is not None else None
    if own is None or least is None or limits.step is None or quantities.nano(own) < least:
        for text in (own, policy.default, capacity.value, *policy.valid_values, limits.min):
            if text is not None and quantities.nano(text) == amount_nano:
                return text
    return quantities.text(amount_nano, is_binary=str(limits.step).endswith("i"))


def _of_classes(ways: list[wanted.Option]) -> list[devices.Configuration]:
    """Each class is told of once, for all requests of it."""
    requests: dict[str, list[str]] = {}
    for way in ways:
        requests.setdefault(way.asked.device_class_name, []).append(way.full_name)
    classes = {way.asked.device_class_name: way.of for way in ways}
    return [
        devices.Configuration(devices.FROM_CLASS, tuple(requests[name]), config.opaque)
        for name, of in classes.items()
        if of is not None
        for config in of.spec.config
    ]


def _of_claim(spec: devices.DeviceClaim, ways: list[wanted.Option]) -> list[devices.Configuration]:
    names = {name for way in ways for name in (way.full_name, way.parent or way.name)}
    return [
        devices.Configuration(devices.FROM_CLAIM, config.requests, config.opaque)
        for config in spec.config
        if not config.requests or not names.isdisjoint(config.requests)
    ]


def _for_all(one: devices.Configuration, spec: devices.DeviceClaim, ways: list[wanted.Option]) -> devices.Configuration:
    """Names no requests where it is for all of them."""
    named = set(one.requests)
    is_for_all = all(
        request.name in named or (bool(way.parent) and way.full_name in named)
        for request, way in zip(spec.requests, ways, strict=True)
    )
    return devices.Configuration(one.source, (), one.opaque) if is_for_all else one


def _node_selector(given: tuple[outcome.Given, ...], node: str) -> core.NodeSelector | None:
    """From where all devices can be used; None for everywhere."""
    fields: list[core.Requirement] = []
    expressions: list[core.Requirement] = []
    for one in given:
        device, spec = one.item.device, one.item.of.spec
        of = device if spec.per_device_node_selection else spec
        if of.node_name is not None or device.binds_to_node:
            name = core.Requirement("metadata.name", "In", (node,))
            return core.NodeSelector((core.NodeSelectorTerm(match_fields=(name,)),))
        for term in of.node_selector.node_selector_terms[:1] if of.node_selector is not None else ():
            fields += [new for new in term.match_fields if not _is_among(new, fields)]
            expressions += [new for new in term.match_expressions if not _is_among(new, expressions)]
    if not fields and not expressions:
        return None
    return core.NodeSelector((core.NodeSelectorTerm(tuple(expressions), tuple(fields)),))


def _is_among(new: core.Requirement, known: list[core.Requirement]) -> bool:
    return any((one.key, one.operator, set(one.values)) == (new.key, new.operator, set(new.values)) for one in known)
