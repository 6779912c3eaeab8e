"""NodeDeclaredFeatures: what a pod needs of kubelet and runtime, the node must have declared in its status.

Source: component-helpers/nodedeclaredfeatures/features of 1.37. Its other features concern updates of pods, or claims.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

import numpy as np

from scheduler import config
from scheduler.api import core
from scheduler.plugins import contract, events, request
from scheduler.state import changes, snapshot

_REFUSAL: Final = contract.Refusal(contract.Code.UNRESOLVABLE, ("node(s) didn't match Pod's required features",))


def _compile(pod: request.PodRequest, _settings: config.Settings) -> tuple[str, ...] | None:
    return tuple(_needs(pod.pod.spec)) or None


def _needs(spec: core.PodSpec) -> Iterator[str]:
    starting = (*spec.containers, *spec.init_containers)
    if any(rule.action == "RestartAllContainers" for one in starting for rule in one.restart_policy_rules):
        yield "RestartAllContainersOnContainerExits"
    if spec.host_network and spec.host_users is False:
        yield "UserNamespacesHostNetworkSupport"
    if any(mount.bind_mount_options for one in (*starting, *spec.ephemeral_containers) for mount in one.volume_mounts):
        yield "VolumeBindMountOptions"


def _rows(needs: tuple[str, ...], view: snapshot.Snapshot) -> contract.Verdict | None:
    lacking = np.zeros(view.size, np.bool_)
    for feature in needs:
        column = view.features.column(feature)
        lacking |= ~column.present(view.size) if column is not None else True
    return contract.refuse(lacking, _REFUSAL)


def _cell(
    needs: tuple[str, ...], view: snapshot.Snapshot, slot: int, _delta: contract.Delta
) -> contract.Refusal | None:
    return None if _has_all(view.features.of(slot), needs) else _REFUSAL


def _has_all(declared: Collection[str], needs: tuple[str, ...]) -> bool:
    return all(feature in declared for feature in needs)


def _wakes(event: events.Event, needs: tuple[str, ...]) -> bool:
    if isinstance(event, events.OwnPodChanged):
        return tuple(_needs(event.new.spec)) != needs
    if not isinstance(event, events.NodeChanged):
        return False
    return event.old is None or event.old.status.declared_features != event.new.status.declared_features


FILTER: Final = contract.Filter(
    name="NodeDeclaredFeatures",
    compile=_compile,
    rows=_rows,
    cell=_cell,
    facets=changes.FEATURES | changes.ALIVE,
    wakes=_wakes,
)
