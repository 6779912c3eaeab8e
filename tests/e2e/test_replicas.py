"""Two schedulers on a real API server: one leads, the other takes over in seconds, and never do both bind.

Which of them sent what is read from the API server's audit log: each has a token of its own, whose id stands there.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from localcluster import cluster, topology
from tests import clusterfixture
from tests.e2e import process

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

Json = dict[str, Any]

NODES = tuple(topology.Node(name=f"n{number}", cpu="64", memory="256Gi", pods=500) for number in range(6))
QUICK: Json = {"leaderElection": {"leaseDuration": "3s", "renewDeadline": "2s", "retryPeriod": "500ms"}}
DEFAULT: Json = {}
LEASE_S = 15.0  # of the default
SLACK_S = 10.0  # what a takeover may take beyond the end of the lease: less than a second, but for busy machines
ROUNDS = 10
CREDENTIAL = "authentication.kubernetes.io/credential-id"
POLICY: Json = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "Metadata", "resources": [{"group": "", "resources": ["pods/binding"]}]}, {"level": "None"}],
}


@dataclasses.dataclass(frozen=True)
class Binding:
    """A Binding that the API server received, whatever it answered."""

    pod: str
    by: str
    code: int
    received: str  # in RFC 3339, to the microsecond


@dataclasses.dataclass
class Replica:
    """A scheduler and what its token is called."""

    scheduler: process.Scheduler
    credential: str


class World:
    """A cluster that keeps an audit log, and the schedulers in it."""

    def __init__(self, running: cluster.Cluster, audit: pathlib.Path, directory: pathlib.Path) -> None:
        self.cluster = running
        self._audit = audit
        self._directory = directory
        self._numbers = itertools.count()
        process.account(running)

    def launch(self, configuration: Json = QUICK) -> Replica:
        """Start one; whoever uses it waits until it is ready, and sees to it that it ends."""
        made = self.cluster.service_account_kubeconfig(process.ACCOUNT, process.ACCOUNT)
        own = self._directory / f"{next(self._numbers)}.kubeconfig"
        shutil.copy(made, own)
        return Replica(process.Scheduler(own, self._directory, configuration), _credential(own.read_text()))

    @contextlib.contextmanager
    def replica(self, configuration: Json = QUICK) -> Iterator[Replica]:
        """One that is ready, until the block ends."""
        started = self.launch(configuration)
        with started.scheduler:
            yield started

    def create(self, count: int) -> list[str]:
        """Create pods; returns their names."""
        names = [f"p{next(self._numbers)}" for _ in range(count)]
        container = {"name": "main", "image": "example/main:1", "resources": {"requests": {"cpu": "1m"}}}
        spec = {"schedulerName": "data-locality-scheduler", "containers": [container]}
        self.cluster.api.create_all(
            "/api/v1/namespaces/default/pods", [{"metadata": {"name": name}, "spec": spec} for name in names]
        )
        return names

    def placed(self, *names: str) -> None:
        def all_have_nodes() -> bool:
            if len(names) == 1:
                return (
                    "nodeName" in self.cluster.api.request("GET", f"/api/v1/namespaces/default/pods/{names[0]}")["spec"]
                )
            items = self.cluster.api.request("GET", "/api/v1/namespaces/default/pods")["items"]
            return {pod["metadata"]["name"] for pod in items if pod["spec"].get("nodeName")} >= set(names)

        process.until(all_have_nodes, f"pods are placed: {names[:5]}")

    def bindings(self) -> list[Binding]:
        lines = [json.loads(line) for line in self._audit.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [
            Binding(
                pod=line["objectRef"]["name"],
                by=line["user"]["extra"][CREDENTIAL][0],
                code=line["responseStatus"]["code"],
                received=line["requestReceivedTimestamp"],
            )
            for line in lines
        ]

    def takeover_s(self, end: Callable[[], object]) -> float:
        """Seconds from the end of a leader to the first pod that another one binds."""
        started_s = time.monotonic()
        end()
        (name,) = self.create(1)
        self.placed(name)
        return time.monotonic() - started_s


def _credential(kubeconfig: str) -> str:
    payload = json.loads(kubeconfig)["users"][0]["user"]["token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return f"JTI={claims['jti']}"


def now() -> str:
    """As the API server writes it; both are on one machine."""
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1e6):06d}Z"


@pytest.fixture(scope="module")
def world(cluster_factory: clusterfixture.ClusterFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("replicas")
    policy, audit = directory / "policy.json", directory / "audit.log"
    policy.write_text(json.dumps(POLICY))
    arguments = (f"--audit-policy-file={policy}", f"--audit-log-path={audit}")
    with cluster_factory(topology.Topology(NODES), crds=True, apiserver_arguments=arguments) as running:
        yield World(running, audit, directory)


def leading(*replicas: Replica) -> Replica:
    """The one that leads, once one does."""
    process.until(lambda: any(each.scheduler.leads() for each in replicas), "one leads")
    (one,) = (each for each in replicas if each.scheduler.leads())
    return one


def show(what: str, seconds: list[float]) -> None:
    figures = ", ".join(f"{each:.2f}" for each in sorted(seconds))
    print(f"\n{what}: median {statistics.median(seconds):.2f} s of {figures}")  # noqa: T201 (the figure is the point)


def test_of_two_started_at_once_exactly_one_leads(world: World) -> None:
    one, two = world.launch(), world.launch()
    with one.scheduler, two.scheduler:
        first = leading(one, two)
        pods = world.create(40)
        world.placed(*pods)
        other = two if first is one else one
        assert not other.scheduler.leads()
        assert other.scheduler.is_ready(), "or no update would ever get past it"
        mine = [each for each in world.bindings() if each.pod in pods]
        assert {each.by for each in mine} == {first.credential}
        assert sorted(each.pod for each in mine) == sorted(pods), "each bound once"


def test_a_clean_stop_hands_over_at_once(world: World) -> None:
    taken_s = []
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(world.replica(DEFAULT))
        leading(old)
        for _ in range(3):
            new = stack.enter_context(world.replica(DEFAULT))
            world.placed(*world.create(20))
            taken_s.append(world.takeover_s(old.scheduler.stop))
            assert old.scheduler.ended() == 0
            assert leading(new) is new
            old = new
    show("clean stop to the other's first bind", taken_s)
    assert statistics.median(taken_s) < LEASE_S, "nobody waited for the lease to end"


@pytest.mark.parametrize(
    ("configuration", "duration_s", "times"),
    [pytest.param(QUICK, 3.0, 3, id="a-short-lease"), pytest.param(DEFAULT, LEASE_S, 1, id="the-default")],
)
def test_a_leader_that_dies_is_followed_when_its_lease_ends(
    world: World, configuration: Json, duration_s: float, times: int
) -> None:
    taken_s = []
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(world.replica(configuration))
        leading(old)
        for _ in range(times):
            new = stack.enter_context(world.replica(configuration))
            world.placed(*world.create(20))
            taken_s.append(world.takeover_s(old.scheduler.kill))
            old = new
        old.scheduler.stop()
    show(f"SIGKILL to the other's first bind, lease of {duration_s:g} s", taken_s)
    assert statistics.median(taken_s) <= duration_s + SLACK_S


def test_a_leader_that_was_stopped_past_its_lease_binds_nothing_when_it_goes_on(world: World) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 (with a failure)
    chance = random.Random(seed)
    caught, taken_s = 0, []
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(world.replica())
        leading(old)
        for _ in range(ROUNDS):
            new = stack.enter_context(world.replica())
            world.placed(*world.create(1))
            pods = world.create(60)
            time.sleep(chance.uniform(0.0, 0.05))  # anywhere in the middle of its work
            old.scheduler.pause()
            stopped_s = time.monotonic()
            before = {each.pod for each in world.bindings()}
            caught += not set(pods) <= before
            pods += world.create(1)
            world.placed(*pods)
            taken_s.append(time.monotonic() - stopped_s)
            assert leading(new) is new
            goes_on = now()
            old.scheduler.go_on()
            assert old.scheduler.ended() == 1
            world.placed(*world.create(5))
            sent = [each for each in world.bindings() if each.by == old.credential]
            assert sent, "it did bind before"
            assert [each for each in sent if each.received >= goes_on] == []
            old = new
        old.scheduler.stop()
    show("SIGSTOP to the other having bound all", taken_s)
    print(f"stopped with pods yet to bind: {caught} of {ROUNDS}")  # noqa: T201 (likewise)
    every = [each.pod for each in world.bindings() if each.code < 300]
    assert len(every) == len(set(every)), "no pod is bound twice"


def test_an_api_server_that_is_away_for_longer_than_the_lease(world: World) -> None:
    apiserver = world.cluster.pids()["kube-apiserver"]
    with world.replica() as one, world.replica() as two:
        first = leading(one, two)
        other = two if first is one else one
        world.placed(*world.create(5))
        os.kill(apiserver, signal.SIGSTOP)
        try:
            assert first.scheduler.ended() == 1, "it cannot know whether it still leads"
            assert not other.scheduler.leads()
            gone = now()
        finally:
            os.kill(apiserver, signal.SIGCONT)
        world.placed(*world.create(5))
        assert leading(other) is other
        assert [each for each in world.bindings() if each.by == first.credential and each.received >= gone] == []
        other.scheduler.stop()
