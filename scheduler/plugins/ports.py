"""NodePorts: two pods of a node cannot take the same host port on overlapping addresses.

0.0.0.0 overlaps every address; any other overlaps itself and 0.0.0.0 ("::" is an ordinary address here, as upstream).
Of pods that hold the same port already, the one that goes leaves it to nobody, as upstream has it.
Source: pkg/scheduler/framework/plugins/nodeports.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from scheduler import config
from scheduler.plugins import contract, events, request
from scheduler.state import changes, demand, snapshot

_REFUSAL: Final = contract.Refusal(
    contract.Code.UNSCHEDULABLE, ("node(s) didn't have free ports for the requested pod ports",)
)

Ports = tuple[demand.Port, ...]


def _compile(pod: request.PodRequest, _settings: config.Settings) -> Ports | None:
    return pod.ports or None


def _overlaps(ip: str, other: str) -> bool:
    return demand.ANY_ADDRESS in (ip, other) or ip == other


def _rows(ports: Ports, view: snapshot.Snapshot) -> contract.Verdict | None:
    clash = np.zeros(view.size, np.bool_)
    for port in ports:
        for ip, counts in view.ports.get((port.protocol, port.number), {}).items():
            if _overlaps(port.ip, ip):
                clash[list(counts)] = True
    return contract.refuse(clash, _REFUSAL)


def _cell(ports: Ports, view: snapshot.Snapshot, slot: int, delta: contract.Delta) -> contract.Refusal | None:
    for port in ports:
        taken = {ip for ip, counts in view.ports.get((port.protocol, port.number), {}).items() if slot in counts}
        for placed, sign in delta.moves:
            for other in placed.ports:
                if (other.protocol, other.number) == (port.protocol, port.number):
                    taken.add(other.ip) if sign > 0 else taken.discard(other.ip)
        if any(_overlaps(port.ip, ip) for ip in taken):
            return _REFUSAL
    return None


def _clash(ports: Ports, others: Iterable[demand.Port]) -> bool:
    return any(
        (mine.protocol, mine.number) == (other.protocol, other.number) and _overlaps(mine.ip, other.ip)
        for other in others
        for mine in ports
    )


def _wakes(event: events.Event, ports: Ports) -> bool:
    if isinstance(event, events.NodeChanged):
        return event.old is None
    if not isinstance(event, events.AssignedPodChanged) or event.old is None:
        return False
    held = demand.host_ports(event.new) if event.new is not None else ()
    return _clash(ports, (port for port in demand.host_ports(event.old) if port not in held))


FILTER: Final = contract.Filter(
    name="NodePorts",
    compile=_compile,
    rows=_rows,
    cell=_cell,
    eases=lambda _: True,
    facets=changes.PORTS | changes.ALIVE,
    wakes=_wakes,
)
