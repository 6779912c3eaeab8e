"""Which events wake a pod that fits nowhere: those that its refusers say may help it, and no others."""

from typing import Any

import pytest

from scheduler.api import core, names, verdicts
from scheduler.kernel import commands, events, places
from scheduler.plugins import registry
from tests.kernel import running
from tests.kernel.running import capability, node, pod

Place = places.Place

TAINT = {"taints": [{"key": "k", "effect": "NoSchedule"}]}
STORAGE = {names.REQUIRES_LOCAL_STORAGE: "true"}


def wants(kind: str, **term: Any) -> dict[str, Any]:
    """Affinity of a kind for pods of app x on the same node."""
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "x"}}} | term
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


NEAR, FAR = wants("podAffinity"), wants("podAntiAffinity")
HOST = {"kubernetes.io/hostname": "n1"}
X, Y = {"app": "x"}, {"app": "y"}


def store(available: bool = True) -> list[dict[str, Any]]:
    return [{"name": "s", "available": available, "lastProbeTime": "1970-01-01T00:16:40Z"}]


T = 1000.0
CASES = [
    # who waits, for what; what there was; what happens; whether that wakes it
    pytest.param(pod("w", cpu="8"), [], events.NodeSeen(T, node("n1", labels=HOST)), False, id="a node as it was"),
    pytest.param(
        pod("w", cpu="8"), [], events.NodeSeen(T, node("n1", labels=HOST | X)), False, id="a label, to who needs room"
    ),
    pytest.param(pod("w", cpu="8"), [], events.NodeSeen(T, node("n1", cpu="9")), True, id="a node that grows"),
    pytest.param(pod("w", cpu="8"), [], events.NodeSeen(T, node("n1", cpu="7")), False, id="one that grows too little"),
    pytest.param(pod("w", cpu="8"), [], events.NodeSeen(T, node("n2", cpu="9")), True, id="a new node"),
    pytest.param(pod("w", cpu="8"), [], events.NodeSeen(T, node("n2", cpu="1")), False, id="a new one too small"),
    pytest.param(
        pod("w", nodeSelector=X),
        [],
        events.NodeSeen(T, node("n1", labels=HOST | X)),
        True,
        id="a selected label",
    ),
    pytest.param(
        pod("w", nodeSelector=X), [], events.NodeSeen(T, node("n1", labels=HOST | Y)), False, id="another label"
    ),
    pytest.param(
        pod("w", cpu="3"), [pod("a", cpu="2", node="n1")], events.PodGone(T, "uid-a"), True, id="a pod that goes"
    ),
    pytest.param(
        pod("w", nodeSelector=X),
        [pod("a", cpu="2", node="n1")],
        events.PodGone(T, "uid-a"),
        False,
        id="a pod that goes, to who waits for a label",
    ),
    pytest.param(
        pod("w", cpu="3"),
        [pod("a", cpu="2", node="n1")],
        events.PodSeen(T, pod("a", cpu="1", node="n1", status={"phase": "Running"})),
        True,
        id="a pod that asks for less",
    ),
    pytest.param(
        pod("w", cpu="3"),
        [pod("a", cpu="2", node="n1")],
        events.PodSeen(T, pod("a", cpu="2", node="n1", status={"phase": "Running"})),
        False,
        id="a pod that starts",
    ),
    pytest.param(pod("w", **NEAR), [], events.PodSeen(T, pod("a", node="n1", labels=X)), True, id="company"),
    pytest.param(pod("w", **NEAR), [], events.PodSeen(T, pod("a", node="n1", labels=Y)), False, id="other company"),
    pytest.param(
        pod("w", **NEAR),
        [],
        events.PodSeen(T, pod("a", node="n1", labels=X, namespace="other")),
        False,
        id="company in another namespace",
    ),
    pytest.param(
        pod("w", **wants("podAffinity", namespaces=["other"])),
        [],
        events.PodSeen(T, pod("a", node="n1", labels=X, namespace="other")),
        True,
        id="company in the namespace that is named",
    ),
    pytest.param(
        pod("w", **NEAR),
        [pod("a", node="n1", labels=Y)],
        events.PodSeen(T, pod("a", node="n1", labels=X)),
        True,
        id="a pod that becomes company",
    ),
    pytest.param(
        pod("w", **FAR), [pod("a", node="n1", labels=X)], events.PodGone(T, "uid-a"), True, id="what it flees goes"
    ),
    pytest.param(
        pod("w", **FAR), [pod("a", node="n1", labels=X)], events.NodeGone(T, "n1"), True, id="and with its node"
    ),
    pytest.param(
        pod("w", nodeSelector=X, **FAR),
        [pod("a", node="n1", labels=Y)],
        events.NodeGone(T, "n1"),
        False,
        id="a node goes, with nobody that it flees",
    ),
    pytest.param(
        pod("w", cpu="3"), [pod("a", cpu="2", node="n1")], events.NodeGone(T, "n1"), False, id="nor is there room then"
    ),
    pytest.param(
        pod("w", **FAR),
        [pod("a", node="n1", labels=X)],
        events.PodSeen(T, pod("b", node="n1", labels=X)),
        False,
        id="more of what it flees comes",
    ),
    pytest.param(
        pod("w", **wants("podAffinity", namespaceSelector={"matchLabels": {"team": "t"}})),
        [pod("a", node="n1", labels=X, namespace="other")],
        events.NamespaceSeen(T, core.Namespace(core.ObjectMeta(name="other", labels={"team": "t"}))),
        True,
        id="a namespace's labels",
    ),
    pytest.param(
        pod("w", cpu="8"),
        [],
        events.NamespaceSeen(T, core.Namespace(core.ObjectMeta(name="other", labels={"team": "t"}))),
        False,
        id="a namespace's labels, to who needs room",
    ),
    pytest.param(
        pod("w", annotations=STORAGE),
        [],
        events.CapabilitySeen(T, capability("n1", stores=store())),
        True,
        id="a store",
    ),
    pytest.param(
        pod("w", cpu="8"), [], events.CapabilitySeen(T, capability("n1", stores=store())), False, id="not for room"
    ),
    pytest.param(
        pod("w", hostUsers=False, hostNetwork=True),
        [],
        events.NodeSeen(T, node("n1", labels=HOST, status={"declaredFeatures": ["Other"]})),
        True,
        id="a node that declares something",
    ),
    pytest.param(
        pod("w", **FAR),
        [pod("a", node="n1", labels=X)],
        events.PodSeen(T, pod("a", node="n1", labels=X | Y)),
        True,
        id="what it flees is something else now",
    ),
    pytest.param(
        pod("w", **NEAR),
        [],
        events.NodeSeen(T, node("n1", labels=HOST | X)),
        False,
        id="a label that is no domain of its terms",
    ),
    pytest.param(
        pod("w", labels=X, **FAR),
        [pod("a", node="n1", labels=X, **FAR)],
        events.PodSeen(T, pod("a", node="n1", labels=X | {"app2": "z"}, **FAR)),
        False,
        id="who flees it is labelled",
    ),
    pytest.param(pod("w", cpu="8"), [], events.PendingSeen(T, pod("w", cpu="7")), True, id="it asks for less"),
    pytest.param(pod("w", cpu="8"), [], events.PendingSeen(T, pod("w", cpu="9")), False, id="it asks for more"),
    pytest.param(
        pod("w", cpu="8"), [], events.PendingSeen(T, pod("w", cpu="8", labels=X)), False, id="its label, for room"
    ),
    pytest.param(
        pod("w", cpu="8"),
        [],
        events.PendingSeen(T, pod("w", cpu="8", annotations={"a": "b"})),
        False,
        id="a note on it",
    ),
    pytest.param(
        pod("w", **FAR),
        [pod("a", node="n1", labels=X)],
        events.PendingSeen(T, pod("w", labels=X, **FAR)),
        True,
        id="its label, for company",
    ),
    pytest.param(
        pod("w", annotations=STORAGE),
        [],
        events.PendingSeen(T, pod("w", annotations={})),
        True,
        id="a note on it that says what it requires",
    ),
    pytest.param(
        pod("w", schedulingGroup={"podGroupName": "g"}),
        [],
        events.NodeSeen(T, node("n2")),
        False,
        id="nothing helps who needs what is not built",
    ),
]


@pytest.mark.parametrize(("waits", "there", "event", "wakes"), CASES)
def test_an_event_wakes_whom_it_may_help(
    bare: running.Bare, waits: core.Pod, there: list[core.Pod], event: events.Event, wakes: bool
) -> None:
    bare.nodes(node("n1", labels=HOST))
    bare.seen(*there)
    bare.pending(waits)
    bare.step()
    assert bare.place("w") is Place.UNSCHEDULABLE
    bare.kernel.handle(event)
    assert (bare.place("w") is Place.BACKOFF) is wakes


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(pod("a", cpu="1", node="n1"), id="asks for less than was decided"),
        pytest.param(pod("a", cpu="3", node="elsewhere"), id="somebody bound it elsewhere"),
    ],
)
def test_what_a_pod_turns_out_not_to_take_is_for_who_waits(bare: running.Bare, seen: core.Pod) -> None:
    bare.nodes(node("n1"))
    bare.pending(pod("a", cpu="3", priority=1), pod("w", cpu="3"))
    assert running.bound(bare.step()) == {"a": "n1"}
    bare.seen(seen)
    assert bare.place("w") is Place.BACKOFF
    bare.answer("a", verdicts.Verdict.BOUND)


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(pod("a", node="n1", labels=X), id="keeps nobody away"),
        pytest.param(pod("a", node="n1", labels=X, namespace="other", **FAR), id="is of another namespace"),
    ],
)
def test_a_pod_that_turns_out_to_be_another_than_was_decided_wakes_whom_it_kept_away(
    bare: running.Bare, seen: core.Pod
) -> None:
    bare.nodes(node("n1", labels=HOST))
    bare.pending(pod("a", priority=1, labels=X, **FAR), pod("w", labels=X))
    assert running.bound(bare.step()) == {"a": "n1"}
    assert bare.place("w") is Place.UNSCHEDULABLE
    bare.seen(seen)
    assert bare.place("w") is Place.BACKOFF
    bare.answer("a", verdicts.Verdict.BOUND)


def test_a_taint_that_goes_wakes_whom_it_kept_away(bare: running.Bare) -> None:
    bare.nodes(node("n1", spec=TAINT))
    bare.pending(pod("w"))
    bare.step()
    bare.seen(pod("a", node="n1"))
    bare.gone("a")
    assert bare.place("w") is Place.UNSCHEDULABLE
    bare.nodes(node("n1"))
    assert running.bound(bare.step()) == {"w": "n1"}


@pytest.mark.parametrize(
    ("toleration", "wakes"),
    [
        pytest.param({"key": "other", "operator": "Exists"}, True, id="any, to who fears taints"),
        pytest.param(None, False, id="none"),
    ],
)
def test_a_toleration_that_is_added_wakes(
    bare: running.Bare, toleration: dict[str, str] | None, *, wakes: bool
) -> None:
    bare.nodes(node("n1", spec=TAINT))
    bare.pending(pod("w"))
    bare.step()
    bare.pending(pod("w", tolerations=[toleration] if toleration else [], labels={"new": "yes"}))
    assert (bare.place("w") is Place.BACKOFF) is wakes


def test_what_a_sleeper_asks_for_now_is_what_counts(bare: running.Bare) -> None:
    bare.nodes(node("n1"))
    bare.pending(pod("w", cpu="8"))
    bare.step()
    bare.pending(pod("w", cpu="9"))
    bare.nodes(node("n1", cpu="8"))
    assert bare.place("w") is Place.UNSCHEDULABLE
    bare.nodes(node("n1", cpu="9"))
    assert bare.place("w") is Place.BACKOFF


def test_a_pod_whose_attempt_itself_fails_is_tried_again_by_time_alone(bare: running.Bare) -> None:
    selector = {"matchExpressions": [{"key": "a", "operator": "Nonsense"}]}
    one = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector}
    bare.nodes(node("n1"))
    bare.pending(pod("w", topologySpreadConstraints=[one]))
    for wait_s in (2.0, 3.0, 5.0):
        [told] = running.only(commands.Unplaced, bare.step())
        assert (told.record.outcome, bare.place("w")) == ("error", Place.ERROR_BACKOFF)
        bare.nodes(node("n2", cpu=str(wait_s)))
        assert bare.kernel.wait_s() == wait_s
        bare.now_s += wait_s


def test_who_sees_no_nodes_is_woken_by_the_first(bare: running.Bare) -> None:
    bare.pending(pod("w"))
    bare.step()
    bare.nodes(node("n1"))
    assert running.bound(bare.step()) == {"w": "n1"}


def test_a_node_that_is_ready_again_wakes_who_waits_for_its_store(bare: running.Bare) -> None:
    bare.kernel.handle(events.CapabilitySeen(T, capability("n1", stores=store())))
    bare.nodes(node("n1", status={"conditions": [{"type": "Ready", "status": "Unknown"}]}))
    bare.pending(pod("w", annotations=STORAGE), pod("big", cpu="8"))
    bare.step()
    bare.nodes(node("n1", status={"conditions": [{"type": "Ready", "status": "True"}]}))
    assert (bare.place("w"), bare.place("big")) == (Place.BACKOFF, Place.UNSCHEDULABLE)


def test_a_pod_that_is_gone_before_it_was_counted_wakes_nobody(bare: running.Bare) -> None:
    bare.nodes(node("n1"))
    bare.pending(pod("w", cpu="8"))
    bare.step()
    bare.gone("unheard of")
    assert bare.place("w") is Place.UNSCHEDULABLE


def test_a_rule_that_meets_a_defect_wakes_and_is_told(bare: running.Bare, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        name = "NodeResourcesFit"

        def wakes(self, *_: object) -> bool:
            raise ZeroDivisionError

    bare.nodes(node("n1"))
    bare.pending(pod("w", cpu="8"))
    bare.step()
    monkeypatch.setitem(bare.kernel.world._filters, "NodeResourcesFit", Broken())
    given = bare.seen(pod("a", node="n1"))
    assert [one.part for one in running.only(commands.Defect, given)] == ["queue"]
    assert bare.place("w") is Place.BACKOFF


def test_every_filter_that_can_refuse_is_known_by_its_name() -> None:
    assert len({one.name for one in registry.FILTERS}) == len(registry.FILTERS)


def test_many_who_wait_for_the_same_are_asked_about_once(bare: running.Bare, monkeypatch: pytest.MonkeyPatch) -> None:
    bare.nodes(node("n1"))
    bare.pending(*(pod(f"w{number}", cpu="8") for number in range(300)))
    bare.step()
    rule, asked = bare.kernel.world._filters["NodeResourcesFit"], []

    class Counting:
        def wakes(self, *question: Any) -> bool:
            asked.append(question)
            return rule.wakes(*question)

    monkeypatch.setitem(bare.kernel.world._filters, "NodeResourcesFit", Counting())
    bare.seen(pod("a", node="n1"))
    assert len(asked) == 1
    bare.seen(pod("a", node="n1", status={"phase": "Running"}))
    bare.nodes(node("n1", metadata={"name": "n1", "resourceVersion": "7"}))
    assert len(asked) == 1, "and not at all about what changes nothing"
    assert bare.kernel.queue.count(Place.UNSCHEDULABLE) == 300
