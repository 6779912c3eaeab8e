"""A cluster on which only the policy stands between a daemon's token and everything, shared by what tries it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from localcluster import cluster, topology
from scheduler.api import names
from tests.clusterfixture import ClusterFactory
from tests.manifests import test_manifests as manifests
from tests.manifests.sending import MERGE, Send, sender

NAMESPACE = "data-locality-scheduler"
ACCOUNT = "data-locality-daemon"
NODES = topology.Topology((topology.Node("mine"), topology.Node("other")))
CAPABILITIES = f"/apis/{names.API_VERSION}/{names.NODE_CAPABILITIES}"


@pytest.fixture(scope="package")
def running(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    with cluster_factory(NODES, crds=True) as started:
        base = manifests.BASE
        started.apply(base / "namespace.yaml", base / "rbac-daemon.yaml", base / "policy-daemon.yaml")
        started.kubectl("create", "clusterrolebinding", "too-much", "--clusterrole=cluster-admin",
                        f"--serviceaccount={NAMESPACE}:{ACCOUNT}")  # fmt: skip
        for node in NODES.nodes:
            body = {"apiVersion": names.API_VERSION, "kind": "NodeCapability", "metadata": {"name": node.name}}
            started.api.request("POST", CAPABILITIES, body)
        yield started


@pytest.fixture(scope="package")
def mine(running: cluster.Cluster) -> Send:
    """Requests of the daemon of node "mine"; from when on the policy holds, which the API server learns by a watch."""
    send = sender(running.service_account_kubeconfig(NAMESPACE, ACCOUNT, node="mine"))
    deadline_s = time.monotonic() + 60
    # By its words: before it has heard of the binding, the API server refuses that, too.
    while "its own node only" not in send("PATCH", f"{CAPABILITIES}/other?dryRun=All", {"spec": {}}, MERGE)[1]:
        assert time.monotonic() < deadline_s, "the policy never came to hold"
        time.sleep(0.1)
    return send


@pytest.fixture(scope="package")
def other(running: cluster.Cluster) -> Send:
    """Requests of the daemon of node "other"."""
    return sender(running.service_account_kubeconfig(NAMESPACE, ACCOUNT, node="other"))
