"""NodeDeclaredFeatures: what a pod needs of kubelet and runtime, the node must have declared in its status.

Source: component-helpers/nodedeclaredfeatures/features of 1.37. Its other features concern updates of pods, or claims.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from scheduler import config
from scheduler.api import core
from scheduler.engine import request, verdict
from scheduler.state import snapshot

PLUGIN: Final = "NodeDeclaredFeatures"


def check(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings) -> verdict.Verdict | None:
    """Refuse nodes that have not declared every feature that the pod needs."""
    lacking = np.zeros(snap.size, np.bool_)
    for feature in _needs(asked.pod.spec):
        column = snap.features.column(feature)
        lacking |= ~column.present(snap.size) if column is not None else True
    return verdict.refuse(PLUGIN, lacking, verdict.Code.UNRESOLVABLE, "node(s) didn't match Pod's required features")


def _needs(spec: core.PodSpec) -> Iterator[str]:
    starting = (*spec.containers, *spec.init_containers)
    if any(rule.action == "RestartAllContainers" for one in starting for rule in one.restart_policy_rules):
        yield "RestartAllContainersOnContainerExits"
    if spec.host_network and spec.host_users is False:
        yield "UserNamespacesHostNetworkSupport"
    if any(mount.bind_mount_options for one in (*starting, *spec.ephemeral_containers) for mount in one.volume_mounts):
        yield "VolumeBindMountOptions"
