"""Keys as they come, change, move and go in real stores, seen through the DataObjects of a real API server.

The daemons here list their stores once in ten minutes, so what is seen before was announced by the store. The
exceptions are the daemon of a versitygw, which announces nothing, and that of a MinIO whose notices are swallowed on
the way: they list every two seconds. A second versitygw that is listed as seldom as the others stands for stores that
receive what they do not announce.
"""

import asyncio
import contextlib
import functools
import io
import itertools
import pathlib
import socket
import statistics
import threading
import time
import urllib.parse
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from minio import versioningconfig

from localcluster import cluster, topology
from localcluster import stores as servers
from scheduler import config
from scheduler.api import names
from scheduler.live import app, departed
from tests.clusterfixture import ClusterFactory
from tests.daemon import test_on_apiserver as processes

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SELDOM = "--interval-s=600"
INTERVALS = dict.fromkeys(("gateway", "deaf"), "--interval-s=2")
NODES = topology.Topology((
    topology.Node("plain", store="minio"),
    topology.Node("secure", store="minio", tls=True),
    topology.Node("left", store="minio"),
    topology.Node("right", store="minio"),
    topology.Node("gateway", store="versitygw"),
    topology.Node("deaf", store="minio"),
    topology.Node("late", store="versitygw"),
))  # fmt: skip
ODD_KEYS = (
    "with space.txt",
    "größe/日本語/Ω.raw",
    "a/b/c/d.bin",
    "plus+and%2Fpercent&;?#.txt",
    "/".join(["k" * 204] * 5),  # 1,024 bytes
)

numbers = itertools.count()


class Swallower:
    """A way to a store on which requests to be told of changes are never answered."""

    def __init__(self, endpoint: str) -> None:
        parts = urllib.parse.urlsplit(endpoint)
        self._target = (str(parts.hostname), int(parts.port or 0))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.swallowed = threading.Event()
        self._held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for held in [*self._held, self._listening]:
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
            held.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._held.append(connection)
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            head = connection.recv(65536)
            if b"events=" in head.partition(b"\r\n")[0]:
                self.swallowed.set()
                return
            with connection, socket.create_connection(self._target) as onward:  # every two seconds for minutes
                onward.sendall(head)
                back = threading.Thread(target=self._copy, args=[onward, connection], daemon=True)
                back.start()
                self._copy(connection, onward)
                back.join()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                target.sendall(chunk)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def running(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    with cluster_factory(NODES, crds=True) as started:
        processes.install(started)
        servers.replicate(started.stores["left"], started.stores["right"])
        yield started


@pytest.fixture(scope="module")
def swallower(running: cluster.Cluster) -> Iterator[Swallower]:
    """What stands between the daemon of node deaf and its store."""
    made = Swallower(running.stores["deaf"].endpoint)
    annotation = f"{names.STORAGE_ENDPOINT}={made.endpoint}"
    running.kubectl("annotate", "service", "minio-deaf", "-n", "storage", "--overwrite", annotation)
    yield made
    made.close()


@pytest.fixture(scope="module")
def daemons(
    running: cluster.Cluster, swallower: Swallower, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, processes.Daemon]]:
    logs = tmp_path_factory.mktemp("daemons")
    assert swallower.endpoint
    for store in running.stores.values():
        store.upload(f"first-{store.node}", "k", 1)
    started = {
        node: processes.Daemon(
            processes.kubeconfig(running, node),
            node,
            logs / f"{node}.log",
            INTERVALS.get(node, SELDOM),
            "--log-level=debug",
        )
        for node in running.nodes
    }
    try:
        for node, daemon in started.items():
            processes.eventually(daemon.ready)
            processes.eventually(functools.partial(processes.replicas, running, f"first-{node}"))
        for node in ("plain", "secure", "left", "right"):
            processes.eventually(functools.partial(announces, started[node]))
        yield started
    finally:
        codes = [daemon.stop() for daemon in started.values()]
    assert codes == [0] * len(codes)


def holders_of(running: cluster.Cluster, bucket: str) -> set[str] | None:
    """The nodes that have the bucket, None where there is none."""
    return {node for node, available in processes.replicas(running, bucket).items() if available} or None


def announces(daemon: processes.Daemon) -> bool:
    lines = daemon.get("/metrics").splitlines()
    return any(line.startswith("data_locality_daemon_store_announces{") and line.endswith(" 1.0") for line in lines)


def notices(daemon: processes.Daemon) -> float:
    """How many changes it was told of."""
    lines = daemon.get("/metrics").splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("data_locality_daemon_notices_total{"))


def declare(running: cluster.Cluster, urn: str) -> str:
    """A DataObject for ``urn``, labelled as the scheduler does it; returns its name."""
    name = f"o-{next(numbers)}"
    labels = {names.BUCKET_LABEL: urn.partition("/")[0]}
    body = {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": {"name": name, "labels": labels}}
    path = f"/apis/{names.API_VERSION}/namespaces/default/{names.DATA_OBJECTS}"
    running.api.request("POST", path, {**body, "spec": {"urn": urn}})
    return name


def status(running: cluster.Cluster, name: str) -> dict[str, Any]:
    return dict(processes.data_object(running, name, "default").get("status", {}))


def where(running: cluster.Cluster, name: str) -> dict[str, int] | None:
    """The size on each node, None before anything was said of it."""
    found = status(running, name)
    if not found:
        return None
    return {replica["node"]: replica["sizeBytes"] for replica in found.get("replicas", ()) if replica["available"]}


def until(check: Callable[[], bool]) -> float:
    """How long it took until ``check`` held."""
    began_s = time.monotonic()
    while not check():
        assert time.monotonic() - began_s < processes.DEADLINE_S, "did not come to pass"
        time.sleep(0.02)
    return time.monotonic() - began_s


def until_sizes(running: cluster.Cluster, name: str, sizes: dict[str, int]) -> float:
    return until(lambda: where(running, name) == sizes)


def new_bucket(server: servers.Store, *, versioned: bool = False) -> str:
    bucket = f"bucket-{next(numbers)}"
    server.client().make_bucket(bucket)
    if versioned:
        server.client().set_bucket_versioning(bucket, versioningconfig.VersioningConfig("Enabled"))
    return bucket


@pytest.mark.parametrize(
    ("node", "holders", "versioned"),
    [
        pytest.param("plain", ["plain"], False, id="plain"),
        pytest.param("secure", ["secure"], False, id="TLS"),
        pytest.param("secure", ["secure"], True, id="versioned bucket"),
        pytest.param("left", ["left", "right"], True, id="replicated"),
        pytest.param("gateway", ["gateway"], False, id="versitygw, re-listed"),
        pytest.param("deaf", ["deaf"], False, id="notices lost, re-listed"),
    ],
)
def test_a_key_is_followed(
    running: cluster.Cluster,
    daemons: dict[str, processes.Daemon],
    capsys: pytest.CaptureFixture[str],
    node: str,
    holders: list[str],
    versioned: bool,
) -> None:
    assert daemons
    server, other = running.stores[node], running.stores["plain" if node != "plain" else "secure"]
    if len(holders) > 1:  # no server announces what arrives by replication, so the bucket is one that is known
        bucket = f"first-{node}"
    else:
        bucket = new_bucket(server, versioned=versioned)
        server.upload(bucket, "k", 1)
    other.client().make_bucket(bucket)
    until(lambda: holders_of(running, bucket) == {*holders, other.node})
    name = declare(running, f"{bucket}/raw/a.bin")
    until(lambda: processes.ready(running, name, "default") == ("False", "NotFound"))
    heard, took_s = notices(daemons[node]), {}
    server.upload(bucket, "raw/a.bin", 10)
    took_s["created"] = until(lambda: where(running, name) == dict.fromkeys(holders, 10))
    etags = {replica["etag"] for replica in status(running, name)["replicas"]}
    assert len(etags) == 1
    assert "" not in etags
    versions = {replica.get("versionId", "") for replica in status(running, name)["replicas"]}
    assert len(versions) == 1
    assert ("" not in versions) == versioned
    server.upload(bucket, "raw/a.bin", 25)
    took_s["overwritten"] = until(lambda: where(running, name) == dict.fromkeys(holders, 25))
    assert etags.isdisjoint({replica["etag"] for replica in status(running, name)["replicas"]})
    until(lambda: status(running, name)["sizeBytes"] == 25)
    until(lambda: processes.data_object(running, bucket)["status"].get("sizeBytes") == 26)
    other.upload(bucket, "raw/a.bin", 25)
    server.client().remove_object(bucket, "raw/a.bin")
    took_s["moved"] = until(lambda: where(running, name) == {other.node: 25})
    other.client().remove_object(bucket, "raw/a.bin")
    took_s["deleted"] = until(lambda: processes.ready(running, name, "default") == ("False", "NotFound"))
    assert where(running, name) == {}
    with capsys.disabled():
        print(  # noqa: T201 - the figures are the point
            f"\n{node}: seen after", ", ".join(f"{what} {s:.2f} s" for what, s in took_s.items())
        )
    assert statistics.median(took_s.values()) < 2.0 + (2.0 if node in INTERVALS else 0.0)
    assert node in INTERVALS or notices(daemons[node]) > heard


@pytest.mark.usefixtures("daemons")
def test_a_copy_that_arrives_late_and_unannounced_is_looked_for(running: cluster.Cluster) -> None:
    bucket, key = "first-late", "copied.bin"
    first, late = running.stores["plain"], running.stores["late"]
    first.client().make_bucket(bucket)
    until(lambda: holders_of(running, bucket) == {"plain", "late"})
    name = declare(running, f"{bucket}/{key}")
    until(lambda: processes.ready(running, name, "default") == ("False", "NotFound"))
    first.upload(bucket, key, 7)
    until(lambda: where(running, name) == {"plain": 7})
    time.sleep(5.0)  # longer than the looks that come close upon each other, the last of them after three
    late.upload(bucket, key, 7)
    until(lambda: where(running, name) == {"plain": 7, "late": 7})


def test_the_swallowed_notices_were_asked_for(daemons: dict[str, processes.Daemon], swallower: Swallower) -> None:
    assert swallower.swallowed.wait(processes.DEADLINE_S)
    assert not announces(daemons["deaf"])


def test_a_named_key_is_looked_up_at_once(
    running: cluster.Cluster, daemons: dict[str, processes.Daemon], capsys: pytest.CaptureFixture[str]
) -> None:
    assert daemons
    server = running.stores["plain"]
    bucket = new_bucket(server)
    for number in range(10):
        server.upload(bucket, f"k{number}", number + 1)
    until(lambda: processes.replicas(running, bucket) == {"plain": True})
    took_s = []
    for number in range(10):
        name = declare(running, f"{bucket}/k{number}")
        took_s.append(until_sizes(running, name, {"plain": number + 1}))
    with capsys.disabled():
        print(  # noqa: T201 - the figures are the point
            f"\nnamed key in status: median {statistics.median(took_s):.3f} s, worst {max(took_s):.3f} s"
        )
    assert statistics.median(took_s) < 0.5  # the time that a pod waits for it


@pytest.mark.parametrize("node", ["plain", "secure", "gateway"])
def test_odd_keys_are_followed(running: cluster.Cluster, daemons: dict[str, processes.Daemon], node: str) -> None:
    assert daemons
    server = running.stores[node]
    bucket = new_bucket(server)
    until(lambda: processes.replicas(running, bucket) == {node: True})
    objects = {declare(running, f"{bucket}/{key}"): key for key in ODD_KEYS}
    # versitygw's files have names of at most 255 bytes in each part of the path, which these keys respect.
    for size, key in enumerate(ODD_KEYS, start=1):
        server.upload(bucket, key, size)
    for size, name in enumerate(objects, start=1):
        until_sizes(running, name, {node: size})
    for key in ODD_KEYS:
        server.client().remove_object(bucket, key)
    for name in objects:
        until_sizes(running, name, {})


def test_prefixes_and_buckets_are_followed(running: cluster.Cluster, daemons: dict[str, processes.Daemon]) -> None:
    assert daemons
    server = running.stores["plain"]
    bucket = new_bucket(server)
    until(lambda: processes.replicas(running, bucket) == {"plain": True})
    name = declare(running, f"{bucket}/2024/")
    server.upload(bucket, "2024/07/a", 5)
    server.upload(bucket, "2024/b", 6)
    server.upload(bucket, "2025/c", 7)
    until(lambda: status(running, name).get("sizeBytes") == 11)
    until(lambda: processes.data_object(running, bucket)["status"].get("sizeBytes") == 18)
    for key in ("2024/07/a", "2024/b", "2025/c"):
        server.client().remove_object(bucket, key)
    until(lambda: processes.ready(running, name, "default") == ("False", "NotFound"))
    server.client().remove_bucket(bucket)
    until(lambda: processes.ready(running, bucket) == ("False", "NotFound"))


def test_a_killed_store_takes_its_keys_out_at_once_and_brings_them_back(
    running: cluster.Cluster, daemons: dict[str, processes.Daemon]
) -> None:
    server = running.stores["plain"]
    bucket = new_bucket(server)
    server.upload(bucket, "k", 9)
    name = declare(running, f"{bucket}/k")
    until(lambda: where(running, name) == {"plain": 9})
    server.stop()
    try:
        until(lambda: where(running, name) == {})
        assert [replica["node"] for replica in status(running, name)["replicas"]] == ["plain"]
        assert processes.ready(running, name, "default") == ("False", "Unavailable")
    finally:
        server.start()
    server.upload(bucket, "k", 10)
    until(lambda: where(running, name) == {"plain": 10})
    assert len(daemons["plain"].lines("store is not available")) == 1
    processes.eventually(functools.partial(announces, daemons["plain"]))


@contextlib.asynccontextmanager
async def scheduler(running: cluster.Cluster) -> AsyncIterator[None]:
    """The scheduler with its own rights, until the block ends."""
    running.apply(processes.ROOT / "manifests/base/rbac-scheduler.yaml")
    kubeconfig = running.service_account_kubeconfig(processes.HOME, "data-locality-scheduler")
    stop = asyncio.Event()
    options = app.Options(kubeconfig=str(kubeconfig), health_host="127.0.0.1", health_port=0)
    task = asyncio.create_task(app.run(config.Settings(), options, stop))
    try:
        yield
    finally:
        stop.set()
        assert await task == app.OK


@pytest.mark.usefixtures("daemons")
async def test_what_a_deleted_node_held_is_cleared_away_by_the_scheduler(
    running: cluster.Cluster, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departed, "ABSENT_S", 1.0)
    leaver = topology.Node("leaver")
    running.add_node(leaver)
    server = running.stores["deaf"]
    bucket = new_bucket(server)
    server.client().put_object(bucket, "k", io.BytesIO(b"xyz"), 3)
    name = declare(running, f"{bucket}/k")
    until(lambda: where(running, name) == {"deaf": 3})
    pod = {
        "metadata": {"name": "minio-leaver", "labels": {"app.kubernetes.io/instance": "minio-deaf"}},
        "spec": {"nodeName": "leaver", "containers": [{"name": "c", "image": "none"}]},
    }
    running.api.request("POST", "/api/v1/namespaces/storage/pods", pod)
    daemon = processes.Daemon(processes.kubeconfig(running, "leaver"), "leaver", tmp_path / "leaver.log")
    try:
        until(lambda: where(running, name) == {"deaf": 3, "leaver": 3})  # one store that both nodes serve
    finally:
        assert daemon.stop() == 0
    running.delete_node("leaver")

    def is_cleared() -> bool:
        return where(running, name) == {"deaf": 3} and processes.replicas(running, bucket) == {"deaf": True}

    async with scheduler(running):
        await asyncio.to_thread(until, is_cleared)
    assert processes.ready(running, name, "default") == ("True", "Available")
