"""The client, the informer, the Binding and the Events against a real kube-apiserver."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from localcluster import cluster, topology
from scheduler import errors
from scheduler.api import core
from scheduler.kube import binding, client, events, failures, informer
from tests import clusterfixture
from tests.fakeapi import certificates, objects, server

pytestmark = pytest.mark.e2e

NODE = "data-locality-test-node"
AT_ONCE = b'{"gracePeriodSeconds": 0}'  # in the body: where there is one, the server looks at no parameters


@pytest.fixture
async def api(control_plane: cluster.Cluster) -> AsyncIterator[client.Api]:
    connected = await client.Api.connect(str(control_plane.kubeconfig))
    yield connected
    await connected.close()


@pytest.fixture
async def namespace(api: client.Api) -> AsyncIterator[str]:
    """A namespace of the test's own, in which pods can be made at once."""
    name = f"kube-{uuid.uuid4().hex[:8]}"
    await _create(api, "/api/v1/namespaces", {"metadata": {"name": name}})
    with contextlib.suppress(errors.ConflictError):  # the controller may have been faster
        await _create(api, f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})
    yield name
    await api.delete(f"/api/v1/namespaces/{name}")


async def _create(api: client.Api, path: str, body: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.json.decode(await api.post(path, msgspec.json.encode(body)))
    return made


async def _pod(api: client.Api, namespace: str, name: str) -> core.Pod:
    # A scheduler's name that nobody answers to: the pods stay as they are.
    body = objects.pod(name, namespace=namespace, scheduler="nobody")
    data = await api.post(f"/api/v1/namespaces/{namespace}/pods", msgspec.json.encode(body))
    return core.decode(data, core.Pod, name)


class Mirror:
    """Keeps pods by uid."""

    def __init__(self) -> None:
        self.held: dict[str, core.Pod] = {}

    def apply(self, obj: core.Pod) -> None:
        self.held[obj.metadata.uid] = obj

    def remove(self, key: informer.Key) -> None:
        del self.held[key.uid]

    def replaced(self, count: int) -> None:
        assert count == len(self.held)

    def names(self) -> list[str]:
        return sorted(pod.metadata.name for pod in self.held.values())


@contextlib.asynccontextmanager
async def _following(
    api: client.Api, namespace: str, selector: str, **options: Any
) -> AsyncIterator[tuple[Mirror, informer.Informer[core.Pod]]]:
    mirror = Mirror()
    params = {"fieldSelector": selector} if selector else None
    following = informer.Informer(api, f"/api/v1/namespaces/{namespace}/pods", core.Pod, mirror, params, **options)
    task = asyncio.create_task(following.run())
    try:
        await following.synced.wait()
        yield mirror, following
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("first_from_cache", [False, True])
async def test_informers_see_pods_come_get_bound_and_go(
    api: client.Api, namespace: str, first_from_cache: bool
) -> None:
    options = {"chunk": 3, "first_from_cache": first_from_cache}
    for n in range(7):
        await _pod(api, namespace, f"p{n}")
    async with (
        _following(api, namespace, "spec.nodeName=,spec.schedulerName=nobody", **options) as (pending, _),
        _following(api, namespace, "spec.nodeName!=", **options) as (assigned, _),
    ):
        await server.until(lambda: (len(pending.held), len(assigned.held)) == (7, 0))
        late = await _pod(api, namespace, "late")
        await server.until(lambda: len(pending.held) == 8)
        outcome = await _bind(api, late)
        assert outcome.verdict is binding.Verdict.BOUND
        await server.until(lambda: assigned.names() == ["late"])
        await server.until(lambda: "late" not in pending.names())
        await api.delete(f"/api/v1/namespaces/{namespace}/pods/p0", AT_ONCE)
        await server.until(lambda: "p0" not in pending.names())


async def test_an_informer_may_have_the_metadata_alone(api: client.Api, namespace: str) -> None:
    await _pod(api, namespace, "before")
    async with _following(api, namespace, "", metadata_only=True) as (mirror, following):
        await _pod(api, namespace, "after")
        await server.until(lambda: mirror.names() == ["after", "before"])
        assert all(pod.spec == core.PodSpec() for pod in mirror.held.values())
        assert following.is_following
        await api.delete(f"/api/v1/namespaces/{namespace}/pods/before", AT_ONCE)
        await server.until(lambda: mirror.names() == ["after"])


async def test_a_restart_of_the_server_is_survived_and_old_versions_are_gone(
    cluster_factory: clusterfixture.ClusterFactory,
) -> None:
    own = await asyncio.to_thread(cluster_factory, topology.Topology((topology.Node(name="n1"),)))
    api = await client.Api.connect(str(own.kubeconfig))
    pods = "/api/v1/namespaces/default/pods"
    old = msgspec.json.decode(await api.get(pods))["metadata"]["resourceVersion"]
    for n in range(3):
        await _pod(api, "default", f"p{n}")
    async with _following(api, "default", "spec.schedulerName=nobody", backoff_max_s=1.0) as (mirror, _):
        assert mirror.names() == ["p0", "p1", "p2"]
        await asyncio.to_thread(own.restart_apiserver)
        await api.delete(f"{pods}/p0", AT_ONCE)
        await _pod(api, "default", "p3")
        await server.until(lambda: mirror.names() == ["p1", "p2", "p3"])
    # The new server's cache begins later than this.
    with pytest.raises(errors.GoneError):
        await _first_error(api.stream(pods, {"watch": "1", "resourceVersion": old}, silence_s=60))
    await api.close()
    await asyncio.to_thread(own.stop)


async def _first_error(lines: AsyncIterator[bytes]) -> None:
    async for line in lines:
        raise failures.in_stream(msgspec.json.decode(line, type=dict[str, msgspec.Raw])["object"])


async def test_bookmarks_and_silence(api: client.Api, namespace: str) -> None:
    # Opened again after each silence, and nothing is lost in between.
    async with _following(api, namespace, "", silence_s=0.5) as (mirror, following):
        for n in range(4):
            await _pod(api, namespace, f"p{n}")
            await asyncio.sleep(0.6)
        await server.until(lambda: len(mirror.held) == 4)
        assert following.relists == 0


async def _bind(api: client.Api, pod: core.Pod, *, uid: str = "", node: str = NODE) -> binding.Outcome:
    meta = pod.metadata
    return await binding.bind(
        api, namespace=meta.namespace, pod=meta.name, uid=uid or meta.uid, node=node, deadline_s=60
    )


async def test_verdicts(api: client.Api, namespace: str) -> None:
    pod = await _pod(api, namespace, "p")
    meta = pod.metadata

    async def read_back(uid: str, node: str) -> binding.Verdict:
        found = await binding.read_back(api, namespace=namespace, pod="p", uid=uid, node=node)
        return found.verdict

    other_uid = await _bind(api, pod, uid=str(uuid.uuid4()))
    assert (other_uid.verdict, "UID" in other_uid.message) == (binding.Verdict.CONFLICT, True)
    assert await read_back(meta.uid, NODE) is binding.Verdict.UNBOUND
    assert (await _bind(api, pod)).verdict is binding.Verdict.BOUND
    assert (await _bind(api, pod, node="another")).verdict is binding.Verdict.CONFLICT
    assert await read_back(meta.uid, NODE) is binding.Verdict.BOUND
    assert await read_back(meta.uid, "another") is binding.Verdict.CONFLICT
    await api.delete(f"/api/v1/namespaces/{namespace}/pods/p", AT_ONCE)
    async with asyncio.timeout(60):  # it may be there for a moment, on its way out
        while await read_back(meta.uid, NODE) is not binding.Verdict.GONE:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (await _bind(api, pod)).verdict is binding.Verdict.GONE

    # An invalid target is answered 500 by the real server (kubernetes#139488): only reading back tells.
    nowhere = await _pod(api, namespace, "q")
    assert (await _bind(api, nowhere, node="")).verdict is binding.Verdict.UNKNOWN
    found = await binding.read_back(api, namespace=namespace, pod="q", uid=nowhere.metadata.uid, node="")
    assert found.verdict is binding.Verdict.UNBOUND


async def test_many_bindings_at_once_take_effect_once(api: client.Api, namespace: str) -> None:
    pods = await asyncio.gather(*(_pod(api, namespace, f"p{n}") for n in range(60)))
    outcomes = await asyncio.gather(*(_bind(api, pod, node=node) for pod in pods for node in ("one", "two")))
    verdicts = [outcome.verdict for outcome in outcomes]
    assert verdicts.count(binding.Verdict.BOUND) == verdicts.count(binding.Verdict.CONFLICT) == 60


async def test_events_are_what_the_server_and_kubectl_take(
    api: client.Api, namespace: str, control_plane: cluster.Cluster
) -> None:
    pod = await _pod(api, namespace, "p")
    sink = events.EventSink(api, "data-locality-scheduler", "replica-0", series_s=0.2)
    writing = asyncio.create_task(sink.run())
    path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"

    async def counts() -> list[int]:
        listed = msgspec.json.decode(await api.get(path))
        return [(event.get("series") or {"count": 1})["count"] for event in listed["items"]]

    for wanted in (1, 2, 3):
        sink.emit(
            events.pod_reference(pod),
            type="Warning",
            reason="FailedScheduling",
            action="Scheduling",
            note="0/3 nodes are available: " + "🦀" * 500,
            related=events.Reference(kind="Node", name="n1"),
        )
        async with asyncio.timeout(60):
            while await counts() != [wanted]:  # noqa: ASYNC110 - what is waited for happens in the server
                await asyncio.sleep(0.05)
    sink.emit(
        events.Reference(kind="Node", name="n1"),
        type="Normal",
        reason="r" * 300,
        action="Checking",
        note="about a node",
    )
    assert await sink.drain(60) == 0
    assert sink.dropped == 0
    writing.cancel()
    shown = await asyncio.to_thread(control_plane.kubectl, "describe", "pod", "p", "-n", namespace)
    assert "FailedScheduling" in shown
    assert "(x3 over" in shown


async def test_the_wrong_authority_is_refused(control_plane: cluster.Cluster, tmp_path: pathlib.Path) -> None:
    wrong = certificates.make(tmp_path, "wrong")
    async with server.running() as fake:
        fake.url = control_plane.server
        path = fake.kubeconfig(tmp_path, cluster={"certificate-authority": str(wrong.cert)})
    api = await client.Api.connect(path)
    with pytest.raises(errors.UnreachableError, match="its certificate is not trusted"):
        await api.get("/version")
    await api.close()


async def test_missing_permission_is_a_denial(api: client.Api, namespace: str, control_plane: cluster.Cluster) -> None:
    await _create(api, f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "nobody"}})
    path = await asyncio.to_thread(control_plane.service_account_kubeconfig, namespace, "nobody")
    powerless = await client.Api.connect(str(path))
    with pytest.raises(errors.DeniedError, match="403 Forbidden: pods is forbidden"):
        await powerless.get("/api/v1/pods")
    await powerless.close()
