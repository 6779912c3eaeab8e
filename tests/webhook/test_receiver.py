"""The receiver over HTTP, with a real API server behind it: who is let in, what is answered, what is kept."""

import asyncio
import base64
import gzip
import json
import pathlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import prometheus_client
import pytest

from localcluster import cluster
from scheduler.api import names
from scheduler.kube import client
from tests.fakeapi import faults, server
from tests.webhook import receiving
from webhook import facts
from webhook.events import keeping, ledger, messages, metrics, receiver, senders

pytestmark = pytest.mark.e2e

JSON = receiving.JSON
EVENT = receiving.EVENT | {"Ce-Id": "1"}


@pytest.fixture
def namespace(bare_cluster: cluster.Cluster) -> str:
    name = f"events-{uuid.uuid4().hex[:8]}"
    bare_cluster.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


@pytest.fixture
def tokens(tmp_path: pathlib.Path) -> pathlib.Path:
    return receiving.tokens_of(tmp_path / "tokens")


FMASK = facts.Consumer("default", "fmask")
OTHER = facts.Consumer("other", "reader")


@pytest.fixture
async def replica(
    bare_cluster: cluster.Cluster, namespace: str, tokens: pathlib.Path
) -> AsyncIterator[receiving.Replica]:
    readers = {"raw": [FMASK, OTHER], "more": [FMASK]}
    async with receiving.running(bare_cluster.kubeconfig, namespace, tokens, readers=readers) as running:
        yield running


def account_token(bare_cluster: cluster.Cluster, namespace: str, audience: str = senders.AUDIENCE) -> str:
    """The token of a ServiceAccount of this namespace."""
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    name = f"sender-{uuid.uuid4().hex[:8]}"
    bare_cluster.api.request("POST", accounts, {"metadata": {"name": name}})
    spec = {"audiences": [audience], "expirationSeconds": 600}
    return str(bare_cluster.api.request("POST", f"{accounts}/{name}/token", {"spec": spec})["status"]["token"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def config_maps(bare_cluster: cluster.Cluster, namespace: str) -> list[dict[str, Any]]:
    path = f"/api/v1/namespaces/{namespace}/configmaps?labelSelector={names.EVENTS_LABEL}%3Dtrue"
    return list(bare_cluster.api.request("GET", path)["items"])


# -------------------------------------------------------------------------------------------------------------- answers
async def test_answers_202_without_a_body_once_it_is_written(
    replica: receiving.Replica, bare_cluster: cluster.Cluster, namespace: str
) -> None:
    answer = await replica.tell(FMASK, "1", "raw/a.tif")
    assert (answer.status, answer.text) == (202, "")
    (found,) = await asyncio.to_thread(config_maps, bare_cluster, namespace)
    assert found["metadata"]["name"] == keeping.name_of(FMASK)
    assert "raw/a.tif" in found["data"]["events"]
    assert json.loads(replica.text(FMASK)) == {"dataInputs": [{"urn": "raw/a.tif", "size": 5}]}


DATA = json.dumps({"dataInputs": [{"urn": "raw/a", "size": 5}]}).encode()


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "words"),
    [
        pytest.param("/events/default/fmask", DATA, EVENT | JSON | {"Authorization": ""}, 401, "Bearer", id="nobody"),
        pytest.param("/events/default/fmask", DATA, EVENT | JSON | bearer("wrong-token-of-some-length"), 401,
                     "not known", id="wrong token"),
        pytest.param("/events/default/fmask", DATA, EVENT | JSON | bearer("x" * 7000), 401, "not known",
                     id="huge token"),
        pytest.param("/events/default/fmask", DATA, EVENT | JSON | bearer("a.b.c"), 401, "not known",
                     id="no token of this API server"),
        pytest.param("/events/default/fmask", DATA, EVENT | JSON | {"Authorization": f"Basic {receiving.TOKEN}"}, 401,
                     "Bearer", id="other scheme"),
        pytest.param("/events/default/Fmask", DATA, EVENT | JSON, 404, "/events/NAMESPACE/NAME", id="no name"),
        pytest.param("/events/a.b/fmask", DATA, EVENT | JSON, 404, "/events/NAMESPACE/NAME", id="no namespace"),
        pytest.param("/events/default/" + "x" * 300, DATA, EVENT | JSON, 404, "", id="endless name"),
        pytest.param("/other", DATA, EVENT | JSON, 404, "", id="other path"),
        pytest.param("/events", gzip.compress(DATA), EVENT | JSON | {"Content-Encoding": "gzip"}, 415, "compressed",
                     id="compressed"),
        pytest.param("/events", b"\0", EVENT | JSON | {"Content-Encoding": "br"}, 415, "compressed",
                     id="compressed in another way"),
        pytest.param("/events", b"<a/>", {"Content-Type": "text/xml"}, 415, messages.STRUCTURED, id="no JSON"),
        pytest.param("/events", b"x" * (receiver.MAX_BYTES + 1), EVENT | JSON, 413, "1048576", id="too long"),
        pytest.param("/events", b"{" * receiver.MAX_BYTES, EVENT | JSON, 400, "event", id="a megabyte of braces"),
        pytest.param("/events", b"[" * receiver.MAX_BYTES, JSON, 400, "not JSON", id="a megabyte of brackets"),
        pytest.param("/events", b"1" * receiver.MAX_BYTES, EVENT | JSON, 400, "event", id="a number of a megabyte"),
        pytest.param("/events", b"\xff\xfe", JSON, 400, "not JSON", id="not UTF-8"),
        pytest.param("/events", json.dumps({"dataInputs": [{"urn": "A"}]}).encode(), EVENT | JSON, 400,
                     "dataInputs[0]", id="bad urn"),
        pytest.param("/events", b"", EVENT | JSON, 202, "", id="no data"),
        pytest.param("/events", b'{"order": 5}', EVENT | JSON, 202, "", id="other data"),
        pytest.param("/events/default/fmask", b"\x89PNG", EVENT | {"Content-Type": "image/png"}, 202, "", id="image"),
    ],
)  # fmt: skip
async def test_each_is_told_what_to_change(
    replica: receiving.Replica, path: str, body: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    answer = await replica.post(path, body, headers)
    assert answer.status == status
    assert words in answer.text
    assert len(answer.text) < 1000
    assert len(replica.book) == 0
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_body_without_a_length_is_bounded_too(replica: receiving.Replica) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * 65536

    headers = receiving.AUTHORIZED | EVENT | JSON
    async with replica.session.post(f"{replica.url}/events", data=endless(), headers=headers) as answer:
        assert answer.status == 413


async def test_a_body_that_breaks_off_harms_nobody(replica: receiving.Replica) -> None:
    host, port = replica.url.removeprefix("http://").split(":")
    for end in (b"{", b"5\r\n{", b"zz\r\n"):
        _, writer = await asyncio.open_connection(host, int(port))
        length = b"Content-Length: 50" if end == b"{" else b"Transfer-Encoding: chunked"
        lines = [b"POST /events HTTP/1.1", b"Host: x", b"Authorization: Bearer " + receiving.TOKEN.encode(),
                 b"Content-Type: application/json", length, b"", end]  # fmt: skip
        writer.write(b"\r\n".join(lines))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    assert (await replica.tell(FMASK, "1", "raw/a")).status == 202
    assert replica.figure("event_requests_total", code="500") == 0


# -------------------------------------------------------------------------------------------------------------- senders
async def test_an_account_speaks_for_its_own_namespace_only(
    replica: receiving.Replica, bare_cluster: cluster.Cluster, namespace: str
) -> None:
    token = await asyncio.to_thread(account_token, bare_cluster, namespace)
    headers = EVENT | JSON | bearer(token)
    assert (await replica.post(f"/events/{namespace}/fmask", DATA, headers)).status == 202
    answer = await replica.post("/events/default/fmask", DATA, headers)
    assert answer.status == 403
    assert "may not speak for namespace default" in answer.text
    assert list(replica.book) == [facts.Consumer(namespace, "fmask")]
    # By bucket, it reaches the readers of its own namespace, of which there are none.
    assert (await replica.post("/events", DATA, headers)).status == 202
    assert list(replica.book) == [facts.Consumer(namespace, "fmask")]
    assert replica.figure("events_total", outcome="unclaimed") == 1
    assert replica.figure("token_reviews_total", outcome="accepted") == 1


@pytest.mark.parametrize("audience", ["", "somebody-else"])
async def test_a_token_for_others_is_not_taken(
    replica: receiving.Replica,
    bare_cluster: cluster.Cluster,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
    audience: str,
) -> None:
    monkeypatch.setattr(senders, "REFUSED_S", 600.0)  # for all three, however long they take
    own = "https://kubernetes.default.svc"
    token = await asyncio.to_thread(account_token, bare_cluster, namespace, audience or own)
    answers = [await replica.post(f"/events/{namespace}/a", DATA, EVENT | JSON | bearer(token)) for _ in range(3)]
    assert [answer.status for answer in answers] == [401, 401, 401]
    assert senders.AUDIENCE in answers[0].text
    assert replica.figure("token_reviews_total", outcome="refused") == 1


@pytest.mark.parametrize(
    ("said", "status"),
    [
        pytest.param({"authenticated": True, "audiences": [senders.AUDIENCE]}, 200, id="an account"),
        pytest.param({"authenticated": True}, 401, id="a server that knows nothing of audiences"),
        pytest.param({"authenticated": True, "audiences": [senders.AUDIENCE], "user": {"username": "jane"}}, 403,
                     id="a person"),
        pytest.param({"authenticated": True, "audiences": [senders.AUDIENCE], "user": 5}, 503, id="nonsense"),
        pytest.param({}, 401, id="nothing"),
    ],
)  # fmt: skip
async def test_what_the_api_server_says_of_a_token(tmp_path: pathlib.Path, said: dict[str, Any], status: int) -> None:
    user = {"username": "system:serviceaccount:team:sender"}
    body = json.dumps({"status": {"user": user, **said}}).encode()
    async with server.running() as fake:
        fake.faults.append(faults.Fault(method="POST", path="/tokenreviews", status=201, body=body))
        api = await client.Api.connect(fake.kubeconfig(tmp_path))
        known = senders.Senders(api, metrics.Metrics(prometheus_client.CollectorRegistry()))
        found = await known.identify("Bearer aaaa.bbbb.cccc")
        await api.close()
    expected = senders.Sender(user["username"], frozenset({"team"}))
    assert found == expected if status == 200 else isinstance(found, senders.Refusal) and found.status == status


async def test_static_tokens_are_read_again(
    replica: receiving.Replica, tokens: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "REREAD_S", 0.0)
    fresh = "another-token-for-tests"

    async def status(token: str) -> int:
        return (await replica.post("/events", b"{}", EVENT | JSON | bearer(token))).status

    assert (await status(receiving.TOKEN), await status(fresh)) == (202, 401)
    (tokens / "second").write_text(fresh)
    assert (await status(receiving.TOKEN), await status(fresh)) == (202, 202)
    (tokens / "store").unlink()
    assert (await status(receiving.TOKEN), await status(fresh)) == (401, 202)


@pytest.mark.parametrize("content", ["", "\n", "short", "two words are no token at all", "x" * 20_000, "ä" * 20])
async def test_what_is_no_token_lets_nobody_in(
    replica: receiving.Replica, tokens: pathlib.Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setattr(senders, "REREAD_S", 0.0)
    (tokens / "store").write_text(content)
    answer = await replica.post("/events", b"{}", EVENT | JSON | {"Authorization": f"Bearer {content.strip()[:7000]}"})
    assert answer.status == 401


async def test_tokens_are_not_logged(
    replica: receiving.Replica, bare_cluster: cluster.Cluster, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    token = await asyncio.to_thread(account_token, bare_cluster, namespace)
    for used in (receiving.TOKEN, token, "wrong.token.here"):
        await replica.post("/events", b"{", EVENT | JSON | bearer(used))
    logged = "".join(capsys.readouterr())
    assert "events refused" in logged
    assert receiving.TOKEN not in logged
    assert token.rpartition(".")[2] not in logged


@pytest.mark.parametrize("tokens_too", [True, False])
async def test_anonymous_senders_only_where_they_are_allowed(
    bare_cluster: cluster.Cluster, namespace: str, tokens: pathlib.Path, tokens_too: bool
) -> None:
    where = (bare_cluster.kubeconfig, namespace, tokens if tokens_too else None)
    async with receiving.running(*where, allow_anonymous=True) as replica:
        headers = EVENT | JSON
        async with replica.session.post(f"{replica.url}/events/default/a", data=DATA, headers=headers) as answer:
            assert answer.status == 202
        # Who claims to be somebody is held to it.
        assert (await replica.post("/events/default/a", DATA, headers | bearer("x" * 20))).status == 401


# ------------------------------------------------------------------------------------------------------------- contents
async def test_an_event_reaches_those_that_read_its_buckets(replica: receiving.Replica) -> None:
    data = {
        "dataInputs": [{"urn": "raw/a", "size": 1}, {"urn": "more/b", "size": 2}, {"urn": "unread/c", "size": 3}],
        "processingOptions": {"dataIntensive": True},
    }
    assert (await replica.post("/events", json.dumps(data).encode(), EVENT | JSON)).status == 202
    urns = {
        consumer: [item["urn"] for item in json.loads(replica.text(consumer))["dataInputs"]]
        for consumer in replica.book
    }
    assert urns == {FMASK: ["raw/a", "more/b"], OTHER: ["raw/a"]}
    assert all("dataIntensive" in replica.text(consumer) for consumer in replica.book)


async def test_what_a_store_says_is_gone_is_no_longer_named(replica: receiving.Replica) -> None:
    def notice(event: str, key: str, at: str) -> bytes:
        s3 = {"bucket": {"name": "raw"}, "object": {"key": key, "size": 7}}
        return json.dumps({"Records": [{"eventName": event, "eventTime": at, "s3": s3}]}).encode()

    for body in (
        notice("s3:ObjectCreated:Put", "a", "2026-01-01T00:00:00Z"),
        notice("s3:ObjectRemoved:Delete", "b", "2026-01-01T00:00:05Z"),
        notice("s3:ObjectCreated:Put", "b", "2026-01-01T00:00:01Z"),
    ):
        assert (await replica.post("/events", body, JSON)).status == 202
    assert json.loads(replica.text(OTHER)) == {"dataInputs": [{"urn": "raw/a", "size": 7}]}


async def test_what_became_of_events_is_counted(replica: receiving.Replica) -> None:
    batch = [
        {"specversion": "1.0", "type": "t", "source": "s", "id": "1", "data": {"dataInputs": [{"urn": "raw/a"}]}},
        {"specversion": "1.0", "type": "t", "source": "s", "id": "2", "data": {"dataInputs": [{"urn": "unread/a"}]}},
        {"specversion": "1.0", "type": "t", "source": "s", "id": "3", "data": {"order": 5}},
    ]
    for _ in range(2):
        answer = await replica.post("/events", json.dumps(batch).encode(), {"Content-Type": messages.BATCH})
        assert answer.status == 202
    outcomes = {
        outcome: replica.figure("events_total", outcome=outcome)
        for outcome in ("kept", "duplicate", "unclaimed", "ignored")
    }
    assert outcomes == {"kept": 1, "duplicate": 1, "unclaimed": 2, "ignored": 2}
    assert replica.figure("event_requests_total", code="202") == 2
    assert replica.figure("event_consumers") == 2


async def test_a_burst_is_written_together(bare_cluster: cluster.Cluster, namespace: str, tokens: pathlib.Path) -> None:
    async with receiving.running(bare_cluster.kubeconfig, namespace, tokens, pause_s=1.0) as replica:
        answers = await asyncio.gather(*(replica.tell(FMASK, str(n), f"raw/{n}") for n in range(100)))
        assert {answer.status for answer in answers} == {202}
        # One at once for the first, one for the rest; and one for each second that a slow machine took to send them.
        assert replica.figure("event_writes_total", outcome="written") <= 20
        assert len(json.loads(replica.text(FMASK))["dataInputs"]) == 64


async def test_not_acknowledged_where_it_cannot_be_written(
    bare_cluster: cluster.Cluster, namespace: str, tokens: pathlib.Path
) -> None:
    async with receiving.running(bare_cluster.kubeconfig, "no-such-namespace", tokens) as replica:
        for _ in range(2):  # the second delivery is known here, and still not safe
            answer = await replica.tell(FMASK, "1", "raw/a")
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
        assert replica.figure("event_writes_total", outcome="failed") == 2


# -------------------------------------------------------------------------------------------------------------- keeping
async def test_what_others_wrote_is_taken_up_where_it_is_in_the_way(
    replica: receiving.Replica, bare_cluster: cluster.Cluster, namespace: str, tokens: pathlib.Path
) -> None:
    async with receiving.running(bare_cluster.kubeconfig, namespace, tokens, follows=False) as deaf:
        for n in range(3):  # a creation that is refused, then replacements
            assert (await replica.tell(FMASK, f"{n}-1", f"raw/{n}-1")).status == 202
            assert (await deaf.tell(FMASK, f"{n}-2", f"raw/{n}-2")).status == 202
            (found,) = await asyncio.to_thread(config_maps, bare_cluster, namespace)
            expected = {f"raw/{m}-{k}" for m in range(n + 1) for k in (1, 2)}
            assert expected == {item["urn"] for item in json.loads(deaf.text(FMASK))["dataInputs"]}
            assert all(f'"{urn}"' in found["data"]["events"] for urn in expected)
        path = f"/api/v1/namespaces/{namespace}/configmaps/{keeping.name_of(FMASK)}"
        await asyncio.to_thread(bare_cluster.api.request, "DELETE", path)
        assert (await deaf.tell(FMASK, "4", "raw/4")).status == 202
        (found,) = await asyncio.to_thread(config_maps, bare_cluster, namespace)
        assert "raw/4" in found["data"]["events"]
        assert deaf.figure("event_writes_total", outcome="conflict") == 3


async def test_what_is_expired_is_deleted(bare_cluster: cluster.Cluster, namespace: str, tokens: pathlib.Path) -> None:
    where = (bare_cluster.kubeconfig, namespace, tokens)
    now_s = 1_800_000_000.0
    book = ledger.Ledger(retention_s=600.0, clock=lambda: now_s)
    async with receiving.running(*where, sweep_s=0.2, book=book) as replica:
        await replica.tell(FMASK, "1", "raw/a")
        assert await asyncio.to_thread(config_maps, bare_cluster, namespace)
        now_s += 601
        await server.until(lambda: FMASK not in replica.book)
        await server.until(lambda: replica.figure("event_writes_total", outcome="deleted") == 1)
        assert not await asyncio.to_thread(config_maps, bare_cluster, namespace)
        assert (await replica.tell(FMASK, "2", "raw/b")).status == 202
        assert await asyncio.to_thread(config_maps, bare_cluster, namespace)


async def test_consumers_are_bounded_and_the_rest_is_deleted(
    bare_cluster: cluster.Cluster, namespace: str, tokens: pathlib.Path
) -> None:
    where = (bare_cluster.kubeconfig, namespace, tokens)
    async with receiving.running(*where, book=ledger.Ledger(max_consumers=3)) as replica:
        for n in range(6):
            assert (await replica.tell(facts.Consumer("default", f"c{n}"), "1", "raw/a")).status == 202
            await asyncio.sleep(0.002)  # so that they differ in age
        await server.until(lambda: replica.figure("event_writes_total", outcome="deleted") == 3)
        left = {found["metadata"]["name"] for found in await asyncio.to_thread(config_maps, bare_cluster, namespace)}
        assert left == {keeping.name_of(facts.Consumer("default", f"c{n}")) for n in (3, 4, 5)}
        assert replica.figure("event_consumers_dropped_total") == 3


async def test_what_a_hand_spoiled_is_written_again(
    replica: receiving.Replica, bare_cluster: cluster.Cluster, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await replica.tell(FMASK, "1", "raw/a")
    path = f"/api/v1/namespaces/{namespace}/configmaps/{keeping.name_of(FMASK)}"
    found = await asyncio.to_thread(bare_cluster.api.request, "GET", path)
    spoiled = {**found, "data": {"events": '{"consumer": 5}'}}
    await asyncio.to_thread(bare_cluster.api.request, "PUT", path, spoiled)
    await server.until(lambda: replica.figure("event_writes_total", outcome="written") == 2)
    found = await asyncio.to_thread(bare_cluster.api.request, "GET", path)
    assert "raw/a" in found["data"]["events"]
    assert "raw/a" in replica.text(FMASK)
    assert capsys.readouterr().out.count("ConfigMap ignored") == 1


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"events": "not JSON"}, id="not JSON"),
        pytest.param({"events": "[" * 100_000}, id="nested"),
        pytest.param(
            {"events": json.dumps({"consumer": {"namespace": "other", "name": "x"}, "kept": {}})}, id="a copy"
        ),
    ],
)
async def test_what_others_wrote_under_our_label_is_passed_over(
    bare_cluster: cluster.Cluster, namespace: str, tokens: pathlib.Path, data: dict[str, str]
) -> None:
    metadata = {"name": keeping.name_of(FMASK), "labels": {names.EVENTS_LABEL: "true"}}
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    await asyncio.to_thread(bare_cluster.api.request, "POST", path, {"metadata": metadata, "data": data})
    async with receiving.running(bare_cluster.kubeconfig, namespace, tokens) as replica:
        assert len(replica.book) == 0
        assert (await replica.tell(FMASK, "1", "raw/a")).status == 202
        (found,) = await asyncio.to_thread(config_maps, bare_cluster, namespace)
        assert "raw/a" in found["data"]["events"]


async def test_what_a_hand_deleted_is_forgotten(
    replica: receiving.Replica, bare_cluster: cluster.Cluster, namespace: str
) -> None:
    await replica.tell(FMASK, "1", "raw/a")
    path = f"/api/v1/namespaces/{namespace}/configmaps/{keeping.name_of(FMASK)}"
    await asyncio.to_thread(bare_cluster.api.request, "DELETE", path)
    await server.until(lambda: FMASK not in replica.book)
    assert (await replica.tell(FMASK, "2", "raw/b")).status == 202


@pytest.mark.parametrize("name", ["a", "x" * 63, ".".join(["x" * 63] * 3) + "." + "y" * 61, "a.b-c"])
def test_names_of_config_maps_are_valid_and_differ(bare_cluster: cluster.Cluster, namespace: str, name: str) -> None:
    consumer = facts.Consumer("n" * 63, name)
    assert keeping.name_of(consumer) != keeping.name_of(facts.Consumer("n" * 63, f"{name[:-1]}z"))
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    bare_cluster.api.request("POST", path, {"metadata": {"name": keeping.name_of(consumer)}})


async def test_the_secret_of_the_api_server_s_tokens_is_only_asked_for_once(
    replica: receiving.Replica, bare_cluster: cluster.Cluster, namespace: str
) -> None:
    token = await asyncio.to_thread(account_token, bare_cluster, namespace)
    posts = (replica.post(f"/events/{namespace}/a", DATA, EVENT | JSON | bearer(token)) for _ in range(20))
    assert {answer.status for answer in await asyncio.gather(*posts)} == {202}
    assert replica.figure("token_reviews_total", outcome="accepted") == 1
    forged = token.rpartition(".")[0] + "." + base64.urlsafe_b64encode(b"forged").decode().rstrip("=")
    assert (await replica.post(f"/events/{namespace}/a", DATA, EVENT | JSON | bearer(forged))).status == 401
