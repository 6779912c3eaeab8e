"""200,000 keys in a bucket cost the API server nothing until somebody refers to one."""

import contextlib
import os
import pathlib
import re
import time
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
        processes.install(started)
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
    """Requests about DataObjects that the API server has served: those that write, or those that read once."""
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


def counted(running: cluster.Cluster) -> tuple[int, str]:
    """How many keys were counted, and why not more."""
    status = processes.data_object(running, BUCKET)["status"]
    return status.get("objectCount", 0), {c["type"]: c["reason"] for c in status["conditions"]}.get("CountComplete", "")


def during_three_listings(running: cluster.Cluster, daemon: processes.Daemon) -> float:
    """Requests about DataObjects, of any kind, while the daemon lists its store three times."""

    def all_requests() -> float:
        return requests(running, writes=True) + requests(running, writes=False)

    before, listed = all_requests(), listings(daemon)
    processes.eventually(lambda: listings(daemon) >= listed + 3)
    return all_requests() - before


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
        processes.eventually(lambda: counted(running) == (10_000, "ListingBounded"))
        # Not the first three: the last write may be counted late, and a controller may just learn of our kinds.
        idle_after_s = -time.monotonic()
        processes.eventually(lambda: during_three_listings(running, daemon) == 0)
        idle_after_s += time.monotonic()
        full_mib = memory_mib(daemon)

        before = requests(running, writes=True)
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
        named = requests(running, writes=True) - before
    with capsys.disabled():
        print(  # noqa: T201 - the figures are the point
            f"\n{FOLDERS * FILES} keys: no request about DataObjects during three listings, seen after "
            f"{idle_after_s:.0f} s; {named:.0f} writes when {REFERENCED} keys were named; the daemon's memory "
            f"{empty_mib:.0f} MiB with an empty bucket, {full_mib:.0f} MiB with the full one"
        )
    assert named <= 2 * REFERENCED  # each is created, and its status written
    assert full_mib < empty_mib + 64
