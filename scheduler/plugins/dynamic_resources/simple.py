"""The common case of a search: a number of devices that a claim's one request means, each free or taken as a whole."""

from __future__ import annotations

from scheduler.plugins.dynamic_resources import constraints, outcome, wanted
from scheduler.state.claims import pools


def on_node(asked: wanted.Wanted, name: str, node: outcome.Node) -> outcome.Found | None:
    """The devices that a claim, so called, gets; None where there is more to a device than whether it is free."""
    ((way,),) = asked.claims[0].requests
    ask, left, taken = way.choosing.asks, way.count or 0, node.use.taken
    given: list[outcome.Given] = []
    for pool in node.pools if left > 0 else ():
        if pool.problem:
            continue
        for item in pool.items:
            if not item.is_plain:
                return None
            if item.id in taken:
                continue
            meant = ask(item.content)
            if meant is False:
                continue
            if meant is not True:
                return outcome.Found(None, problem=meant.text(name, "/".join(item.id)), is_error=True)
            if item.taints and constraints.is_kept_off(item.taints, way.asked.tolerations):
                continue
            given.append(outcome.Given(way, item, None))
            if len(given) == left:
                return outcome.Found((tuple(given),), ((0,),))
    if left <= 0:
        return outcome.Found(((),), ((0,),))
    return (
        outcome.Found(None, problem=outcome.INVALID_POOLS)
        if any(pool.problem == pools.INVALID for pool in node.pools)
        else outcome.NOTHING
    )
