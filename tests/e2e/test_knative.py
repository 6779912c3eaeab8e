"""From an annotation on a Knative Service to the node that holds its data, with all parts real.

Knative's own controllers make the pods, the API server asks the webhook about them as manifests/base/admission.yaml
says, and the scheduler places them by what the daemons found in the stores. Every program runs under its own account
and role. What is applied are the manifests of manifests/examples, each test in a namespace of its own.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import json
import pathlib
import re
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from minio import notificationconfig

from demo import processes
from localcluster import certificates, cluster, stores, topology
from scheduler.api import names
from tests import clusterfixture
from tests.e2e import process as scheduling
from tests.webhook import process

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

Json = dict[str, Any]

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLES = ROOT / "manifests" / "examples"
SEED = ROOT.parent / "shared" / "seed" / "knative"
HOME = processes.NAMESPACE
OBJECTS = f"/apis/{names.API_VERSION}/{names.DATA_OBJECTS}"
NAMESPACES = (f"knative-{number}" for number in itertools.count(1))
PODS, EVENTS = "data_locality_webhook_pods_total", "data_locality_webhook_events_total"

# Two of a kind in each of two regions, so that neither a preference for the edge nor one for a region names one node,
# and one of either kind holds nothing. So large that what other tests left running decides nothing.
NODES = topology.Topology(
    tuple(
        topology.Node(f"{kind}-{side}", region=f"region-{side}", zone=f"zone-{side}", type=kind, cpu="1000",
                      memory="4000Gi", minio=kind == "edge")
        for kind in ("edge", "cloud")
        for side in ("1", "2")
    )
)  # fmt: skip
MB = 1_000_000
# What the examples speak of, by the node that holds it. Where both hold a bucket, it is the key that decides.
CONTENTS: dict[str, dict[str, int]] = {
    "edge-1": {
        "labels/classes.json": 20_000,
        "elevation/alps/n46e008.tif": 3 * MB,
        "elevation/alps/n46e009.tif": 2 * MB,
        "scans/2024/0817.pdf": 4 * MB,
        "backups/2024.tar": 30 * MB,
        "region1-specific-data/test-file.txt": 1 * MB,
    },
    "edge-2": {
        "photos/2024/harbour.raw": 48 * MB,
        "photos/2024/lighthouse.raw": 5 * MB,
        "elevation/andes/s33w070.tif": 1 * MB,
        "map-tiles/alps/7.pmtiles": 1 * MB,
        "scans/2024/0816.pdf": 1 * MB,
        "sheets/2023.pdf": 1 * MB,
    },
}
PHOTOS = f"photos,{53 * MB}"

# A machine that is busy with other tests may be slow to look a key up; that nobody waits longer than told is tested
# elsewhere (tests/live/test_ondemand.py).
CONFIGURATION = {"dataWait": "40s", "seed": 1}
SENDER = "a-token-of-the-store-in-the-tests"
ANNOUNCED = "LOCALITY"  # as the comments of knative-cloudevents.yaml call it


@dataclasses.dataclass
class World:
    """The cluster with its programs."""

    cluster: cluster.Cluster
    webhook: process.Webhook
    scheduler: str

    def object(self, urn: str) -> Json:
        """The DataObject of a urn; empty if there is none."""
        items = self.cluster.api.request("GET", OBJECTS)["items"]
        return next((item for item in items if item["spec"]["urn"] == urn), {})

    def size_bytes(self, urn: str) -> int:
        """As the daemons found it; 0 while they have not."""
        return int(self.object(urn).get("status", {}).get("sizeBytes", 0))

    def size_told(self, urn: str) -> int:
        """As the webhook knows it, for that is what it adds to a pod which names no size; 0 while it does not."""
        named = json.dumps({"dataInputs": [{"urn": urn, "size": 0}]})
        body = {
            "metadata": {"name": "asks", "annotations": {names.EVENT_DATA: named}},
            "spec": {"containers": [{"name": "main", "image": "none"}]},
        }
        made = self.cluster.api.request("POST", "/api/v1/namespaces/default/pods?dryRun=All", body)
        text = made["metadata"]["annotations"].get(f"{names.INPUT_PREFIX}1", "")
        return int(text.removeprefix(urn).removeprefix(",") or 0)

    def declare(self, urn: str) -> None:
        """Make a DataObject."""
        body = {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": {"name": urn}, "spec": {"urn": urn}}
        path = f"/apis/{names.API_VERSION}/namespaces/{HOME}/{names.DATA_OBJECTS}"
        self.cluster.api.request("POST", path, body)

    def seen(self) -> str:
        """What the scheduler has seen of data."""
        with urllib.request.urlopen(f"{self.scheduler}/storage-info") as answer:  # noqa: S310 (our own)
            return str(answer.read().decode())


class Place:
    """A namespace, what is applied to it, and the pods that come of that."""

    def __init__(self, world: World, namespace: str) -> None:
        self.world = world
        self.namespace = namespace
        world.cluster.wait_for_account(namespace)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.world.cluster.kubectl("-n", self.namespace, *arguments, stdin=stdin)

    def apply(self, example: str) -> None:
        self.kubectl("apply", "-f", str(EXAMPLES / example))

    def pods(self, selector: str) -> list[Json]:
        """Those that are not about to go."""
        found = json.loads(self.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def wait(self, selector: str, count: int = 1) -> list[Json]:
        """Its pods, once there are this many."""
        return self._once(selector, count, lambda pod: True, "are there")

    def placed(self, selector: str, count: int = 1) -> list[Json]:
        """The same, once all have a node."""
        return self._once(selector, count, lambda pod: bool(node_of(pod)), "have a node")

    def _once(self, selector: str, count: int, holds: Callable[[Json], bool], what: str) -> list[Json]:
        found: list[Json] = []

        def all_do() -> bool:
            found[:] = self.pods(selector)
            return len(found) == count and all(map(holds, found))

        scheduling.until(all_do, f"{count} pods {what}: {selector}")
        return found

    def scale(self, service: str, replicas: int) -> None:
        """What Knative's autoscaler does."""
        self.kubectl("scale", f"deployment/{service}-00001-deployment", f"--replicas={replicas}")

    def from_zero(self, service: str) -> Json:
        """Scale a Service to zero and up again; its new pod."""
        self.scale(service, 0)
        self.wait(knative(service), 0)
        self.scale(service, 1)
        [pod] = self.placed(knative(service))
        return pod

    def decision(self, pod: Json) -> Json:
        """How the scheduler explains where the pod is."""
        told = processes.explanation(self.world.scheduler, f"{self.namespace}/{pod['metadata']['name']}")
        assert told["node"] == node_of(pod)
        return told

    def post(self, body: Json, service: str) -> int:
        """Tell of data for a Service as docs/knative.md shows it, with a token of this namespace; the status."""
        token = self.kubectl("create", "token", "default", "--audience=data-locality-webhook").strip()
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Ce-Specversion": "1.0",
            "Ce-Id": "1",
            "Ce-Source": "/scanners/7",
            "Ce-Type": "org.example.scan.written",
        }
        url = f"https://localhost:{self.world.webhook.events_port}/events/{self.namespace}/{service}"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        trusted = ssl.create_default_context(cadata=self.world.webhook.folder.authority.pem)
        with urllib.request.urlopen(request, timeout=60, context=trusted) as answer:  # noqa: S310 (it says https)
            return int(answer.status)


def knative(service: str) -> str:
    return f"{names.KNATIVE_SERVICE_LABEL}={service}"


def node_of(pod: Json) -> str:
    return str(pod["spec"].get("nodeName", ""))


def said(pod: Json) -> Json:
    """What our own programs go by, without what it says for people; and its scheduler."""
    found = pod["metadata"].get("annotations", {})
    ours = {key: text for key, text in found.items() if "scheduler" in key or key == names.EVENT_DATA}
    ours.pop(names.ENRICHED, None)
    return ours | {"schedulerName": pod["spec"]["schedulerName"]}


def ours(*inputs: str, outputs: tuple[str, ...] = (), **hints: str) -> Json:
    """As ``said`` has it: inputs and outputs by number, and hints with ``_`` for ``-``."""
    found = {f"{names.INPUT_PREFIX}{number}": text for number, text in enumerate(inputs, start=1)}
    found |= {f"{names.OUTPUT_PREFIX}{number}": text for number, text in enumerate(outputs, start=1)}
    found |= {f"{names.HINT_PREFIX}{name.replace('_', '-')}": text for name, text in hints.items()}
    return found | {"schedulerName": names.SCHEDULER_NAME}


def note(pod: Json) -> str:
    return str(pod["metadata"].get("annotations", {}).get(names.ENRICHED, ""))


# ---- the world


def announce(store: stores.Store, running: cluster.Cluster, webhook: process.Webhook, urn: str) -> None:
    """Set a store up as the comments of knative-cloudevents.yaml tell it, so that it tells of this object's bucket."""
    trusted = running.directory / ".minio" / "certs" / "CAs"  # where it looks without being told
    trusted.mkdir(parents=True, exist_ok=True)
    (trusted / "webhook.crt").write_text(webhook.folder.authority.pem)
    endpoint = f"https://localhost:{webhook.events_port}/events"
    store.stop()
    store.start()
    store.admin().config_set(f"notify_webhook:{ANNOUNCED}", {"endpoint": endpoint, "auth_token": f"Bearer {SENDER}"})
    store.stop()
    store.start()
    # MinIO takes requests while it still reads what it knew of its buckets before it was stopped, and forgets what it
    # was told of them meanwhile. So the bucket is new, and the store is told again until it tells.
    bucket, _, key = urn.partition("/")
    store.client().make_bucket(bucket)
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    queue = notificationconfig.QueueConfig(events=events, queue=f"arn:minio:sqs::{ANNOUNCED}:webhook")

    def tells() -> bool:
        wanted = notificationconfig.NotificationConfig(queue_config_list=[queue])
        store.client().set_bucket_notification(bucket, wanted)
        store.upload(bucket, key, CONTENTS[store.node][urn])
        return webhook.figure("data_locality_webhook_event_requests_total", code="202") > 0

    scheduling.until(tells, "the store tells of what is written")


def start_daemon(running: cluster.Cluster, node: str) -> None:
    kubeconfig = running.service_account_kubeconfig(HOME, "data-locality-daemon", node=node)
    running.launch(
        f"daemon-{node}",
        [processes.PROGRAM, "daemon", f"--kubeconfig={kubeconfig}", f"--node={node}", "--health-host=127.0.0.1",
         "--health-port=0", "--interval-s=1", "--probe-port=-1"],  # all links are one machine's loopback
    )  # fmt: skip


def fill(running: cluster.Cluster) -> None:
    for node, contents in CONTENTS.items():
        for urn, size_bytes in contents.items():
            bucket, _, key = urn.partition("/")
            running.stores[node].upload(bucket, key, size_bytes)


@pytest.fixture(scope="module")
def world(cluster_factory: clusterfixture.ClusterFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("knative")
    with cluster_factory(NODES, knative=True) as running:
        processes.install(running)
        folder = process.Folder(directory / "tls", certificates.Authority())
        tokens = directory / "senders"
        tokens.mkdir()
        (tokens / "minio").write_text(SENDER)
        options = ("--log-format=json", f"--events-tokens-dir={tokens}")
        with process.Webhook(process.account(running), folder, directory / "log", *options) as webhook:
            announce(running.stores["edge-2"], running, webhook, "scans/2024/0816.pdf")
            fill(running)
            for node in CONTENTS:
                start_daemon(running, node)
            process.register(running, f"https://127.0.0.1:{webhook.port}", bundle=folder.bundle)
            configuration = directory / "config.yaml"
            configuration.write_text(json.dumps(CONFIGURATION))
            made = World(running, webhook, processes.start_scheduler(running, configuration))
            await_data(made)
            yield made
            assert webhook.stop() == 0
            assert [line for line in webhook.log() if line["level"] in {"warning", "error"}] == []


def await_data(world: World) -> None:
    """Return when the daemons have found everything, and the scheduler and the webhook have seen what they found."""
    wanted: dict[tuple[str, str], int] = collections.Counter()
    for node, contents in CONTENTS.items():
        for urn, size_bytes in contents.items():
            wanted[urn.partition("/")[0], node] += size_bytes

    def found() -> dict[tuple[str, str], int]:
        items = world.cluster.api.request("GET", OBJECTS)["items"]
        copies = ((item["spec"]["urn"], copy) for item in items for copy in item.get("status", {}).get("replicas", ()))
        return {(urn, copy["node"]): copy["sizeBytes"] for urn, copy in copies if copy["available"]}

    scheduling.until(lambda: found() == wanted, "the daemons have found all buckets")
    world.declare("marker")
    scheduling.until(lambda: "marker" in world.seen(), "the scheduler has seen them")
    buckets = {urn for urn, _ in wanted}
    scheduling.until(
        lambda: all(world.size_told(urn) == world.size_bytes(urn) for urn in buckets), "the webhook has seen them"
    )


@pytest.fixture
def place(world: World) -> Place:
    """A namespace of the test's own."""
    return make_place(world)


def make_place(world: World, annotations: Json | None = None) -> Place:
    name = next(NAMESPACES)
    world.cluster.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, "annotations": annotations}})
    return Place(world, name)


# ---- Knative Services


def test_a_service_that_names_buckets_runs_where_the_most_of_their_bytes_lie(place: Place) -> None:
    place.apply("knative-data-sources.yaml")
    [pod] = place.placed(knative("photo-tagger"))
    inputs = (PHOTOS, "labels,20000")
    assert said(pod) == ours(*inputs, data_sources="photos,labels", workload_type="data-intensive")
    assert note(pod) == (
        f"data-sources, workload-type, input-1, input-2 from Knative Service {place.namespace}/photo-tagger;"
        f" schedulerName {names.SCHEDULER_NAME}"
    )
    assert node_of(pod) == "edge-2"
    told = place.decision(pod)
    assert told["deciding"] == "data"
    assert [(move["urn"], move["partner"]) for move in told["transfers"]] == [
        ("photos", "edge-2"),
        ("labels", "edge-1"),
    ]


def test_a_service_that_names_objects_as_events_do_runs_where_they_are_not_where_their_bucket_is(place: Place) -> None:
    place.apply("knative-event-data.yaml")
    [pod] = place.placed(knative("tile-renderer"))
    inputs = ("elevation/alps/n46e008.tif,52000000,20", "elevation/alps/n46e009.tif,48000000,20")
    assert said(pod) == ours(*inputs, outputs=("map-tiles/alps/8.pmtiles,9000000",), data_intensive="true")
    assert node_of(pod) == "edge-1"
    told = place.decision(pod)
    assert told["deciding"] == "data"
    assert [move["partner"] for move in told["transfers"]] == ["edge-1", "edge-1", "edge-2"]


def test_pods_at_scale_up_stay_near_their_data_though_knative_would_have_them_apart(place: Place) -> None:
    """Its preferred anti-affinity is a wish; to read 100 MB from the other region weighs more."""
    place.apply("knative-event-data.yaml")
    [first] = place.placed(knative("tile-renderer"))
    assert "preferredDuringSchedulingIgnoredDuringExecution" in first["spec"]["affinity"]["podAntiAffinity"]
    place.scale("tile-renderer", 5)
    pods = place.placed(knative("tile-renderer"), 5)
    assert all(said(pod) == said(first) for pod in pods)
    assert {node_of(pod) for pod in pods} <= {"edge-1", "cloud-1"}


def test_a_pod_from_zero_runs_where_the_object_is_that_an_event_told_of(place: Place) -> None:
    place.apply("knative-cloudevents.yaml")
    place.placed(knative("scan-reader"))
    place.scale("scan-reader", 0)
    place.wait(knative("scan-reader"), 0)
    assert place.post({"dataInputs": [{"urn": "scans/2024/0817.pdf", "size": 900 * MB}]}, "scan-reader") == 202
    place.scale("scan-reader", 1)
    [pod] = place.placed(knative("scan-reader"))
    assert said(pod) == ours("scans/2024/0817.pdf,900000000", data_sources="scans")
    assert f"input-1 from events for {place.namespace}/scan-reader" in note(pod)
    assert node_of(pod) == "edge-1"
    assert place.decision(pod)["deciding"] == "data"


def test_a_pod_from_zero_runs_where_the_object_is_that_its_store_told_of(place: Place) -> None:
    """The bucket says whom it concerns, and its size is the store's word."""
    place.apply("knative-cloudevents.yaml")
    [pod] = place.placed(knative("scan-reader"))
    assert said(pod)[f"{names.INPUT_PREFIX}1"].startswith("scans,")
    key, before = f"2024/{place.namespace}.pdf", place.world.webhook.figure(EVENTS, outcome="kept")
    place.world.cluster.stores["edge-2"].upload("scans", key, 20 * MB)
    scheduling.until(lambda: place.world.webhook.figure(EVENTS, outcome="kept") > before, "the store has told of it")
    pod = place.from_zero("scan-reader")
    assert said(pod) == ours(f"scans/{key},{20 * MB}", data_sources="scans")
    assert node_of(pod) == "edge-2"
    assert place.decision(pod)["deciding"] == "data"


def test_a_service_that_says_nothing_is_not_touched(place: Place) -> None:
    before = place.world.webhook.figure(PODS, outcome="untouched")
    place.apply("knative-plain.yaml")
    [pod] = place.wait(knative("greeter"))
    assert place.world.webhook.figure(PODS, outcome="untouched") > before
    assert node_of(pod) == "", "there is no default scheduler here"
    assert as_if_never_asked(place, "greeter") == what_was_made_of(pod)
    assert said(pod) == {"schedulerName": names.DEFAULT_SCHEDULER_NAME}


def as_if_never_asked(place: Place, service: str) -> Json:
    """What becomes of a pod of this Service without the webhook."""
    template = json.loads(place.kubectl("get", "deployment", f"{service}-00001-deployment", "-o", "json"))["spec"][
        "template"
    ]
    labels = template["metadata"]["labels"] | {"scheduler.thesis/enrich": "disabled"}
    body = {"metadata": {**template["metadata"], "name": "other", "labels": labels}, "spec": template["spec"]}
    path = f"/api/v1/namespaces/{place.namespace}/pods?dryRun=All"
    return what_was_made_of(dict(place.world.cluster.api.request("POST", path, body)))


def what_was_made_of(pod: Json) -> Json:
    """Its annotations and spec, but for names that the API server draws."""
    kept = {"annotations": pod["metadata"].get("annotations", {}), "spec": pod["spec"]}
    made: Json = json.loads(re.sub(r"kube-api-access-\w+", "kube-api-access", json.dumps(kept)))
    return made


def test_a_namespace_speaks_for_all_that_say_nothing_in_it(world: World) -> None:
    world.cluster.apply(EXAMPLES / "namespace-defaults.yaml")
    place = Place(world, "imaging")
    place.apply("namespace-workloads.yaml")
    place.apply("knative-plain.yaml")
    asked = ours(PHOTOS, data_sources="photos", prefer_edge="true")
    for selector in (knative("greeter"), "app=viewer"):
        [pod] = place.placed(selector)
        assert said(pod) == asked
        assert note(pod).startswith("data-sources, prefer-edge, input-1 from namespace imaging;")
        assert node_of(pod) == "edge-2"
    [pod] = place.placed("app=archiver")
    assert said(pod) == ours(PHOTOS, data_sources="photos", prefer_cloud="true")
    [pod] = place.wait("app=monitor")
    assert said(pod) == {"schedulerName": names.DEFAULT_SCHEDULER_NAME}


@pytest.mark.parametrize(
    ("scheduler", "namespace"),
    [
        pytest.param("data-locality-scheduler", HOME, id="ours, beside our own programs"),
        pytest.param("default-scheduler", "", id="opted out"),
        pytest.param("somebody-elses", "", id="somebody else's"),
    ],
)
def test_the_scheduler_is_the_one_that_the_service_names(world: World, scheduler: str, namespace: str) -> None:
    place = Place(world, namespace) if namespace else make_place(world)
    service = yaml.safe_load((EXAMPLES / "knative-data-sources.yaml").read_text())
    service["metadata"]["annotations"][names.SCHEDULER_NAME_ANNOTATION] = scheduler
    place.kubectl("apply", "-f", "-", stdin=json.dumps(service))
    [pod] = place.wait(knative("photo-tagger"))
    assert said(pod) == {
        **ours(PHOTOS, "labels,20000", data_sources="photos,labels", workload_type="data-intensive"),
        names.SCHEDULER_NAME_ANNOTATION: scheduler,
        "schedulerName": scheduler,
    }
    if scheduler == names.SCHEDULER_NAME:
        [pod] = place.placed(knative("photo-tagger"))
        assert node_of(pod) == "edge-2"
    else:
        assert node_of(pod) == ""


@pytest.mark.skipif(not SEED.is_dir(), reason=f"no manifests of the earlier implementation at {SEED}")
def test_a_service_written_for_the_earlier_implementation_is_placed_by_its_data(world: World) -> None:
    place = Place(world, HOME)
    place.kubectl("apply", "-f", str(SEED / "00-test-service.yaml"))
    [pod] = place.placed(knative("region1-processor"))
    asked = ours("region1-specific-data/test-file.txt,1024000000,30", data_intensive="true", prefer_region="region-1")
    assert said(pod) == asked | {names.SCHEDULER_NAME_ANNOTATION: names.SCHEDULER_NAME}
    assert node_of(pod) == "edge-1"
    assert place.decision(pod)["deciding"] == "data"


# ---- other workloads


def test_a_deployment_runs_where_its_data_is(place: Place) -> None:
    place.apply("enriched-deployment.yaml")
    pods = place.placed("app=photo-index", 2)
    assert [said(pod) for pod in pods] == [ours(PHOTOS, data_sources="photos", prefer_edge="true")] * 2
    assert f"from Deployment {place.namespace}/photo-index" in note(pods[0])
    assert [node_of(pod) for pod in pods] == ["edge-2"] * 2
    assert place.decision(pods[0])["deciding"] == "data"


def test_a_job_runs_where_its_data_is_and_its_pod_gets_the_size_that_was_found(place: Place) -> None:
    place.apply("one-input.yaml")  # names the same object: so its size is looked up in the store
    size_bytes = CONTENTS["edge-2"]["photos/2024/harbour.raw"]
    scheduling.until(lambda: place.world.size_told("photos/2024/harbour.raw") == size_bytes, "its size is found")
    place.apply("enriched-job.yaml")
    [pod] = place.placed("job-name=contact-sheet")
    inputs = (f"photos/2024/harbour.raw,{size_bytes},3", "photos/2024/lighthouse.raw,51000000,3")
    assert said(pod) == ours(*inputs, outputs=("sheets/2024.pdf,2000000",))
    assert node_of(pod) == "edge-2"
    assert place.decision(pod)["deciding"] == "data"


def test_a_run_of_a_cronjob_runs_where_its_data_is(place: Place) -> None:
    place.apply("enriched-cronjob.yaml")
    place.kubectl("create", "job", "now", "--from=cronjob/nightly-backup-check")
    [pod] = place.placed("job-name=now")
    assert said(pod) == ours(f"backups,{30 * MB}", data_sources="backups", workload_type="data-intensive")
    assert f"from CronJob {place.namespace}/nightly-backup-check" in note(pod)
    assert node_of(pod) == "edge-1"
    assert place.decision(pod)["deciding"] == "data"


# ---- failure


def test_a_webhook_that_is_killed_while_knative_scales_up_loses_no_pod(place: Place) -> None:
    """Those made without it are as Knative made them; it takes up where it was, with what events had told."""
    webhook, service = place.world.webhook, knative("scan-reader")
    place.apply("knative-cloudevents.yaml")
    place.placed(service)
    assert place.post({"dataInputs": [{"urn": "scans/2024/0817.pdf", "size": 900 * MB}]}, "scan-reader") == 202
    place.scale("scan-reader", 20)
    scheduling.until(lambda: len(place.pods(service)) > 1, "it scales up")
    webhook.kill()
    try:
        place.scale("scan-reader", 25)
        pods = place.wait(service, 25)
        without = [pod for pod in pods if not note(pod)]
        assert len(without) >= 5
        assert all(said(pod) == {"schedulerName": names.DEFAULT_SCHEDULER_NAME} for pod in without)
        place.world.cluster.start_kube_scheduler()  # as on every cluster
        before = {pod["metadata"]["name"] for pod in place.placed(service, 25)}
    finally:
        place.world.cluster.stop_kube_scheduler()
        webhook.restart()
    place.scale("scan-reader", 28)
    new = [pod for pod in place.placed(service, 28) if pod["metadata"]["name"] not in before]
    assert [said(pod) for pod in new] == [ours("scans/2024/0817.pdf,900000000", data_sources="scans")] * 3
