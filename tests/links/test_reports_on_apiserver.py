"""The door for reports of real transfers, with tokens that a real API server gives and reviews."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from daemon import metrics
from daemon.links import measurer, reports
from localcluster import cluster, topology
from scheduler.api import core, crd, names, units
from scheduler.kube import client
from tests.clusterfixture import ClusterFactory

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = pathlib.Path(__file__).parents[2]
COLLECTION = f"/apis/{names.API_VERSION}/{names.NODE_CAPABILITIES}"
NODES = topology.Topology((
    topology.Node("a", region="west", zone="a", type="cloud"),
    topology.Node("b", region="west", zone="b", type="edge"),
    topology.Node("c", region="east", zone="a", type="edge"),
))  # fmt: skip
READ = {"peer": "b", "direction": "From", "sizeBytes": 2_000_000_000, "seconds": 20.0}


@pytest.fixture(scope="module")
def running(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    with cluster_factory(NODES, crds=True) as started:
        started.apply(ROOT / "manifests/base/namespace.yaml")
        started.apply(ROOT / "manifests/base/rbac-daemon.yaml", ROOT / "manifests/base/policy-daemon.yaml")
        for node in NODES.nodes:
            body = {"apiVersion": names.API_VERSION, "kind": "NodeCapability", "metadata": {"name": node.name}}
            made = started.api.request("POST", COLLECTION, body)
            place = {"region": node.region, "zone": node.zone}
            started.api.request("PUT", f"{COLLECTION}/{node.name}/status", {**made, "status": place})
        started.wait_until(lambda: has_account(started), what="the default ServiceAccount", timeout_s=60)
        for name in ("a", "b"):
            spec = {"nodeName": name, "containers": [{"name": "copy", "image": "copy"}]}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"on-{name}"}, "spec": spec}
            started.api.request("POST", "/api/v1/namespaces/default/pods", pod)
        yield started


def has_account(running: cluster.Cluster) -> bool:
    items = running.api.request("GET", "/api/v1/namespaces/default/serviceaccounts")["items"]
    return any(item["metadata"]["name"] == "default" for item in items)


def token_of(running: cluster.Cluster, pod: str, audience: str | None = reports.AUDIENCE) -> str:
    """What a projected volume of the pod would hold."""
    uid = running.api.request("GET", f"/api/v1/namespaces/default/pods/{pod}")["metadata"]["uid"]
    bound = {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid}
    spec = {"boundObjectRef": bound} | ({"audiences": [audience]} if audience else {})
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    return str(running.api.request("POST", path, {"spec": spec})["status"]["token"])


class Door:
    """The door of a daemon that runs for node "a"."""

    def __init__(self, session: aiohttp.ClientSession, url: str, figures: metrics.Metrics) -> None:
        self._session = session
        self._url = url
        self._figures = figures

    async def tell(self, token: str, body: Any) -> tuple[int, str, str]:
        """Status, text and Retry-After."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self._session.post(self._url, data=data, headers=headers) as response:
            return response.status, await response.text(), response.headers.get("Retry-After", "")

    def count(self, outcome: str) -> float:
        name = "data_locality_daemon_transfer_reports_total"
        return self._figures.registry.get_sample_value(name, {"outcome": outcome}) or 0.0


@contextlib.asynccontextmanager
async def door(running: cluster.Cluster, proc: pathlib.Path) -> AsyncIterator[Door]:
    kubeconfig = running.service_account_kubeconfig("data-locality-scheduler", "data-locality-daemon", node="a")
    api, figures = await client.Api.connect(str(kubeconfig)), metrics.Metrics()
    links = measurer.Links(api, measurer.Settings(node="a"), figures, proc=proc)
    app = web.Application(client_max_size=reports.BODY_BYTES)
    app.router.add_post("/transfers", reports.Reports(api, "a", links, figures).post)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    work = asyncio.create_task(links.run())
    try:
        async with aiohttp.ClientSession() as session:
            yield Door(session, f"http://127.0.0.1:{runner.addresses[0][1]}/transfers", figures)
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await runner.cleanup()
        await api.close()


async def links_of(running: cluster.Cluster, node: str) -> tuple[crd.Link, ...]:
    found = await asyncio.to_thread(running.api.request, "GET", f"{COLLECTION}/{node}")
    return core.convert(found, crd.NodeCapability, "item").status.links


async def test_what_a_pod_of_the_node_tells_is_published(running: cluster.Cluster, tmp_path: pathlib.Path) -> None:
    token = token_of(running, "on-a")
    told = [
        READ,
        {"peer": "c", "direction": "To", "sizeBytes": 50_000_000, "seconds": 10},
        {"peer": "a", "direction": "From", "sizeBytes": 50_000_000, "seconds": 1},  # its own disks
        {"peer": "c", "direction": "From", "sizeBytes": 5_000, "seconds": 1},  # too small to tell
    ]
    async with door(running, tmp_path) as asked:
        assert await asked.tell(token, told) == (204, "", "")
        async with asyncio.timeout(60):
            while True:
                links = await links_of(running, "a")
                if len(links) == 2:
                    break
                await asyncio.sleep(0.2)
        assert (asked.count("taken"), asked.count("ignored"), asked.count("refused")) == (2, 2, 0)
    onward, back = links
    assert (onward.peer, onward.direction, onward.bandwidth_bytes_per_second) == ("zone:east/a", "To", 5_000_000)
    assert (back.peer, back.direction, back.bandwidth_low_bytes_per_second) == ("zone:west/b", "From", 100_000_000)
    assert back.confidence == 0.333
    assert abs(time.time() - (units.time_s(back.last_probe_time) or 0)) < 60


async def test_nobody_else_may_tell(running: cluster.Cluster, tmp_path: pathlib.Path) -> None:
    cases = [
        (token_of(running, "on-b"), 403, "on node b"),
        (token_of(running, "on-a", audience=None), 401, "audience data-locality-daemon"),
        (token_of(running, "on-a", audience="other"), 401, "audience data-locality-daemon"),
        (token_of(running, "on-a")[:-6] + "AAAAAA", 401, "audience data-locality-daemon"),
        ("rubbish", 401, "audience data-locality-daemon"),
        ("", 401, "missing"),
    ]
    async with door(running, tmp_path) as asked:
        for token, status, words in cases:
            found, text, _ = await asked.tell(token, READ)
            assert found == status, text
            assert words in text
        assert (asked.count("taken"), asked.count("refused")) == (0, len(cases))


async def test_what_cannot_be_meant_is_refused_with_a_remedy(running: cluster.Cluster, tmp_path: pathlib.Path) -> None:
    cases: list[tuple[Any, int, str]] = [
        (b"2 GB in 16 s", 400, '"sizeBytes": 2000000000'),
        ([], 400, "length >= 1"),
        ([READ] * 65, 400, "length <= 64"),
        (READ | {"peer": "nobody"}, 400, "no such Node"),
        (READ | {"peer": "../namespaces/x"}, 400, "$.peer"),
        (READ | {"direction": "Up"}, 400, "$.direction"),
        (READ | {"sizeBytes": "2G"}, 400, "$.sizeBytes"),
        (READ | {"seconds": 0}, 400, "$.seconds"),
        (READ | {"size": 5}, 400, "size"),
        (json.dumps(READ).replace("20.0", "NaN").encode(), 400, "body"),
        (json.dumps(READ).replace("20.0", "1e999").encode(), 400, "body"),
        ([READ, READ | {"seconds": 0.001}], 400, "$[1]"),
        (b"[" + b" " * reports.BODY_BYTES + b"]", 413, "65536"),
    ]
    token = token_of(running, "on-a")
    async with door(running, tmp_path) as asked:
        for body, status, words in cases:
            found, text, _ = await asked.tell(token, body)
            assert (found, words in text) == (status, True), (body, text)
        assert asked.count("taken") == 0, "part of a list was taken"


async def test_more_reports_than_a_node_can_mean_are_put_off(running: cluster.Cluster, tmp_path: pathlib.Path) -> None:
    token = token_of(running, "on-a")
    async with door(running, tmp_path) as asked:
        assert (await asked.tell(token, [READ] * 64))[0] == 204
        status, text, retry_after = await asked.tell(token, [READ] * 64)
        assert (status, "too many reports" in text) == (429, True)
        assert 1 <= int(retry_after) <= 7
        # All at once: one after the other would be slow enough where the API server is.
        found = await asyncio.gather(*(asked.tell(f"rubbish{number}", READ) for number in range(60)))
        assert 429 in {status for status, _, _ in found}, "the API server was asked about every token"
        assert (await asked.tell(token, {}))[0] == 400, "strangers keep out who is known"


async def test_what_others_have_probed_is_left_to_them(running: cluster.Cluster, tmp_path: pathlib.Path) -> None:
    current: Any = running.api.request("GET", f"{COLLECTION}/c")
    current["metadata"]["labels"] = {
        names.PROBES_LABEL: "true", names.REGION_LABEL: "east", names.ZONE_LABEL: "a"
    }  # fmt: skip
    stored: Any = running.api.request("PUT", f"{COLLECTION}/c", current)
    lately = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    link = {"peer": "zone:west/a", "latencySeconds": 0.01, "confidence": 0.8, "lastProbeTime": lately}
    stored["status"]["links"] = [{**link, "bandwidthBytesPerSecond": 10**9}]
    running.api.request("PUT", f"{COLLECTION}/c/status", stored)
    # The door asks for what the API server has cached, which may be a moment old.
    cached = f"{COLLECTION}?resourceVersion=0&labelSelector={names.PROBES_LABEL}%3Dtrue"
    running.wait_until(
        lambda: any(item.get("status", {}).get("links") for item in running.api.request("GET", cached)["items"]),
        what="the API server's cache",
        timeout_s=60,
    )
    async with door(running, tmp_path) as asked:
        assert (await asked.tell(token_of(running, "on-a"), READ | {"peer": "c"}))[0] == 204
        assert (asked.count("taken"), asked.count("ignored")) == (0, 1)
        assert (await asked.tell(token_of(running, "on-a"), READ | {"seconds": 10}))[0] == 204
        assert (asked.count("taken"), asked.count("ignored")) == (1, 1)
