"""Cases of PodTopologySpread: constraints that refuse, constraints that score, and those by default.

Asked of five nodes: `a1` and `a2` in one zone, `b1` in another, `c1` in a third, tainted, and `bare` in none.
"""

from __future__ import annotations

from typing import Any

from tests.parity.build import FITS, UNSELECTED, Case, Object, app, never, node, pod, short

SPREAD = "PodTopologySpread"
HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
NODES = [
    node("a1", labels={HOST: "a1", ZONE: "a"}),
    node("a2", labels={HOST: "a2", ZONE: "a"}),
    node("b1", labels={HOST: "b1", ZONE: "b", "disk": "ssd"}),
    node("c1", labels={HOST: "c1", ZONE: "c"}, taints=["k=v:PreferNoSchedule", "soft:NoSchedule"]),
    node("bare", labels={HOST: "bare"}),
]
CROWDED = short(SPREAD, "node(s) didn't match pod topology spread constraints")
UNLABELLED = never(SPREAD, "node(s) didn't match pod topology spread constraints (missing required label)")
TAINTED = never("TaintToleration", "node(s) had untolerated taint(s)")
X = app("x")


def rule(key: str, action: str, skew: int = 1, *, selector: Object | None = X, **more: Any) -> Object:
    made: Object = {"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": action}
    return made | ({"labelSelector": selector} if selector is not None else {}) | more


def hard(key: str = ZONE, skew: int = 1, **more: Any) -> Object:
    return rule(key, "DoNotSchedule", skew, **more)


def soft(key: str = ZONE, skew: int = 1, **more: Any) -> Object:
    return rule(key, "ScheduleAnyway", skew, **more)


def new(*rules: Object, owner: str = "", **more: Any) -> Object:
    """The pod to place, of app x; `owner` is the kind of its controller `c`."""
    made = pod("new", **({"labels": {"app": "x"}} | more), topologySpreadConstraints=list(rules))
    if owner:
        made["metadata"]["ownerReferences"] = [
            {"apiVersion": "apps/v1", "kind": owner, "name": "c", "uid": "u", "controller": True}
        ]
    return made


def on(*names: str, **more: Any) -> list[Object]:
    """Pods of app x on nodes."""
    given = {"labels": {"app": "x"}} | more
    return [pod(f"old-{number}", on=name, **given) for number, name in enumerate(names)]


TOLERANT: dict[str, Any] = {"tolerations": [{"operator": "Exists"}]}
SERVICE = {"services": [{"metadata": {"name": "s", "namespace": "default"}, "spec": {"selector": {"app": "x"}}}]}
CONTROLLER: Object = {"metadata": {"name": "c", "namespace": "default"}, "spec": {"selector": X}}


def config(*rules: Object) -> Object:
    args = {"defaultingType": "List", "defaultConstraints": list(rules)}
    profile = {"schedulerName": "default-scheduler", "pluginConfig": [{"name": SPREAD, "args": args}]}
    head = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
    return head | {"profiles": [profile]}


def five(name: str, asked: Object, pods: list[Object], said: str, best: str, **more: Any) -> Case:
    """A case; `said` is one letter a node: fits, crowded, unlabelled, tainted, not selected."""
    verdict = {"f": FITS, "s": UNSELECTED, "c": CROWDED, "u": UNLABELLED, "t": TAINTED}
    names = [each["metadata"]["name"] for each in NODES]
    verdicts = {each: verdict[letter] for each, letter in zip(names, said, strict=True)}
    return Case(id=f"spread-{name}", nodes=NODES, pods=pods, pod=asked, verdicts=verdicts, best=best.split(), **more)


CASES = [
    five("one-zone-is-fuller", new(hard()), on("a1"), "ccftu", "b1"),
    five(
        "a-zone-that-does-not-count-may-be-taken",
        new(hard(nodeTaintsPolicy="Honor"), **TOLERANT),
        on("a1", "b1"),
        "cccfu",
        "c1",
    ),
    five("taints-honoured", new(hard(nodeTaintsPolicy="Honor")), on("a1", "b1"), "ffftu", "a2"),
    five(
        "too-few-domains",
        new(hard(minDomains=4), **TOLERANT),
        on("a1", "b1", "c1"),
        "ccccu",
        "",
        message=(
            "0/5 nodes are available: "
            "1 node(s) didn't match pod topology spread constraints (missing required label), "
            "4 node(s) didn't match pod topology spread constraints."
        ),
    ),
    five("the-selector-of-nodes-counts", new(hard(), nodeSelector={"disk": "ssd"}), on("b1"), "ssfts", "b1"),
    five(
        "or-not",
        new(hard(nodeAffinityPolicy="Ignore"), nodeSelector={"disk": "ssd"}),
        on("b1"),
        "sscts",
        "",
        message=(
            "0/5 nodes are available: "
            "1 node(s) didn't match pod topology spread constraints, "
            "1 node(s) had untolerated taint(s), "
            "3 node(s) didn't match Pod's node affinity/selector."
        ),
    ),
    five("empty-selector", new(hard(selector={})), on("a1", "a1"), "ffftu", "a2 b1"),
    five("no-selector", new(hard(selector=None)), on("a1", "a1"), "ffftu", "a2 b1"),
    five("another-namespace", new(hard()), on("a1", namespace="other"), "ffftu", "a2 b1"),
    five("being-deleted", new(hard()), on("a1", deleted=True), "ffftu", "a2 b1"),
    five(
        "match-label-keys",
        new(hard(matchLabelKeys=["hash", "none"]), labels={"app": "x", "hash": "2"}),
        on("a1", labels={"app": "x", "hash": "1"}),
        "ffftu",
        "a2 b1",
    ),
    five(
        "a-nominated-pod-comes",
        new(hard(HOST)),
        [*on("a1", "a2", "b1"), pod("coming", nominated="bare", priority=5, labels={"app": "x"})],
        "ccctc",
        "",
        message=(
            "0/5 nodes are available: "
            "1 node(s) had untolerated taint(s), "
            "4 node(s) didn't match pod topology spread constraints."
        ),
    ),
    five("zone-and-host", new(hard(), hard(HOST), **TOLERANT), on("a1"), "ccffu", "b1 c1"),
    five(
        "soft-zone",
        new(soft(), **TOLERANT),
        on("a1", "a2", "b1"),
        "fffff",
        "c1",
        raw={SPREAD: {"a1": 3, "a2": 3, "b1": 2, "bare": 0, "c1": 0}},
        scores={SPREAD: {"a1": 0, "a2": 0, "b1": 66, "bare": 0, "c1": 200}},
    ),
    five(
        "soft-host",
        new(soft(HOST, 3)),
        on("a1", "a1", "b1"),
        "ffftf",
        "a2 bare",
        raw={SPREAD: {"a1": 6, "a2": 2, "b1": 4, "bare": 2}},
        scores={SPREAD: {"a1": 66, "a2": 200, "b1": 132, "bare": 200}},
    ),
    five(
        "soft-both",
        new(soft(), soft(HOST, 2), **TOLERANT),
        on("a1", "a1", "b1"),
        "fffff",
        "c1",
        raw={SPREAD: {"a1": 8, "a2": 4, "b1": 4, "bare": 0, "c1": 1}},
        scores={SPREAD: {"a1": 24, "a2": 124, "b1": 124, "bare": 0, "c1": 200}},
    ),
    five("no-service", new(), on("a1", "a1", "b1"), "ffftf", "a2 bare", raw={}),
    five(
        "service",
        new(**TOLERANT),
        on("a1", "a1", "b1"),
        "fffff",
        "bare",
        raw={SPREAD: {"a1": 13, "a2": 10, "b1": 10, "bare": 2, "c1": 6}},
        scores={SPREAD: {"a1": 30, "a2": 76, "b1": 76, "bare": 200, "c1": 138}},
        more=SERVICE,
    ),
    five(
        "replica-set",
        new(owner="ReplicaSet"),
        on("a1", "a1", "b1"),
        "ffftf",
        "bare",
        raw={SPREAD: {"a1": 13, "a2": 9, "b1": 9, "bare": 2}},
        scores={SPREAD: {"a1": 30, "a2": 92, "b1": 92, "bare": 200}},
        more={"replicaSets": [CONTROLLER]},
    ),
    five(
        "stateful-set-and-service",
        new(owner="StatefulSet"),
        on("a1", "bare", "b1"),
        "ffftf",
        "bare",
        raw={SPREAD: {"a1": 9, "a2": 8, "b1": 9, "bare": 4}},
        scores={SPREAD: {"a1": 88, "a2": 110, "b1": 88, "bare": 200}},
        more={"statefulSets": [CONTROLLER]} | SERVICE,
    ),
    five(
        "configured-hard",
        new(),
        on("a1", "a2"),
        "ccftu",
        "b1",
        more={**SERVICE, "config": config(rule(ZONE, "DoNotSchedule", 2, selector=None))},
    ),
    five(
        "configured-soft",
        new(),
        on("a1", "a2"),
        "ffftf",
        "b1",
        raw={SPREAD: {"a1": 4, "a2": 4, "b1": 1, "bare": 0}},
        scores={SPREAD: {"a1": 50, "a2": 50, "b1": 200, "bare": 0}},
        more={**SERVICE, "config": config(rule(ZONE, "ScheduleAnyway", 2, selector=None))},
    ),
]
