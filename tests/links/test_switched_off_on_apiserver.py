"""A label of a node keeps its links from being measured, from here and from others; on a real API server."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from daemon import metrics
from daemon.links import directory, measurer
from localcluster import cluster, topology
from scheduler.api import core, crd, names
from scheduler.kube import client
from tests.clusterfixture import ClusterFactory

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = pathlib.Path(__file__).parents[2]
COLLECTION = f"/apis/{names.API_VERSION}/{names.NODE_CAPABILITIES}"
NODES = topology.Topology((
    topology.Node("metered", region="west", zone="a"),
    topology.Node("liar", region="west", zone="b"),
    topology.Node("plain", region="west", zone="c"),
))  # fmt: skip


@pytest.fixture(scope="module")
def running(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    with cluster_factory(NODES, crds=True) as started:
        base = ROOT / "manifests/base"
        started.apply(base / "namespace.yaml", base / "rbac-daemon.yaml", base / "policy-daemon.yaml")
        for node in NODES.nodes:
            body = {"apiVersion": names.API_VERSION, "kind": "NodeCapability", "metadata": {"name": node.name}}
            made = started.api.request("POST", COLLECTION, body)
            place = {"region": node.region, "zone": node.zone}
            started.api.request("PUT", f"{COLLECTION}/{node.name}/status", {**made, "status": place})
        yield started


async def api_of(running: cluster.Cluster, node: str) -> client.Api:
    kubeconfig = running.service_account_kubeconfig("data-locality-scheduler", "data-locality-daemon", node=node)
    return await client.Api.connect(str(kubeconfig))


def capability(running: cluster.Cluster, node: str) -> dict[str, Any]:
    return dict(running.api.request("GET", f"{COLLECTION}/{node}"))


async def until(is_so: Callable[[], bool]) -> None:
    def wait() -> None:
        deadline_s = time.monotonic() + 120
        while not is_so():
            assert time.monotonic() < deadline_s, "it never came to be"
            time.sleep(0.2)

    await asyncio.to_thread(wait)


def probe_of(running: cluster.Cluster, node: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = capability(running, node).get("status", {}).get("probe")
    return found


async def is_answered(probe: dict[str, Any]) -> bool:
    try:
        _, writer = await asyncio.open_connection(probe["address"], probe["port"])
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


@pytest.mark.timeout(400)
async def test_a_label_of_the_node_switches_probes_off_on_both_sides(running: cluster.Cluster) -> None:
    running.kubectl("label", "node", "metered", f"{names.LINK_PROBES_LABEL}=off")
    api = await api_of(running, "metered")
    work = asyncio.create_task(measurer.Links(api, measurer.Settings(node="metered"), metrics.Metrics()).run())
    try:
        # Its place is told, for the daemon has looked; where it can be probed is not.
        await until(lambda: names.ZONE_LABEL in capability(running, "metered")["metadata"].get("labels", {}))
        assert probe_of(running, "metered") is None
        assert names.PROBES_LABEL not in capability(running, "metered")["metadata"]["labels"]

        running.kubectl("label", "node", "metered", f"{names.LINK_PROBES_LABEL}-")
        await until(lambda: probe_of(running, "metered") is not None)
        await until(lambda: names.PROBES_LABEL in capability(running, "metered")["metadata"]["labels"])
        before = probe_of(running, "metered")
        assert before is not None
        assert await is_answered(before)

        running.kubectl("label", "node", "metered", f"{names.LINK_PROBES_LABEL}=off")
        await until(lambda: probe_of(running, "metered") is None)
        await until(lambda: names.PROBES_LABEL not in capability(running, "metered")["metadata"]["labels"])
        assert not await is_answered(before), "who remembers the address gets nothing"
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        await api.close()


@pytest.mark.parametrize("address", ["169.254.169.254", "metadata.google.internal", "100.100.100.200", "0.0.0.0", "::"])  # noqa: S104
async def test_no_node_can_have_others_probe_what_no_daemon_is(running: cluster.Cluster, address: str) -> None:
    labels = {names.PROBES_LABEL: "true", names.REGION_LABEL: "west", names.ZONE_LABEL: "b"}
    running.kubectl(
        "label", "nodecapability", "liar", "--overwrite", *(f"{key}={value}" for key, value in labels.items())
    )
    own = core.convert(capability(running, "plain"), crd.NodeCapability, "plain")
    status = msgspec.structs.replace(own.status, probe=crd.Probe("127.0.0.1", 81))
    api = await api_of(running, "plain")
    seeks = directory.Directory(api, "plain")
    try:
        for told, expected in (("127.0.0.1", [("west", "b")]), (address, [])):
            said = {"region": "west", "zone": "b", "probe": {"address": told, "port": 80}}
            running.api.request("PUT", f"{COLLECTION}/liar/status", {**capability(running, "liar"), "status": said})
            async with asyncio.timeout(60):  # the list is from a cache, which hears of it a moment later
                duties = await seeks.look(msgspec.structs.replace(own, status=status))
                while [duty.zone for duty in duties] != expected:
                    await asyncio.sleep(0.2)
                    duties = await seeks.look(msgspec.structs.replace(own, status=status))
    finally:
        await api.close()
