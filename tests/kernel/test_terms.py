"""What a decision's record says of its cost: terms that add up to it to the bit, and which filters refused how many."""

import collections
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from scheduler.api import core, crd, verdicts
from scheduler.engine import standing
from scheduler.kernel import commands, events, journal, kernel, question
from scheduler.offline import door
from scheduler.plugins import criteria
from tests.kernel import running
from tests.kernel.running import capability, node, pod

PODS = 1000
NODES = 30
BUCKETS = ("raw", "work", "models")


def total(terms: dict[str, standing.Term]) -> float:
    return sum(term.cost for term in terms.values())


def world(bare: running.Bare, rng: random.Random) -> None:
    """Zones of two regions, some nodes tainted, edge or cordoned, and buckets with a store or two each."""
    for number in range(NODES):
        labels = {
            "topology.kubernetes.io/region": f"r{number % 2}",
            "topology.kubernetes.io/zone": f"z{number % 4}",
            "kubernetes.io/hostname": f"n{number}",
        }
        spec: dict[str, Any] = {"unschedulable": number == 7}
        if number % 9 == 0:
            spec["taints"] = [{"key": "k", "effect": rng.choice(["NoSchedule", "PreferNoSchedule"])}]
        bare.nodes(node(f"n{number}", cpu=rng.choice(["2", "4", "8"]), labels=labels, spec=spec))
        kind = rng.choice(["edge", "cloud"])
        bare.kernel.handle(events.CapabilitySeen(bare.now_s, capability(f"n{number}", nodeType=kind)))
    for bucket in BUCKETS:
        copies = [{"node": f"n{rng.randrange(NODES)}", "available": True} for _ in range(rng.randrange(1, 3))]
        data = {"metadata": {"name": bucket, "namespace": "default"}, "spec": {"urn": bucket}}
        obj = core.convert(data | {"status": {"replicas": copies}}, crd.DataObject, bucket)
        bare.kernel.handle(events.ObjectSeen(bare.now_s, obj))


def some_pod(number: int, rng: random.Random) -> core.Pod:
    annotations: dict[str, str] = {}
    if rng.random() < 0.6:
        for place in range(rng.randrange(1, 3)):
            urn = f"{rng.choice(BUCKETS)}/{rng.randrange(20)}"
            annotations[f"data.scheduler.thesis/input-{place + 1}"] = f"{urn},{rng.randrange(10**9)},{rng.randrange(9)}"
    if rng.random() < 0.4:
        annotations["data.scheduler.thesis/output-1"] = f"{rng.choice(BUCKETS)}/{rng.randrange(20)},{10**8}"
    if rng.random() < 0.3:
        annotations["scheduler.thesis/prefer-edge"] = "true"
    spec: dict[str, Any] = {"nodeSelector": {"topology.kubernetes.io/zone": "z1"}} if rng.random() < 0.2 else {}
    cpu = rng.choice(["100m", "500m", "1", "3", "9"])
    return pod(f"p{number}", cpu=cpu, annotations=annotations, preemptionPolicy="Never", **spec)


def run(bare: running.Bare, rng: random.Random) -> Iterator[journal.Record]:
    """Decide pods, one or some at a time, of which the older ones go; each record as soon as there is one."""
    there: collections.deque[core.Pod] = collections.deque()
    told = 0
    number = 0
    while number < PODS:
        came = [some_pod(number + more, rng) for more in range(rng.choice([1, 1, 1, 6]))]
        number += len(came)
        bare.pending(*came)
        for _ in range(40):
            given = bare.step(1)
            if bare.kernel.journal.added > told:
                told = bare.kernel.journal.added
                assert bare.kernel.journal.latest is not None
                yield bare.kernel.journal.latest
            for told_to in given:
                if isinstance(told_to, commands.AskData):
                    bare.kernel.handle(events.DataAnswered(bare.now_s, told_to.pod.metadata.uid, None))
                if isinstance(told_to, commands.Bind):
                    bare.answer(told_to.name, verdicts.Verdict.BOUND)
                    known = bare.kernel.world.pod(told_to.uid)
                    assert known is not None
                    bare.seen(
                        msgspec.structs.replace(known, spec=msgspec.structs.replace(known.spec, node_name=told_to.node))
                    )
            bare.now_s += 0.01
        for one in came:
            placed = bare.kernel.world.pod(one.metadata.uid)
            if placed is None:
                bare.kernel.handle(events.PendingGone(bare.now_s, one.metadata.uid))
            else:
                there.append(one)
        while len(there) > 60:
            bare.gone(there.popleft().metadata.name)


@pytest.mark.parametrize("seed", [1])
def test_terms_add_up_for_every_pod_of_a_run(seed: int) -> None:
    """And offline, the same question has the same terms, and the same filters refuse as many nodes."""
    rng = random.Random(seed)
    bare = running.Bare(kernel.Kernel(running.SETTINGS, "home", seed))
    world(bare, rng)
    seen: collections.Counter[str] = collections.Counter()
    for count, record in enumerate(run(bare, rng)):
        assert record.cost == total(record.terms), (seed, record)
        if (other := record.runner_up) is not None:
            assert other.cost == total(other.terms), (seed, record)
            assert other.terms.keys() == record.terms.keys()
            gains = {name: other.terms[name].cost - term.cost for name, term in record.terms.items()}
            assert record.deciding == "joint" or gains[record.deciding] == max(gains.values()), (seed, record)
        seen[record.deciding or record.outcome] += 1
        if count % 25 == 0:
            same_offline(bare, record, seed)
    assert sum(seen.values()) >= PODS
    assert {"resources", "data", "unschedulable", "nodeType"} <= seen.keys(), seen


def same_offline(bare: running.Bare, record: journal.Record, seed: int) -> None:
    line = question.line(bare.kernel, record, bare.now_s)
    if line is None or record.sequence != bare.kernel.sequence:
        return
    answer = msgspec.json.decode(door.answer_line(b"".join(line), running.SETTINGS, record.draw))
    assert "nodes" in answer, answer
    refused = collections.Counter(said["plugin"] for said in answer["nodes"].values() if said["code"] != "Success")
    assert refused == record.refused, (seed, record)
    if not record.node:
        return
    told = answer["criteria"][record.node]
    assert told["cost"] == pytest.approx(record.cost, rel=1e-6), (seed, record)  # of a time of whole microseconds
    for name, term in record.terms.items():
        if name == criteria.AHEAD:
            continue  # that of readers that were learned, of which no question tells
        assert told[name].get("u") == term.u, (seed, name)
        assert told[name]["weight"] == term.weight, (seed, name)
