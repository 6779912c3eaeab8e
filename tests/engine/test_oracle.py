"""The whole decision against the oracle, on generated clusters and pods of every kind that is supported."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
]
TOLERATIONS: list[Object] = [
    {"key": "k", "operator": "Exists"},
    {"key": "soft", "operator": "Equal", "value": "2", "effect": "PreferNoSchedule"},
    {"operator": "Exists", "effect": "NoSchedule"},
]


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
        )
        for number in range(draw(st.integers(1, 5)))
    ]
    stores = st.sampled_from([[], [build.store("logs", "raw-data")], [build.store("logs", available=False)]])
    late, slow = build.link("n0", bandwidth=7_000_000, latency_s=0.2), build.link("n1", bandwidth=5)
    links = st.sampled_from([[], [late], [slow], [slow, late]])
    capabilities = [
        build.capability(
            name,
            declared=draw(st.sampled_from([{}, {"tpu": "v2"}])),
            found=draw(st.sampled_from([{}, {"tpu": "v3", "fast-storage": "true"}])),
            stores=draw(stores),
            links=draw(links),
        )
        for name in names
        if draw(st.booleans())
    ]
    pod = build.pod("new", *draw(st.lists(containers(), min_size=1, max_size=2)), notes=draw(notes()), **draw(specs()))
    return asking.question(made, pod, pods=pods, objects=objects, capabilities=capabilities)


@hypothesis.settings(max_examples=400)
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
    if not question["pod"]["metadata"]["annotations"] and len(expected.feasible) > 1:
        most = max(answer["totals"].values())
        assert answer["best"] == sorted(name for name, total in answer["totals"].items() if total == most)
