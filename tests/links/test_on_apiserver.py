"""The daemons' link measuring on a real API server: with their own rights they find each other, measure and publish."""

from __future__ import annotations

import asyncio
import itertools
import pathlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from daemon import metrics
from daemon.links import measurer
from localcluster import cluster, topology
from scheduler import config
from scheduler.api import core, crd, names
from scheduler.kube import client
from scheduler.state import cluster as state
from scheduler.state import network
from tests.clusterfixture import ClusterFactory

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = pathlib.Path(__file__).parents[2]
COLLECTION = f"/apis/{names.API_VERSION}/{names.NODE_CAPABILITIES}"
NODES = topology.Topology((
    topology.Node("a1", region="west", zone="a", type="cloud"),
    topology.Node("a2", region="west", zone="a", type="cloud"),
    topology.Node("a3", region="west", zone="a", type="cloud"),
    topology.Node("a4", region="west", zone="a", type="cloud"),
    topology.Node("b", region="west", zone="b", type="edge"),
    topology.Node("c", region="east", zone="a", type="edge"),
))  # fmt: skip
PAIRS = [("west/a", "west/b"), ("west/a", "east/a"), ("west/b", "east/a"), ("west/a", "west/a")]


@pytest.fixture(scope="module")
def running(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    with cluster_factory(NODES, crds=True) as started:
        base = ROOT / "manifests/base"
        started.apply(base / "namespace.yaml", base / "rbac-daemon.yaml", base / "policy-daemon.yaml")
        for node in NODES.nodes:
            body = {"apiVersion": names.API_VERSION, "kind": "NodeCapability", "metadata": {"name": node.name}}
            made = started.api.request("POST", COLLECTION, body)
            place = {"region": node.region, "zone": node.zone, "memoryBytes": 7}
            started.api.request("PUT", f"{COLLECTION}/{node.name}/status", {**made, "status": place})
        yield started


def capabilities(running: cluster.Cluster) -> dict[str, crd.NodeCapability]:
    items = running.api.request("GET", COLLECTION)["items"]
    return {item["metadata"]["name"]: core.convert(item, crd.NodeCapability, "item") for item in items}


def measured(found: dict[str, crd.NodeCapability]) -> set[tuple[str, str]]:
    """Pairs of zones, from and to, that somebody published."""
    pairs: set[tuple[str, str]] = set()
    for capability in found.values():
        mine = f"{capability.status.region}/{capability.status.zone}"
        for link in capability.status.links:
            peer = link.peer.removeprefix("zone:")
            pairs.add((mine, peer) if link.direction == "To" else (peer, mine))
    return pairs


@pytest.mark.timeout(330)
async def test_daemons_find_each_other_and_publish_what_they_measure(
    running: cluster.Cluster, tmp_path: pathlib.Path
) -> None:
    apis: list[client.Api] = []
    figures = metrics.Metrics()
    work: list[asyncio.Task[None]] = []
    try:
        for node in running.nodes:
            kubeconfig = running.service_account_kubeconfig(
                "data-locality-scheduler", "data-locality-daemon", node=node
            )
            apis.append(await client.Api.connect(str(kubeconfig)))
            # No /proc: on a machine that runs many tests, probes would wait for it to have less to do.
            settings = measurer.Settings(node=node, period_s=60.0, bytes_per_hour=64 * 2**20)
            work.append(asyncio.create_task(measurer.Links(apis[-1], settings, figures, proc=tmp_path).run()))
        wanted = {pair for one, other in PAIRS for pair in ((one, other), (other, one))}
        # Half a minute if all goes well; who missed something looks again after one, and who was busy is asked later.
        async with asyncio.timeout(300):
            while True:
                found = await asyncio.to_thread(capabilities, running)
                is_known = all(one.status.probe and names.ZONE_LABEL in one.metadata.labels for one in found.values())
                # Of the first zone's four stand three.
                if is_known and wanted <= measured(found) and len(_standing(found)) == 3 + 2:
                    break
                assert not any(task.done() for task in work)
                await asyncio.sleep(0.3)
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        for api in apis:
            await api.close()
    _check_directory(found)
    _check_figures(found)
    _check_cost(figures)


def _standing(found: dict[str, crd.NodeCapability]) -> set[str]:
    return {name for name, one in found.items() if names.PROBES_LABEL in one.metadata.labels}


def _check_directory(found: dict[str, crd.NodeCapability]) -> None:
    assert {"b", "c"} < _standing(found)
    for one in found.values():
        assert one.metadata.labels[names.REGION_LABEL] == one.status.region
        assert one.metadata.labels[names.ZONE_LABEL] == one.status.zone
        assert one.status.probe is not None
        assert one.status.probe.port > 0
        assert one.status.memory_bytes == 7, "what others wrote was touched"


def _check_figures(found: dict[str, crd.NodeCapability]) -> None:
    """The scheduler takes the measured figures for all nodes of the zones."""
    made = state.Cluster(config.Network(), names.HOME_NAMESPACE)
    for name, one in found.items():
        node = {"metadata": {"name": name}, "status": {"allocatable": {}}}
        made.apply_node(core.convert(node, core.Node, "node"))
        made.apply_capability(one)
    snap = made.freeze()
    for source, target in itertools.permutations(found, 2):
        used = snap.links_of(snap.index_of[source], outward=True).used(snap.index_of[target])
        assert used.source == network.Source.MEASURED, (source, target)
        assert 0 < used.weight < 1
        assert used.bandwidth_bytes_per_s > 0


def _check_cost(figures: metrics.Metrics) -> None:
    def total(name: str, **labels: str) -> float:
        return figures.registry.get_sample_value(name, labels) or 0.0

    spent = total("data_locality_daemon_link_probe_bytes_total")
    probes = total("data_locality_daemon_link_probes_total", outcome="measured")
    # One that the other end had no time for, or that broke off, spends and is told of, too.
    begun = probes + sum(total("data_locality_daemon_link_probes_total", outcome=word) for word in ("busy", "failed"))
    writes = total("data_locality_daemon_writes_total", kind="NodeCapability")
    print(f"{probes:.0f} probes, {spent:.0f} bytes, {writes:.0f} writes of {len(NODES.nodes)} daemons")  # noqa: T201
    assert probes >= len(PAIRS)
    assert spent <= begun * 8 * 2**20
    assert writes <= 2 * len(NODES.nodes) + begun


def test_a_status_may_hold_what_the_schema_allows(running: cluster.Cluster) -> None:
    """Both directions of one peer are two entries; a third of the same is refused."""
    # One that is no daemon's: what a daemon had begun to write when it was ended may still come.
    body = {"apiVersion": names.API_VERSION, "kind": "NodeCapability", "metadata": {"name": "nobodys"}}
    current: Any = running.api.request("POST", COLLECTION, body)
    links = [crd.Link("b", direction, bandwidth_bytes_per_second=5) for direction in ("To", "From")]
    status = crd.NodeCapabilityStatus(links=tuple(links))
    stored = running.api.request(
        "PUT", f"{COLLECTION}/nobodys/status", {**current, "status": msgspec.to_builtins(status)}
    )
    assert [(link["peer"], link["direction"]) for link in stored["status"]["links"]] == [("b", "To"), ("b", "From")]
    for bad in (
        {"peer": "zone:b"},
        {"peer": "zone:r/z/y"},
        {"peer": "b", "direction": "Up"},
        {"peer": "x", "confidence": 2},
    ):
        with pytest.raises(Exception, match=r"links"):
            running.api.request("PUT", f"{COLLECTION}/nobodys/status", {**stored, "status": {"links": [bad]}})
