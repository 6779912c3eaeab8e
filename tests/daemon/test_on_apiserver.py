"""Daemons as they run: one process a node, under their own ServiceAccount, on a real API server with real stores."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from localcluster import cluster, keeping, topology
from scheduler import errors
from scheduler.api import crd, names
from tests.clusterfixture import ClusterFactory

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

HOME = "data-locality-scheduler"
ROOT = pathlib.Path(__file__).parents[2]
DEADLINE_S = 60.0
STORE_TIMEOUT_S = 5  # a healthy server on a busy machine may stand still for some of them

NODES = topology.Topology((
    topology.Node("cloud", region="west", zone="west-a", type="cloud", cpu="8", memory="32Gi", minio=True,
                  accelerators={"nvidia.com/gpu": 2}),
    topology.Node("edge", region="west", zone="west-b", type="edge", cpu="4", memory="8Gi", minio=True),
    topology.Node("plain", region="east", zone="east-a", type="edge", cpu="2", memory="4Gi"),
))  # fmt: skip


def eventually(check: Callable[[], Any]) -> Any:
    """The first result of ``check`` that is neither None nor False."""
    ends = time.monotonic() + DEADLINE_S
    while True:
        found = check()
        if found is not None and found is not False:
            return found
        assert time.monotonic() < ends, "did not come to pass"
        time.sleep(0.1)


class Daemon:
    """One daemon process."""

    def __init__(self, kubeconfig: pathlib.Path, node: str, log: pathlib.Path, *options: str) -> None:
        self.port = keeping.free_port()
        self._log = log
        command = [sys.executable, "-m", "scheduler", "daemon", f"--kubeconfig={kubeconfig}", "--interval-s=1",
                   f"--store-timeout-s={STORE_TIMEOUT_S}", "--health-host=127.0.0.1", f"--health-port={self.port}",
                   *options]  # fmt: skip
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, "NODE_NAME": node}, stdout=output, stderr=output
            )

    def lines(self, event: str) -> list[dict[str, Any]]:
        """What it logged of one kind; a line that is being written is none yet."""
        whole, _, _ = self._log.read_text().rpartition("\n")
        found = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        return [line for line in found if line["event"] == event]

    def text(self) -> str:
        return self._log.read_text()

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=DEADLINE_S) as answer:
            return str(answer.read().decode())

    def rounds(self) -> float:
        """How many regular rounds it has ended, each with all of it written down."""
        name = "data_locality_daemon_rounds_total "
        return next(float(line.split()[1]) for line in self.get("/metrics").splitlines() if line.startswith(name))

    def ready(self) -> bool:
        with contextlib.suppress(OSError):
            return self.get("/readyz") == "ok\n"
        assert self.process.poll() is None, self.text()
        return False

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)


def after_rounds(daemons: Iterable[Daemon], number: int) -> None:
    """Wait until each has ended so many more rounds: all but the first of them surely began after this was called."""
    wanted = [(daemon, daemon.rounds() + number) for daemon in daemons]
    eventually(lambda: all(daemon.rounds() >= rounds for daemon, rounds in wanted))


def install(running: cluster.Cluster) -> None:
    """The daemons' account with its rights, which may also read the Secrets of the cluster's own stores."""
    base = ROOT / "manifests/base"
    running.apply(
        *(base / name for name in ("namespace.yaml", "rbac-daemon.yaml", "policy-daemon.yaml")),
        ROOT / "manifests/examples/store-access.yaml",
    )


@pytest.fixture(scope="module")
def running(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    """Three nodes, two stores, our CRDs and the daemons' ServiceAccount with its rights."""
    with cluster_factory(NODES, crds=True) as started:
        install(started)
        yield started


def kubeconfig(running: cluster.Cluster, node: str = "") -> pathlib.Path:
    """What the daemon of a node has: the account that all share, and a token that names the node."""
    return running.service_account_kubeconfig(HOME, "data-locality-daemon", node=node)


@pytest.fixture(scope="module")
def daemons(running: cluster.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Daemon]]:
    """A daemon for each node, all ready."""
    logs = tmp_path_factory.mktemp("daemons")
    started = {node: Daemon(kubeconfig(running, node), node, logs / f"{node}.log") for node in running.nodes}
    try:
        for daemon in started.values():
            eventually(daemon.ready)
        yield started
    finally:
        codes = [daemon.stop() for daemon in started.values()]
    assert codes == [0] * len(codes)


def data_object(running: cluster.Cluster, name: str, namespace: str = HOME) -> dict[str, Any]:
    path = f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.DATA_OBJECTS}/{name}"
    try:
        return dict(running.api.request("GET", path))
    except errors.NotFoundError:
        return {}


def capability(running: cluster.Cluster, node: str) -> dict[str, Any]:
    return dict(running.api.request("GET", f"/apis/{names.API_VERSION}/{names.NODE_CAPABILITIES}/{node}"))


def replicas(running: cluster.Cluster, name: str, namespace: str = HOME) -> dict[str, bool]:
    """Which nodes hold it, and whether it can be had there."""
    found = data_object(running, name, namespace).get("status", {}).get("replicas", ())
    return {replica["node"]: replica["available"] for replica in found}


def ready(running: cluster.Cluster, name: str, namespace: str = HOME) -> tuple[str, str] | None:
    for condition in data_object(running, name, namespace).get("status", {}).get("conditions", ()):
        if condition["type"] == "Ready":
            return condition["status"], condition["reason"]
    return None


def store_of(running: cluster.Cluster, node: str, service: str) -> dict[str, Any] | None:
    stores = capability(running, node).get("status", {}).get("stores", ())
    return next((store for store in stores if store["name"] == service), None)


def told(running: cluster.Cluster, service: str, namespace: str = "storage") -> list[tuple[str, str, int]]:
    """The daemons' Events about a Service: type, reason, and how often each was said."""
    found = running.api.request("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")["items"]
    return [
        (event["type"], event["reason"], event.get("series", {}).get("count", 1))
        for event in sorted(found, key=lambda event: str(event["eventTime"]))
        if event["regarding"]["name"] == service and event["reportingController"] == names.DAEMON_FIELD_MANAGER
    ]


def columns(running: cluster.Cluster, kind: str, name: str) -> dict[str, str]:
    """What `kubectl get` prints for one object, by column."""
    head, row = running.kubectl("get", kind, name, "-n", HOME, "-o", "wide").splitlines()
    starts = [head.index(title) for title in head.split()]
    cells = [row[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)]
    return dict(zip(head.split(), cells, strict=True))


def announce(running: cluster.Cluster, name: str, endpoint: str, secret: str, namespace: str = "storage") -> None:
    """A Service that makes a second store of the edge node's MinIO pod, or of a pod like it in another namespace."""
    annotations = {names.STORAGE_SERVICE: "true", names.STORAGE_ENDPOINT: endpoint, names.STORAGE_SECRET: secret}
    service = {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"selector": {"app.kubernetes.io/instance": "minio-edge"}, "ports": [{"name": "s3", "port": 9000}]},
    }
    running.api.request("POST", f"/api/v1/namespaces/{namespace}/services", service)


@pytest.fixture(scope="module")
def closed_namespace(running: cluster.Cluster) -> str:
    """A namespace with a MinIO pod on the edge, whose Secrets nobody let the daemons read."""
    running.kubectl("create", "namespace", "closed")
    running.wait_for_account("closed")
    pod = {
        "metadata": {"name": "minio", "labels": {"app.kubernetes.io/instance": "minio-edge"}},
        "spec": {"nodeName": "edge", "containers": [{"name": "c", "image": "none"}]},
    }
    running.api.request("POST", "/api/v1/namespaces/closed/pods", pod)
    return "closed"


def test_columns_are_filled(running: cluster.Cluster, daemons: dict[str, Daemon]) -> None:
    assert set(daemons) == {"cloud", "edge", "plain"}
    running.stores["cloud"].upload("columns", "a/b.bin", 3 * 2**20)
    running.stores["edge"].upload("columns", "c.bin", 2**20)
    wanted = {
        "URN": "columns", "SIZE": "3.0 MiB", "REPLICAS": "2", "NODES": "cloud,edge", "READY": "True",
        "GRANULARITY": "Bucket", "OBJECTS": "1",
    }  # fmt: skip
    eventually(lambda: replicas(running, "columns") == {"cloud": True, "edge": True})
    # Each entry is its own daemon's; what sums them up is right once the later of two that wrote at once looks again.
    eventually(lambda: columns(running, "dataobjects", "columns").items() >= wanted.items())
    eventually(lambda: "columns" in (store_of(running, "cloud", "storage/minio-cloud") or {"buckets": ()})["buckets"])
    shown = columns(running, "nodecapabilities", "cloud")
    assert (shown["TYPE"], shown["REGION"], shown["ZONE"], shown["STORES"], shown["GPU"], shown["READY"]) == (
        "cloud",
        "west",
        "west-a",
        "storage/minio-cloud",
        "2x nvidia.com/gpu",
        "True",
    )
    assert (
        columns(running, "nodecapabilities", "plain")["STORES"],
        columns(running, "nodecapabilities", "plain")["READY"],
    ) == ("", "True")
    (owner,) = capability(running, "plain")["metadata"]["ownerReferences"]
    assert owner["uid"] == running.api.request("GET", "/api/v1/nodes/plain")["metadata"]["uid"]


def test_nothing_is_written_while_nothing_changes(running: cluster.Cluster, daemons: dict[str, Daemon]) -> None:
    running.stores["edge"].upload("quiet", "k", 10)
    eventually(lambda: ready(running, "quiet") == ("True", "Available"))

    def versions() -> dict[str, str]:
        return {
            item["metadata"]["name"]: item["metadata"]["resourceVersion"]
            for plural in (names.DATA_OBJECTS, names.NODE_CAPABILITIES)
            for item in running.api.request("GET", f"/apis/{names.API_VERSION}/{plural}")["items"]
        }

    def came_to_rest() -> bool:
        before = versions()
        after_rounds(daemons.values(), 3)
        return versions() == before

    eventually(came_to_rest)


def test_a_killed_store_is_told_once_and_comes_back(running: cluster.Cluster, daemons: dict[str, Daemon]) -> None:
    running.stores["cloud"].upload("killed", "k", 10)
    running.stores["edge"].upload("killed", "k", 10)
    eventually(lambda: replicas(running, "killed") == {"cloud": True, "edge": True})
    before = told(running, "minio-cloud")
    running.stores["cloud"].stop()
    try:
        eventually(lambda: replicas(running, "killed") == {"cloud": False, "edge": True})
        eventually(lambda: data_object(running, "killed")["status"]["nodesText"] == "edge")

        def refusing() -> dict[str, Any] | None:
            """Its entry once nobody is there; while it ends it may break off, or answer that it ends."""
            found = store_of(running, "cloud", "storage/minio-cloud") or {}
            return found if "cannot be reached" in found.get("message", "") else None

        store = eventually(refusing)
        assert not store["available"]
        assert "killed" in store["buckets"]
        assert columns(running, "nodecapabilities", "cloud")["READY"] == "False"
        assert columns(running, "nodecapabilities", "edge")["READY"] == "True"
        # The edge goes on meanwhile.
        running.stores["edge"].upload("meanwhile", "k", 10)
        eventually(lambda: replicas(running, "meanwhile") == {"edge": True})
    finally:
        running.stores["cloud"].start()
    eventually(lambda: replicas(running, "killed") == {"cloud": True, "edge": True})
    eventually(lambda: told(running, "minio-cloud")[-1:] == [("Normal", "StoreAvailable", 1)])
    new = told(running, "minio-cloud")[len(before) :]
    assert new == [("Warning", "StoreUnavailable", 1), ("Normal", "StoreAvailable", 1)]
    assert len(daemons["cloud"].lines("store is not available")) == 1


def test_a_hanging_store_delays_no_other_store_of_its_node(
    running: cluster.Cluster, daemons: dict[str, Daemon]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        announce(running, "silent", endpoint, "minio-edge")
        store = eventually(lambda: store_of(running, "edge", "storage/silent"))
        assert store["message"] == f"{endpoint} did not answer within {STORE_TIMEOUT_S} s"
        assert not store.get("available")
        running.stores["edge"].upload("beside", "k", 10)
        eventually(lambda: replicas(running, "beside") == {"edge": True})
        eventually(lambda: told(running, "silent") == [("Warning", "StoreUnavailable", 1)])
        running.kubectl("delete", "service", "silent", "-n", "storage")
        eventually(lambda: store_of(running, "edge", "storage/silent") is None)
    assert daemons["edge"].process.poll() is None


@pytest.mark.parametrize(
    ("secret", "data", "namespace", "words"),
    [
        pytest.param("none", None, "storage", "Secret storage/none does not exist", id="missing"),
        pytest.param(
            "wrong",
            {"accessKey": "someone", "secretKey": "hush-hush-hush"},
            "storage",
            "refuses the credentials of Secret storage/wrong (InvalidAccessKeyId)",
            id="refused",
        ),
        pytest.param(
            "partial", {"accessKey": "someone"}, "storage", "must hold accessKey and secretKey", id="incomplete"
        ),
        pytest.param(
            "closed",
            {"accessKey": "someone", "secretKey": "hush-hush-hush"},
            "closed",
            "Secret closed/closed may not be read",
            id="RBAC",
        ),
        pytest.param("", None, "storage", "does not admit anonymous listing", id="anonymous"),
    ],
)
def test_bad_credentials_are_one_clear_message(
    running: cluster.Cluster,
    daemons: dict[str, Daemon],
    closed_namespace: str,
    secret: str,
    data: dict[str, str] | None,
    namespace: str,
    words: str,
) -> None:
    assert namespace in {"storage", closed_namespace}
    name = f"bad-{secret or 'anonymous'}"
    if data is not None:
        body = {"metadata": {"name": secret}, "stringData": data}
        running.api.request("POST", f"/api/v1/namespaces/{namespace}/secrets", body)
    announce(running, name, running.stores["edge"].endpoint, secret, namespace)
    try:
        store = eventually(lambda: store_of(running, "edge", f"{namespace}/{name}"))
        assert words in store["message"]
        assert not store["available"]
        eventually(lambda: told(running, name, namespace) == [("Warning", "StoreUnavailable", 1)])
    finally:
        running.kubectl("delete", "service", name, "-n", namespace)
    assert "hush" not in daemons["edge"].text()


def test_rotated_credentials_need_no_restart(running: cluster.Cluster, daemons: dict[str, Daemon]) -> None:
    announce(running, "rotated", running.stores["edge"].endpoint, "rotated")
    eventually(lambda: store_of(running, "edge", "storage/rotated"))
    keys = {"accessKey": running.stores["edge"].access_key, "secretKey": running.stores["edge"].secret_key}
    body = {"metadata": {"name": "rotated"}, "stringData": keys}
    running.api.request("POST", "/api/v1/namespaces/storage/secrets", body)
    try:
        eventually(lambda: (s := store_of(running, "edge", "storage/rotated")) and s.get("available"))
    finally:
        running.kubectl("delete", "service", "rotated", "-n", "storage")
    assert keys["secretKey"] not in daemons["edge"].text()


def test_objects_that_users_declare(running: cluster.Cluster, daemons: dict[str, Daemon]) -> None:
    assert daemons
    server = running.stores["cloud"]
    server.upload("declared", "raw/größe 1.tif", 4321)
    server.upload("declared", "raw/b.tif", 79)
    wanted = {
        "key": "declared/raw/größe 1.tif",
        "prefix": "declared/raw/",
        "bucket": "declared",
        "absent": "declared/no",
    }
    for name, urn in wanted.items():
        labels = {names.BUCKET_LABEL: "declared"}  # as the scheduler sets it
        meta = {"name": name, "labels": labels}
        body = {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": meta, "spec": {"urn": urn}}
        running.api.request("POST", f"/apis/{names.API_VERSION}/namespaces/default/{names.DATA_OBJECTS}", body)

    def said(name: str) -> tuple[int | None, list[str]]:
        status = data_object(running, name, "default").get("status", {})
        return status.get("sizeBytes"), [replica["node"] for replica in status.get("replicas", ())]

    # What is said first may be of a count that was made between the two uploads.
    eventually(lambda: [said(name) for name in ("key", "prefix", "bucket")] == [
        (4321, ["cloud"]), (4400, ["cloud"]), (4400, ["cloud"]),
    ])  # fmt: skip
    assert replicas(running, "absent", "default") == {}
    server.client().remove_object("declared", "raw/größe 1.tif")
    eventually(
        lambda: replicas(running, "key", "default") == {} and ready(running, "key", "default") == ("False", "NotFound")
    )
    eventually(lambda: data_object(running, "prefix", "default")["status"]["sizeBytes"] == 79)
    server.upload("declared", "no", 5)
    eventually(lambda: ready(running, "absent", "default") == ("True", "Available"))


def test_a_copy_that_there_is_no_room_for_breaks_nothing_and_is_counted(
    running: cluster.Cluster, daemons: dict[str, Daemon]
) -> None:
    """The schema holds 256 copies; one more would have the API server refuse the whole write, and every later one."""
    meta = {"name": "crowded", "labels": {names.BUCKET_LABEL: "crowded"}}
    body = {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": meta, "spec": {"urn": "crowded"}}
    running.api.request("POST", f"/apis/{names.API_VERSION}/namespaces/{HOME}/{names.DATA_OBJECTS}", body)

    def held_by(count: int) -> None:
        found = [{"node": f"n{number:03}", "store": "s", "available": True} for number in range(count)]
        patch = json.dumps({"status": {"replicas": found}})
        running.kubectl(
            "patch", "dataobject", "crowded", "-n", HOME, "--subresource=status", "--type=merge", "-p", patch
        )

    held_by(256)
    running.stores["edge"].upload("crowded", "k", 10)
    eventually(lambda: 'data_locality_daemon_left_out{kind="copies"} 1.0' in daemons["edge"].get("/metrics"))
    running.stores["edge"].upload("beside-the-crowd", "k", 10)
    eventually(lambda: replicas(running, "beside-the-crowd") == {"edge": True})
    assert len(replicas(running, "crowded")) == 256
    assert "edge" not in replicas(running, "crowded")
    held_by(255)
    eventually(lambda: replicas(running, "crowded").get("edge"))
    eventually(lambda: 'data_locality_daemon_left_out{kind="copies"} 0.0' in daemons["edge"].get("/metrics"))
    conditions = data_object(running, "crowded")["status"]["conditions"]
    assert [c["reason"] for c in conditions if c["type"] == "CopiesComplete"] == ["AtLimit"]


def test_declared_locations_and_sizes(running: cluster.Cluster, daemons: dict[str, Daemon]) -> None:
    assert daemons
    spec = {"urn": "nowhere/copied.bin", "sizeBytes": 2048, "locations": [{"node": "plain"}, {"node": "edge"}]}
    labels = {crd.location_label(node): "" for node in ("plain", "edge")}  # as the scheduler sets them
    meta = {"name": "copied", "labels": labels}
    body = {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": meta, "spec": spec}
    path = f"/apis/{names.API_VERSION}/namespaces/default/{names.DATA_OBJECTS}"
    running.api.request("POST", path, body)
    eventually(lambda: replicas(running, "copied", "default") == {"edge": True, "plain": True})
    running.kubectl(
        "patch",
        "dataobject",
        "copied",
        "-n",
        "default",
        "--type=merge",
        "-p",
        '{"spec":{"locations":[{"node":"edge"}]}}',
    )
    eventually(lambda: replicas(running, "copied", "default") == {"edge": True})
    eventually(lambda: data_object(running, "copied", "default")["status"]["observedGeneration"] == 2)
    eventually(lambda: data_object(running, "copied", "default")["status"]["nodesText"] == "edge")


def test_what_vanishes_and_what_is_deleted(running: cluster.Cluster, daemons: dict[str, Daemon]) -> None:
    assert daemons
    client = running.stores["edge"].client()
    client.make_bucket("vanishing")
    eventually(lambda: replicas(running, "vanishing") == {"edge": True})
    first = data_object(running, "vanishing")["metadata"]["uid"]
    running.kubectl("delete", "dataobject", "vanishing", "-n", HOME)
    eventually(lambda: replicas(running, "vanishing") == {"edge": True})
    assert data_object(running, "vanishing")["metadata"]["uid"] != first
    client.remove_bucket("vanishing")
    eventually(lambda: replicas(running, "vanishing") == {} and ready(running, "vanishing") == ("False", "NotFound"))


def test_a_bucket_name_that_is_no_object_name(running: cluster.Cluster, daemons: dict[str, Daemon]) -> None:
    assert daemons
    announced = {item["spec"]["urn"] for item in objects(running)}
    assert "taken-name" not in announced
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "DataObject",
        "metadata": {"name": "taken-name"},
        "spec": {"urn": "something/else"},
    }
    running.api.request("POST", f"/apis/{names.API_VERSION}/namespaces/{HOME}/{names.DATA_OBJECTS}", body)
    running.stores["edge"].client().make_bucket("taken-name")
    found = eventually(lambda: [item for item in objects(running) if item["spec"]["urn"] == "taken-name"] or None)
    assert found[0]["metadata"]["name"].startswith("taken-name-")


def objects(running: cluster.Cluster) -> list[dict[str, Any]]:
    path = f"/apis/{names.API_VERSION}/namespaces/{HOME}/{names.DATA_OBJECTS}"
    return list(running.api.request("GET", path)["items"])


def test_an_api_server_that_goes_away_is_waited_for(running: cluster.Cluster, daemons: dict[str, Daemon]) -> None:
    running.restart_apiserver()
    running.stores["edge"].upload("afterwards", "k", 10)
    eventually(lambda: replicas(running, "afterwards") == {"edge": True})
    assert all(daemon.process.poll() is None for daemon in daemons.values())
    assert all(daemon.get("/healthz") == daemon.get("/livez") == "ok\n" for daemon in daemons.values())


def test_metrics_name_the_stores(daemons: dict[str, Daemon]) -> None:
    up = 'data_locality_daemon_store_up{store="storage/minio-edge"} 1.0'
    eventually(lambda: up in daemons["edge"].get("/metrics"))
    assert "data_locality_daemon_probe_seconds_count" in daemons["edge"].get("/metrics")


def test_earlier_arguments_are_accepted(running: cluster.Cluster, tmp_path: pathlib.Path) -> None:
    daemon = Daemon(
        kubeconfig(running, "plain"),
        "plain",
        tmp_path / "log",
        "--collection-interval=60",
        "--enable-data-locality=true",
        "--v=4",
    )
    try:
        eventually(daemon.ready)
    finally:
        assert daemon.stop() == 0


def test_a_node_that_is_not_there_is_said_once(running: cluster.Cluster, tmp_path: pathlib.Path) -> None:
    daemon = Daemon(kubeconfig(running), "nobody", tmp_path / "log")
    try:
        (line,) = eventually(lambda: daemon.lines("not done, still trying") or None)
        assert 'node: "nobody": there is no such Node' in line["error"]
    finally:
        assert daemon.stop() == 0


def test_without_the_crds_it_says_what_to_apply(cluster_factory: ClusterFactory, tmp_path: pathlib.Path) -> None:
    with cluster_factory(topology.Topology((topology.Node("only"),))) as bare:
        daemon = Daemon(bare.kubeconfig, "only", tmp_path / "log")
        assert daemon.process.wait(DEADLINE_S) == 2
        assert "kubectl apply --server-side -f crds/" in daemon.text()


def test_without_rights_it_says_what_to_grant(running: cluster.Cluster, tmp_path: pathlib.Path) -> None:
    account = {"metadata": {"name": "stranger"}}
    running.api.request("POST", "/api/v1/namespaces/default/serviceaccounts", account)
    daemon = Daemon(running.service_account_kubeconfig("default", "stranger"), "edge", tmp_path / "log")
    assert daemon.process.wait(DEADLINE_S) == 2
    assert "manifests/base/rbac-daemon.yaml" in daemon.text()
