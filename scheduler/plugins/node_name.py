"""NodeName: a pod that names its node goes nowhere else. Source: pkg/scheduler/framework/plugins/nodename."""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler import config
from scheduler.plugins import contract, events, request
from scheduler.state import changes, snapshot

_REFUSAL: Final = contract.Refusal(contract.Code.UNRESOLVABLE, ("node(s) didn't match the requested node name",))


def _compile(pod: request.PodRequest, _settings: config.Settings) -> str | None:
    return pod.pod.spec.node_name or None


def _narrows(name: str) -> frozenset[str]:
    return frozenset((name,))


def _rows(name: str, view: snapshot.Snapshot) -> contract.Verdict | None:
    others = np.ones(view.size, np.bool_)
    if name in view.index_of:
        others[view.index_of[name]] = False
    return contract.refuse(others, _REFUSAL)


def _cell(name: str, view: snapshot.Snapshot, slot: int, _delta: contract.Delta) -> contract.Refusal | None:
    return None if view.index_of.get(name) == slot else _REFUSAL


def _wakes(event: events.Event, _name: str) -> bool:
    """Any new node, as upstream: the message counts the nodes."""
    return isinstance(event, events.NodeChanged) and event.old is None


FILTER: Final = contract.Filter(
    name="NodeName",
    compile=_compile,
    rows=_rows,
    cell=_cell,
    facets=changes.ALIVE,
    wakes=_wakes,
    narrows=_narrows,
)
