"""Small clusters and pods of every kind that some plugin looks at, for laws that hold of all plugins."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from scheduler.api import core
from scheduler.state import selecting
from tests.state import build
from tests.state.build import Object

NODES = ["n0", "n1", "n2", "n3"]
GPU = "example.com/gpu"
IMAGES = {"app:1": 400 * 2**20, "db:2": 1500 * 2**20}
TAINTS: list[Object] = [
    {"key": "k", "value": "v", "effect": "NoSchedule"},
    {"key": "soft", "effect": "PreferNoSchedule"},
    {"key": "soft", "value": "2", "effect": "PreferNoSchedule"},
    {"key": "gone", "effect": "NoExecute"},
]
TOLERATIONS: list[Object] = [
    {"key": "k", "operator": "Exists"},
    {"key": "soft", "operator": "Equal", "value": "2", "effect": "PreferNoSchedule"},
    {"operator": "Exists", "effect": "NoSchedule"},
]
SELECTORS: list[Object] = [
    {},
    {"matchLabels": {"app": "x"}},
    {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
    {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["1"]}]},
]
LABELS: list[Object] = [{}, {"app": "x"}, {"app": "y"}, {"app": "x", "tier": "1"}]
EXPRESSIONS: list[Object] = [
    {"key": "disk", "operator": "In", "values": ["ssd", "hdd"]},
    {"key": "disk", "operator": "NotIn", "values": ["ssd"]},
    {"key": "rank", "operator": "Gt", "values": ["3"]},
    {"key": "rank", "operator": "Lt", "values": ["no number"]},
    {"key": "rank", "operator": "Exists"},
    {"key": "zone", "operator": "DoesNotExist"},
]
SPACES = {"default": {"team": "a"}, "other": {"team": "b"}}
REQUIRED, PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
HUGE = str(2**63 - 1)


def some(*values: str) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


def few(values: list[Object]) -> st.SearchStrategy[list[Object]]:
    return st.lists(st.sampled_from(values), max_size=2, unique_by=repr)


@st.composite
def nodes(draw: st.DrawFn, name: str) -> Object:
    marks = st.fixed_dictionaries(
        {}, optional={"disk": some("ssd", "hdd"), "rank": some("2", "7", "x"), "zone": some("a", "b", "")}
    )
    can = st.fixed_dictionaries({}, optional={"fast-storage": some("true", "false"), "tpu": some("v2", "v3"),
                                              "gpu-nvidia": some("true")})  # fmt: skip
    made = build.node(
        name,
        cpu=draw(some("1", "2500m", "4", "0")),
        memory=draw(some("2Gi", "8Gi", HUGE)),
        pods=draw(some("0", "2", "110")),
        more=draw(st.sampled_from([{}, {GPU: "2"}])),
        region=draw(some("", "r1", "r2")),
        zone=draw(some("", "z1", "z2")),
        kind=draw(some("", "edge", "cloud")),
        can=draw(can),
        labels={"kubernetes.io/hostname": name} | draw(marks),
        taints=draw(few(TAINTS)),
        cordoned=draw(st.sampled_from([False, False, True])),
        images=draw(st.sampled_from([{}, {"app:1": IMAGES["app:1"]}, IMAGES])),
        ready=draw(some("", "True", "False")),
    )
    made["status"]["declaredFeatures"] = draw(st.sampled_from([[], ["VolumeBindMountOptions"]]))
    return made


@st.composite
def containers(draw: st.DrawFn) -> Object:
    asked = draw(
        st.fixed_dictionaries({}, optional={"cpu": some("100m", "1", "0"), "memory": some("64Mi", "1Gi", HUGE)})
    )
    if draw(st.integers(0, 3)) == 3:
        asked |= {GPU: "1"}
    port = {"hostPort": draw(st.sampled_from([80, 81])), "hostIP": draw(some("", "10.0.0.1", "10.0.0.2"))}
    made = build.container(ports=[port] if draw(st.booleans()) else [], image=draw(some(*IMAGES)), **asked)
    if draw(st.integers(0, 9)) == 9:
        made["volumeMounts"] = [{"bindMountOptions": ["ro"]}]
    return made


def pod_terms() -> st.SearchStrategy[Object]:
    return st.fixed_dictionaries(
        {"topologyKey": some("zone", "kubernetes.io/hostname"), "labelSelector": st.sampled_from(SELECTORS)},
        optional={
            "namespaces": st.just(["other"]),
            "namespaceSelector": st.sampled_from([{}, {"matchLabels": {"team": "b"}}]),
        },
    )


def company() -> st.SearchStrategy[Object]:
    weighted = st.fixed_dictionaries({"weight": st.integers(1, 100), "podAffinityTerm": pod_terms()})
    lists = {REQUIRED: st.lists(pod_terms(), max_size=2), PREFERRED: st.lists(weighted, max_size=2)}
    return st.fixed_dictionaries({}, optional=lists)


def affinities() -> st.SearchStrategy[Object]:
    term = st.fixed_dictionaries({"matchExpressions": st.lists(st.sampled_from(EXPRESSIONS), max_size=2)})
    named: Object = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}
    required = st.lists(st.one_of(term, st.just(named)), min_size=1, max_size=2)
    preferred = st.lists(st.fixed_dictionaries({"weight": st.integers(1, 100), "preference": term}), max_size=2)
    node = {REQUIRED: st.fixed_dictionaries({"nodeSelectorTerms": required}), PREFERRED: preferred}
    kinds = {
        "nodeAffinity": st.fixed_dictionaries({}, optional=node),
        "podAffinity": company(),
        "podAntiAffinity": company(),
    }
    return st.fixed_dictionaries({}, optional=kinds)


def spreading() -> st.SearchStrategy[Object]:
    """A spread constraint. By an empty selector, who comes counts and who is there does not: not in here."""
    policy = some("Honor", "Ignore")
    return st.fixed_dictionaries(
        {
            "maxSkew": st.integers(1, 2),
            "topologyKey": some("zone", "zone", "kubernetes.io/hostname"),
            "whenUnsatisfiable": some("DoNotSchedule", "ScheduleAnyway"),
        },
        optional={
            "labelSelector": st.sampled_from(SELECTORS[1:]),
            "minDomains": st.integers(1, 3),
            "matchLabelKeys": st.just(["tier"]),
            "nodeAffinityPolicy": policy,
            "nodeTaintsPolicy": policy,
        },
    )


@st.composite
def notes(draw: st.DrawFn) -> dict[str, str]:
    hints = {
        "requires_gpu": some("true"),
        "requires_fast_storage": some("true"),
        "requires_local_storage": some("true"),
        "required_capability": some("tpu", "tpu=v2"),
        "capability_tpu": some("v2", ""),
        "prefer_edge": some("true"),
        "prefer_zone": some("z1"),
        "data_intensive": some("true"),
    }
    inputs = draw(st.lists(some("logs/a,4000", "logs,0,30", "raw/x,70000000000"), max_size=2))
    return build.data(inputs=inputs, **draw(st.fixed_dictionaries({}, optional=hints)))


@st.composite
def pods(draw: st.DrawFn, name: str, *, on: str = "") -> Object:
    optional: dict[str, st.SearchStrategy[Any]] = {
        "tolerations": few(TOLERATIONS),
        "nodeSelector": st.sampled_from([{}, {"disk": "ssd"}]),
        "affinity": affinities(),
        "nodeName": some("n1", "unheard-of"),
        "priority": st.integers(0, 2),
        "topologySpreadConstraints": st.lists(spreading(), max_size=3),
    }
    if on:
        del optional["nodeName"]
    spec: Object = draw(st.fixed_dictionaries({}, optional=optional))
    made = build.pod(
        name,
        *draw(st.lists(containers(), min_size=1, max_size=2)),
        on=on,
        namespace=draw(some("default", "default", "other")),
        labels=draw(st.sampled_from(LABELS)),
        notes=draw(notes()) if not on and draw(st.booleans()) else {},
        **spec,
    )
    if draw(st.integers(0, 2)) == 2:
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "owner", "controller": True}
        made["metadata"]["ownerReferences"] = [owner]
    return made


def objects() -> st.SearchStrategy[Object]:
    return st.builds(
        build.data_object,
        some("logs", "logs/a", "raw"),
        at=st.lists(some(*NODES), max_size=2, unique=True),
        name=some("o1", "o2"),
    )


def namespace(name: str) -> Object:
    return {"metadata": {"name": name, "labels": SPACES[name]}}


@st.composite
def selectors(draw: st.DrawFn) -> tuple[selecting.Selecting, core.LabelSelector]:
    """What a Service selects, or the controller `owner`."""
    kind = draw(some("Service", "ReplicaSet"))
    of = selecting.Selecting(kind, "default", "owner" if kind == "ReplicaSet" else draw(some("s1", "s2")))
    return of, core.LabelSelector(match_labels={"app": draw(some("x", "y"))})
