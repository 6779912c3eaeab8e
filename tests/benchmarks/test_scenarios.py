"""What placing is measured on is what it is said to be, and the same each time."""

from __future__ import annotations

import collections
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import tools
from benchmarks.quality import scenarios
from benchmarks.quality.scenarios import generated, instances, synthetic, topologies, variants
from scheduler.api import annotations as intents
from scheduler.api import units
from scheduler.simulate import scenario
from tests.simulate.reading import worlds

BENCHMARK = Path(__file__).parents[3] / "shared" / "seed" / "benchmark.json"
SMALL = (generated.Workflow("seismology", 110, 7), generated.Workflow("montage", 110, 7))


def accesses(world: scenario.Scenario) -> list[intents.Transfer]:
    asked = [intents.parse(work.pod.metadata.annotations)[0] for work in world.works]
    return [transfer for intent in asked for transfer in (*intent.inputs, *intent.outputs)]


def asked_milli(world: scenario.Scenario) -> int:
    return sum(units.quantity_milli(work.pod.spec.containers[0].resources.requests["cpu"]) for work in world.works)


@pytest.mark.parametrize("name", topologies.NAMES)
def test_on_every_topology_data_lies_in_one_store_and_may_be_written_to_each(name: str) -> None:
    for stores in ("node", "site"):
        world = synthetic.bursts(topologies.part(name, stores), seed=1)
        holders = worlds.where(world, f"{synthetic.BUCKET}/new")
        zones = {node.metadata.labels["topology.kubernetes.io/zone"] for node in world.nodes}
        assert len(holders) == (len(world.nodes) if stores == "node" else len(zones))
        assert all(len(worlds.where(world, obj.spec.urn)) == 1 for obj in world.objects)
        assert {node for obj in world.objects for node in worlds.where(world, obj.spec.urn)} == set(holders)


@pytest.mark.parametrize(
    ("topology", "source", "target", "mbit", "latency_s"),
    [
        ("cluster", "node-1", "node-8", 1000, 0.0002),
        ("edge", "cloud-1", "office-a-3", 500, 0.010),
        ("edge", "office-a-3", "cloud-1", 50, 0.010),
        ("edge", "mast-c-1", "cloud-4", 25, 0.030),
        ("edge", "office-a-1", "office-a-2", 1000, 0.0003),
        ("regions", "america-a-1", "america-b-1", 5000, 0.001),
        ("regions", "america-b-2", "europe-a-1", 500, 0.040),
        ("regions", "asia-a-1", "america-a-1", 300, 0.110),
    ],
)
def test_links_are_what_the_topology_says(
    topology: str, source: str, target: str, mbit: float, latency_s: float
) -> None:
    snap = worlds.state(synthetic.bursts(topologies.part(topology), seed=1, count=1)).freeze()
    bandwidth, latency = snap.reach(snap.index_of[source], outward=True)
    assert bandwidth[snap.index_of[target]] == pytest.approx(mbit * 1e6 / 8)
    assert latency[snap.index_of[target]] == pytest.approx(latency_s)


@pytest.mark.parametrize(
    ("name", "tasks", "most_inputs", "read_per_file"),
    [
        ("chain", 120, 1, 1),
        ("fork", 61, 1, 60),
        ("group", 80, 3, 1),
        ("group-multiple", 100, 3, 2),
        ("all-in-one", 61, 60, 1),
    ],
)
def test_a_pattern_has_its_shape(name: str, tasks: int, most_inputs: int, read_per_file: int) -> None:
    world = dict(scenarios.shapes())[name](topologies.part("cluster"))
    asked = {work.pod.key: intents.parse(work.pod.metadata.annotations)[0] for work in world.works}
    assert len(asked) == tasks
    assert max(len(intent.inputs) for intent in asked.values()) == most_inputs
    writer = {transfer.urn: pod for pod, intent in asked.items() for transfer in intent.outputs}
    read = collections.Counter(transfer.urn for intent in asked.values() for transfer in intent.inputs)
    assert set(read.values()) == {read_per_file}
    for work in world.works:
        assert set(work.after) == {writer[transfer.urn] for transfer in asked[work.pod.key].inputs}


def test_the_pipelines_are_22_pods_with_56_accesses_to_3536_mb() -> None:
    world = scenarios.pipelines()
    assert len(world.works) == 22
    found = accesses(world)
    assert len(found) == 56
    assert sum(transfer.size_bytes for transfer in found) == 3536 * 2**20


@pytest.mark.skipif(not BENCHMARK.exists(), reason=f"no benchmark of the earlier implementation at {BENCHMARK}")
def test_the_pipelines_ask_for_what_those_of_the_earlier_implementation_ask_for() -> None:
    told = json.loads(BENCHMARK.read_text("utf-8"))
    theirs = [pod for workload in told["workloads"] for pod in workload["pods"]]
    regions = {"region-1": "north", "region-2": "south", "": ""}

    def hers(pod: dict[str, Any]) -> Any:
        intent, _ = intents.parse(pod["annotations"])
        return _asked(intent, regions[intent.prefer_region], pod["cpu_milli"], pod["memory_bytes"])

    def ours(work: scenario.Work) -> Any:
        intent, _ = intents.parse(work.pod.metadata.annotations)
        requests = work.pod.spec.containers[0].resources.requests
        amounts = units.quantity_milli(requests["cpu"]), units.quantity(requests["memory"])
        return _asked(intent, intent.prefer_region, *amounts)

    assert [ours(work) for work in scenarios.pipelines().works] == [hers(pod) for pod in theirs]


def _asked(intent: intents.Intent, region: str, cpu_milli: int, memory_bytes: int) -> tuple[object, ...]:
    sizes = [[transfer.size_bytes for transfer in transfers] for transfers in (intent.inputs, intent.outputs)]
    kinds = intent.data_intensive, intent.compute_intensive, intent.prefer_edge, intent.prefer_cloud
    return sizes, kinds, region, intent.processing_s, cpu_milli, memory_bytes


def test_a_batch_has_room_and_not_much_more() -> None:
    world = synthetic.batch(64, 50, seed=3)
    assert world == synthetic.batch(64, 50, seed=3) != synthetic.batch(64, 50, seed=4)
    assert len(world.works) == 64
    assert len(world.nodes) == 50
    room_milli = sum(units.quantity_milli(node.status.allocatable["cpu"]) for node in world.nodes)
    assert room_milli >= 1.25 * asked_milli(world)
    crowded = synthetic.batch(64, 10, seed=3)
    room_milli = sum(units.quantity_milli(node.status.allocatable["cpu"]) for node in crowded.nodes)
    assert 1.25 <= room_milli / asked_milli(crowded) < 1.3


@pytest.mark.parametrize(
    ("name", "tasks", "files", "size_bytes", "works_s"),
    [  # as their own metrics say
        ("1000genome-chameleon-2ch-100k-001", 52, 64, 2_584_828_544, 2771.295),
        ("blast-chameleon-small-001", 43, 127, 5_112_434_776, 382.91272),
        ("srasearch-chameleon-10a-001", 22, 48, 10_686_822_170, 6996.779),
    ],
)
def test_a_real_workflow_is_whole(name: str, tasks: int, files: int, size_bytes: int, works_s: float) -> None:
    assert name in instances.NAMES
    world = dict(scenarios.real())[name](topologies.part("cluster"))
    sizes = {transfer.urn: transfer.size_bytes for transfer in accesses(world)}
    assert (len(world.works), len(sizes), sum(sizes.values())) == (tasks, files, size_bytes)
    assert sum(work.works_s for work in world.works) == pytest.approx(works_s)


def test_pods_that_declare_nothing_move_and_work_as_they_did() -> None:
    declared = synthetic.bursts(topologies.part("edge"), seed=1)
    silent = variants.undeclared(declared)
    assert all(transfer.processing_s == 0 for transfer in accesses(silent))
    assert [(one.urn, one.size_bytes) for one in accesses(silent)] == [
        (one.urn, one.size_bytes) for one in accesses(declared)
    ]
    assert [(one.pod.key, one.works_s) for one in silent.works] == [
        (one.pod.key, one.works_s) for one in declared.works
    ]


def test_images_are_pulled_from_where_the_scheduler_is_told_that_they_are() -> None:
    bursts = synthetic.bursts(topologies.part("edge"), seed=1)
    found = variants.with_images(bursts, variants.Place("west", "cloud"), seed=1)
    assert found == variants.with_images(bursts, variants.Place("west", "cloud"), seed=1)
    sizes = {image.name: image.size_bytes for image in found.images}
    assert len(sizes) == 20, "a burst has one of its own"
    assert {work.pod.spec.containers[0].image for work in found.works} == set(sizes)
    assert {image.registry for image in found.images} == {"external:west/cloud"}
    assert [(one.region, one.zone) for one in found.settings.registries] == [("west", "cloud")]
    held = [(image.names[0], image.size_bytes) for node in found.nodes for image in node.status.images]
    assert 0 < len(held) < len(found.nodes) * len(sizes) / 2
    assert set(held) <= sizes.items()


def test_bursts_and_crowds_are_the_same_each_time() -> None:
    topology = topologies.part("edge")
    assert synthetic.bursts(topology, 5) == synthetic.bursts(topology, 5) != synthetic.bursts(topology, 6)
    crowd = synthetic.crowd(200, 50, seed=2)
    assert crowd == synthetic.crowd(200, 50, seed=2)
    assert (len(crowd.works), len(crowd.nodes)) == (200, 50)
    assert [work.arrives_s for work in crowd.works] == sorted(work.arrives_s for work in crowd.works)


def test_the_catalogue_has_at_least_thirty_workflows_of_nine_recipes() -> None:
    assert len(set(generated.ALL)) >= 30
    assert len({workflow.recipe for workflow in generated.ALL}) == 9
    assert all(50 <= workflow.tasks <= 500 for workflow in generated.ALL)


def test_generated_workflows_are_the_same_each_time_and_run_on_any_topology(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        tools.environment("wfcommons", generated.VERSION)
    except RuntimeError as error:
        pytest.skip(str(error))
    made = generated.folder(SMALL)
    mixed = scenarios.mix(topologies.part("edge"), 1, SMALL)
    assert mixed == scenarios.mix(topologies.part("edge"), 1, SMALL)
    assert (
        len({work.arrives_s for work in mixed.works}) == len({work.pod.metadata.namespace for work in mixed.works}) == 2
    )
    worlds_ = {name: make(topologies.part("edge")) for name, make in scenarios.workflows(SMALL)}
    assert set(worlds_) == {workflow.name for workflow in SMALL}
    for name, world in worlds_.items():
        assert world.name == f"{name} on edge"
        assert 40 <= len(world.works) <= 110
        assert any(work.after for work in world.works)
        assert any(work.works_s for work in world.works)
        assert world.objects
        assert accesses(world)
    tool = made.parent / f"wfcommons-{generated.VERSION}"
    (tmp_path / "data-locality-scheduler").mkdir()
    (tmp_path / "data-locality-scheduler" / tool.name).symlink_to(tool)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    again = generated.folder(SMALL)
    for workflow in SMALL:
        first, second = (json.loads((at / f"{workflow.name}.json").read_text("utf-8")) for at in (made, again))
        assert first["workflow"]["specification"] == second["workflow"]["specification"]
