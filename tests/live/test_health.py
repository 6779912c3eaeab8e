"""What the endpoints answer."""

import dataclasses
import json
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from scheduler import config
from scheduler.api import core, crd
from scheduler.kernel import asking, journal
from scheduler.kube import client
from scheduler.live import answers, doors, health, metrics, storage
from tests.fakeapi import server

NOW = asking.Now(1, "t", asking.REFUSED, nodes=7, feasible=0)


@dataclasses.dataclass
class Served:
    """A health server and what its answers are made of."""

    session: aiohttp.ClientSession
    url: str
    problems: dict[str, str]
    journal: journal.Journal
    metrics: metrics.Metrics

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(self.url + path) as response:
            return response.status, await response.text()

    async def json(self, path: str) -> Any:
        async with self.session.get(self.url + path) as response:
            return await response.json()


@pytest.fixture
async def served(tmp_path: pathlib.Path) -> AsyncIterator[Served]:
    async with server.running() as fake:
        async for one in serve(fake, tmp_path):
            yield one


async def serve(fake: server.FakeApi, tmp_path: pathlib.Path) -> AsyncIterator[Served]:
    problems = {"loop": "", "nodes": "", "leader": ""}
    counters = metrics.Metrics("data-locality-scheduler")
    decisions = journal.Journal(capacity=3)
    sources = health.Sources(
        live={"loop": lambda: problems["loop"]},
        ready={"loop": lambda: problems["loop"], "nodes": lambda: problems["nodes"]},
        metrics=counters,
        journal=decisions,
        leader=lambda: problems["leader"],
        question=lambda _record: None,
        world=lambda: iter([b"{}"]),
        now=lambda pod, _asked: NOW if pod == "ns/waits" else None,
        about=lambda _pod, _asked: asking.Now(1, "t", asking.REFUSED, nodes=0, feasible=0),
        storage=lambda: storage.Inventory.take([], [], config.Network(), now_s=0.0),
    )
    api = await client.Api.connect(fake.kubeconfig(tmp_path))
    port = health.Server(sources, host="127.0.0.1", port=0, guard=doors.Doors(api))
    await port.start()
    async with aiohttp.ClientSession() as session:
        yield Served(session, f"http://127.0.0.1:{port.port}", problems, decisions, counters)
    await port.stop()
    await api.close()


async def test_all_is_well(served: Served) -> None:
    for path in ("/healthz", "/livez", "/readyz"):
        assert await served.get(path) == (200, "ok\n")
    assert await served.get("/readyz?verbose") == (200, "[+]loop ok\n[+]nodes ok\n")


async def test_not_ready_is_not_dead(served: Served) -> None:
    served.problems["nodes"] = "not read yet"
    assert await served.get("/readyz") == (503, "nodes: not read yet\n")
    assert await served.get("/readyz?verbose") == (503, "[+]loop ok\n[-]nodes: not read yet\n")
    assert await served.get("/livez") == (200, "ok\n")


async def test_a_late_loop_is_dead(served: Served) -> None:
    served.problems["loop"] = "12.0 s late"
    assert await served.get("/livez") == (503, "loop: 12.0 s late\n")
    assert (await served.get("/healthz"))[0] == 503


def test_the_pulse_tells_a_stuck_loop_before_it_beats_again() -> None:
    now = [0.0]
    pulse = health.Pulse(lambda: now[0])
    now[0] = 0.4
    assert pulse.lag_s() == 0
    now[0] = 20.5
    assert pulse.lag_s() == 20.0


async def test_explain_remembers_the_last_decisions(served: Served) -> None:
    for attempt in range(1, 5):
        served.journal.add(journal.Record(pod="ns/a", uid="u", time="t", attempt=attempt, outcome="unschedulable"))
    answer = await served.json("/explain?pod=ns/a")
    assert [decision["attempt"] for decision in answer["decisions"]] == [2, 3, 4]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param("?pod=ns/unknown", 404, id="unknown"),
        pytest.param("?pod=name-only", 400, id="no-namespace"),
        pytest.param("", 400, id="nothing"),
    ],
)
async def test_explain_says_what_it_cannot_answer(served: Served, query: str, status: int) -> None:
    found, text = await served.get(f"/explain{query}")
    assert found == status
    assert '"error"' in text


async def test_explain_of_a_replica_that_follows_names_the_one_that_leads(served: Served) -> None:
    assert "lead" not in (await served.get("/explain?pod=ns/a"))[1]
    served.problems["leader"] = "data-locality-scheduler-7d9f-abcde"
    status, text = await served.get("/explain?pod=ns/a")
    assert status == 404
    assert "which does not lead; ask data-locality-scheduler-7d9f-abcde" in text


async def test_what_would_be_decided_is_told_with_what_was(served: Served) -> None:
    assert (await served.json("/explain?pod=ns/waits&ranking=3"))["now"]["nodes"] == 7, "though nothing was, yet"
    served.journal.add(journal.Record(pod="ns/waits", uid="u", time="t", attempt=1, outcome="unschedulable"))
    answer = await served.json("/explain?pod=ns/waits&ranking=3")
    assert (len(answer["decisions"]), answer["now"]["outcome"]) == (1, "refused")
    assert "now" not in await served.json("/explain?pod=ns/waits")


async def test_a_replica_that_follows_leaves_what_would_be_decided_to_the_leader(served: Served) -> None:
    served.problems["leader"] = "leader-1"
    status, text = await served.get("/explain?pod=ns/waits&ranking=3")
    assert (status, json.loads(text)["leader"]) == (404, "leader-1")


async def test_metrics_keep_their_names(served: Served) -> None:
    served.metrics.watch_pending(lambda queue: {"active": 3}.get(queue, 0))
    served.metrics.watch_dropped("pods", lambda: 0)
    served.metrics.attempted("scheduled", 0.01, "data-locality-scheduler")
    served.metrics.placed(node_type="edge", workload_type="default")
    served.metrics.placed(node_type="nonsense", workload_type="default")
    served.metrics.moved(local_bytes=300, remote_bytes=100, seconds=2.0, remote_s=1.0)
    status, text = await served.get("/metrics")
    assert status == 200
    lines = set(text.splitlines())
    assert {
        'scheduler_pending_pods{queue="active"} 3.0',
        'scheduler_pending_pods{queue="gated"} 0.0',
        "data_locality_scheduler_attempts_total 1.0",
        "data_locality_scheduler_failures_total 0.0",
        "data_locality_scheduler_latency_seconds_count 1.0",
        'scheduler_schedule_attempts_total{profile="data-locality-scheduler",result="scheduled"} 1.0',
        'scheduler_scheduling_attempt_duration_seconds_count{profile="data-locality-scheduler",result="scheduled"} 1.0',
        'scheduler_pod_placement_total{node_type="edge",workload_type="default"} 1.0',
        'scheduler_pod_placement_total{node_type="unknown",workload_type="default"} 1.0',
        "scheduler_edge_utilization_ratio 0.5",
        "scheduler_data_transfer_time_seconds_sum 2.0",
        'scheduler_data_transfer_bytes_total{path="remote"} 100.0',
        "scheduler_bandwidth_utilization_bytes_per_second 100.0",
        "scheduler_node_data_locality_score_sum 75.0",
    } <= lines
    assert any(line.startswith("scheduler_resource_efficiency ") for line in lines)


async def test_storage_info_tells_who_serves_what() -> None:
    status = crd.NodeCapabilityStatus(
        node_type="edge",
        region="r",
        zone="z",
        stores=(crd.Store(name="minio", endpoint="http://m:9000", available=True, buckets=("raw", "empty")),),
    )
    capability = crd.NodeCapability(metadata=core.ObjectMeta(name="n1"), status=status)
    measured = (
        crd.Link("zone:r/y", "From", 90, 80, 0.01, 5, 0.8, "2026-01-02T03:04:05Z"),
        crd.Link("n1", bandwidth_bytes_per_second=70),
    )
    idle = crd.NodeCapability(metadata=core.ObjectMeta(name="n2"), status=crd.NodeCapabilityStatus(links=measured))
    copies = (crd.Replica(node="n1"), crd.Replica(node="external", region="far", zone="away"))
    objects = [
        crd.DataObject(
            metadata=core.ObjectMeta(name="b", namespace="ns"),
            spec=crd.DataObjectSpec(urn="raw"),
            status=crd.DataObjectStatus(size_bytes=70, object_count=7, replicas=copies),
        ),
        crd.DataObject(
            metadata=core.ObjectMeta(name="k", namespace="ns"),
            spec=crd.DataObjectSpec(urn="raw/a/key", locations=(crd.Location(node="n9"),)),
        ),
    ]
    found = await storage.Inventory.take([capability, idle], objects, config.Network(), now_s=1767323105.0)
    answer = json.loads(b"".join(answers.inventory(found, None, 0)))
    assert list(answer["nodes"]) == ["n1"]
    assert answer["nodes"]["n1"]["stores"][0]["buckets"] == ["raw", "empty"]
    assert answer["buckets"] == {
        "empty": {"nodes": ["n1"], "dataObjects": 0, "objectCount": None, "sizeBytes": None},
        "raw": {"nodes": ["external:far/away", "n1", "n9"], "dataObjects": 1, "objectCount": 7, "sizeBytes": 70},
    }
    assert answer["dataObjects"] == 2
    assert answer["links"] == [
        {
            "from": "zone:r/y",
            "to": "n2",
            "reporter": "n2",
            "bandwidthBytesPerSecond": 90,
            "bandwidthLowBytesPerSecond": 80,
            "latencySeconds": 0.01,
            "samples": 5,
            "confidence": 0.8,
            "ageSeconds": 60.0,
        },
        {
            "from": "n2",
            "to": "n1",
            "reporter": "n2",
            "bandwidthBytesPerSecond": 70,
            "bandwidthLowBytesPerSecond": 0,
            "latencySeconds": 0.0,
            "samples": 0,
            "confidence": None,
            "ageSeconds": None,
        },
    ]
    assert answer["bandwidth"]["sameZone"] == {"bandwidthBytesPerSecond": 500_000_000, "latencySeconds": 0.001}
