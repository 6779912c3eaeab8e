"""The whole decision against the oracle, on generated clusters and pods of every kind that is supported."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import exploring
from tests.engine import asking, oracle
from tests.state import build
from tests.state.build import Object

NODES = ["n0", "n1", "n2", "n3", "n4"]
URNS = ["logs", "logs/a/", "logs/a/b", "raw-data/x", "raw-data", "cold/x"]
BUCKETS = ["logs", "raw-data"]
SIZES = ["0", "1", "4000", "1000000", "250000000", "70000000000"]
GPU = "example.com/gpu"
IMAGES = {"app:1": 400 * 2**20, "db:2": 1500 * 2**20}
TAINTS: list[Object] = [
    {"key": "k", "value": "v", "effect": "NoSchedule"},
    {"key": "soft", "effect": "PreferNoSchedule"},
    {"key": "soft", "value": "2", "effect": "PreferNoSchedule"},
    {"key": "node.kubernetes.io/not-ready", "effect": "PreferNoSchedule"},
]
# Within, just within and beyond the age that is believed, before and after now.
NOW = "2026-03-01T12:00:00Z"
TIMES = ["", "2026-03-01T11:58:00Z", "2026-03-01T11:45:00Z", "2026-03-01T11:44:59Z", "2020-01-01T00:00:00Z",
         "2026-03-01T12:15:00Z", "2026-03-01T12:15:01Z"]  # fmt: skip
TOLERATIONS: list[Object] = [
    {"key": "k", "operator": "Exists"},
    {"key": "soft", "operator": "Equal", "value": "2", "effect": "PreferNoSchedule"},
    {"operator": "Exists", "effect": "NoSchedule"},
]


# Hundreds of clusters take their time on a busy machine, and a failing example its own to be made small.
pytestmark = pytest.mark.timeout(600)


def some(*values: str) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


def subset(values: list[Object]) -> st.SearchStrategy[list[Object]]:
    return st.lists(st.sampled_from(values), max_size=2, unique_by=repr)


@st.composite
def nodes(draw: st.DrawFn, name: str) -> Object:
    marks = {"fast-storage": some("true", "false"), "gpu-nvidia": some("true"), "tpu": some("v2", "v3"),
             "storage-service": some("true"), "storage-bucket-logs": some("true")}  # fmt: skip
    can = draw(st.fixed_dictionaries({}, optional=marks))
    for peer in draw(st.lists(st.sampled_from(NODES), max_size=2, unique=True)):
        can[f"bandwidth-to-{peer}"] = draw(some("1000", "90000000"))
        if draw(st.booleans()):
            can[f"latency-to-{peer}"] = draw(some("0.5", "120"))
    return build.node(
        name,
        cpu=draw(some("1", "2500m", "4")),
        memory=draw(some("2Gi", "8Gi")),
        pods=draw(some("1", "3", "110", "110")),
        more=draw(st.sampled_from([{}, {GPU: "2"}])),
        region=draw(some("", "r1", "r2")),
        zone=draw(some("", "z1", "z2")),
        kind=draw(some("", "edge", "cloud")),
        can=can,
        labels=draw(st.fixed_dictionaries({}, optional={"disk": some("ssd", "hdd")})),
        taints=draw(subset(TAINTS)) if draw(st.booleans()) else [],
        cordoned=draw(st.sampled_from([False] * 9 + [True])),
        images=draw(st.sampled_from([{}, {"app:1": IMAGES["app:1"]}, IMAGES])),
        ready=draw(some("", "", "True", "True", "False", "Unknown")),
    )


@st.composite
def replicas(draw: st.DrawFn, names: list[str]) -> Object:
    """A copy whose store may stand in its node's NodeCapability, with content of one of three days."""
    day = draw(st.integers(0, 3))
    content = {"etag": f"e{day}", "lastModified": f"2026-01-0{day}T00:00:00Z", "sizeBytes": day * 10**6} if day else {}
    return build.replica(
        draw(some(*names)),
        draw(some("minio", "theirs", "unheard-of")),
        seen=draw(some(*TIMES)),
        available=draw(st.sampled_from([True, True, True, False])),
        **content,
    )


@st.composite
def stores(draw: st.DrawFn, name: str) -> Object:
    return build.store(
        *draw(st.lists(st.sampled_from(BUCKETS), max_size=2, unique=True)),
        name=name,
        available=draw(st.sampled_from([True, True, True, False])),
        namespace=draw(some("", "default", "other")),
        seen=draw(some(*TIMES)),
    )


@st.composite
def containers(draw: st.DrawFn) -> Object:
    requests = {"cpu": some("100m", "1", "0"), "memory": some("64Mi", "1Gi", "0"), "example.com/gpu": some("1")}
    ports = [{"hostPort": 80}] if draw(st.integers(0, 3)) == 3 else []
    asked = draw(st.fixed_dictionaries({}, optional={key: requests[key] for key in ("cpu", "memory")}))
    if draw(st.integers(0, 4)) == 4:
        asked |= {GPU: draw(requests[GPU])}
    return build.container(ports=ports, image=draw(some(*IMAGES)), **asked)


def specs() -> st.SearchStrategy[Object]:
    term = {"weight": st.integers(1, 100), "preference": st.fixed_dictionaries({"matchExpressions": st.just(
        [{"key": "disk", "operator": "In", "values": ["ssd"]}])})}  # fmt: skip
    preferred = st.lists(st.fixed_dictionaries(term), max_size=2).map(
        lambda terms: {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}}
    )
    optional = {
        "tolerations": subset(TOLERATIONS),
        "nodeSelector": st.sampled_from([{}, {}, {}, {"disk": "ssd"}]),
        "affinity": preferred,
    }
    return st.fixed_dictionaries({}, optional=optional)


@st.composite
def transfers(draw: st.DrawFn, sizes: list[str]) -> str:
    text = f"{draw(some(*URNS))},{draw(some(*sizes))}"
    return f"{text},{draw(some('0', '0.5', '30', '4000'))}" if draw(st.booleans()) else text


@st.composite
def notes(draw: st.DrawFn) -> dict[str, str]:
    if draw(st.integers(0, 3)) == 3:
        return {}
    hints = {
        "data_intensive": some("true"),
        "compute_intensive": some("true"),
        "prefer_region": some("r1"),
        "prefer_zone": some("z2"),
        "prefer_edge": some("true"),
        "requires_gpu": some("true"),
        "requires_fast_storage": some("true"),
        "requires_local_storage": some("true"),
        "required_capability": some("tpu", "tpu=v2"),
        "capability_tpu": some("v3", ""),
        "capability_fast-storage": some("true"),
        "data_sources": some("logs", "logs,cold"),
    }
    few = draw(st.lists(st.sampled_from(sorted(hints)), max_size=3, unique=True))
    return build.data(
        inputs=draw(st.lists(transfers(sizes=SIZES), min_size=draw(st.integers(0, 2)), max_size=3)),
        outputs=draw(st.lists(transfers(sizes=SIZES[1:]), max_size=2)),
        **{hint: draw(hints[hint]) for hint in few},
    )


@st.composite
def questions(draw: st.DrawFn) -> Object:
    names = NODES[: draw(st.integers(1, len(NODES)))]
    made = [draw(nodes(name)) for name in draw(st.permutations(names))]
    on = st.sampled_from([*names, *names, "unknown"])
    pods = [
        build.pod(f"p{number}", draw(containers()), on=draw(on), status={"phase": draw(some("Running", "Failed", ""))})
        for number in range(draw(st.integers(0, 4)))
    ]
    where = st.lists(st.sampled_from(names), max_size=2, unique=True)
    objects = [
        build.data_object(
            draw(some(*URNS)),
            at=draw(where),
            gone=draw(where),
            size=draw(st.sampled_from([None, 0, 5_000_000])),
            namespace=draw(some("default", build.HOME, "other")),
            name=f"o{number}",
            declared=draw(st.sampled_from([[], [], [], names[:1]])),
            replicas=draw(st.lists(replicas(names), max_size=2)),
        )
        for number in range(draw(st.integers(1, 5)))
    ]
    late, slow = build.link("n0", bandwidth=7_000_000, latency_s=0.2), build.link("n1", bandwidth=5)
    links = st.sampled_from([[], [late], [slow], [slow, late]])
    capabilities = [
        build.capability(
            name,
            declared=draw(st.sampled_from([{}, {"tpu": "v2"}])),
            found=draw(st.sampled_from([{}, {"tpu": "v3", "fast-storage": "true"}, {"storage-service": "true"}])),
            stores=[draw(stores(each)) for each in draw(st.sampled_from([[], ["minio"], ["minio", "theirs"]]))],
            links=draw(links),
        )
        for name in names
        if draw(st.booleans())
    ]
    pod = build.pod("new", *draw(st.lists(containers(), min_size=1, max_size=2)), notes=draw(notes()), **draw(specs()))
    asked = asking.question(made, pod, pods=pods, objects=objects, capabilities=capabilities)
    return asked | {"now": NOW} if draw(st.booleans()) else asked


@hypothesis.settings(max_examples=exploring.examples(400))
@given(question=questions(), seed=st.integers(0, 3))
def test_decisions_are_those_of_the_design(question: Object, seed: int) -> None:
    answer, expected = asking.ask(question, seed=seed), oracle.answer(question)
    assert answer["feasible"] == expected.feasible
    refused = {name: (said["plugin"], said["reasons"]) for name, said in answer["nodes"].items()
               if said["code"] != "Success"}  # fmt: skip
    assert refused == expected.refused
    if not expected.feasible:
        assert "chosen" not in answer
        return
    if len(expected.feasible) > 1:
        assert answer["totals"] == expected.totals
    assert answer["profile"]["name"] == expected.profile
    assert asking.seconds(answer) == pytest.approx(expected.seconds, rel=1e-12)
    assert {name: one["cost"] for name, one in answer["criteria"].items()} == pytest.approx(expected.cost, rel=1e-12)
    assert answer["best"] == expected.best
    assert answer["chosen"] in expected.best
    assert answer.get("unknown", []) == expected.unknown
    assert answer.get("unavailable", []) == expected.unavailable
    if not question["pod"]["metadata"]["annotations"] and len(expected.feasible) > 1:
        most = max(answer["totals"].values())
        assert answer["best"] == sorted(name for name, total in answer["totals"].items() if total == most)
