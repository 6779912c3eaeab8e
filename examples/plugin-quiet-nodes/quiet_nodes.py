"""QuietNodes: pods that ask for quiet stay away from noisy nodes, and go rather to the quieter of the others.

Nodes say how noisy they are by the label ``example.com/noise``, 0..100; without it they are quiet. A pod with the label
``example.com/quiet: required`` does not go to nodes of more than 50; any pod with that label prefers quieter ones.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler import config
from scheduler.plugins import contract, events, request
from scheduler.state import changes, snapshot

NAME: Final = "QuietNodes"
NOISE: Final = "example.com/noise"
QUIET: Final = "example.com/quiet"
_LOUD: Final = 50
_REFUSAL: Final = contract.Refusal(contract.Code.UNRESOLVABLE, ("node(s) were too noisy",))


def _noise(labels_value: str | None) -> int:
    """0..100; what is no number is not noisy."""
    text = labels_value or ""
    return min(int(text), contract.MAX_SCORE) if text.isascii() and text.isdigit() else 0


def _noises(view: snapshot.Snapshot) -> contract.Ints:
    """[slots] the noise: a label has few values, so that each is read once."""
    noises = np.zeros(view.size, np.int64)
    column = view.node_labels.column(NOISE)
    if column is not None:
        for value, number in column.values.items():
            noises[column.ids[: view.size] == number] = _noise(value)
    return noises


def _noise_at(view: snapshot.Snapshot, slot: int) -> int:
    return _noise(view.node_labels.of(slot).get(NOISE))


def _requires(pod: request.PodRequest, _settings: config.Settings) -> bool | None:
    return True if pod.pod.metadata.labels.get(QUIET) == "required" else None


def _rows(_asked: bool, view: snapshot.Snapshot) -> contract.Verdict | None:
    return contract.refuse(_noises(view) > _LOUD, _REFUSAL)


def _cell(_asked: bool, view: snapshot.Snapshot, slot: int, _delta: contract.Delta) -> contract.Refusal | None:
    return _REFUSAL if _noise_at(view, slot) > _LOUD else None


def _wakes(event: events.Event, _asked: bool) -> bool:
    if isinstance(event, events.OwnPodChanged):
        return event.old.metadata.labels != event.new.metadata.labels
    if not isinstance(event, events.NodeChanged):
        return False
    return event.old is None or event.old.metadata.labels != event.new.metadata.labels


def _prefers(pod: request.PodRequest, _settings: config.Settings) -> bool | None:
    return True if QUIET in pod.pod.metadata.labels else None


def _raws(_asked: bool, view: snapshot.Snapshot) -> contract.Ints:
    return contract.MAX_SCORE - _noises(view)


def _raw(_asked: bool, view: snapshot.Snapshot, slot: int) -> int:
    return contract.MAX_SCORE - _noise_at(view, slot)


PLUGIN: Final = (
    contract.Filter(
        name=NAME,
        compile=_requires,
        rows=_rows,
        cell=_cell,
        facets=changes.LABELS | changes.ALIVE,
        wakes=_wakes,
    ),
    contract.Score(name=NAME, compile=_prefers, raws=_raws, raw=_raw, facets=changes.LABELS | changes.ALIVE),
)
