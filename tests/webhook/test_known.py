"""What the webhook knows of the cluster beside a pod: of whom it inherits, under what name events speak of it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from localcluster import cluster, topology
from scheduler import errors
from scheduler.api import names
from scheduler.kube import client
from tests import clusterfixture
from tests.fakeapi import server
from tests.webhook import process
from webhook import facts
from webhook.cluster import known

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

NUMBERS = itertools.count(1)
SAYS = {names.PREFER_REGION: "west"}
SPECS: dict[str, Json] = {
    "deployments": {"selector": {"matchLabels": {"a": "b"}}, "replicas": 0},
    "statefulsets": {"selector": {"matchLabels": {"a": "b"}}, "replicas": 0, "serviceName": "s"},
    "jobs": {"suspend": True},
    "cronjobs": {"suspend": True, "schedule": "0 0 1 1 *"},
    "services": {},
}
POD_SPEC: Json = {"containers": [{"name": "c", "image": "none"}]}
TEMPLATE: Json = {"metadata": {"labels": {"a": "b"}}, "spec": POD_SPEC}
JOB_TEMPLATE: Json = {"spec": POD_SPEC | {"restartPolicy": "Never"}}


@pytest.fixture(scope="module")
def running(cluster_factory: clusterfixture.ClusterFactory) -> Iterator[cluster.Cluster]:
    nodes = topology.Topology((topology.Node(name="n1"),))
    with cluster_factory(nodes, crds=True) as started:
        started.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": process.HOME}})
        yield started


@pytest.fixture
async def api(running: cluster.Cluster) -> AsyncIterator[client.Api]:
    connected = await client.Api.connect(str(running.kubeconfig))
    yield connected
    await connected.close()


@contextlib.asynccontextmanager
async def following(api: client.Api) -> AsyncIterator[known.Known]:
    """What is known, from when everything was listed on."""
    started = known.Known(api, process.HOME, look_again_s=0.1)
    task = asyncio.create_task(started.run())
    try:
        await server.until(lambda: not started.missing())
        yield started
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class World:
    """A namespace of the test's own."""

    def __init__(self, api: client.Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace

    async def make(self, plural: str, name: str, annotations: Json, **metadata: Any) -> Json:
        spec = dict(SPECS[plural])
        if plural in {"deployments", "statefulsets"}:
            spec["template"] = TEMPLATE
        elif plural == "jobs":
            spec["template"] = JOB_TEMPLATE
        elif plural == "cronjobs":
            spec["jobTemplate"] = {"spec": {"template": JOB_TEMPLATE}}
        group = {"jobs": "batch", "cronjobs": "batch", "services": "serving.knative.dev"}.get(plural, "apps")
        body: Json = {"metadata": {"name": name, "annotations": annotations, **metadata}, "spec": spec}
        if plural == "services":
            body |= {"apiVersion": "serving.knative.dev/v1", "kind": "Service"}
        answer = await self.api.post(
            f"/apis/{group}/v1/namespaces/{self.namespace}/{plural}", json.dumps(body).encode()
        )
        return dict(json.loads(answer))

    async def size(
        self, urn: str, *, declared: int | None = None, seen: int | None = None, namespace: str = ""
    ) -> None:
        path = f"/apis/{names.API_VERSION}/namespaces/{namespace or self.namespace}/{names.DATA_OBJECTS}"
        name = f"d{next(NUMBERS)}"
        spec: Json = {"urn": urn} | ({} if declared is None else {"sizeBytes": declared})
        body = {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": {"name": name}, "spec": spec}
        await self.api.post(path, json.dumps(body).encode())
        if seen is not None:
            await self.api.patch(f"{path}/{name}/status", json.dumps({"status": {"sizeBytes": seen}}).encode())

    def pod(self, owner: tuple[str, str, str] | None = None, **labels: str) -> Json:
        """A pod as it comes in a request; the owner is (API version, kind, name)."""
        metadata: Json = {"namespace": self.namespace, "labels": labels}
        if owner is not None:
            version, kind, name = owner
            other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "v"}
            reference = {"apiVersion": version, "kind": kind, "name": name, "uid": "u", "controller": True}
            metadata["ownerReferences"] = [other, reference]
        return {"metadata": metadata, "spec": POD_SPEC}


@pytest.fixture
async def world(api: client.Api) -> World:
    namespace = f"test-{next(NUMBERS)}"
    body = {"metadata": {"name": namespace, "annotations": {names.PREFER_ZONE: "a", "other": "x"}}}
    await api.post("/api/v1/namespaces", json.dumps(body).encode())
    return World(api, namespace)


async def titles(found: known.Known, pod: Json) -> list[str]:
    return [source.title for source in await found.sources(pod)]


OWNERS = {
    "deployments": ("Deployment", ("apps/v1", "ReplicaSet", "it-5f9c"), {"pod-template-hash": "5f9c"}),
    "statefulsets": ("StatefulSet", ("apps/v1", "StatefulSet", "it"), {}),
    "jobs": ("Job", ("batch/v1", "Job", "it"), {}),
}


@pytest.mark.parametrize("plural", OWNERS)
async def test_a_pods_owner_and_namespace_are_its_sources(world: World, api: client.Api, plural: str) -> None:
    kind, owner, labels = OWNERS[plural]
    await world.make(
        plural, "it", SAYS | {"kubectl.kubernetes.io/restartedAt": "now", "scheduler.thesis/pipeline": "p"}
    )
    async with following(api) as found:
        pod = world.pod(owner, **labels)
        assert await found.sources(pod) == (
            facts.Source(f"{kind} {world.namespace}/it", SAYS),
            facts.Source(f"namespace {world.namespace}", {names.PREFER_ZONE: "a"}),
        )
        assert found.consumer_of(pod) == facts.Consumer(world.namespace, "it")


async def test_a_jobs_cronjob_comes_after_the_job_and_gives_it_its_name(world: World, api: client.Api) -> None:
    cronjob = await world.make("cronjobs", "nightly", SAYS)
    reference = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": cronjob["metadata"]["uid"]}
    await world.make("jobs", "nightly-1", {INPUT: "b/k"}, ownerReferences=[reference | {"controller": True}])
    async with following(api) as found:
        pod = world.pod(("batch/v1", "Job", "nightly-1"))
        there = world.namespace
        assert await titles(found, pod) == [f"Job {there}/nightly-1", f"CronJob {there}/nightly", f"namespace {there}"]
        assert found.consumer_of(pod) == facts.Consumer(there, "nightly")


INPUT = f"{names.INPUT_PREFIX}1"


@pytest.mark.parametrize(
    ("owner", "labels"),
    [
        pytest.param(None, {}, id="nobody's"),
        pytest.param(("apps/v1", "ReplicaSet", "it-5f9c"), {}, id="a ReplicaSet without a Deployment"),
        pytest.param(("apps/v1", "ReplicaSet", "it-5f9c"), {"pod-template-hash": "77"}, id="another hash"),
        pytest.param(("apps/v1", "DaemonSet", "it"), {}, id="a kind that is not followed"),
        pytest.param(("example.org/v1", "Job", "it"), {}, id="another group's Job"),
    ],
)
async def test_what_owns_a_pod_otherwise_says_nothing(
    world: World, api: client.Api, owner: tuple[str, str, str] | None, labels: dict[str, str]
) -> None:
    for plural in ("deployments", "jobs"):
        await world.make(plural, "it", SAYS)
    async with following(api) as found:
        pod = world.pod(owner, **labels)
        assert await titles(found, pod) == [f"namespace {world.namespace}"]
        assert found.consumer_of(pod) is None


async def test_an_owner_that_is_about_to_come_is_waited_for(
    world: World, api: client.Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, owner, labels = OWNERS["deployments"]
    pods = [world.pod(owner, **labels) for _ in range(3)]
    async with following(api) as found:
        assert await titles(found, pods[0]) == [f"namespace {world.namespace}"]
        monkeypatch.setattr(known, "WAIT_S", 60.0)
        asking = [asyncio.create_task(titles(found, pod)) for pod in pods]
        await asyncio.sleep(0)
        asking[0].cancel()
        await world.make("deployments", "it", SAYS)
        expected = [f"Deployment {world.namespace}/it", f"namespace {world.namespace}"]
        assert await asyncio.gather(*asking[1:]) == [expected, expected]


async def test_nothing_is_waited_for_while_the_watch_is_broken(
    world: World, api: client.Api, running: cluster.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, owner, labels = OWNERS["deployments"]
    async with following(api) as found:
        monkeypatch.setattr(known, "WAIT_S", 3600.0)
        monkeypatch.setattr(api, "credentials", dataclasses.replace(api.credentials, server="https://127.0.0.1:1"))
        await asyncio.to_thread(running.restart_apiserver)
        await server.until(lambda: not any(is_following for _, is_following in found.counts().values()))
        # What was known before is known still.
        assert await titles(found, world.pod(owner, **labels)) == [f"namespace {world.namespace}"]


async def test_readers_of_a_bucket_follow_what_workloads_say(world: World, api: client.Api) -> None:
    there, bucket = world.namespace, f"{world.namespace}-b"
    sources = {names.DATA_SOURCES: f"other, {bucket}"}
    async with following(api) as found:
        await world.make("deployments", "one", sources)
        cronjob = await world.make("cronjobs", "nightly", sources)
        reference = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": cronjob["metadata"]["uid"]}
        await world.make("jobs", "nightly-1", sources, ownerReferences=[reference | {"controller": True}])
        await world.make("jobs", "silent", SAYS)
        expected = {facts.Consumer(there, "one"), facts.Consumer(there, "nightly")}
        await server.until(lambda: set(found.readers_of(bucket)) == expected)
        assert len(found.readers_of(bucket)) == 2
        path = f"/apis/apps/v1/namespaces/{there}/deployments/one"
        await api.patch(path, json.dumps({"metadata": {"annotations": {names.DATA_SOURCES: "other"}}}).encode())
        await server.until(lambda: found.readers_of(bucket) == [facts.Consumer(there, "nightly")])
        # In this order, as nobody but a controller deletes a job whose cronjob is gone.
        for plural, name in (("jobs", "nightly-1"), ("cronjobs", "nightly")):
            body = json.dumps({"propagationPolicy": "Background"}).encode()
            await api.delete(f"/apis/batch/v1/namespaces/{there}/{plural}/{name}", body)
        await server.until(lambda: found.readers_of(bucket) == [])


async def test_sizes_are_the_namespaces_own_before_everybodys(world: World, api: client.Api) -> None:
    common, shared, pinned = (f"{world.namespace}-{name}" for name in ("common", "shared", "pinned"))
    await world.size(common, seen=1, namespace=process.HOME)
    await world.size(shared, seen=2, namespace=process.HOME)
    await world.size(shared, seen=3)
    await world.size(pinned, declared=4, seen=5)
    await world.size(f"{pinned}/unknown")
    left = f"{world.namespace}-left"
    await world.size(left, seen=7, namespace=process.HOME)
    await world.size(left, seen=0)
    async with following(api) as found:
        await server.until(lambda: found.size_of(world.namespace)(pinned) == 4)
        size_of = found.size_of(world.namespace)
        assert [size_of(urn) for urn in (common, shared, pinned, f"{pinned}/unknown")] == [1, 3, 4, None]
        assert found.size_of("elsewhere")(shared) == 2
        assert size_of(left) == 7, "what the namespace's own stores no longer hold"
        await world.size(f"{pinned}/unknown", seen=6)
        await server.until(lambda: size_of(f"{pinned}/unknown") == 6)
        path = f"/apis/{names.API_VERSION}/namespaces/{world.namespace}/{names.DATA_OBJECTS}"
        await api.delete(path)
        await server.until(lambda: [size_of(urn) for urn in (shared, pinned, f"{pinned}/unknown")] == [2, None, None])


async def test_knative_is_noticed_when_it_is_installed(world: World, api: client.Api, running: cluster.Cluster) -> None:
    with pytest.raises(errors.NotFoundError):
        await api.get(known.PATHS["Knative Service"])
    async with following(api) as found:
        await asyncio.to_thread(process.apply_knative_crd, running)
        await server.until(lambda: found.counts()["Knative Service"][1])
        await world.make("services", "fmask", SAYS)
        await server.until(lambda: found.counts()["Knative Service"][0])
        labels = {names.KNATIVE_SERVICE_LABEL: "fmask", "pod-template-hash": "5f9c"}
        pod = world.pod(("apps/v1", "ReplicaSet", "fmask-00001-deployment-5f9c"))
        pod["metadata"]["labels"] = labels
        there = world.namespace
        assert await titles(found, pod) == [f"Knative Service {there}/fmask", f"namespace {there}"]
        assert found.consumer_of(pod) == facts.Consumer(there, "fmask")
        sources = {names.DATA_SOURCES: f"{there}-knative"}
        metadata = {"labels": {names.KNATIVE_SERVICE_LABEL: "fmask"}}
        await world.make("deployments", "fmask-00001-deployment", sources, **metadata)
        await server.until(lambda: found.readers_of(f"{there}-knative") == [facts.Consumer(there, "fmask")])


@pytest.mark.parametrize("pod", [{}, {"metadata": []}, {"metadata": {"labels": {"a": 1}}}], ids=str)
async def test_what_is_no_pod_is_an_input_error(api: client.Api, pod: Json) -> None:
    found = known.Known(api, process.HOME)
    with pytest.raises(errors.InputError):
        await found.sources(pod)
