"""Manifests written for the earlier implementation, applied unchanged: every pod that names our scheduler is placed."""

import functools
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo import processes
from localcluster import cluster, topology
from scheduler import config
from tests import clusterfixture

SEED = Path(__file__).parents[3] / "shared" / "seed"
FOLDERS = ("workloads", "deployments/02-test")
SCHEDULER = "data-locality-scheduler"

# The cluster that these manifests were written for: a cloud and two edge regions, and somewhere a GPU.
NODES = topology.Topology(
    nodes=(
        topology.Node(name="cloud", region="region-1", zone="zone-1-cloud", type="cloud", cpu="64", memory="256Gi"),
        topology.Node(name="edge-1", region="region-1", zone="zone-1-edge", type="edge", cpu="32", memory="128Gi"),
        topology.Node(name="edge-2", region="region-2", zone="zone-2-edge", type="edge", cpu="32", memory="128Gi"),
        topology.Node(
            name="gpu",
            region="region-1",
            zone="zone-1-cloud",
            labels={"node-capability/gpu-accelerated": "true"},
        ),
    )
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not SEED.is_dir(), reason=f"no manifests of the earlier implementation at {SEED}"),
]


def documents(path: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(path.read_text("utf-8")) if isinstance(each, dict) and "kind" in each]


def namespaces(path: Path) -> set[str]:
    return {each["metadata"].get("namespace", "default") for each in documents(path)}


def test_every_pod_of_every_manifest_is_placed(cluster_factory: clusterfixture.ClusterFactory) -> None:
    paths = [path for folder in FOLDERS for path in sorted((SEED / folder).glob("*.yaml"))]
    assert paths
    seen = 0
    with cluster_factory(NODES) as running:
        processes.install(running)
        for namespace in sorted(set().union(*map(namespaces, paths)) - {"default", processes.NAMESPACE}):
            running.kubectl("create", "namespace", namespace)
        for namespace in sorted(set().union(*map(namespaces, paths))):
            running.wait_for_account(namespace)
        processes.start_scheduler(running)
        for path in paths:  # one after the other: their pods share names
            running.apply(path)
            wanted = {
                (each["metadata"].get("namespace", "default"), each["metadata"]["name"])
                for each in documents(path)
                if each["kind"] == "Pod" and each["spec"].get("schedulerName") == SCHEDULER
            }
            what = f"the pods of {path.name}"
            running.wait_until(functools.partial(all_placed, running, wanted), what=what, timeout_s=60)
            seen += len(wanted)
            running.kubectl("delete", "--wait=true", "-f", str(path))
        running.wait_until(
            lambda: any(node == "gpu" for _, node in events(running)),
            what="the Event that the pod which requires a GPU went to it",  # Events trail behind
            timeout_s=60,
        )
    assert seen > 50


def all_placed(running: cluster.Cluster, wanted: set[tuple[str, str]]) -> bool:
    items = running.api.request("GET", "/api/v1/pods")["items"]
    placed = {(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in items if pod["spec"].get("nodeName")}
    return wanted <= placed


def events(running: cluster.Cluster) -> set[tuple[str, str]]:
    """Pod and node of every Scheduled Event."""
    items = running.api.request("GET", "/apis/events.k8s.io/v1/events")["items"]
    return {
        (each["regarding"]["name"], each["note"].rsplit(" ", 1)[1]) for each in items if each["reason"] == "Scheduled"
    }


def test_the_earlier_configmap_is_kept_as_it_is_and_is_what_the_scheduler_reads(
    cluster_factory: clusterfixture.ClusterFactory, tmp_path: Path
) -> None:
    """docs/migrating.md, step 2, over what the earlier implementation's own manifests have left on the cluster."""
    name = "data-locality-scheduler-config"
    path = f"/api/v1/namespaces/{processes.NAMESPACE}/configmaps/{name}"
    with cluster_factory(topology.Topology(nodes=()), crds=True) as running:
        for manifest in sorted((SEED / "deployments/00-core").glob("*.yaml")):
            running.kubectl("apply", "-f", str(manifest))
        before = running.api.request("GET", path)
        rendered = running.directory / "earlier-config.yaml"
        rendered.write_text(running.kubectl("kustomize", str(processes.ROOT / "manifests/overlays/earlier-config")))
        running.kubectl("apply", "-f", str(rendered))
        running.kubectl("apply", "-f", str(rendered))
        assert running.api.request("GET", path) == before
        deployments = f"/apis/apps/v1/namespaces/{processes.NAMESPACE}/deployments"
        spec = running.api.request("GET", f"{deployments}/{SCHEDULER}")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    (mount,) = container["volumeMounts"]
    (volume,) = (volume for volume in spec["volumes"] if volume["name"] == mount["name"])
    assert volume["configMap"]["name"] == name
    (item,) = volume["configMap"]["items"]
    (tmp_path / item["path"]).write_text(before["data"][item["key"]])
    assert container["args"][container["args"].index("--config") + 1] == f"{mount['mountPath']}/{item['path']}"
    assert config.load(tmp_path / item["path"]).scheduler_name == SCHEDULER
