"""200,000 keys in a bucket cost the API server nothing until somebody refers to one."""

import contextlib
import os
import pathlib
import re
from collections.abc import Iterator

import pytest

from localcluster import cluster, topology
from scheduler.api import names
from tests.clusterfixture import ClusterFactory
from tests.daemon import test_on_apiserver as processes

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FOLDERS, FILES = 400, 500
BUCKET = "many"
REFERENCED = 5


@pytest.fixture(scope="module")
def running(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    """One node, with a versitygw whose bucket is a directory that is filled without asking it."""
    with cluster_factory(topology.Topology((topology.Node("big", store="versitygw"),)), crds=True) as started:
        started.apply(processes.ROOT / "manifests/base/namespace.yaml")
        started.apply(processes.ROOT / "manifests/base/rbac-daemon.yaml")
        started.apply(processes.ROOT / "manifests/examples/store-access.yaml")
        yield started


def fill(bucket: pathlib.Path) -> None:
    """Make the files; links to one in each folder, because making an inode for each takes minutes on a busy disk."""
    for folder in range(FOLDERS):
        first = bucket / f"{folder:03}" / "000"
        first.parent.mkdir()
        first.touch()
        for file in range(1, FILES):
            os.link(first, first.parent / f"{file:03}")


def requests(running: cluster.Cluster, *, writes: bool) -> float:
    """Requests about DataObjects that the API server has served, watches aside."""
    verbs = {"POST", "PUT", "PATCH", "APPLY", "DELETE"} if writes else {"GET", "LIST"}
    page = running.kubectl("get", "--raw", "/metrics")
    found = re.findall(r"^apiserver_request_total\{(.*?)\} (\S+)$", page, re.MULTILINE)
    return sum(
        float(value)
        for labels, value in found
        if 'resource="dataobjects"' in labels and any(f'verb="{verb}"' in labels for verb in verbs)
    )


def memory_mib(daemon: processes.Daemon) -> float:
    status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(re.findall(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[0]) / 1024


def is_ready(running: cluster.Cluster, number: int) -> bool:
    return processes.ready(running, f"key-{number}", "default") == ("True", "Available")


def listings(daemon: processes.Daemon) -> float:
    lines = daemon.get("/metrics").splitlines()
    name = "data_locality_daemon_probe_seconds_count{"
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def test_only_referenced_keys_cost_the_api_server_something(
    running: cluster.Cluster, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = running.stores["big"]
    server.client().make_bucket(BUCKET)
    daemon = processes.Daemon(processes.kubeconfig(running, "big"), "big", tmp_path / "log", "--store-timeout-s=10")
    with contextlib.ExitStack() as end:
        end.callback(daemon.stop)
        processes.eventually(lambda: processes.replicas(running, BUCKET) == {"big": True})
        empty_mib = memory_mib(daemon)
        fill(running.directory / "stores" / "big" / BUCKET)
        processes.eventually(lambda: processes.data_object(running, BUCKET)["status"].get("objectCount", 0) == 10_000)
        conditions = processes.data_object(running, BUCKET)["status"]["conditions"]
        assert {c["type"]: c["reason"] for c in conditions}["CountComplete"] == "ListingBounded"

        listed, before = listings(daemon), (requests(running, writes=True), requests(running, writes=False))
        processes.eventually(lambda: listings(daemon) >= listed + 3)
        idle = (requests(running, writes=True) - before[0], requests(running, writes=False) - before[1])
        full_mib = memory_mib(daemon)

        before = (requests(running, writes=True), requests(running, writes=False))
        for number in range(REFERENCED):
            labels = {names.BUCKET_LABEL: BUCKET}
            body = {
                "apiVersion": names.API_VERSION,
                "kind": "DataObject",
                "metadata": {"name": f"key-{number}", "labels": labels},
                "spec": {"urn": f"{BUCKET}/399/{number:03}"},  # far behind what a listing reaches
            }
            running.api.request("POST", f"/apis/{names.API_VERSION}/namespaces/default/{names.DATA_OBJECTS}", body)
        processes.eventually(lambda: all(is_ready(running, number) for number in range(REFERENCED)))
        named = requests(running, writes=True) - before[0]
    with capsys.disabled():
        print(  # noqa: T201 - the figures are the point
            f"\n{FOLDERS * FILES} keys: requests about DataObjects during three listings {idle[0]:.0f} writes and "
            f"{idle[1]:.0f} reads; {named:.0f} writes when {REFERENCED} keys were named; the daemon's memory "
            f"{empty_mib:.0f} MiB with an empty bucket, {full_mib:.0f} MiB with the full one"
        )
    assert sum(idle) == 0
    assert named <= 2 * REFERENCED  # each is created, and its status written
    assert full_mib < empty_mib + 64
