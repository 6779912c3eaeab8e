"""The certificate's upkeep on a real API server, with the rights it has on a cluster, and read by a client in Go."""

import asyncio
import base64
import contextlib
import datetime as dt
import http.server
import json
import pathlib
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from localcluster import cluster, errors, topology
from scheduler import errors as scheduler_errors
from scheduler.kube import client
from tests.clusterfixture import ClusterFactory
from tests.webhook import process
from webhook.certificates import issuing, renewal

pytestmark = pytest.mark.e2e

ACCOUNT = "data-locality-webhook-certificate"
SECRETS = f"/api/v1/namespaces/{process.HOME}/secrets"
HOOKS = tuple(
    f"/apis/admissionregistration.k8s.io/v1/{plural}/{renewal.CONFIGURATION}"
    for plural in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
)
WRITTEN = (f"{SECRETS}/{renewal.SECRET}", f"{SECRETS}/{renewal.AUTHORITY_SECRET}", *HOOKS)
MANIFESTS = ("webhook-certificate.yaml", "admission.yaml")


@pytest.fixture(scope="module")
def running(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    with cluster_factory(topology.Topology(nodes=())) as started:
        yield started


@pytest.fixture
def keeper(running: cluster.Cluster) -> Iterator[pathlib.Path]:
    """A kubeconfig of the account that keeps the certificate, where none was made yet."""
    running.apply(process.BASE / "namespace.yaml", *(process.BASE / name for name in MANIFESTS))
    yield running.service_account_kubeconfig(process.HOME, ACCOUNT)
    for path in WRITTEN:
        with contextlib.suppress(scheduler_errors.NotFoundError):
            running.api.request("DELETE", path)


@pytest.fixture
async def api(keeper: pathlib.Path) -> AsyncIterator[client.Api]:
    connected = await client.Api.connect(str(keeper))
    yield connected
    await connected.close()


def command(kubeconfig: pathlib.Path) -> subprocess.Popen[str]:
    argv = ["webhook-certificate", f"--kubeconfig={kubeconfig}"]
    return subprocess.Popen([process.PROGRAM, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(kubeconfig: pathlib.Path) -> str:
    """Run it once and return its log, in which no key may stand."""
    output, problems = (started := command(kubeconfig)).communicate(timeout=60)
    assert started.returncode == 0, problems + output
    assert "PRIVATE" not in output + problems
    return output + problems


def versions(running: cluster.Cluster) -> list[str]:
    return [running.api.request("GET", path)["metadata"]["resourceVersion"] for path in WRITTEN]


def held(running: cluster.Cluster, name: str = renewal.SECRET) -> dict[str, bytes]:
    data = running.api.request("GET", f"{SECRETS}/{name}")["data"]
    return {key: base64.b64decode(value) for key, value in data.items()}


def bundles(running: cluster.Cluster) -> list[bytes]:
    found = [hook for path in HOOKS for hook in running.api.request("GET", path)["webhooks"]]
    assert len(found) == 2
    return [base64.b64decode(hook["clientConfig"].get("caBundle", "")) for hook in found]


def test_one_run_makes_everything_and_a_second_writes_nothing(running: cluster.Cluster, keeper: pathlib.Path) -> None:
    run(keeper)
    before = versions(running)
    made = held(running)
    assert set(made) == {"tls.crt", "tls.key", "ca.crt"}
    assert bundles(running) == [made["ca.crt"]] * 2
    assert running.api.request("GET", f"{SECRETS}/{renewal.SECRET}")["type"] == "kubernetes.io/tls"
    run(keeper)
    assert versions(running) == before


def test_a_client_in_go_accepts_it_under_the_names_of_the_service_only(
    running: cluster.Cluster, keeper: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    run(keeper)
    for name, content in held(running).items():
        (tmp_path / name).write_bytes(content)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"made")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def ask(name: str) -> str:
        where = [f"--server=https://127.0.0.1:{server.server_port}", f"--certificate-authority={tmp_path / 'ca.crt'}"]
        return running.kubectl(
            "get", "--raw=/", f"--tls-server-name={name}", "--kubeconfig=/dev/null", "--token=x", *where
        )

    try:
        for name in issuing.host_names(renewal.SERVICE, process.HOME):
            assert ask(name) == "made"
        with pytest.raises(errors.ClusterError, match="certificate is valid for"):
            ask("kubernetes.default.svc")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_applying_the_manifests_again_leaves_the_trust(running: cluster.Cluster, keeper: pathlib.Path) -> None:
    run(keeper)
    for way in (["--server-side"], []):
        running.kubectl("apply", *way, "-f", str(process.BASE / "admission.yaml"))
        assert bundles(running) == [held(running)["ca.crt"]] * 2


def test_several_at_once_agree(running: cluster.Cluster, keeper: pathlib.Path) -> None:
    started = [command(keeper) for _ in range(4)]
    for one in started:
        output, problems = one.communicate(timeout=60)
        assert one.returncode == 0, problems + output
    made = held(running)
    pair = issuing.Pair.parse(made["tls.crt"], made["tls.key"])
    assert pair is not None
    (authority,) = issuing.parse_bundle(made["ca.crt"])
    pair.certificate.verify_directly_issued_by(authority)
    assert bundles(running) == [made["ca.crt"]] * 2
    assert held(running, renewal.AUTHORITY_SECRET)["tls.crt"] == made["ca.crt"]


class Crowd(client.Api):
    """The API server for three who have all read, and found nothing, before any of them makes something."""

    arrived = 0

    async def post(self, *what: Any, **how: Any) -> bytes:
        self.arrived += 1
        while self.arrived < 3:  # noqa: ASYNC110 - the others arrive in this very loop
            await asyncio.sleep(0.005)
        return await super().post(*what, **how)


async def test_who_was_outrun_meanwhile_is_told_so(keeper: pathlib.Path) -> None:
    now = dt.datetime.now(dt.UTC)
    crowd = await Crowd.connect(str(keeper))
    keeping = (renewal.keep(crowd, process.HOME, now) for _ in range(3))
    results = await asyncio.gather(*keeping, return_exceptions=True)
    await crowd.close()
    kinds = sorted(type(result).__name__ for result in results)
    assert kinds == ["ConflictError", "ConflictError", "Holding"]


async def test_who_is_trusted_is_told_before_anybody_needs_it(running: cluster.Cluster, api: client.Api) -> None:
    """Each write of runs in two years, in the order of the API server's versions."""
    start = dt.datetime.now(dt.UTC)
    await renewal.keep(api, process.HOME, start)
    for day in range(20, 2 * 365, 20):
        now = start + dt.timedelta(days=day)
        served, trusted = held(running)["tls.crt"], bundles(running)
        await renewal.keep(api, process.HOME, now)
        order = [int(running.api.request("GET", path)["metadata"]["resourceVersion"]) for path in WRITTEN]
        after = bundles(running)
        for pem, bundle in [(served, after[0]), (held(running)["tls.crt"], trusted[0])]:
            issuers = {known.subject for known in issuing.parse_bundle(bundle)}
            (certificate,) = issuing.parse_bundle(pem)
            assert certificate.issuer in issuers, f"day {day}"
        if trusted != after:
            assert order[1] < min(order[2:]), "trusted before its key was safe"
            assert max(order[2:]) < order[0], "served before it was trusted"


BROKEN: list[Any] = [
    pytest.param({"tls.crt": "x", "tls.key": ""}, id="no certificate"),
    pytest.param(None, id="deleted"),
]


@pytest.mark.parametrize("data", BROKEN)
@pytest.mark.parametrize("name", [renewal.SECRET, renewal.AUTHORITY_SECRET])
def test_what_somebody_broke_is_made_good(
    running: cluster.Cluster, keeper: pathlib.Path, name: str, data: dict[str, str] | None
) -> None:
    run(keeper)
    if data is None:
        running.api.request("DELETE", f"{SECRETS}/{name}")
    else:
        patch = json.dumps({"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}})
        running.kubectl("patch", "secret", name, "-n", process.HOME, "--type=merge", "-p", patch)
    run(keeper)
    made = held(running)
    pair = issuing.Pair.parse(made["tls.crt"], made["tls.key"])
    assert pair is not None
    assert pair.certificate.issuer in {known.subject for known in issuing.parse_bundle(made["ca.crt"])}
    assert bundles(running) == [made["ca.crt"]] * 2


def test_without_the_configurations_it_says_so_and_the_next_run_completes_it(
    running: cluster.Cluster, keeper: pathlib.Path
) -> None:
    for path in HOOKS:
        running.api.request("DELETE", path)
    output, problems = (started := command(keeper)).communicate(timeout=60)
    assert started.returncode == 1, output
    assert 'mutatingwebhookconfigurations.admissionregistration.k8s.io "data-locality-webhook" not found' in problems
    running.apply(process.BASE / "admission.yaml")
    run(keeper)
    assert bundles(running) == [held(running)["ca.crt"]] * 2


def test_where_it_may_not_it_says_so(running: cluster.Cluster, keeper: pathlib.Path) -> None:
    del keeper
    output, problems = (started := command(running.service_account_kubeconfig("default", "default"))).communicate(
        timeout=60
    )
    assert started.returncode == 1, output
    assert "cannot get resource" in problems
