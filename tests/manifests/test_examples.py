"""The examples: what they teach is right, and is what a pod gets; Knative's own webhook accepts those for it."""

import pathlib
from typing import Any

import pytest
import yaml

from localcluster import cluster, topology
from scheduler.api import annotations, names
from tests.clusterfixture import ClusterFactory
from tests.manifests import test_manifests as manifests
from webhook import facts
from webhook.admission import enrich, validate

FOLDER = manifests.ROOT / "manifests" / "examples"
MIB = 2**20


def sources(file: str) -> list[facts.Source]:
    """What the first object of an example says for pods of it."""
    (document, *_) = manifests.documents(FOLDER / file)
    return [facts.Source(f"{document['kind']} {file}", document["metadata"].get("annotations", {}))]


def made(file: str, *, knative: bool = False, size_bytes: int | None = None) -> enrich.Enrichment:
    """What is added to a pod that says nothing, of the first object of an example."""
    labels = {names.KNATIVE_SERVICE_LABEL: "x"} if knative else {}
    pod = {"metadata": {"namespace": "default", "labels": labels}, "spec": {"schedulerName": "default-scheduler"}}
    return enrich.enrich(pod, sources(file), lambda _: size_bytes)


@pytest.mark.parametrize("path", manifests.EXAMPLES, ids=lambda path: path.stem)
def test_nothing_in_an_example_is_warned_of(path: pathlib.Path) -> None:
    documents = list(manifests.documents(path))
    assert documents
    for document in documents:
        assert {"apiVersion", "kind", "metadata"} <= set(document)
        assert validate.warnings(document) == []


GIVEN = [
    pytest.param(
        "knative-data-sources.yaml",
        {"input-1": "photos", "input-2": "labels"},
        {"data-sources": "photos,labels", "workload-type": "data-intensive"},
        id="Knative, data sources",
    ),
    pytest.param(
        "knative-event-data.yaml",
        {
            "input-1": "elevation/alps/n46e008.tif",
            "input-2": "elevation/alps/n46e009.tif",
            "output-1": "map-tiles/alps/8.pmtiles",
        },
        {"data-intensive": "true"},
        id="Knative, event data",
    ),
    pytest.param("knative-cloudevents.yaml", {"input-1": "scans"}, {"data-sources": "scans"}, id="Knative, events"),
    pytest.param(
        "enriched-deployment.yaml",
        {"input-1": "photos"},
        {"data-sources": "photos", "prefer-edge": "true"},
        id="Deployment",
    ),
    pytest.param(
        "enriched-job.yaml",
        {"input-1": "photos/2024/harbour.raw", "input-2": "photos/2024/lighthouse.raw", "output-1": "sheets/2024.pdf"},
        {},
        id="Job",
    ),
    pytest.param(
        "enriched-cronjob.yaml",
        {"input-1": "backups"},
        {"data-sources": "backups", "workload-type": "data-intensive"},
        id="CronJob",
    ),
    pytest.param(
        "namespace-defaults.yaml",
        {"input-1": "photos"},
        {"data-sources": "photos", "prefer-edge": "true"},
        id="namespace",
    ),
]


@pytest.mark.parametrize(("file", "moves", "hints"), GIVEN)
def test_a_pod_gets_what_the_example_promises(file: str, moves: dict[str, str], hints: dict[str, str]) -> None:
    found = made(file, knative=file.startswith("knative"))
    assert found.warnings == ()
    assert found.scheduler_name == names.SCHEDULER_NAME
    added = {key: text for key, text in found.annotations.items() if key != names.ENRICHED}
    urns = {key.removeprefix(names.DATA_PREFIX): text.partition(",")[0] for key, text in added.items()
            if key.startswith(names.DATA_PREFIX)}  # fmt: skip
    assert urns == moves
    rest = {key for key in added if not key.startswith(names.DATA_PREFIX)}
    assert {key.removeprefix(names.HINT_PREFIX): added[key] for key in rest} == hints
    intent, problems = annotations.parse(found.annotations)
    assert problems == ()
    assert len(intent.inputs) + len(intent.outputs) == len(moves)


def test_a_size_that_nobody_wrote_is_that_of_the_data_object() -> None:
    found = made("enriched-job.yaml", size_bytes=48 * MIB).annotations
    assert found[f"{names.INPUT_PREFIX}1"] == f"photos/2024/harbour.raw,{48 * MIB},3"
    assert found[f"{names.INPUT_PREFIX}2"].split(",")[1] == "51000000", "what was written stays"


def test_a_plain_service_is_left_alone() -> None:
    assert made("knative-plain.yaml", knative=True) == enrich.Enrichment()


def test_what_prefers_the_cloud_in_a_namespace_that_prefers_the_edge_gets_the_rest() -> None:
    (namespace,) = manifests.documents(FOLDER / "namespace-defaults.yaml")
    _, archiver, _ = manifests.documents(FOLDER / "namespace-workloads.yaml")
    said = [facts.Source(item["kind"], item["metadata"]["annotations"]) for item in (archiver, namespace)]
    pod = {"metadata": {"namespace": "imaging"}, "spec": {}}
    found = enrich.enrich(pod, said, lambda _: None).annotations
    assert {names.PREFER_CLOUD, names.DATA_SOURCES} <= set(found)
    assert names.PREFER_EDGE not in found


def test_the_trigger_tells_the_webhook_of_the_service_that_is_shown() -> None:
    (trigger,) = manifests.documents(FOLDER / "knative-trigger.yaml")
    (service,) = manifests.documents(FOLDER / "knative-cloudevents.yaml")
    hook = manifests.base("Service")["data-locality-webhook"]
    (port,) = (port["port"] for port in hook["spec"]["ports"] if port["name"] == "events")
    where = f"data-locality-webhook.{names.HOME_NAMESPACE}.svc:{port}"
    assert trigger["spec"]["subscriber"] == {
        "uri": f"https://{where}/events/default/{service['metadata']['name']}",
        "audience": "data-locality-webhook",
    }
    assert f"https://{where}/events\n" in (FOLDER / "knative-cloudevents.yaml").read_text()


@pytest.mark.e2e
def test_knative_accepts_its_examples_to_the_letter(cluster_factory: ClusterFactory) -> None:
    files = sorted(path for path in FOLDER.glob("knative-*.yaml") if path.stem != "knative-trigger")
    assert len(files) == 4
    with cluster_factory(topology.Topology(nodes=()), knative=True) as knative:
        arguments = [part for path in files for part in ("-f", str(path))]
        shown = apply(knative, *arguments)
        assert [item["kind"] for item in shown] == ["Service"] * 4


def apply(running: cluster.Cluster, *arguments: str) -> list[dict[str, Any]]:
    text = running.kubectl("apply", "--dry-run=server", "--validate=strict", "-o", "yaml", *arguments)
    items: list[dict[str, Any]] = yaml.safe_load(text)["items"]
    return items
