"""Who may read /storage-info and /explain, and that long answers come in pieces and pages."""

import asyncio
import contextlib
import json
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import aiohttp.test_utils
import pytest

from scheduler import config
from scheduler.api import core, crd
from scheduler.kernel import asking, journal
from scheduler.kube import client
from scheduler.live import answers, doors, health, metrics, storage
from tests.fakeapi import faults, server

ALICE = {"authenticated": True, "user": {"username": "alice", "groups": ["team"], "extra": {"k": ["v"]}}}


def says(fake: server.FakeApi, *, who: dict[str, Any], allowed: bool, times: int = 99) -> None:
    """Have the API server answer reviews so."""
    review, access = json.dumps({"status": who}).encode(), json.dumps({"status": {"allowed": allowed}}).encode()
    fake.faults.append(faults.Fault(method="POST", path="/tokenreviews", status=201, body=review, times=times))
    fake.faults.append(faults.Fault(method="POST", path="/subjectaccessreviews", status=201, body=access, times=times))


def reviews(fake: server.FakeApi) -> int:
    return sum("reviews" in path for _, path in fake.requests)


class Port:
    """A health server that takes everybody for a stranger."""

    def __init__(self, session: aiohttp.ClientSession, url: str, decisions: journal.Journal) -> None:
        self.journal = decisions
        self._session = session
        self._url = url

    async def get(self, path: str, token: str = "", headers: dict[str, str] | None = None) -> tuple[int, Any]:
        sent = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        async with self._session.get(self._url + path, headers=sent) as response:
            text = await response.text()
            return response.status, json.loads(text) if text.startswith("{") else text

    async def post(self, path: str, body: str, token: str = "") -> tuple[int, Any]:
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        async with self._session.post(self._url + path, data=body, headers=sent) as response:
            return response.status, json.loads(await response.text())


@contextlib.asynccontextmanager
async def serving(
    fake: server.FakeApi,
    tmp_path: pathlib.Path,
    *,
    open_storage_info: bool = False,
    capabilities: list[crd.NodeCapability] | None = None,
    objects: list[crd.DataObject] | None = None,
) -> AsyncIterator[Port]:
    decisions = journal.Journal()
    sources = health.Sources(
        live={},
        ready={},
        metrics=metrics.Metrics("test"),
        journal=decisions,
        leader=lambda: "",
        question=lambda _record: None,
        world=lambda: iter([b"{}"]),
        now=lambda _pod, _asked: None,
        about=lambda _pod, _asked: asking.Now(1, "t", asking.REFUSED, nodes=0, feasible=0),
        storage=lambda: storage.Inventory.take(capabilities or [], objects or [], config.Network(), now_s=0.0),
    )
    api = await client.Api.connect(fake.kubeconfig(tmp_path))
    port = health.Server(sources, host="127.0.0.1", port=0, guard=doors.Doors(api), open_storage_info=open_storage_info)
    await port.start()
    async with aiohttp.ClientSession() as session:
        yield Port(session, f"http://127.0.0.1:{port.port}", decisions)
    await port.stop()
    await api.close()


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    async with server.running() as fake:
        yield fake


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "is_local", lambda _peer: False)


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        pytest.param(("127.0.0.1", 1), True, id="IPv4"),
        pytest.param(("127.0.0.6", 1), False, id="a mesh's sidecar"),
        pytest.param(("::1", 1, 0, 0), True, id="IPv6"),
        pytest.param(("::ffff:127.0.0.1", 1, 0, 0), True, id="IPv4 on a socket for both"),
        pytest.param(("::ffff:10.0.0.1", 1, 0, 0), False, id="another machine, likewise"),
        pytest.param(("10.0.0.1", 1), False, id="another machine"),
        pytest.param(("fe80::1%eth0", 1, 0, 2), False, id="another machine of the link"),
        pytest.param(("0.0.0.0", 1), False, id="no machine"),  # noqa: S104
        pytest.param(("", 0), False, id="nothing"),
        pytest.param(None, False, id="not known"),
    ],
)
def test_who_is_on_this_machine(peer: Any, local: bool) -> None:
    assert doors.is_local(peer) is local


@pytest.mark.parametrize("header", ["X-Forwarded-For", "x-forwarded-host", "Forwarded", "VIA", "X-Real-IP"])
async def test_what_a_proxy_on_this_machine_hands_on_needs_a_token(
    fake: server.FakeApi, tmp_path: pathlib.Path, header: str
) -> None:
    async with serving(fake, tmp_path) as port:
        assert (await port.get("/storage-info"))[0] == 200
        assert (await port.get("/storage-info", headers={header: "203.0.113.7"}))[0] == 401
        assert (await port.get("/livez", headers={header: "203.0.113.7"}))[0] == 200


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize("path", ["/storage-info", "/explain?pod=ns/a"])
async def test_a_stranger_without_a_token_is_told_what_to_send(
    fake: server.FakeApi, tmp_path: pathlib.Path, path: str
) -> None:
    async with serving(fake, tmp_path) as port:
        status, answer = await port.get(path)
        assert (status, set(answer)) == (401, {"error"})
        assert "Authorization: Bearer" in answer["error"]
        for public in ("/healthz", "/livez", "/readyz", "/metrics"):
            assert (await port.get(public))[0] == 200, public
    assert reviews(fake) == 0


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize(
    ("path", "asked"),
    [
        pytest.param(
            "/storage-info", {"nonResourceAttributes": {"verb": "get", "path": "/storage-info"}}, id="storage"
        ),
        pytest.param(
            "/explain?pod=ns/a",
            {
                "resourceAttributes": {
                    "verb": "get", "version": "v1", "resource": "pods", "namespace": "ns", "name": "a",
                }
            },
            id="explain",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("who", "allowed", "status"),
    [
        pytest.param(ALICE, True, 200, id="may"),
        pytest.param(ALICE, False, 403, id="may not"),
        pytest.param({"authenticated": False}, True, 401, id="nobody"),
    ],
)
async def test_a_stranger_reads_what_rbac_lets_it_read(
    fake: server.FakeApi,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    asked: dict[str, Any],
    who: dict[str, Any],
    allowed: bool,
    status: int,
) -> None:
    says(fake, who=who, allowed=allowed)
    sent: list[Any] = []
    post = client.Api.post

    async def record(api: client.Api, path: str, body: bytes, **rest: Any) -> bytes:
        sent.append(json.loads(body)["spec"])
        return await post(api, path, body, **rest)

    monkeypatch.setattr(client.Api, "post", record)
    async with serving(fake, tmp_path) as port:
        port.journal.add(journal.Record(pod="ns/a", uid="u", time="t", attempt=1, outcome="bound"))
        assert (await port.get(path, "secret"))[0] == status
        assert (await port.get(path, "secret"))[0] == status
    assert sent[0] == {"token": "secret"}
    user = {"user": "alice", "uid": "", "groups": ["team"], "extra": {"k": ["v"]}}
    assert sent[1:] == ([] if status == 401 else [user | asked]), "and the answer to the first was kept for the second"


@pytest.mark.usefixtures("strangers")
async def test_a_decisions_question_takes_a_right_of_its_own(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    """It holds everybody's objects; that its pod is gone is told to whom it may be told."""
    async with serving(fake, tmp_path) as port:
        port.journal.add(journal.Record(pod="ns/a", uid="u", time="t", attempt=1, outcome="bound"))
        says(fake, who=ALICE, allowed=True, times=1)
        assert (await port.get("/explain?pod=ns/a", "one"))[0] == 200
        says(fake, who=ALICE, allowed=False, times=1)
        status, answer = await port.get("/explain?pod=ns/a&question=1", "one")
        assert (status, "/explain/question" in answer["error"]) == (403, True)
        says(fake, who=ALICE, allowed=True)
        status, answer = await port.get("/explain?pod=ns/a&question=1", "two")
        assert (status, "gone" in answer["error"]) == (404, True)


@pytest.mark.usefixtures("strangers")
async def test_a_world_takes_the_right_to_questions(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    async with serving(fake, tmp_path) as port:
        assert (await port.get("/world"))[0] == 401
        says(fake, who=ALICE, allowed=False, times=1)
        status, answer = await port.get("/world", "one")
        assert (status, "/explain/question" in answer["error"]) == (403, True)
        says(fake, who=ALICE, allowed=True)
        assert await port.get("/world", "two") == (200, {})


@pytest.mark.usefixtures("strangers")
async def test_a_right_to_one_pod_is_none_to_another_and_a_token_is_no_other_one(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    async with serving(fake, tmp_path) as port:
        for name in ("a", "b"):
            port.journal.add(journal.Record(pod=f"ns/{name}", uid="u", time="t", attempt=1, outcome="bound"))
        says(fake, who=ALICE, allowed=True, times=1)
        assert (await port.get("/explain?pod=ns/a", "one"))[0] == 200
        says(fake, who=ALICE, allowed=False)
        assert (await port.get("/explain?pod=ns/b", "one"))[0] == 403
        assert (await port.get("/storage-info", "one"))[0] == 403
        assert (await port.get("/explain?pod=ns/a", "two"))[0] == 403
        assert (await port.get("/explain?pod=ns/a", "one"))[0] == 200


@pytest.mark.usefixtures("strangers")
async def test_an_api_server_that_does_not_tell_is_asked_again(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    fake.faults.append(faults.Fault(method="POST", path="/tokenreviews", status=500))
    async with serving(fake, tmp_path) as port:
        assert (await port.get("/storage-info", "one"))[0] == 503
        says(fake, who=ALICE, allowed=True)
        assert (await port.get("/storage-info", "one"))[0] == 200


async def test_answers_about_tokens_age_and_are_bounded(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "KEPT", 3)
    says(fake, who=ALICE, allowed=True, times=10_000)
    now = [0.0]
    api = await client.Api.connect(fake.kubeconfig(tmp_path))
    guard = doors.Doors(api, lambda: now[0])

    async def ask(token: str) -> int:
        request = aiohttp.test_utils.make_mocked_request("GET", "/", headers={"Authorization": f"Bearer {token}"})
        before = reviews(fake)
        assert await guard.refusal(request, nonResourceAttributes=doors.STORAGE_INFO) is None
        return reviews(fake) - before

    assert [await ask("a"), await ask("a")] == [2, 0]
    now[0] += doors.KEPT_S
    assert await ask("a") == 2
    for number in range(5):
        await ask(f"t{number}")
    assert len(guard._known) == 3
    assert [await ask("t4"), await ask("t0")] == [0, 2]
    await api.close()


@pytest.mark.usefixtures("strangers")
async def test_what_knocks_in_a_crowd_is_sent_away_before_the_api_server_feels_it(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    says(fake, who={"authenticated": False}, allowed=False, times=10_000)
    fake.faults.insert(0, faults.Fault(method="POST", path="/tokenreviews", delay_s=0.3, times=10_000, status=500))
    async with serving(fake, tmp_path) as port:
        knocked = await asyncio.gather(*(port.get("/storage-info", f"t{number}") for number in range(90)))
        assert {status for status, _ in knocked} <= {401, 503}
    assert reviews(fake) <= doors.WAITING


@pytest.mark.usefixtures("strangers")
async def test_a_setting_opens_storage_info_to_everybody_and_nothing_else(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    async with serving(fake, tmp_path, open_storage_info=True) as port:
        status, answer = await port.get("/storage-info")
        assert status == 200
        assert {"nodes", "buckets", "dataObjects", "bandwidth"} <= set(answer)
        assert (await port.get("/explain?pod=ns/a"))[0] == 401
    assert config.parse({"openStorageInfo": True}, "x").open_storage_info
    assert not config.parse({}, "x").open_storage_info


def cluster(nodes: int, buckets: int, keys: int) -> tuple[list[crd.NodeCapability], list[crd.DataObject]]:
    """Nodes with a store of all buckets and a link to the next one, and keys in each bucket."""
    names = tuple(f"bucket-{number:05}" for number in range(buckets))
    capabilities = [
        crd.NodeCapability(
            metadata=core.ObjectMeta(name=f"n{number:05}"),
            status=crd.NodeCapabilityStatus(
                stores=(crd.Store(name="s", buckets=names),), links=(crd.Link(peer="x"), crd.Link(peer="y"))
            ),
        )
        for number in range(nodes)
    ]
    objects = [
        crd.DataObject(
            metadata=core.ObjectMeta(name=f"k{number}", namespace="ns"),
            spec=crd.DataObjectSpec(urn=f"{names[number % buckets]}/k{number}"),
        )
        for number in range(keys)
    ]
    return capabilities, objects


async def test_pages_make_up_the_whole(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    capabilities, objects = cluster(3, 7, 20)
    async with serving(fake, tmp_path, capabilities=capabilities, objects=objects) as port:
        _, whole = await port.get("/storage-info")
        assert "continue" not in whole
        for limit in range(1, 18):
            pages: dict[str, Any] = {"nodes": {}, "buckets": {}, "links": []}
            token, count = "", 0
            while True:
                _, page = await port.get(f"/storage-info?limit={limit}&continue={token}")
                assert sum(len(page[section]) for section in pages) <= limit
                pages["nodes"] |= page["nodes"]
                pages["buckets"] |= page["buckets"]
                pages["links"] += page["links"]
                assert (page["dataObjects"], page["bandwidth"]) == (whole["dataObjects"], whole["bandwidth"])
                count += 1
                token = page.get("continue", "")
                if not token:
                    break
            assert count == -(-16 // limit)
            assert all(pages[section] == whole[section] for section in pages)
        for wrong in ("limit=x", "limit=-1", "continue=x", "continue=nodes/x", "continue=links/\u0661/n"):
            assert (await port.get(f"/storage-info?{wrong}"))[0] == 400


async def test_explanations_come_in_pages_too(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    async with serving(fake, tmp_path) as port:
        for attempt in range(1, 6):
            port.journal.add(journal.Record(pod="ns/other", uid="v", time="t", attempt=attempt, outcome="x"))
            port.journal.add(journal.Record(pod="ns/a", uid="u", time="t", attempt=attempt, outcome="x"))
        seen, token = [], ""
        for _ in range(3):
            _, page = await port.get(f"/explain?pod=ns/a&limit=2&continue={token}")
            seen.append([decision["attempt"] for decision in page["decisions"]])
            token = page.get("continue", "")
        assert (seen, token) == ([[1, 2], [3, 4], [5]], "")
        assert (await port.get("/explain?pod=ns/a&continue=10"))[0] == 404
        assert (await port.get("/explain?pod=ns/a&limit=many"))[0] == 400


async def test_the_loop_turns_while_a_long_answer_is_gathered_and_sent(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    """Counted in turns of the loop, not in time: no two of them are further apart than a piece."""
    capabilities, objects = cluster(20, 1000, 30_000)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    found = await storage.Inventory.take(capabilities, objects, config.Network(), now_s=0.0)
    assert turns >= (20 * 1000 + 30_000) // (2 * storage.PIECE)
    pieces = list(answers.inventory(found, None, 0))
    size = sum(map(len, pieces))
    assert max(map(len, pieces)) <= 2 * answers.PIECE_BYTES
    assert json.loads(b"".join(pieces))["dataObjects"] == 30_000
    turns = 0
    async with serving(fake, tmp_path, capabilities=capabilities, objects=objects) as port:
        status, _ = await port.get("/storage-info")
    assert status == 200
    assert turns >= size // (2 * answers.PIECE_BYTES)
    counting.cancel()


async def test_who_does_not_read_holds_no_more_than_its_share(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "ANSWERS_AT_ONCE", 1)
    monkeypatch.setattr(health, "SENT_WITHIN_S", 0.5)
    capabilities, objects = cluster(300, 1000, 10)
    async with serving(fake, tmp_path, capabilities=capabilities, objects=objects) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port._url.rpartition(":")[2]), limit=1024)
        writer.write(b"GET /storage-info HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readexactly(100)
        assert (await port.get("/storage-info?limit=1"))[0] == 503
        assert (await port.get("/livez"))[0] == 200
        await asyncio.sleep(2 * health.SENT_WITHIN_S)
        assert not (await reader.read()).endswith(b"0\r\n\r\n"), "cut off, not ended as if that were all"
        assert (await port.get("/storage-info?limit=1"))[0] == 200
        writer.close()


async def test_one_bucket_of_two_namespaces_tells_both() -> None:
    objects = [
        crd.DataObject(
            metadata=core.ObjectMeta(name="b", namespace=namespace),
            spec=crd.DataObjectSpec(urn="raw"),
            status=crd.DataObjectStatus(size_bytes=size, object_count=1),
        )
        for namespace, size in (("b", 5), ("a", 70))
    ]
    found = await storage.Inventory.take([], objects, config.Network(), now_s=0.0)
    assert json.loads(b"".join(answers.inventory(found, None, 0)))["buckets"]["raw"] == {
        "nodes": [],
        "dataObjects": 0,
        "objectCount": 2,
        "sizeBytes": 75,
        "namespaces": {
            "a": {"objectCount": 1, "sizeBytes": 70},
            "b": {"objectCount": 1, "sizeBytes": 5},
        },
    }


@pytest.mark.usefixtures("strangers")
async def test_who_may_create_pods_may_ask_about_one_that_is_not_there(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    pod = json.dumps({"metadata": {"name": "new", "namespace": "ns"}})
    async with serving(fake, tmp_path) as port:
        assert (await port.post("/explain", pod))[0] == 401
        says(fake, who=ALICE, allowed=False, times=1)
        status, answer = await port.post("/explain", "no pod", "none")
        assert (status, answer["error"]) == (403, "RBAC does not allow alice to list nodes"), "before it is read"
        says(fake, who=ALICE, allowed=True, times=1)
        says(fake, who=ALICE, allowed=False, times=1)
        status, answer = await port.post("/explain", pod, "one")
        assert (status, answer["error"]) == (403, "RBAC does not allow alice to create pods in ns")
        says(fake, who=ALICE, allowed=True)
        status, answer = await port.post("/explain", pod, "two")
        assert (status, answer["pod"], answer["now"]["outcome"]) == (200, "ns/new", "refused")
        assert (await port.post("/explain", "[]", "two"))[0] == 400


@pytest.mark.usefixtures("strangers")
async def test_of_nodes_is_told_to_who_may_list_them(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    async with serving(fake, tmp_path) as port:
        port.journal.add(journal.Record(pod="ns/a", uid="u", time="t", attempt=1, outcome="bound"))
        says(fake, who=ALICE, allowed=True, times=1)
        assert (await port.get("/explain?pod=ns/a", "one"))[0] == 200
        for more in ("ranking=1", "node=n"):
            says(fake, who=ALICE, allowed=False, times=1)
            status, answer = await port.get(f"/explain?pod=ns/a&{more}", "one")
            assert (status, answer["error"]) == (403, "RBAC does not allow alice to list nodes")


async def test_how_many_nodes_are_listed_is_a_number_within_bounds(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    async with serving(fake, tmp_path) as port:
        for wrong in ("x", "-1", "1001"):
            assert (await port.get(f"/explain?pod=ns/a&ranking={wrong}"))[0] == 400
        assert (await port.get("/explain?pod=ns/a&ranking=5"))[0] == 404
