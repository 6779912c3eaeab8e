"""NodePorts: two pods of a node cannot take the same host port on overlapping addresses.

0.0.0.0 overlaps every address; any other overlaps itself and 0.0.0.0 ("::" is an ordinary address here, as upstream).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler import config
from scheduler.engine import request, verdict
from scheduler.state import demand, snapshot

PLUGIN: Final = "NodePorts"


def check(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings) -> verdict.Verdict | None:
    """Refuse nodes where a wanted host port is taken."""
    clash = np.zeros(snap.size, np.bool_)
    for port in asked.ports:
        for ip, counts in snap.ports.get((port.protocol, port.number), {}).items():
            if demand.ANY_ADDRESS in (port.ip, ip) or port.ip == ip:
                clash |= counts[: snap.size] > 0
    return verdict.refuse(
        PLUGIN, clash, verdict.Code.UNSCHEDULABLE, "node(s) didn't have free ports for the requested pod ports"
    )
