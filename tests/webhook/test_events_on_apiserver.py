"""Events from end to end: a real MinIO that posts over TLS, several replicas on a real API server, and a kill."""

import asyncio
import contextlib
import json
import pathlib
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator

import aiohttp
import prometheus_client
import pytest
from minio import notificationconfig

from localcluster import cluster, keeping, stores, topology
from scheduler.kube import client
from tests.clusterfixture import ClusterFactory
from tests.fakeapi import certificates, server
from tests.webhook import receiving
from webhook import facts
from webhook.events import keeping as events
from webhook.events import ledger, metrics, senders

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = pathlib.Path(__file__).parents[2]
HOME = "data-locality-scheduler"
FMASK = facts.Consumer("default", "fmask")
READER = facts.Consumer("other", "reader")
KEYS = ["LC08_L1TP_B1.tif", "2026/a b+c&d=e%f.tif", "ščęß/雲.tif", "~'()*!;:@$.tif"]


@pytest.fixture(scope="module")
def running(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    """One node with a store, and the webhook's own account and rights."""
    wanted = topology.Topology((topology.Node("edge", cpu="2", memory="4Gi", minio=True),))
    with cluster_factory(wanted) as started:
        base = ROOT / "manifests/base"
        started.apply(base / "namespace.yaml", base / "rbac-webhook.yaml", base / "policy-webhook.yaml")
        yield started


@pytest.fixture
def kubeconfig(running: cluster.Cluster) -> Iterator[pathlib.Path]:
    """As the webhook is let in; what it kept is gone after each test."""
    yield running.service_account_kubeconfig(HOME, "data-locality-webhook")
    running.api.request("DELETE", f"/api/v1/namespaces/{HOME}/configmaps?labelSelector=scheduler.thesis%2Fevents")


@pytest.fixture
def certificate(tmp_path: pathlib.Path) -> certificates.Certificate:
    return certificates.make(tmp_path, "server")


@pytest.fixture
def tokens(tmp_path: pathlib.Path) -> pathlib.Path:
    return receiving.tokens_of(tmp_path / "tokens")


def configure(
    store: stores.Store, running: cluster.Cluster, certificate: certificates.Certificate, targets: dict[str, str]
) -> None:
    """Have the store post to these endpoints, by the name of the target; takes a restart."""
    trusted = running.directory / ".minio/certs/CAs"  # where it looks without being told
    trusted.mkdir(parents=True, exist_ok=True)
    (trusted / "webhook.crt").write_bytes(certificate.cert.read_bytes())
    store.stop()
    store.start()
    for name, endpoint in targets.items():
        queue = running.directory / f"queue-{name}"
        store.admin().config_set(
            f"notify_webhook:{name}",
            {"endpoint": endpoint, "auth_token": receiving.TOKEN, "queue_dir": str(queue), "queue_limit": "1000"},
        )
    store.stop()
    store.start()


def announce(store: stores.Store, bucket: str, target: str) -> None:
    """Make a bucket whose changes go to a target."""
    made = store.client()
    made.make_bucket(bucket)
    changes = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectAccessed:*"]
    wanted = notificationconfig.QueueConfig(events=changes, queue=f"arn:minio:sqs::{target}:webhook")
    made.set_bucket_notification(bucket, notificationconfig.NotificationConfig(queue_config_list=[wanted]))


def urns(replica: receiving.Replica, consumer: facts.Consumer) -> list[str]:
    return [item["urn"] for item in json.loads(replica.text(consumer) or "{}").get("dataInputs", [])]


async def hears(replica: receiving.Replica, consumer: facts.Consumer, expected: set[str]) -> None:
    """Wait until the replica would tell the consumer's pods at least of these."""
    await server.until(lambda: expected <= set(urns(replica, consumer)))


async def test_a_store_tells_of_its_objects(
    running: cluster.Cluster, kubeconfig: pathlib.Path, certificate: certificates.Certificate, tokens: pathlib.Path
) -> None:
    """From MinIO over TLS to the ledger of another replica, of one that starts later, and back out when deleted."""
    store = running.stores["edge"]
    port = keeping.free_port()
    readers = {"raw": [FMASK, READER]}
    async with contextlib.AsyncExitStack() as stack:
        where = (kubeconfig, HOME, tokens)
        other = await stack.enter_async_context(receiving.running(*where))
        async with receiving.running(*where, readers=readers, certificate=certificate, port=port) as first:
            targets = {"all": f"{first.url}/events", "one": f"{first.url}/events/default/named"}
            await asyncio.to_thread(configure, store, running, certificate, targets)
            await asyncio.to_thread(announce, store, "raw", "all")
            await asyncio.to_thread(announce, store, "told", "one")
            for n, key in enumerate(KEYS, start=1):
                await asyncio.to_thread(store.upload, "raw", key, n)
            await asyncio.to_thread(store.upload, "told", "x", 9)
            named = facts.Consumer("default", "named")
            for replica in (first, other):
                await hears(replica, FMASK, {f"raw/{key}" for key in KEYS})
                await hears(replica, named, {"told/x"})
                await hears(replica, READER, {f"raw/{key}" for key in KEYS})
                found = {item["urn"]: item["size"] for item in json.loads(replica.text(READER))["dataInputs"]}
                assert found == {f"raw/{key}": n for n, key in enumerate(KEYS, start=1)}
            await asyncio.to_thread(store.client().remove_object, "raw", KEYS[1])
            await server.until(lambda: f"raw/{KEYS[1]}" not in urns(other, FMASK))
        # The receiver is gone, and what the store has to tell waits in its queue.
        await asyncio.to_thread(store.upload, "raw", "meanwhile", 7)
        async with receiving.running(*where, readers=readers, certificate=certificate, port=port) as second:
            assert f"raw/{KEYS[0]}" in urns(second, FMASK)  # from before the restart
            assert f"raw/{KEYS[1]}" not in urns(second, FMASK)
            await hears(other, FMASK, {"raw/meanwhile"})


async def test_replicas_that_write_at_once_lose_nothing(
    running: cluster.Cluster, kubeconfig: pathlib.Path, tokens: pathlib.Path
) -> None:
    path = f"/api/v1/namespaces/{HOME}/configmaps/{events.name_of(FMASK)}"
    async with contextlib.AsyncExitStack() as stack:
        replicas = [
            await stack.enter_async_context(receiving.running(kubeconfig, HOME, tokens, pause_s=0.01)) for _ in range(3)
        ]
        for n in range(20):
            answers = await asyncio.gather(
                *(replica.tell(FMASK, f"{m}-{n}", f"raw/{m}-{n}") for m, replica in enumerate(replicas))
            )
            assert {answer.status for answer in answers} == {202}
            written = (await asyncio.to_thread(running.api.request, "GET", path))["data"]["events"]
            assert all(f'"raw/{m}-{n}"' in written for m in range(3))
        assert sum(replica.figure("event_writes_total", outcome="conflict") for replica in replicas) > 0
        expected = {f"raw/{m}-{n}" for m in range(3) for n in range(20)}
        for replica in replicas:
            await hears(replica, FMASK, expected)
        texts = {replica.text(FMASK) for replica in replicas}
        assert len(texts) == 1


async def test_no_replica_forgets_what_another_still_hears_of(kubeconfig: pathlib.Path, tokens: pathlib.Path) -> None:
    """One lets go of what is expired and deletes it, at the moment in which the other hears more."""
    now_s = 1_800_000_000.0
    first, second = (ledger.Ledger(retention_s=10.0, clock=lambda: now_s) for _ in range(2))
    async with (
        receiving.running(kubeconfig, HOME, tokens, book=first, sweep_s=0.002) as one,
        receiving.running(kubeconfig, HOME, tokens, book=second, pause_s=0.0) as two,
    ):
        for n in range(60):
            assert (await two.tell(FMASK, str(n), f"raw/{n}")).status == 202
            await asyncio.sleep(0.01)  # for a deletion that is under way
            await hears(one, FMASK, {f"raw/{n}"})
            assert urns(two, FMASK) == [f"raw/{n}"]
            now_s += 11
            await asyncio.sleep(n / 20_000)
        assert one.figure("event_writes_total", outcome="deleted") > 0


async def test_an_api_server_that_is_away_is_waited_for(
    running: cluster.Cluster, kubeconfig: pathlib.Path, tokens: pathlib.Path
) -> None:
    async with receiving.running(kubeconfig, HOME, tokens) as replica:
        assert (await replica.tell(FMASK, "1", "raw/before")).status == 202
        restart = asyncio.create_task(asyncio.to_thread(running.restart_apiserver))
        statuses: list[int] = []
        while not restart.done() or statuses[-1] != 202:  # as a sender would
            mark = f"again-{len(statuses)}"  # each is news, and has to be written
            statuses.append((await replica.tell(FMASK, mark, "raw/during")).status)
            await asyncio.sleep(0.05)
        await restart
        assert set(statuses) <= {202, 503}
        async with receiving.running(kubeconfig, HOME, tokens) as other:
            assert urns(other, FMASK) == ["raw/during", "raw/before"]


@contextlib.asynccontextmanager
async def process(
    kubeconfig: pathlib.Path, certificate: certificates.Certificate, tokens: pathlib.Path, port: int
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A receiver that can be killed."""
    where = [str(kubeconfig), HOME, str(tokens), str(certificate.cert.parent), str(port)]
    command = [sys.executable, "-m", "tests.webhook.receiving", *where]
    started = await asyncio.to_thread(subprocess.Popen, command, cwd=ROOT)
    try:
        await server.until(listens(port))
        yield started
    finally:
        started.kill()
        started.wait(10)


def listens(port: int) -> Callable[[], bool]:
    def check() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return check


@pytest.mark.parametrize("after", [5, 20, 60])
async def test_what_was_acknowledged_survives_a_kill(
    kubeconfig: pathlib.Path, certificate: certificates.Certificate, tokens: pathlib.Path, after: int
) -> None:
    port = keeping.free_port()
    acknowledged: set[str] = set()
    url = f"https://localhost:{port}/events/default"
    trusts = ssl.create_default_context(cafile=certificate.cert)

    async def tell(session: aiohttp.ClientSession, sender: int) -> None:
        for n in range(60):
            urn = f"raw/{sender}-{n}"
            body = json.dumps({"dataInputs": [{"urn": urn, "size": 1}]})
            headers = receiving.AUTHORIZED | receiving.EVENT | receiving.JSON | {"Ce-Id": urn}
            # One consumer for each, so that none is pushed out by newer ones.
            status = 503
            while status == 503:  # what could not be written in time is sent again
                async with session.post(f"{url}/c{sender}", data=body, headers=headers) as answer:
                    status = answer.status
            assert status == 202
            acknowledged.add(urn)

    async with (
        process(kubeconfig, certificate, tokens, port) as started,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusts)) as session,
    ):
        telling = [asyncio.create_task(tell(session, sender)) for sender in range(20)]
        await server.until(lambda: len(acknowledged) >= after)
        started.kill()
        started.wait(10)
        ended = await asyncio.gather(*telling, return_exceptions=True)
        assert all(isinstance(end, aiohttp.ClientError | OSError) for end in ended)
    assert len(acknowledged) >= after
    async with receiving.running(kubeconfig, HOME, tokens) as replica:
        kept = {urn for sender in range(20) for urn in urns(replica, facts.Consumer("default", f"c{sender}"))}
    assert acknowledged <= kept


def elsewhere(kubeconfig: pathlib.Path, server_url: str, directory: pathlib.Path) -> pathlib.Path:
    """A kubeconfig for a server that does not answer."""
    made = directory / "nowhere"
    made.write_text(kubeconfig.read_text().replace(server_url, f"https://127.0.0.1:{keeping.free_port()}"))
    return made


async def test_a_token_is_worth_what_the_api_server_says(
    kubeconfig: pathlib.Path, running: cluster.Cluster, tmp_path: pathlib.Path
) -> None:
    """With the webhook's own rights: it may ask about tokens, and where it cannot, nobody gets in."""
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    answer = await asyncio.to_thread(
        running.api.request, "POST", path, {"spec": {"audiences": [senders.AUDIENCE], "expirationSeconds": 600}}
    )
    authorization = f"Bearer {answer['status']['token']}"
    found = []
    for where in (kubeconfig, elsewhere(kubeconfig, running.server, tmp_path)):
        api = await client.Api.connect(str(where))
        known = senders.Senders(api, metrics.Metrics(prometheus_client.CollectorRegistry()))
        found.append(await known.identify(authorization))
        await api.close()
    accepted, refused = found
    assert isinstance(accepted, senders.Sender)
    assert accepted.name == "system:serviceaccount:default:default"
    assert accepted.may_speak_for("default")
    assert not accepted.may_speak_for("kube-system")
    assert isinstance(refused, senders.Refusal)
    assert refused.status == 503
