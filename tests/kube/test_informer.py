"""The informer: whatever happens on the way, the handler ends up with what the server holds."""

from __future__ import annotations

import asyncio

import pytest
import structlog.testing

from scheduler.api import core, crd
from scheduler.kube import client, informer
from tests.fakeapi import faults, objects, server, watches
from tests.kube import mirrors

PODS = "/api/v1/pods"


def _informer(api: client.Api, mirror: mirrors.Mirror, **options: float) -> informer.Informer[core.Pod]:
    return informer.Informer(api, PODS, core.Pod, mirror, backoff_max_s=0.4, **options)  # type: ignore[arg-type]


async def test_lists_in_chunks_then_follows(fake: server.FakeApi, api: client.Api) -> None:
    for n in range(7):
        fake.store.create("pods", objects.pod(f"p{n}"))
    mirror = mirrors.Mirror()
    async with mirrors.running(_informer(api, mirror, chunk=3)):
        await server.until(lambda: fake.watches)
        assert mirror.view() == mirrors.on_server(fake)
        assert mirror.replacements == [7]
        lists = [path for _, path in fake.requests if "watch" not in path]
        assert (len(lists), all("limit=3" in path for path in lists)) == (3, True)
        fake.store.create("pods", objects.pod("new"))
        fake.store.patch("pods", "p0", {"metadata": {"labels": {"a": "b"}}}, "default")
        fake.store.delete("pods", "p1", "default")
        await server.until(lambda: mirror.view() == mirrors.on_server(fake))
        assert mirror.removed == ["p1"]


async def test_only_the_first_list_may_be_old(fake: server.FakeApi, api: client.Api) -> None:
    for n in range(5):
        fake.store.create("pods", objects.pod(f"p{n}"))
    mirror = mirrors.Mirror()
    following = informer.Informer(api, PODS, core.Pod, mirror, chunk=3, backoff_max_s=0.4, first_from_cache=True)
    async with mirrors.running(following):
        await server.until(lambda: fake.watches)
        fake.gone_as_event = True
        fake.drop_watches()
        fake.store.create("pods", objects.pod("new"))
        fake.store.compact()
        await server.until(lambda: following.relists == 1 and mirror.view() == mirrors.on_server(fake))
    lists = [path for _, path in fake.requests if "watch" not in path]
    assert ["resourceVersion=0" in path for path in lists] == [True, False, False, False]


async def test_a_field_selector_is_the_servers_work(fake: server.FakeApi, api: client.Api) -> None:
    for n in range(3):
        fake.store.create("pods", objects.pod(f"p{n}"))
    mirror = mirrors.Mirror()
    params = {"fieldSelector": "spec.schedulerName=data-locality-scheduler,spec.nodeName="}
    async with mirrors.running(informer.Informer(api, PODS, core.Pod, mirror, params)):
        await server.until(lambda: len(mirror.held) == 3)
        fake.store.create("pods", objects.pod("other", scheduler="default-scheduler"))
        await server.until(lambda: fake.watches)
        fake.store.patch("pods", "p0", {"spec": {"nodeName": "n1"}}, "default")
        await server.until(lambda: mirror.removed == ["p0"])
    assert {pod.metadata.name for pod in mirror.held.values()} == {"p1", "p2"}


async def test_what_vanished_while_nobody_looked_is_removed(fake: server.FakeApi, api: client.Api) -> None:
    for n in range(10):
        fake.store.create("pods", objects.pod(f"p{n}"))
    mirror = mirrors.Mirror()
    following = _informer(api, mirror)
    async with mirrors.running(following):
        await server.until(lambda: fake.watches)
        fake.hung = True
        for n in range(5):
            fake.store.delete("pods", f"p{n}", "default")
        fake.store.create("pods", objects.pod("p0"))  # anew, under the old name
        fake.store.compact()
        fake.hung = False
        fake.drop_watches()
        await server.until(lambda: mirror.view() == mirrors.on_server(fake))
    assert sorted(mirror.removed) == ["p0", "p1", "p2", "p3", "p4"]
    assert following.relists == 1


@pytest.mark.parametrize("as_event", [pytest.param(True, id="in-the-stream"), pytest.param(False, id="as-the-status")])
async def test_410_lists_again(fake: server.FakeApi, api: client.Api, as_event: bool) -> None:
    fake.gone_as_event = as_event
    mirror = mirrors.Mirror()
    following = _informer(api, mirror)
    async with mirrors.running(following):
        await server.until(lambda: fake.watches)
        fake.hung = True
        fake.store.create("pods", objects.pod("p"))
        fake.drop_watches()
        fake.store.compact()
        fake.hung = False
        await server.until(lambda: mirror.view() == mirrors.on_server(fake))
    assert following.relists == 1


async def test_a_snapshot_that_expires_between_two_chunks(fake: server.FakeApi, api: client.Api) -> None:
    for n in range(5):
        fake.store.create("pods", objects.pod(f"p{n}"))
    fake.faults.append(faults.Fault(path="continue=", delay_s=0.2))
    mirror = mirrors.Mirror()
    async with mirrors.running(_informer(api, mirror, chunk=2)):
        await server.until(lambda: any("continue=" in path for _, path in fake.requests))
        fake.store.delete("pods", "p0", "default")  # already applied from the first chunk
        fake.store.compact()
        await server.until(lambda: mirror.view() == mirrors.on_server(fake))
    assert mirror.replacements == [4]


async def test_changes_between_list_and_watch_are_not_lost(fake: server.FakeApi, api: client.Api) -> None:
    fake.store.create("pods", objects.pod("p0"))
    fake.faults.append(faults.Fault(path="watch=1", delay_s=0.2))
    mirror = mirrors.Mirror()
    following = _informer(api, mirror)
    async with mirrors.running(following):
        await following.synced.wait()
        fake.store.delete("pods", "p0", "default")
        fake.store.create("pods", objects.pod("p1"))
        await server.until(lambda: mirror.view() == mirrors.on_server(fake))


async def test_a_watch_that_hangs_is_opened_again(fake: server.FakeApi, api: client.Api) -> None:
    mirror = mirrors.Mirror()
    following = _informer(api, mirror, silence_s=0.3)
    async with mirrors.running(following):
        await server.until(lambda: fake.watches)
        fake.hung = True
        fake.store.create("pods", objects.pod("p"))
        before = len(fake.requests)
        await server.until(lambda: len(fake.requests) > before)
        fake.hung = False
        await server.until(lambda: mirror.view() == mirrors.on_server(fake))
    assert following.relists == 0  # a silent connection is no reason to list everything


async def test_bookmarks_keep_a_quiet_watch_alive_and_recent(fake: server.FakeApi, api: client.Api) -> None:
    fake.bookmark_s = 0.05
    mirror = mirrors.Mirror()
    following = _informer(api, mirror, silence_s=1)
    async with mirrors.running(following):
        await server.until(lambda: fake.watches)
        for n in range(3):  # of another kind: no event of ours tells the version
            fake.store.create("nodes", objects.node(f"n{n}"))
        version = fake.store.version
        for _ in range(3):  # the first two may have been on their way, or due, before
            heard_s = following.last_event_s
            await server.until(lambda: following.last_event_s > heard_s)  # noqa: B023 - over before the next round
        fake.store.compact()
        fake.drop_watches()
        await server.until(lambda: any(f"resourceVersion={version}" in path for _, path in fake.requests))
        fake.store.create("pods", objects.pod("p"))
        await server.until(lambda: mirror.view() == mirrors.on_server(fake))
    assert following.relists == 0


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        pytest.param(
            faults.Fault(status=403, message="pods is forbidden"), "grant get, list and watch", id="forbidden"
        ),
        pytest.param(faults.Fault(status=404, message="no such thing"), "crds/", id="no-such-resource"),
        pytest.param(
            faults.Fault(status=401, message="Unauthorized"), "credentials are not accepted", id="unknown-user"
        ),
    ],
)
async def test_a_refusal_is_said_once_in_clear_words_and_tried_again(
    fake: server.FakeApi, api: client.Api, fault: faults.Fault, word: str
) -> None:
    fake.store.create("pods", objects.pod("p"))
    fault.times = 3
    fake.faults.append(fault)
    mirror = mirrors.Mirror()
    with structlog.testing.capture_logs() as logs:
        async with mirrors.running(_informer(api, mirror)):
            await server.until(lambda: mirror.view() == mirrors.on_server(fake))
            await server.until(lambda: any(entry["log_level"] == "info" for entry in logs))
    said = [entry for entry in logs if entry["log_level"] == "error"]
    assert len(said) == 1
    assert word in said[0]["remedy"]
    assert fault.message in said[0]["error"]


async def test_a_list_that_works_does_not_silence_a_watch_that_is_refused(
    fake: server.FakeApi, api: client.Api
) -> None:
    fake.faults.append(faults.Fault(path="watch=1", times=4, status=403))
    mirror = mirrors.Mirror()
    with structlog.testing.capture_logs() as logs:
        async with mirrors.running(_informer(api, mirror)):
            await server.until(lambda: fake.watches)
    assert [entry["log_level"] for entry in logs if entry["log_level"] == "error"] == ["error"]


@pytest.mark.parametrize(
    ("fault", "relists"),
    [
        pytest.param(faults.Fault(status=500), 1, id="500"),
        pytest.param(faults.Fault(status=503, headers={"Retry-After": "0"}), 0, id="503"),
        pytest.param(faults.Fault(status=429), 0, id="429"),
        pytest.param(faults.Fault(drop="before"), 0, id="cut"),
        pytest.param(faults.Fault(status=200, body=b""), 0, id="empty-watches"),
    ],
)
async def test_trouble_with_the_watch(fake: server.FakeApi, api: client.Api, fault: faults.Fault, relists: int) -> None:
    fault.path = "watch=1"
    fault.times = 1
    fake.faults.append(fault)
    mirror = mirrors.Mirror()
    following = _informer(api, mirror)
    async with mirrors.running(following):
        await server.until(lambda: fake.watches)
        fake.store.create("pods", objects.pod("p"))
        await server.until(lambda: mirror.view() == mirrors.on_server(fake))
    assert following.relists == relists


async def test_watches_that_end_at_once_are_no_busy_loop(fake: server.FakeApi, api: client.Api) -> None:
    fake.faults.append(faults.Fault(path="watch=1", times=10_000, status=200, body=b""))
    async with mirrors.running(informer.Informer(api, PODS, core.Pod, mirrors.Mirror())):
        await asyncio.sleep(0.5)
    assert len(fake.requests) < 20


async def test_an_outage_is_survived_and_ends_soon(fake: server.FakeApi, api: client.Api) -> None:
    mirror = mirrors.Mirror()
    async with mirrors.running(_informer(api, mirror)):
        await server.until(lambda: fake.watches)
        await fake.stop()
        fake.store.create("pods", objects.pod("p"))
        await asyncio.sleep(1)
        await fake.start()
        await server.until(lambda: mirror.view() == mirrors.on_server(fake))


@pytest.mark.parametrize(
    ("data", "relists"),
    [
        pytest.param(watches.error_event(410, "Expired", "too old"), 1, id="error-410"),
        pytest.param(watches.error_event(500, "InternalError", "etcd is away"), 1, id="error-500"),
        pytest.param(b"{nonsense\n", 1, id="broken-json"),
        pytest.param(b'{"type":"MODIFIED","object":"x"}\n', 1, id="no-object"),
        pytest.param(b'{"type":"RENAMED","object":{}}\n', 0, id="unknown-type"),
    ],
)
async def test_odd_things_in_the_stream(fake: server.FakeApi, api: client.Api, data: bytes, relists: int) -> None:
    mirror = mirrors.Mirror()
    following = _informer(api, mirror)
    async with mirrors.running(following):
        await server.until(lambda: fake.watches)
        fake.send_to_watches(data)
        fake.store.create("pods", objects.pod("p"))
        await server.until(lambda: mirror.view() == mirrors.on_server(fake))
        await server.until(lambda: following.relists == relists)


async def test_nulls_are_read_as_absent(fake: server.FakeApi, api: client.Api) -> None:
    pod = objects.pod("p") | {"status": {"conditions": None, "phase": "Running"}}
    pod["metadata"]["labels"] = None
    fake.store.create("pods", pod)
    mirror = mirrors.Mirror()
    async with mirrors.running(_informer(api, mirror)):
        await server.until(lambda: mirror.held)
        fake.store.patch("pods", "p", {"spec": {"nodeName": "n"}}, "default")
        await server.until(lambda: mirror.view() == mirrors.on_server(fake))
    assert [pod.spec.node_name for pod in mirror.held.values()] == ["n"]


async def test_one_object_that_fits_no_schema_does_not_stop_the_others(fake: server.FakeApi, api: client.Api) -> None:
    class Names:
        def __init__(self) -> None:
            self.urns: dict[str, str] = {}

        def apply(self, obj: crd.DataObject) -> None:
            self.urns[obj.metadata.name] = obj.spec.urn

        def remove(self, key: informer.Key) -> None:
            del self.urns[key.name]

        def replaced(self, count: int) -> None:
            pass

    fake.store.create("dataobjects", objects.data_object("good", "bucket/a"))
    fake.store.create("dataobjects", objects.data_object("bad", "bucket/b") | {"spec": {"urn": ["no"]}})
    names = Names()
    following = informer.Informer(api, "/apis/scheduler.thesis/v1alpha1/dataobjects", crd.DataObject, names)
    with structlog.testing.capture_logs() as logs:
        async with mirrors.running(following):
            await server.until(lambda: fake.watches)
            assert names.urns == {"good": "bucket/a"}
            fake.store.patch("dataobjects", "bad", {"spec": {"urn": "bucket/b"}}, "default")
            await server.until(lambda: names.urns == {"good": "bucket/a", "bad": "bucket/b"})
            fake.store.patch("dataobjects", "bad", {"spec": {"urn": 1}}, "default")
            await server.until(lambda: following.undecodable == 2)
            assert names.urns["bad"] == "bucket/b"  # its last good form
            fake.store.delete("dataobjects", "bad", "default")
            await server.until(lambda: names.urns == {"good": "bucket/a"})
    assert [entry["object"] for entry in logs if entry["log_level"] == "warning"] == ["default/bad", "default/bad"]


async def test_it_says_what_is_wrong_while_it_is(fake: server.FakeApi, api: client.Api) -> None:
    fake.store.create("pods", objects.pod("bad") | {"spec": {"nodeName": ["no"]}})
    fake.faults.append(faults.Fault("GET", PODS, status=403, reason="Forbidden"))
    following = _informer(api, mirrors.Mirror())
    async with mirrors.running(following):
        await server.until(lambda: following.fault is not None and following.fault.status == 403)
        assert not following.synced.is_set()
        await server.until(lambda: fake.watches)
        assert (following.fault, following.misfits) == (None, {("default", "bad")})
        fake.store.delete("pods", "bad", "default")
        await server.until(lambda: not following.misfits)


async def test_how_long_a_watch_is_open_is_the_callers_choice(fake: server.FakeApi, api: client.Api) -> None:
    following = informer.Informer(api, PODS, core.Pod, mirrors.Mirror(), watch_s=(1800, 3600))
    async with mirrors.running(following):
        await server.until(lambda: fake.watches)
    (seconds,) = [
        int(path.partition("timeoutSeconds=")[2].partition("&")[0]) for _, path in fake.requests if "watch=1" in path
    ]
    assert 1800 <= seconds <= 3600
