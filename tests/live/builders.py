"""Pods for the tests of the loop."""

from scheduler.api import core


def pod(
    name: str = "p",
    *,
    uid: str = "",
    priority: int = 0,
    gates: tuple[str, ...] = (),
    node: str = "",
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    deleting: bool = False,
    phase: str = "Pending",
) -> core.Pod:
    return core.Pod(
        metadata=core.ObjectMeta(
            name=name,
            namespace="ns",
            uid=uid or f"uid-{name}",
            annotations=annotations or {},
            labels=labels or {},
            deletion_timestamp="2026-01-01T00:00:00Z" if deleting else "",
        ),
        spec=core.PodSpec(
            priority=priority,
            node_name=node,
            scheduling_gates=tuple(core.SchedulingGate(name=gate) for gate in gates),
        ),
        status=core.PodStatus(phase=phase),
    )


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
