"""The demo does what the README shows: every pod placed, columns filled, fewer bytes over the network than stock."""

import re
import subprocess
import sys

import pytest

from demo import world


@pytest.mark.e2e
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("control_plane")  # skips where no control plane can be had
def test_the_demo_places_all_pods_and_moves_less_than_kube_scheduler() -> None:
    done = subprocess.run([sys.executable, "-m", "demo"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pods = [manifest["metadata"]["name"] for stage in world.load().stages for manifest in stage.manifests]
    for pod in pods:
        assert re.search(rf"^{pod} +\| \S+ .*\| \S+ ", done.stdout, re.MULTILINE), pod
    total = re.search(r"Over the network: (\d+) MB with kube-scheduler's placements, (\d+) MB with ours", done.stdout)
    assert total is not None, done.stdout
    assert int(total[2]) < int(total[1])
    for bucket in world.load().buckets:
        assert re.search(rf"dataobject\S+/{bucket} +{bucket} .*True", done.stdout), bucket
    for node in ("cloud-west-2", "edge-east-1"):
        assert re.search(rf"nodecapability\S+/{node} +\S+ +\S+ .*True", done.stdout), node
