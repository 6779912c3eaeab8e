"""What a decision's record says of its cost: terms that add up to it to the bit, and which filters refused how many."""

import collections

import msgspec
import pytest

from demo import world
from localcluster import nodes, topology
from scheduler.api import core, crd
from scheduler.engine import standing
from scheduler.kernel import events, journal, kernel, question
from scheduler.offline import door
from scheduler.plugins import criteria
from tests.kernel import running, runs
from tests.locality import serving


def total(terms: dict[str, standing.Term]) -> float:
    return sum(term.cost for term in terms.values())


@pytest.mark.parametrize("seed", [1])
def test_terms_add_up_for_every_pod_of_a_run(seed: int) -> None:
    """And offline, the same question has the same terms, and the same filters refuse as many nodes."""
    run = runs.Run(seed)
    seen: collections.Counter[str] = collections.Counter()
    for count, record in enumerate(run.decisions()):
        assert record.cost == total(record.terms), (seed, record)
        if (other := record.runner_up) is not None:
            assert other.cost == total(other.terms), (seed, record)
            assert other.terms.keys() == record.terms.keys()
            gains = {name: other.terms[name].cost - term.cost for name, term in record.terms.items()}
            assert record.deciding == "joint" or gains[record.deciding] == max(gains.values()), (seed, record)
        seen[record.deciding or record.outcome] += 1
        if count % 25 == 0:
            same_offline(run, record)
    assert sum(seen.values()) >= runs.PODS
    assert {"resources", "data", "unschedulable", "nodeType"} <= seen.keys(), seen


def same_offline(run: runs.Run, record: journal.Record) -> None:
    line = question.line(run.bare.kernel, record, run.bare.now_s)
    assert line is not None
    answer = msgspec.json.decode(door.answer_line(b"".join(line), running.SETTINGS, record.draw))
    refused = collections.Counter(said["plugin"] for said in answer["nodes"].values() if said["code"] != "Success")
    assert refused == record.refused, (run.seed, record)
    if not record.node:
        return
    told = answer["criteria"][record.node]
    for name, term in record.terms.items():
        if name == criteria.AHEAD:
            continue  # that of readers that were learned, of which no question tells
        assert told[name].get("u") == term.u, (run.seed, name)
        assert told[name].get("seconds") == pytest.approx(term.seconds), (run.seed, name)
        assert told[name]["weight"] == term.weight, (run.seed, name)


def test_terms_add_up_for_the_demos_pods() -> None:
    bare = running.Bare(kernel.Kernel(running.SETTINGS, "home", 1))
    bare.nodes(
        *(core.convert(nodes.manifest(one), core.Node, "node") for one in topology.load(topology.EDGE_CLOUD).nodes)
    )
    wanted = world.load()
    for bucket in wanted.buckets.values():
        status = {"replicas": [{"node": bucket.node, "available": True}]}
        data = {"metadata": {"name": bucket.bucket, "namespace": "default"}, "spec": {"urn": bucket.bucket}}
        obj = core.convert(data | {"status": status}, crd.DataObject, bucket.bucket)
        bare.kernel.handle(events.ObjectSeen(bare.now_s, obj))
    for stage in wanted.stages:
        for manifest in stage.manifests:
            name = manifest["metadata"]["name"]
            manifest["metadata"] |= {"namespace": "default", "uid": f"uid-{name}"}
            bare.pending(core.convert(manifest, core.Pod, name))
        serving.decided(bare)
    records = [record for _, record in bare.kernel.journal.recent()]
    assert {record.pod.partition("/")[2] for record in records} == wanted.moves.keys()
    assert all(record.node and record.cost == total(record.terms) for record in records)
    assert "data" in {record.deciding for record in records}
