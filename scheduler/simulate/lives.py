"""What a pod does once it is bound: it pulls its images, fetches its inputs, works, writes its outputs, and is done."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator

from scheduler.api import core
from scheduler.plugins import request
from scheduler.plugins.data import wanted
from scheduler.simulate import agenda, errands, ground, outcome, stock

Kind = outcome.Kind


class Stage(enum.Enum):
    """What a pod has reached."""

    RELEASED = enum.auto()  # nobody that it comes after is left to wait for
    BOUND = enum.auto()
    BEGAN = enum.auto()
    WORKED = enum.auto()
    DONE = enum.auto()


class Life:
    """A pod's life on one node; its times are kept where they are told.

    Args:
        pod: With its node.
        images: Names of those that it needs, and how big they are.
        tell: Told of each stage that is reached, from when it begins.
    """

    def __init__(
        self,
        *,
        pod: core.Pod,
        asked: request.PodRequest,
        works_s: float,
        images: dict[str, int],
        grounds: ground.Ground,
        running: errands.Errands,
        objects: stock.Stock,
        time: agenda.Agenda,
        tell: Callable[[Stage], None],
    ) -> None:
        self.pod = pod
        self._asked = asked
        self._works_s = works_s
        self._images = images
        self._ground = grounds
        self._errands = running
        self._stock = objects
        self._time = time
        self._tell = tell
        self._waiter = errands.Waiter(pod, grounds.slot(pod.spec.node_name), self._fetch)

    def begin(self) -> None:
        """It is bound: what it will write is expected from now on."""
        for one in self._outputs():
            found = self._errands.nearest(self.pod.metadata.namespace, one, self._waiter.slot)
            if found is not None:
                self._stock.expect(self.pod, one.urn, *found)
        if self._ground.is_up(self._waiter.slot):
            self._pull()

    def node_is_back(self) -> None:
        """It was bound to a node that was not ready, and can begin now."""
        self._pull()

    def lose(self) -> None:
        """It is gone before its end."""
        self._errands.leave(self._waiter)
        self._stock.forsake(self.pod.key)

    def _outputs(self) -> Iterator[wanted.Wanted]:
        return (one for one in self._asked.transfers if one.is_output)

    def _pull(self) -> None:
        node = self.pod.spec.node_name
        lacking = [
            wanted.Wanted(image, size_bytes, 0.0, is_output=False)
            for image, size_bytes in self._images.items()
            if not self._ground.has_image(node, image)
        ]
        self._errands.run(self._waiter, Kind.IMAGE, lacking)

    def _fetch(self) -> None:
        self._waiter.then = self._work
        self._errands.run(self._waiter, Kind.INPUT, [one for one in self._asked.transfers if not one.is_output])

    def _work(self) -> None:
        self._tell(Stage.BEGAN)
        self._time.at(self._time.now_s + self._works_s, self._write)

    def _write(self) -> None:
        if self._waiter.is_lost:
            return
        self._tell(Stage.WORKED)
        self._waiter.then = self._end
        self._errands.run(self._waiter, Kind.OUTPUT, list(self._outputs()))

    def _end(self) -> None:
        self._stock.forsake(self.pod.key)
        self._tell(Stage.DONE)
