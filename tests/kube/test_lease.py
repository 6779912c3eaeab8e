"""Who may believe to hold a Lease, whatever messages and clocks do; and what is asked next, case by case."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import heapq
import itertools
import random
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from scheduler.api import core
from scheduler.kube import lease

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
DURATION_S = 15.0
RENEW_WITHIN_S = 10.0


def terms(identity: str) -> lease.Terms:
    return lease.Terms(identity=identity, duration_s=DURATION_S, renew_within_s=RENEW_WITHIN_S)


class Server:
    """One Lease, as the API server keeps it: a write that names a version other than the last is refused."""

    def __init__(self) -> None:
        self.shown: list[lease.Lease] = []  # every version that there ever was, which is what watches show

    def get(self) -> lease.Lease | None:
        return self.shown[-1] if self.shown else None

    def write(self, request: lease.Request) -> lease.Lease | None:
        """The Lease as it is afterwards; None where the write is refused."""
        now = self.get()
        meta: Any = request.body.get("metadata", {})
        version = now.metadata.resource_version if now is not None else ""
        if (request.ask is lease.Ask.CREATE) != (now is None) or meta.get("resourceVersion", version) != version:
            return None
        spec: Any = request.body["spec"]
        made = lease.Lease(
            core.ObjectMeta(uid="u", resource_version=str(len(self.shown) + 1)),
            lease.Spec(spec["holderIdentity"], spec["leaseDurationSeconds"], spec.get("leaseTransitions")),
        )
        self.shown.append(made)
        return made


@dataclasses.dataclass(eq=False)
class Replica:
    """A candidate with a clock of its own, and the one request that it waits for."""

    candidate: lease.Candidate
    ahead_s: float
    rate: float
    waits_for: object = None

    def clock_s(self, true_s: float) -> float:
        return self.ahead_s + self.rate * true_s


class World:
    """Replicas that do what scheduler.kube.election does, with messages that take any time or never arrive.

    Things happen one after the other, each at its time. A claim may begin at any of them and only ends between them, so
    two that overlap are found at the beginning of the second.
    """

    def __init__(self, chance: random.Random, drift: float) -> None:
        self.chance = chance
        self.true_s = 0.0
        self.server = Server()
        self.is_calm = False
        self.takeovers = 0
        self._names = itertools.count()
        self._is_uneven = drift > 0
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._last = -1
        self.replicas = [
            Replica(self._made(), chance.uniform(-1e6, 1e6), chance.uniform(1 / (1 + drift), 1 + drift))
            for _ in range(3)
        ]
        for number in range(3):
            self._after(chance.uniform(0, 3), functools.partial(self._turn, number))
        self._after(5.0, self._something_happens)

    def run(self, until_s: float) -> None:
        while self._due[0][0] < until_s:
            self.true_s, _, happen = heapq.heappop(self._due)
            happen()
            believers = self.believers()
            assert len(believers) <= 1, f"at {self.true_s} s {believers} all believe to hold the lease"
            if believers and believers[0] != self._last:
                self._last = believers[0]
                self.takeovers += 1

    def believers(self) -> list[int]:
        """Those who count on nobody else holding it; where clocks drift, those who still write."""
        return [
            number
            for number, each in enumerate(self.replicas)
            if each.clock_s(self.true_s)
            < (each.candidate.leads_until_s() if self._is_uneven else each.candidate.valid_until_s())
        ]

    def _after(self, delay_s: float, happen: Callable[[], object]) -> None:
        heapq.heappush(self._due, (self.true_s + delay_s, next(self._order), happen))

    def _made(self) -> lease.Candidate:
        return lease.Candidate(terms(f"r{next(self._names)}"))

    def _travel(self, happen: Callable[[], object]) -> None:
        """A message is on its way: quick, slow, very slow, or lost."""
        kind = 0.0 if self.is_calm else self.chance.random()
        if kind < 0.85:
            slow = 0.02 if kind < 0.5 else 4.0 if kind < 0.7 else 25.0
            self._after(self.chance.uniform(0, slow), happen)

    def _turn(self, number: int) -> None:
        """It comes again in two seconds, or when somebody's claim ends; now and then much later."""
        replica = self.replicas[number]
        now_s = replica.clock_s(self.true_s)
        if replica.waits_for is None:
            request = replica.candidate.plan(now_s, NOW)
            if request is not None:
                self._send(replica, request, now_s)
            elif self.chance.random() < 0.5:
                replica.candidate.doubt()
        left_s = replica.candidate.free_at_s() - now_s
        pause_s = left_s / replica.rate if 0 < left_s < 3 else 2.0
        if not self.is_calm and self.chance.random() < 0.05:
            pause_s = self.chance.uniform(0, 40)  # stopped
        self._after(pause_s, functools.partial(self._turn, number))

    def _send(self, replica: Replica, request: lease.Request, sent_s: float) -> None:
        ticket = replica.waits_for = object()

        def arrive() -> None:
            is_read = request.ask is lease.Ask.READ
            answer = self.server.get() if is_read else self.server.write(request)
            self._travel(functools.partial(take_in, answer))

        def take_in(answer: lease.Lease | None) -> None:
            if replica.waits_for is not ticket:
                return  # nobody waits any more
            replica.waits_for = None
            if request.ask is lease.Ask.READ:
                replica.candidate.read(answer, replica.clock_s(self.true_s))
            elif answer is not None:
                replica.candidate.wrote(answer, sent_s)
            else:
                replica.candidate.doubt()

        def give_up() -> None:
            if replica.waits_for is ticket:
                replica.waits_for = None
                replica.candidate.doubt()  # what was sent may still arrive

        self._travel(arrive)
        self._after(self.chance.uniform(0.5, 8.0), give_up)

    def _something_happens(self) -> None:
        number = self.chance.randrange(3)
        replica = self.replicas[number]
        what = "nothing" if self.is_calm else self.chance.choice(["crash", "release", "watch", "watch", "watch"])
        if what == "watch" and self.server.shown:
            shown = self.chance.choice(self.server.shown[-4:])  # perhaps as it was some time ago
            replica.candidate.watched(shown, replica.clock_s(self.true_s))
        elif what in {"crash", "release"}:
            if what == "release":
                request = replica.candidate.plan_release(NOW)
                if request is not None and request.ask is lease.Ask.PATCH:
                    self._travel(functools.partial(self.server.write, request))
            anew = Replica(self._made(), replica.ahead_s, replica.rate)
            replica.candidate, replica.waits_for = anew.candidate, None
        self._after(self.chance.expovariate(1 / 6.0), self._something_happens)


@pytest.mark.parametrize("drift", [pytest.param(0.0, id="even-clocks"), pytest.param(0.2, id="clocks-that-drift")])
@hypothesis.given(seed=st.integers(0, 2**32 - 1))
def test_never_do_two_believe_to_hold_it_and_in_the_end_one_does(seed: int, drift: float) -> None:
    world = World(random.Random(seed), drift)
    world.run(400.0)
    world.is_calm = True
    world.run(500.0)
    hypothesis.event(f"takeovers: {min(10, world.takeovers)}")
    assert len(world.believers()) == 1
