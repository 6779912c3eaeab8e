"""The question of a decision: asked offline, it has the same answer, as long as the state is the one decided on."""

import msgspec
import pytest

from scheduler import errors
from scheduler.api import core, crd, names, policy, verdicts
from scheduler.kernel import commands, events, question
from scheduler.offline import door, world
from tests.kernel import running
from tests.kernel.running import capability, node, pod
from tests.state import build


def asked(bare: running.Bare, name: str) -> bytes:
    [*_, (_, record)] = bare.kernel.journal.of(f"default/{name}")
    line = question.line(bare.kernel, record, bare.now_s)
    assert line is not None
    return b"".join(line)


@pytest.fixture
def bare(bare: running.Bare) -> running.Bare:
    """Sixteen nodes that are alike, with some of everything about."""
    bare.nodes(*(node(f"n{number}", labels={"zone": "a"}) for number in range(16)))
    bare.seen(pod("runs", cpu="2", node="n0"))
    bare.kernel.handle(events.CapabilitySeen(bare.now_s, capability("n1", nodeType="edge")))
    bare.kernel.handle(events.NamespaceSeen(bare.now_s, core.Namespace(core.ObjectMeta(name="default"))))
    bare.pending(pod("a"), pod("big", cpu="9", preemptionPolicy="Never", status={"nominatedNodeName": "n3"}))
    return bare


def test_it_has_the_decisions_answer_and_draw(bare: running.Bare) -> None:
    given = running.bound(bare.step())
    line = asked(bare, "a")
    assert line.count(b"\n") == 1
    identity = msgspec.json.decode(line)["id"]
    assert identity["decided"]["sequence"] == identity["shown"]["sequence"] == bare.kernel.sequence
    answer = msgspec.json.decode(door.answer_line(line, running.SETTINGS, identity["decided"]["draw"]))
    assert answer["chosen"] == given["a"]
    assert (answer["id"], len(answer["best"])) == (identity, 14), "n0 is fuller, and on n3 another is expected"


def test_it_says_that_the_state_has_moved_on(bare: running.Bare) -> None:
    bare.step()
    bare.answer("a", verdicts.Verdict.BOUND)
    bare.seen(pod("more", cpu="4", node="n1"))
    line = msgspec.json.decode(asked(bare, "a"))
    assert line["id"]["shown"]["sequence"] == line["id"]["decided"]["sequence"] + 2
    assert {"default/more", "default/runs", "default/big"} == {
        f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in line["pods"]
    }
    assert "nodeName" not in line["pod"]["spec"]


def test_of_a_pod_that_is_gone_nothing_can_be_asked(bare: running.Bare) -> None:
    bare.step()
    [(_, record)] = bare.kernel.journal.of("default/big")
    bare.kernel.handle(events.PendingGone(bare.now_s, "uid-big"))
    assert question.line(bare.kernel, record, bare.now_s) is None


def test_whom_a_pod_would_evict_is_answered_alike(bare: running.Bare) -> None:
    """By the budgets, too."""
    for number in range(16):
        bare.seen(pod(f"fills{number}", cpu="4", node=f"n{number}", labels={"app": "free" if number == 5 else "kept"}))
    meta = core.ObjectMeta(name="all", namespace="default")
    selector = core.LabelSelector(match_labels={"app": "kept"})
    budget = policy.PodDisruptionBudget(meta, policy.PodDisruptionBudgetSpec(selector))
    bare.kernel.handle(events.BudgetSeen(bare.now_s, budget))
    bare.pending(pod("urgent", cpu="4", priority=5))
    [evict] = running.only(commands.Evict, bare.step())
    answer = msgspec.json.decode(door.answer_line(asked(bare, "urgent"), running.SETTINGS, 0))
    assert answer["preemption"]["selected"] == [evict.node] == ["n5"]
    assert answer["preemption"]["candidates"]["n5"] == {"pods": ["default/fills5"], "numPDBViolations": 0}


def test_what_is_under_way_is_asked_with_it(bare: running.Bare) -> None:
    """The node that is nearest has its way in use, so that another one is taken; asked offline, it is the same."""
    seen = {"urn": "logs/k"}
    copies = [{"node": name, "available": True} for name in ("n1", "n2")]
    data = core.convert(
        {"metadata": {"name": "o", "namespace": "default"}, "spec": seen, "status": {"replicas": copies}},
        crd.DataObject,
        "o",
    )
    bare.nodes(*(node(name, cpu="1", labels={"zone": "a"}) for name in ("n1", "n2")))
    bare.kernel.handle(events.ObjectSeen(bare.now_s, data))
    keeps = {"node-capability/keeps-inputs": "true"}
    bare.nodes(node("n4", cpu="1", labels=keeps), node("n5", cpu="1", labels=keeps))
    reads = {"data.scheduler.thesis/input-1": "logs/k,900000000"}
    given: dict[str, str] = {}
    for name in ("first", "second", "third", "fourth", "fifth"):
        for ask in running.only(commands.AskData, bare.pending(pod(name, annotations=reads)) + bare.step()):
            given |= running.bound(
                bare.kernel.handle(events.DataAnswered(bare.now_s, ask.pod.metadata.uid, None)) + bare.later(0.2)
            )
    assert given.keys() == {"first", "second", "third", "fourth", "fifth"}
    line = asked(bare, "fifth")
    shown = msgspec.json.decode(line)
    assert {one["uid"] for one in shown["transfers"]} == {"uid-first", "uid-second", "uid-third", "uid-fourth"}
    assert [one["node"] for one in shown["fetched"]] == [given[name] for name in given if given[name] in ("n4", "n5")]
    answer = msgspec.json.decode(door.answer_line(line, running.SETTINGS, shown["id"]["decided"]["draw"]))
    assert answer["chosen"] == given["fifth"]
    [(_, record)] = bare.kernel.journal.of("default/fifth")
    [told] = answer["criteria"][given["fifth"]]["data"]["transfers"]
    [transfer] = record.transfers
    assert (told["from"], told["queuedOn"]) == (transfer.partner, transfer.queued_on)
    assert (told["seconds"], told["queuedSeconds"]) == pytest.approx((transfer.seconds, transfer.queued_s), rel=1e-5)
    without = msgspec.json.decode(door.answer_line(msgspec.json.encode(shown | {"transfers": [], "fetched": []})))
    assert "queuedOn" not in without["criteria"][given["fifth"]]["data"]["transfers"][0]


def test_who_reads_what_the_pod_writes_is_thought_of_alike(bare: running.Bare) -> None:
    for number, region in enumerate(("here", "there")):
        bare.nodes(node(f"m{number}", labels={names.REGION_LABEL: region}))
    for obj in (build.data_object("mid", at=["m0", "m1"]), build.data_object("far/in", at=["m1"], size=10**9)):
        bare.kernel.handle(events.ObjectSeen(bare.now_s, build.as_data_object(obj)))
    reads = build.data(inputs=["mid/out,100000000", "far/in,1000000000"])
    gates = [{"name": "later"}]
    bare.pending(pod("reader", annotations=reads, schedulingGates=gates))
    bare.pending(pod("writer", annotations=build.data(outputs=["mid/out,100000000"])))
    given = running.bound(bare.step())
    line = asked(bare, "writer")
    draw = msgspec.json.decode(line)["id"]["decided"]["draw"]
    answer = msgspec.json.decode(door.answer_line(line, running.SETTINGS, draw))
    assert answer["chosen"] == given["writer"] == "m1"
    assert answer["criteria"]["m0"]["ahead"]["readers"] == {"mid/out": ["default/reader"]}


def test_a_world_holds_all_and_its_last_decisions(bare: running.Bare) -> None:
    """Each of its pods can be asked about in it, and is answered as it was decided."""
    bare.pending(pod("b"))
    given = running.bound(bare.step())
    bare.seen(pod("more", cpu="4", node="n1"))
    read = world.read(b"".join(question.whole(bare.kernel, bare.now_s)))
    assert read.settings == running.SETTINGS
    assert {one.key: one.spec.node_name for one in read.pods} == {
        "default/runs": "n0", "default/more": "n1", "default/big": "",
        **{f"default/{name}": node for name, node in given.items()},
    }  # fmt: skip
    decided = {one.decision.pod: one for one in read.recent}
    assert decided.keys() == {"default/a", "default/b", "default/big"}
    for name in ("a", "b"):
        one = decided[f"default/{name}"]
        assert (one.pod.metadata.name, one.pod.spec.node_name, one.decision.node) == (name, "", given[name])
    assert read.id["shown"]["sequence"] == bare.kernel.sequence


@pytest.mark.parametrize("data", [b"", b"[]", b'{"nodez":[]}', b'{"nodes":[{"metadata":{}}]}'])
def test_what_is_no_world_is_refused(data: bytes) -> None:
    with pytest.raises(errors.InputError, match=r"world|nodes"):
        world.read(data)
