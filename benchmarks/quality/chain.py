"""Why a run took as long as it did: the chain of pods that each waited for the one before, back from the last one.

Of each pod on it, its time since the one before was done goes to what it then did: wait for a node, fetch inputs and
image, work, write outputs. The parts of a chain add up to the makespan, so that two runs differ by the difference of
their parts.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from scheduler.simulate import outcome, scenario


class Parts(msgspec.Struct, frozen=True):
    """Seconds along the chain."""

    arriving_s: float = 0.0
    waiting_s: float = 0.0
    fetching_s: float = 0.0
    working_s: float = 0.0
    writing_s: float = 0.0


WORDS: Mapping[str, str] = {
    "arriving_s": "waits for the first of its pods to be created",
    "waiting_s": "waits for nodes",
    "fetching_s": "fetches",
    "working_s": "works",
    "writing_s": "writes",
}


def links(given: scenario.Scenario, run: outcome.Outcome) -> list[outcome.Ran]:
    """The pods of the chain, the first one first; empty where no pod was done."""
    after = {work.pod.key: work.after for work in given.works}
    ran = {one.pod: one for one in run.pods if one.done_s is not None}
    last = max(ran.values(), key=_done_s, default=None)
    found: list[outcome.Ran] = []
    while last is not None:
        found.append(last)
        last = max((ran[key] for key in after.get(last.pod, ()) if key in ran), key=_done_s, default=None)
    return found[::-1]


def parts(given: scenario.Scenario, run: outcome.Outcome) -> Parts:
    """What the time along the chain went to, from the first arrival on."""
    arriving_s = waiting_s = fetching_s = working_s = writing_s = 0.0
    before_s = min((one.arrived_s for one in run.pods), default=0.0)
    for one in links(given, run):
        released_s = one.arrived_s if one.released_s is None else one.released_s
        bound_s = released_s if one.bound_s is None else one.bound_s
        began_s = bound_s if one.began_s is None else one.began_s
        worked_s = began_s if one.worked_s is None else one.worked_s
        arriving_s += released_s - before_s
        waiting_s += bound_s - released_s
        fetching_s += began_s - bound_s
        working_s += worked_s - began_s
        before_s = _done_s(one)
        writing_s += before_s - worked_s
    return Parts(arriving_s, waiting_s, fetching_s, working_s, writing_s)


def _done_s(one: outcome.Ran) -> float:
    return 0.0 if one.done_s is None else one.done_s
