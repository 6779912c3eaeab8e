"""NodeUnschedulable: no pod goes to a cordoned node unless it tolerates the cordon's taint."""

from __future__ import annotations

from typing import Final

from scheduler import config
from scheduler.api import core
from scheduler.plugins import contract, events, request
from scheduler.plugins.common import tolerations
from scheduler.state import changes, snapshot

_CORDON: Final = core.Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
_REFUSAL: Final = contract.Refusal(contract.Code.UNRESOLVABLE, ("node(s) were unschedulable",))


def _compile(pod: request.PodRequest, _settings: config.Settings) -> bool | None:
    return None if tolerations.tolerates(pod.pod.spec.tolerations, _CORDON) else True


def _rows(_asked: bool, view: snapshot.Snapshot) -> contract.Verdict | None:
    return contract.refuse(view.unschedulable, _REFUSAL)


def _cell(_asked: bool, view: snapshot.Snapshot, slot: int, _delta: contract.Delta) -> contract.Refusal | None:
    return _REFUSAL if view.unschedulable.item(slot) else None


def _wakes(event: events.Event, _asked: bool) -> bool:
    if isinstance(event, events.OwnPodChanged):
        return tolerations.tolerates(event.new.spec.tolerations, _CORDON)
    if not isinstance(event, events.NodeChanged) or event.new.spec.unschedulable:
        return False
    return event.old is None or event.old.spec.unschedulable


FILTER: Final = contract.Filter(
    name="NodeUnschedulable",
    compile=_compile,
    rows=_rows,
    cell=_cell,
    facets=changes.CORDON | changes.ALIVE,
    wakes=_wakes,
)
