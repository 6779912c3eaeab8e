"""What the tests of the local cluster share."""

import re
from typing import Any

import pytest

from localcluster import cluster, topology

SMALL = topology.Topology((topology.Node("only", cpu="2", memory="2Gi", minio=True),))


def pod(name: str, *, node: str | None = None, scheduler: str = "nobody") -> dict[str, Any]:
    """A pod that asks for nothing, bound where a node is given."""
    spec = {"nodeName": node} if node else {"schedulerName": scheduler}
    return {"metadata": {"name": name}, "spec": {**spec, "containers": [{"name": "main", "image": "none"}]}}


@pytest.fixture
def namespace(control_plane: cluster.Cluster, request: pytest.FixtureRequest) -> str:
    """A namespace of the shared cluster that takes pods at once."""
    name = re.sub("[^a-z0-9]+", "-", str(request.node.name).lower()).strip("-")[-60:].strip("-")
    control_plane.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    control_plane.wait_for_account(name)
    return name
