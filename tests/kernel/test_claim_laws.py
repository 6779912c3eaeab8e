"""Claims to devices, whatever happens in whatever order: no device is given twice, none is lost, and it replays."""

from __future__ import annotations

from typing import Any

import hypothesis
import msgspec
from hypothesis import strategies as st

from scheduler.api import core, devices, verdicts
from scheduler.kernel import commands, events, kernel, recording, validation
from tests.kernel import running
from tests.kernel.test_deviceclaims import claim, device_class, published

Verdict = verdicts.Verdict

PODS = tuple(f"p{number}" for number in range(4))
CLAIMS = tuple(f"c{number}" for number in range(3))
COMING = st.tuples(st.just("pod"), st.sampled_from(PODS), st.lists(st.sampled_from(CLAIMS), min_size=1, max_size=2))
ACTS = st.one_of(
    COMING,
    st.tuples(st.just("deleted"), st.sampled_from(PODS)),
    st.tuples(st.just("claim"), st.sampled_from(CLAIMS)),
    st.tuples(st.just("slice"), st.sampled_from([("g0",), ("g0", "g1"), ("g1", "g2")])),
    st.tuples(st.just("written"), st.sampled_from(["", "", "", "no"])),
    st.tuples(st.just("written"), st.just("")),
    st.tuples(st.just("later"), st.just(0.5)),
    st.tuples(st.just("show"), st.none()),
    st.tuples(st.just("bound"), st.sampled_from([Verdict.BOUND, Verdict.BOUND, Verdict.REFUSED])),
    st.tuples(st.just("later"), st.sampled_from([0.5, 3.0, 700.0])),
)


class World:
    """An API server that keeps claims, and a driver that writes them; the watch shows them later."""

    def __init__(self) -> None:
        self.kernel = kernel.Kernel(running.SETTINGS, "home", seed=3)
        self.now_s, self.version = 1000.0, 1
        self.waits: dict[str, core.Pod] = {}
        self.claims: dict[str, devices.ResourceClaim] = {}
        self.unshown: list[str] = []
        self.reserves: list[commands.Reserve] = []
        self.binds: list[commands.Bind] = []
        header = recording.Header(version="test", settings=running.SETTINGS, home="home", seed=3)
        self.lines = [recording.first_line(header)]
        self.take(events.NodeSeen(self.now_s, running.node("n1", cpu="64")))
        self.take(events.DevicesSeen(self.now_s, device_class()))
        self.act(("slice", ("g0", "g1")))
        for name in CLAIMS:
            self.act(("claim", name))
            self.act(("show", None))

    def take(self, event: events.Event) -> None:
        given = recording.perform(self.kernel, event)
        self.lines.append(recording.line(self.kernel.sequence, event, given))
        validation.check(self.kernel)
        for one in given:
            assert not isinstance(one, commands.Defect), one
            if isinstance(one, commands.Reserve):
                self.reserves.append(one)
            elif isinstance(one, commands.Bind):
                users = [self._users(claim.resource_claim_name or "") for claim in self._pod(one.uid)]
                assert all(one.uid in of for of in users), "a pod is bound that has not all of its claims"
                self.binds.append(one)
            elif isinstance(one, commands.Release):
                for name, _ in one.held.used:
                    self._use(name, one.uid, is_used=False)

    def act(self, what: Any) -> None:
        getattr(self, f"_{what[0]}_")(*what[1:])

    def _pod(self, uid: str) -> tuple[core.PodResourceClaim, ...]:
        return self.waits[uid].spec.resource_claims if uid in self.waits else ()

    def _users(self, name: str) -> set[str]:
        found = self.claims.get(name)
        return {one.uid for one in found.status.reserved_for} if found is not None else set()

    def _pod_(self, name: str, claims: list[str]) -> None:
        if f"uid-{name}" not in self.waits:
            listed = [{"name": f"r{at}", "resourceClaimName": each} for at, each in enumerate(dict.fromkeys(claims))]
            self.waits[f"uid-{name}"] = running.pod(name, resourceClaims=listed)
            self.take(events.PendingSeen(self.now_s, self.waits[f"uid-{name}"]))

    def _deleted_(self, name: str) -> None:
        uid = f"uid-{name}"
        if self.waits.pop(uid, None) is not None:
            self.take(events.PendingGone(self.now_s, uid))
            self.take(events.PodGone(self.now_s, uid))
        for each in list(self.claims):  # as the controller does that looks after claims
            self._use(each, uid, is_used=False)

    def _claim_(self, name: str) -> None:
        if name not in self.claims:
            self._put(claim(name, version=self._next()))
        elif not self._users(name):
            del self.claims[name]
            self.unshown.append(name)

    def _slice_(self, names: tuple[str, ...]) -> None:
        taken = {one.device for each in self.claims.values() for one in _given(each)}
        if taken <= set(names):
            self.take(events.DevicesSeen(self.now_s, published("n1", *names)))

    def _written_(self, problem: str) -> None:
        """The oldest command is carried out as far as it can be, and answered."""
        if not self.reserves:
            return
        one, held = self.reserves.pop(0), commands.NOTHING
        for used in one.used:
            now = self.claims.get(used.name)
            has = now is not None and now.status.allocation is not None
            if problem or now is None or now.metadata.uid != used.uid or has == (used.allocation is not None):
                problem = problem or "changed"
                break
            if used.allocation is not None:
                status = msgspec.structs.replace(now.status, allocation=used.allocation)
                self._put(msgspec.structs.replace(now, status=status))
            self._use(used.name, one.uid, is_used=True)
            held = commands.Held((*held.used, (used.name, used.uid)))
        answer = events.ReserveAnswered(self.now_s, one.uid, one.number, problem, "DynamicResources", held)
        self.take(answer)

    def _show_(self, _: None) -> None:
        if self.unshown:
            self._see(self.unshown.pop(0))

    def _bound_(self, verdict: Verdict) -> None:
        if self.binds:
            one = self.binds.pop(0)
            is_there = one.uid in self.waits
            self.take(events.BindAnswered(self.now_s, one.uid, verdict if is_there else Verdict.GONE))
            if is_there and verdict is Verdict.BOUND:
                spec = msgspec.structs.replace(self.waits[one.uid].spec, node_name=one.node)
                self.take(events.PodSeen(self.now_s, msgspec.structs.replace(self.waits[one.uid], spec=spec)))
                self.take(events.PendingGone(self.now_s, one.uid))

    def _later_(self, seconds: float) -> None:
        self.now_s += seconds
        self.take(events.Turn(self.now_s, self.now_s, 10))

    def _use(self, name: str, uid: str, *, is_used: bool) -> None:
        """A pod uses a claim or does not; what nobody uses is given back."""
        now = self.claims.get(name)
        if now is None or (uid in self._users(name)) == is_used:
            return
        users = tuple(one for one in now.status.reserved_for if one.uid != uid)
        users += (devices.Consumer(resource="pods", name=uid.removeprefix("uid-"), uid=uid),) * is_used
        status = msgspec.structs.replace(now.status, reserved_for=users)
        self._put(msgspec.structs.replace(now, status=status if users else devices.ClaimStatus()))

    def _put(self, one: devices.ResourceClaim) -> None:
        meta = msgspec.structs.replace(one.metadata, resource_version=self._next())
        self.claims[one.metadata.name] = msgspec.structs.replace(one, metadata=meta)
        self.unshown.append(one.metadata.name)
        given = [device.device for each in self.claims.values() for device in _given(each)]
        assert len(given) == len(set(given)), "a device is given twice"

    def _see(self, name: str) -> None:
        """The watch shows a claim as it is now."""
        if name in self.claims:
            self.take(events.DevicesSeen(self.now_s, self.claims[name]))
        else:
            self.take(events.DevicesGone(self.now_s, "ResourceClaim", "default", name))

    def _next(self) -> str:
        self.version += 1
        return str(self.version)

    def rest(self) -> None:
        """All that was begun comes to its end."""
        while self.unshown or self.reserves or self.binds:
            self._written_("")
            self._bound_(Verdict.BOUND)
            self._show_(None)


def _given(one: devices.ResourceClaim) -> tuple[devices.Result, ...]:
    return one.status.allocation.devices.results if one.status.allocation is not None else ()


# Pods that want what there is too little of, and then anything.
STEPS = st.tuples(st.lists(COMING, min_size=2, max_size=4), st.lists(ACTS, min_size=5, max_size=30)).map(
    lambda parts: [*parts[0], ("later", 0.5), *parts[1]]
)


@hypothesis.given(STEPS)
def test_no_device_is_given_twice_and_none_is_lost(acts: list[Any]) -> None:
    world = World()
    for one in acts:
        world.act(one)
    for _ in range(4):
        world.rest()
        world.act(("later", 300.0))
    world.rest()
    assert not world.kernel.state.claims.flights(), "what is shown or taken back is in flight no more"
    taken = {device.device for one in world.claims.values() for device in _given(one)}
    assert {device.device for device in world.kernel.state.claims.use.taken} == taken
    assert recording.replay(world.lines).difference is None
