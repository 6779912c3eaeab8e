"""Taking part in an election: every answer and every silence has its consequence."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scheduler import errors
from scheduler.kube import client, election, lease
from tests.fakeapi import faults, server

NAME = "data-locality-scheduler"
LEASES = rf"/leases/{NAME}$"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def others(fake: server.FakeApi) -> None:
    """Somebody else holds the Lease."""
    hold(fake, "other")


def hold(fake: server.FakeApi, holder: str | None, **spec: Any) -> None:
    record = {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": "1970-01-01T00:00:00.000000Z", **spec}
    if any(each["metadata"]["name"] == NAME for each in fake.store.all("leases")):
        fake.store.patch("leases", NAME, {"spec": record}, "default")
    else:
        fake.store.create("leases", {"metadata": {"name": NAME}, "spec": record})


def held(fake: server.FakeApi) -> dict[str, Any]:
    spec: dict[str, Any] = fake.store.get("leases", NAME, "default")["spec"]
    return spec


def elect(api: client.Api, clock: Clock, name: str = "me", *, retry_s: float = 0.02) -> election.Election:
    return election.Election(
        api=api,
        namespace="default",
        name=NAME,
        terms=lease.Terms(identity=name, duration_s=14.5, renew_within_s=10.0),
        retry_s=retry_s,
        now=lambda: datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        clock=clock,
    )


@contextlib.asynccontextmanager
async def taking_part(one: election.Election, *, watching: bool = False) -> AsyncIterator[asyncio.Task[None]]:
    tasks = [asyncio.create_task(one.run())]
    if watching:
        tasks.append(asyncio.create_task(one.watch()))
    try:
        yield tasks[0]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def looks(fake: server.FakeApi, times: int = 3) -> None:
    """Wait until the Lease was read so many times more."""
    before = len(fake.requests)
    await server.until(lambda: sum("/leases" in path for _, path in fake.requests[before:]) >= times)


async def test_the_first_one_makes_the_lease(fake: server.FakeApi, api: client.Api, clock: Clock) -> None:
    one = elect(api, clock)
    assert one.remaining_s() == 0
    async with taking_part(one):
        await one.won.wait()
        assert held(fake) | {"renewTime": ""} == {
            "holderIdentity": "me",
            "leaseDurationSeconds": 15,
            "leaseTransitions": 0,
            "acquireTime": "2026-01-01T00:00:00.000000Z",
            "renewTime": "",
        }
        assert one.remaining_s() == 14.5
        clock.now_s += 9.9
        assert one.remaining_s() > 0
        assert one.holder == "me"


@pytest.mark.usefixtures("others")
async def test_another_ones_lease_is_left_until_it_was_seen_unchanged_for_its_duration(
    fake: server.FakeApi, api: client.Api, clock: Clock
) -> None:
    one = elect(api, clock)
    async with taking_part(one):
        await looks(fake)
        clock.now_s += 14.9
        await looks(fake)
        hold(fake, "other", renewTime="1970-01-01T00:00:01.000000Z")  # years ago, but news
        await looks(fake)
        clock.now_s += 14.9
        await looks(fake)
        assert not one.won.is_set()
        assert held(fake)["holderIdentity"] == one.holder == "other"
        clock.now_s += 0.2
        await one.won.wait()
    assert held(fake)["holderIdentity"] == "me"
    assert held(fake)["leaseTransitions"] == 1


async def test_the_writers_duration_counts_not_ones_own(fake: server.FakeApi, api: client.Api, clock: Clock) -> None:
    hold(fake, "other", leaseDurationSeconds=60)
    one = elect(api, clock)
    async with taking_part(one):
        await looks(fake)
        clock.now_s += 59.0
        await looks(fake)
        assert not one.won.is_set()
        clock.now_s += 2.0
        await one.won.wait()


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("way", ["released", "deleted"])
async def test_a_lease_that_becomes_free_is_taken_when_the_watch_shows_it(
    fake: server.FakeApi, api: client.Api, clock: Clock, way: str
) -> None:
    one = elect(api, clock, retry_s=3600.0)
    async with taking_part(one, watching=True):
        await server.until(lambda: fake.watches and one.holder == "other")
        if way == "released":
            hold(fake, None)
        else:
            clock.now_s += 16.0  # as long as it was held, another one may still count on it
            fake.store.delete("leases", NAME, "default")
        await one.won.wait()
    assert held(fake)["holderIdentity"] == "me"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(faults.Fault(method="PATCH", path=LEASES, drop="before"), id="lost-on-the-way"),
        pytest.param(faults.Fault(method="PATCH", path=LEASES, drop="after"), id="answer-lost"),
        pytest.param(faults.Fault(method="PATCH", path=LEASES, status=500), id="500"),
        pytest.param(faults.Fault(method="PATCH", path=LEASES, status=409), id="409-though-nobody-else-wants-it"),
        pytest.param(faults.Fault(method="PATCH", path=LEASES, status=403), id="403"),
        pytest.param(faults.Fault(method="PATCH", path=LEASES, status=200, body=b"<html>"), id="no-lease"),
    ],
)
async def test_one_renewal_that_fails_costs_nothing(
    fake: server.FakeApi, api: client.Api, clock: Clock, fault: faults.Fault
) -> None:
    one = elect(api, clock)
    async with taking_part(one) as running:
        await one.won.wait()
        fake.faults.append(fault)
        await server.until(lambda: fault.times == 0)
        clock.now_s += 9.0
        await server.until(lambda: one.remaining_s() == 14.5)  # renewed since
        assert not running.done()


async def test_whoever_cannot_renew_in_time_writes_no_more(fake: server.FakeApi, api: client.Api, clock: Clock) -> None:
    one = elect(api, clock)
    async with taking_part(one) as running:
        await one.won.wait()
        fake.faults.append(faults.Fault(method="PATCH", path=LEASES, times=10**6, status=500))
        await looks(fake)
        clock.now_s += 9.0
        assert one.remaining_s() > 0
        clock.now_s += 1.1
        assert one.remaining_s() == 0, "though it has not yet noticed"
        with pytest.raises(errors.LostError):
            await running


async def test_whoever_was_stopped_for_too_long_does_not_renew(
    fake: server.FakeApi, api: client.Api, clock: Clock
) -> None:
    one = elect(api, clock, retry_s=0.2)
    async with taking_part(one) as running:
        await one.won.wait()
        clock.now_s += 3600.0
        before = len(fake.requests)
        with pytest.raises(errors.LostError):
            await running
        assert fake.requests[before:] == []


async def test_a_lease_in_other_hands_is_lost(fake: server.FakeApi, api: client.Api, clock: Clock) -> None:
    one = elect(api, clock)
    async with taking_part(one) as running:
        await one.won.wait()
        hold(fake, "other")
        with pytest.raises(errors.LostError):
            await running
    assert one.remaining_s() == 0
    assert held(fake)["holderIdentity"] == one.holder == "other"


async def test_what_others_write_beside_the_record_stays(fake: server.FakeApi, api: client.Api, clock: Clock) -> None:
    one = elect(api, clock)
    async with taking_part(one):
        await one.won.wait()
        fake.store.patch("leases", NAME, {"metadata": {"labels": {"team": "data"}}}, "default")
        await looks(fake)
        clock.now_s += 5.0
        await server.until(lambda: one.remaining_s() == 14.5)
    assert fake.store.get("leases", NAME, "default")["metadata"]["labels"] == {"team": "data"}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(None, id="at-once"),
        pytest.param(faults.Fault(method="PATCH", path=LEASES, status=409), id="after-a-conflict"),
        pytest.param(faults.Fault(method="PATCH", path=LEASES, drop="before"), id="after-a-broken-connection"),
        pytest.param(faults.Fault(method="PATCH", path=LEASES, drop="after"), id="after-a-lost-answer"),
    ],
)
async def test_a_lease_given_back_is_free(
    fake: server.FakeApi, api: client.Api, clock: Clock, fault: faults.Fault | None
) -> None:
    one = elect(api, clock, retry_s=3600.0 if fault is None else 0.02)
    async with taking_part(one):
        await one.won.wait()
    if fault is not None:
        fake.faults.append(fault)
    await one.release()
    assert one.remaining_s() == 0
    assert not held(fake).get("holderIdentity")
    other = elect(api, clock, "other")
    async with taking_part(other):
        await other.won.wait()


@pytest.mark.usefixtures("others")
async def test_a_follower_gives_nothing_back(fake: server.FakeApi, api: client.Api, clock: Clock) -> None:
    one = elect(api, clock)
    async with taking_part(one):
        await looks(fake)
    await one.release()
    assert held(fake)["holderIdentity"] == "other"
    assert [method for method, _ in fake.requests if method != "GET"] == []


async def test_of_two_at_once_one_leads(fake: server.FakeApi, api: client.Api, clock: Clock) -> None:
    one, two = elect(api, clock, "one"), elect(api, clock, "two")
    async with taking_part(one), taking_part(two):
        await looks(fake, 12)
        assert sorted(each.won.is_set() for each in (one, two)) == [False, True]
        assert one.holder == two.holder == held(fake)["holderIdentity"]


async def test_a_lease_that_cannot_be_had_is_asked_for_until_it_can(
    fake: server.FakeApi, tmp_path: pathlib.Path, clock: Clock
) -> None:
    fake.faults += [
        faults.Fault(method="POST", path="/leases", status=404, times=2),  # no such namespace yet
        faults.Fault(method="GET", path="/leases", status=403, times=2),
        faults.Fault(method="GET", path="/leases", drop="before", times=2),
    ]
    api = await client.Api.connect(fake.kubeconfig(tmp_path))
    one = elect(api, clock)
    async with taking_part(one):
        await one.won.wait()
    await api.close()
