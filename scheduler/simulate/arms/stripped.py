"""kube-scheduler: our kernel, which decides as kube-scheduler does about a pod that says nothing of its data.

So each pod comes to it without the annotations that say anything of data, capabilities or preferences. That this is
what kube-scheduler 1.37 does is what the tests of parity hold it to.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from scheduler.api import annotations as intents
from scheduler.api import core, names
from scheduler.kernel import commands, events, kernel


class Stripped:
    """A kernel that is not shown these annotations."""

    def __init__(self, inner: kernel.Kernel) -> None:
        self._kernel = inner

    def handle(self, event: events.Event) -> Sequence[commands.Command]:
        if isinstance(event, events.PendingSeen):
            event = msgspec.structs.replace(event, pod=_bare(event.pod))
        elif isinstance(event, events.PendingListed):
            event = msgspec.structs.replace(event, pods=tuple(_bare(pod) for pod in event.pods))
        return self._kernel.handle(event)

    def step(self, now_s: float, wall_s: float, budget: int) -> Sequence[commands.Command]:
        return self._kernel.step(now_s, wall_s, budget)

    def wait_s(self) -> float | None:
        return self._kernel.wait_s()


def _bare(pod: core.Pod) -> core.Pod:
    kept = {
        key: text
        for key, text in pod.metadata.annotations.items()
        if not key.startswith(names.DATA_PREFIX) and key != names.EVENT_DATA and not intents.is_hint(key)
    }
    return msgspec.structs.replace(pod, metadata=msgspec.structs.replace(pod.metadata, annotations=kept))
