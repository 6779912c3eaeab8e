"""The webhook as manifests/base installs it: its own rights, its own certificate, asked through its own Service.

What is missing here is a network of pods: the Service is made to lead to this machine, and the certificate's Secret is
written to a folder as a kubelet would mount it.
"""

import base64
import datetime as dt
import json
import pathlib
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import yaml

from localcluster import cluster, topology
from scheduler.api import names
from scheduler.kube import client
from tests.clusterfixture import ClusterFactory
from tests.e2e import process as processes
from tests.manifests import test_manifests as manifests
from tests.webhook import process
from webhook.certificates import issuing, renewal

pytestmark = pytest.mark.e2e

ROOM = {"metadata": {"name": "room", "annotations": {names.DATA_SOURCES: "photos"}}}
PODS = "/api/v1/namespaces/room/pods?dryRun=All"
POD = {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c", "image": "none"}]}}
KEEPER = "data-locality-webhook-certificate"
TLS = f"/api/v1/namespaces/{process.HOME}/secrets/{renewal.SECRET}"


@pytest.fixture(scope="module")
def installed(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    with cluster_factory(topology.Topology(nodes=()), crds=True) as running:
        rendered = running.kubectl("kustomize", str(manifests.BASE))
        items = [item for item in yaml.safe_load_all(rendered) if item["kind"] not in {"Job", "CronJob"}]
        for item in items:
            if (item["kind"], item["metadata"]["name"]) == ("Service", renewal.SERVICE):
                item["spec"] = {"type": "ExternalName", "externalName": "127.0.0.1"}
        everything = running.directory / "installed.yaml"
        everything.write_text(yaml.safe_dump_all(items))
        running.apply(everything)
        running.api.request("POST", "/api/v1/namespaces", ROOM)
        account = {"metadata": {"name": "default"}}
        running.kubectl("apply", "--server-side", "-n", "room", "-f", "-",
                        stdin=json.dumps({"apiVersion": "v1", "kind": "ServiceAccount", **account}))  # fmt: skip
        yield running


@pytest.fixture
async def api(installed: cluster.Cluster) -> AsyncIterator[client.Api]:
    """The API server as whoever keeps the certificate sees it."""
    connected = await client.Api.connect(str(installed.service_account_kubeconfig(process.HOME, KEEPER)))
    yield connected
    await connected.close()


def lead_to(running: cluster.Cluster, port: int) -> None:
    """What the Service's port is on a cluster; and have it asked with the patience that a busy machine needs."""
    values = {"clientConfig/service/port": port, "timeoutSeconds": process.PATIENCE_S}
    patch = json.dumps([{"op": "replace", "path": f"/webhooks/0/{path}", "value": values[path]} for path in values])
    for kind in process.CONFIGURATIONS:
        running.kubectl("patch", kind, renewal.CONFIGURATION, "--type=json", "-p", patch)


def mount(running: cluster.Cluster, directory: pathlib.Path) -> bytes:
    """Write what the Secret holds, file by file; returns the certificate."""
    data = {key: base64.b64decode(value) for key, value in running.api.request("GET", TLS)["data"].items()}
    for name in ("ca.crt", "tls.key", "tls.crt"):
        (directory / f".{name}").write_bytes(data[name])
        (directory / f".{name}").rename(directory / name)
    return data["tls.crt"]


def is_enriched(running: cluster.Cluster) -> bool:
    made: dict[str, Any] = running.api.request("POST", PODS, POD)["metadata"]
    return bool(made.get("annotations", {}).get(f"{names.INPUT_PREFIX}1") == "photos,0")


def served(port: int) -> bytes:
    """The certificate that is shown to whoever connects now."""
    shown = ssl.get_server_certificate(("127.0.0.1", port), timeout=10)
    (certificate,) = issuing.parse_bundle(shown.encode())
    return issuing.bundle_pem([certificate])


async def test_pods_are_enriched_through_a_change_of_certificate_and_authority(
    installed: cluster.Cluster, api: client.Api, tmp_path: pathlib.Path
) -> None:
    account = installed.service_account_kubeconfig(process.HOME, process.ACCOUNT)
    now = dt.datetime.now(dt.UTC)
    # An authority whose year is nearly over, and a certificate of it that is to be renewed, both still good.
    await renewal.keep(api, process.HOME, now - dt.timedelta(days=280))
    before = await renewal.keep(api, process.HOME, now - dt.timedelta(days=70))
    folder = process.Folder(tmp_path / "tls", installed.authority)
    old = mount(installed, folder.directory)
    with process.Webhook(account, folder, tmp_path / "log") as webhook:
        lead_to(installed, webhook.port)
        processes.until(lambda: is_enriched(installed), "the API server asks the webhook")
        failures = process.failed_open(installed)
        after = await renewal.keep(api, process.HOME, now)
        assert after.signer != before.signer
        assert served(webhook.port) == old, "the kubelet has not brought the new one yet"
        assert is_enriched(installed), "what is served is trusted still"
        new = mount(installed, folder.directory)
        processes.until(lambda: served(webhook.port) == new, "the renewed certificate is in use")
        assert is_enriched(installed), "and so is what is served from now on"
        assert process.failed_open(installed) == failures
