"""From a node to a Binding: what is written before a pod is bound, until it is there or all is taken back.

    begin      what was decided is assumed, and a command has it written
    answered   it is written, or could not be
    ..._seen   the watches have shown something: the pod is bound once all of it is there, or tried again
    ..._gone   likewise
    cease      the pod waits no longer

What is reserved, and when that has come to an end, good or bad, `reservations` says; here is what follows of it for the
pod, the state and the queue.
"""

from __future__ import annotations

from collections.abc import Callable

from scheduler import config
from scheduler.api import core, devices, volumes
from scheduler.kernel import bindings, commands, events, failing, journal, queue, reservations, world


class Reserving:
    """What follows of reservations.

    Args:
        known: The cluster.
        waiting: Whose pods they are.
        failing: Has them tried again.
        plugins_of: What is set for a pod: for how long the end of its is awaited.
        bind: Has a pod bound that has all that it needs.
        out: Where commands go.

    Attributes:
        under_way: Those whose end is awaited.
    """

    def __init__(
        self,
        *,
        known: world.World,
        waiting: queue.Queue,
        failing: failing.Failing,
        plugins_of: Callable[[core.Pod], config.Plugins],
        bind: Callable[[bindings.Flight], None],
        out: list[commands.Command],
    ) -> None:
        self.under_way = reservations.Reservations(known.state, plugins_of)
        self._world = known
        self._queue = waiting
        self._failing = failing
        self._bind = bind
        self._out = out

    def begin(self, pod: core.Pod, node: str, record: journal.Record, what: reservations.Needed, now_s: float) -> None:
        """A pod that is assumed on a node needs this to be written first."""
        self._out.append(self.under_way.start(pod, node, record, what, now_s))

    def answered(self, event: events.ReserveAnswered) -> None:
        one = self.under_way.get(event.uid)
        if one is None or one.number != event.number:
            return  # taken back meanwhile: what was written of claims is found by the next attempt or ends with the pod
        if event.problem:
            one.held = event.held
            self._take_back(one, event.plugin, event.problem)
        else:
            self.under_way.written(one, event.held, event.now_s)
            self._look_at(one)

    def storage_seen(self, event: events.StorageSeen) -> None:
        self._world.storage_seen(event)
        self._look(event.obj)

    def storage_gone(self, event: events.StorageGone) -> None:
        self._look(self._world.storage_gone(event))

    def devices_seen(self, event: events.DevicesSeen) -> None:
        self._world.devices_seen(event)
        self._look(event.obj)

    def devices_gone(self, event: events.DevicesGone) -> None:
        is_claim = event.kind == devices.ResourceClaim.__name__
        before = self._world.state.claims.claim(event.namespace, event.name) if is_claim else None
        self._world.devices_gone(event)
        self._look(before)

    def _look(self, obj: volumes.Object | devices.Object | None) -> None:
        """This object has changed, or is gone; None: nobody knew it."""
        if isinstance(obj, devices.ResourceClaim):
            self.under_way.shown()
        for one in self.under_way.concerned(obj):
            self._look_at(one)

    def sweep(self, now_s: float) -> None:
        """Take back those whose time is up."""
        for late, plugin, problem in self.under_way.late(now_s):
            self._take_back(late, plugin, problem)

    def cease(self, uid: str) -> None:
        """Take back what is assumed for a pod, if it waits no longer."""
        if uid in self.under_way and self._queue.get(uid) is None:
            one = self.under_way.end(uid)
            self._world.forget(one.pod, one.node)

    def displace(self, uid: str) -> bool:
        """Take all back, as the pod has to go; false: there is no such pod."""
        one = self.under_way.get(uid)
        if one is not None:
            self._take_back(one, one.parts[0].plugin, failing.DISPLACED)
        return one is not None

    def _look_at(self, one: reservations.Reservation) -> None:
        """Bind the pod once all is there that it needs, or take all back."""
        found = one.problem(self._world.view())
        if found == ("", ""):
            self.under_way.end(one.pod.metadata.uid, is_done=True)
            self._bind(bindings.Flight(one.pod, one.node, one.record, one.started_s, one.held))
        elif found is not None:
            self._take_back(one, *found)

    def _take_back(self, one: reservations.Reservation, plugin: str, problem: str) -> None:
        """Nothing is assumed for a pod any more; it is told why, and tried again later."""
        self.under_way.end(one.pod.metadata.uid)
        self._world.forget(one.pod, one.node)
        self._failing.fail(one.pod, one.record, f'running PreBind plugin "{plugin}": {problem}')
        uid = one.pod.metadata.uid
        if one.held and self._queue.get(uid) is not None:  # others let go of the claims of a pod that is gone
            self._out.append(commands.Release(uid, one.pod.metadata.namespace, one.pod.metadata.name, one.held))
