"""The data criterion: seconds of transfer by size, bandwidth and latency, from the best replica, to the best store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine import asking
from tests.engine.asking import ask, question, seconds
from tests.state import build
from tests.state.build import Object, data, data_object, link, node, pod

# Two zones of one region, and a region far away with an edge node.
NODES = [
    node("a", region="r", zone="z", kind="cloud"),
    node("b", region="r", zone="z", kind="cloud"),
    node("c", region="r", zone="y", kind="cloud"),
    node("d", region="s", zone="x", kind="cloud"),
    node("e", region="t", zone="w", kind="edge"),
]
SIZE = 1_000_000_000
LOCAL = 0.0001 + SIZE / 1e9
ZONE = 0.001 + SIZE / 500e6
REGION = 0.005 + SIZE / 200e6
FAR = 0.030 + SIZE / 50e6
EDGE = 0.040 + SIZE / 25e6


def place(
    *objects: Object, pods: tuple[Object, ...] = (), capabilities: tuple[Object, ...] = (), **notes: object
) -> Object:
    return ask(
        question(NODES, pod(notes=data(**notes)), pods=pods, objects=objects, capabilities=capabilities)  # type: ignore[arg-type]
    )


def test_seconds_grow_with_distance() -> None:
    answer = place(data_object("logs/k", at=["a"]), inputs=[f"logs/k,{SIZE}"])
    assert seconds(answer) == pytest.approx({"a": LOCAL, "b": ZONE, "c": REGION, "d": FAR, "e": EDGE}, rel=1e-12)
    assert answer["chosen"] == "a"
    assert answer["deciding"] == "data"


def test_where_bytes_are_what_counts_each_link_is_as_good_as_any_other() -> None:
    capability = build.capability("b", links=[link("a", bandwidth=2_000_000_000, latency_s=0.0)])
    asked = question(
        NODES,
        pod(notes=data(inputs=[f"logs/k,{SIZE}"], outputs=[f"out/k,{SIZE // 10}"])),
        objects=[data_object("logs/k", at=["a"]), data_object("out", at=["d"])],
        capabilities=[capability],
        settings={"dataGoal": "bytes", "crossRegionBandwidth": 100e6, "dataLocalityWeight": 1},
    )
    answer = ask(asked)
    local = {"a": LOCAL + 1.0, "d": 10.0 + 0.0001 + 0.1}
    assert seconds(answer) == pytest.approx({**dict.fromkeys("bce", 11.0), **local}, rel=1e-12)
    assert answer["chosen"] == "a"


def test_the_nearest_replica_counts_and_is_named() -> None:
    answer = place(data_object("logs/k", at=["d", "a"]), inputs=[f"logs/k,{SIZE}"])
    assert seconds(answer) == pytest.approx({"a": LOCAL, "b": ZONE, "c": REGION, "d": LOCAL, "e": EDGE}, rel=1e-12)
    came_from = {name: one["data"]["transfers"][0]["from"] for name, one in answer["criteria"].items()}
    assert came_from == {"a": "a", "b": "a", "c": "a", "d": "d", "e": came_from["e"]}


def test_a_replica_that_is_not_available_does_not_count() -> None:
    answer = place(data_object("logs/k", at=["d"], gone=["a"]), inputs=[f"logs/k,{SIZE}"])
    assert seconds(answer)["a"] == pytest.approx(FAR, rel=1e-12)


def test_latency_is_what_tiny_data_costs() -> None:
    # The fast link is late, the slow one is prompt: which is better depends on the size.
    capability = build.capability(
        "a", links=[link("b", bandwidth=10_000_000_000, latency_s=0.5), link("c", bandwidth=1_000_000, latency_s=0.001)]
    )
    tiny, huge = (
        seconds(place(data_object("logs/k", at=["a"]), inputs=[f"logs/k,{size}"], capabilities=(capability,)))
        for size in (100, SIZE)
    )
    assert (tiny["b"], tiny["c"]) == pytest.approx((0.5, 0.0011), rel=1e-6)
    assert tiny["c"] < tiny["b"]
    assert huge["b"] < huge["c"]


def test_inputs_come_and_outputs_go() -> None:
    # The link is fast one way only.
    capability = build.capability("b", links=[link("a", bandwidth=2_000_000_000, latency_s=0.0)])
    read = place(data_object("logs", at=["a"]), inputs=[f"logs/k,{SIZE}"], capabilities=(capability,))
    written = place(data_object("logs", at=["a"]), outputs=[f"logs/k,{SIZE}"], capabilities=(capability,))
    assert seconds(read)["b"] == pytest.approx(ZONE, rel=1e-12)
    assert seconds(written)["b"] == pytest.approx(0.001 + SIZE / 2e9, rel=1e-12)
    (move,) = written["criteria"]["b"]["data"]["transfers"]
    assert move == {
        "urn": "logs/k",
        "to": "a",
        "bytes": SIZE,
        "seconds": seconds(written)["b"],
        "bandwidthBytesPerSecond": 2e9,
        "source": "measured",
        "weight": 1.0,
        "ageSeconds": None,
    }


def test_a_transfer_says_what_its_bandwidth_rests_on() -> None:
    measured = {"confidence": 0.8, "lastProbeTime": "2026-01-02T03:00:00Z"}
    capability = build.capability("a", links=[link("b", bandwidth=5_000_000) | measured])
    nodes = [*NODES[:4], node("e", region="t", zone="w", kind="edge", can={"bandwidth-to-c": "7000"})]
    told = pod(notes=data(inputs=[f"logs/k,{SIZE}"]))
    asked = question(nodes, told, objects=[data_object("logs/k", at=["a"])], capabilities=[capability])
    now = ask(asked | {"now": "2026-01-02T09:00:00Z"})["criteria"]
    # Six hours old: half of 0.8 is left, and the rest is the prior's.
    used = 500e6**0.6 * 5e6**0.4
    (move,) = now["b"]["data"]["transfers"]
    assert (move["source"], move["ageSeconds"]) == ("measured", 6 * 3600)
    assert (move["weight"], move["bandwidthBytesPerSecond"]) == pytest.approx((0.4, used), rel=1e-12)
    assert move["seconds"] == pytest.approx(0.001 + SIZE / used, rel=1e-12)
    assert {name: now[name]["data"]["transfers"][0]["source"] for name in "ac"} == {"a": "local", "c": "prior"}
    # Without a time it is that of the latest measurement.
    assert ask(asked)["criteria"]["b"] == ask(asked | {"now": "2026-01-02T03:00:00Z"})["criteria"]["b"]
    from_edge = asked | {"dataObjects": [data_object("logs/k", at=["e"])]}
    (move,) = ask(from_edge)["criteria"]["c"]["data"]["transfers"]
    assert (move["source"], move["bandwidthBytesPerSecond"]) == ("declared", 7000)
    assert "weight" not in move


def test_an_output_goes_to_the_nearest_store_of_its_bucket() -> None:
    answer = place(
        data_object("results", at=["c", "d"]), data_object("results/new", at=["a"]), outputs=[f"results/new,{SIZE}"]
    )
    expected = {"a": REGION, "b": REGION, "c": LOCAL, "d": LOCAL, "e": EDGE}
    assert seconds(answer) == pytest.approx(expected, rel=1e-12)


def test_transfers_add_up() -> None:
    objects = data_object("logs/k", at=["a"]), data_object("raw", at=["b"]), data_object("results", at=["c"])
    answer = place(*objects, inputs=[f"logs/k,{SIZE}", f"raw/x,{SIZE}"], outputs=[f"results/o,{SIZE}"])
    expected = {
        "a": LOCAL + ZONE + REGION,
        "b": ZONE + LOCAL + REGION,
        "c": REGION + REGION + LOCAL,
        "d": 3 * FAR,
        "e": 3 * EDGE,
    }
    assert seconds(answer) == pytest.approx(expected, rel=1e-12)
    for of_node in answer["criteria"].values():
        moves = of_node["data"]["transfers"]
        assert [move["urn"] for move in moves] == ["logs/k", "raw/x", "results/o"]
        assert sum(move["seconds"] for move in moves) == pytest.approx(of_node["data"]["seconds"], rel=1e-12)


def test_a_urn_of_unknown_place_adds_nothing_and_is_named() -> None:
    known = place(data_object("logs/k", at=["a"]), inputs=[f"logs/k,{SIZE}"])
    more = place(
        data_object("logs/k", at=["a"]),
        data_object("raw/x", gone=["b"]),
        data_object("old/y", at=["left-long-ago"]),
        data_object("theirs", at=["b"], namespace="other"),
        inputs=[f"logs/k,{SIZE}", f"raw/x,{SIZE}", "old/y,5", "theirs/z,5"],
        outputs=["nowhere/at/all,7"],
    )
    assert seconds(more) == seconds(known)
    assert more["unknown"] == ["theirs/z", "nowhere/at/all"]
    assert more["unavailable"] == ["raw/x", "old/y"]
    why = {urn: [(one["node"], one["reason"]) for one in told] for urn, told in more["notCounted"].items()}
    assert why == {"raw/x": [("b", "Unavailable")], "old/y": [("left-long-ago", "NodeGone")]}
    assert not {"unknown", "unavailable", "notCounted"} & known.keys()


def test_what_is_known_of_a_key_goes_before_what_is_known_of_its_bucket() -> None:
    bucket = data_object("logs", at=["b"])
    for lost in (data_object("logs/k", gone=["a"]), data_object("logs/k", at=["left-long-ago"])):
        answer = place(lost, bucket, inputs=[f"logs/k,{SIZE}"])
        assert set(seconds(answer).values()) == {0.0}
        assert answer["unavailable"] == ["logs/k"]
        assert "unknown" not in answer
    never_seen = place(data_object("logs/k"), bucket, inputs=[f"logs/k,{SIZE}"])
    assert seconds(never_seen)["b"] == pytest.approx(LOCAL, rel=1e-12)


def test_an_output_whose_buckets_stores_are_all_away_adds_nothing_and_is_named() -> None:
    answer = place(data_object("results", gone=["a", "b"]), outputs=[f"results/k,{SIZE}"])
    assert set(seconds(answer).values()) == {0.0}
    assert answer["unavailable"] == ["results/k"]
    assert [one["node"] for one in answer["notCounted"]["results/k"]] == ["a", "b"]
    overwritten = place(
        data_object("results", gone=["a"]), data_object("results/k", at=["d"]), outputs=[f"results/k,{SIZE}"]
    )
    assert seconds(overwritten)["d"] == pytest.approx(LOCAL, rel=1e-12), "which holds the key, so it has the bucket"
    one_left = place(data_object("results", gone=["a"], at=["d"]), outputs=[f"results/k,{SIZE}"])
    assert seconds(one_left)["d"] == pytest.approx(LOCAL, rel=1e-12)
    assert "unavailable" not in one_left


@pytest.mark.parametrize(
    ("obj", "urn", "size"),
    [
        pytest.param(data_object("logs/k", at=["a"], size=SIZE), "logs/k,0", SIZE, id="as seen"),
        pytest.param(data_object("logs/k", at=["a"], size=5, pinned=SIZE), "logs/k,0", SIZE, id="pinned"),
        pytest.param(data_object("logs/k", at=["a"], size=5, pinned=0), "logs/k,0", 0, id="pinned to 0"),
        pytest.param(data_object("logs/k", at=["a"], size=SIZE), "logs/k,7", 7, id="declared by the pod"),
        pytest.param(data_object("logs/a/", at=["a"], size=SIZE), "logs/a/k,0", 0, id="a key below a prefix"),
        pytest.param(data_object("logs", at=["a"], size=SIZE), "logs/k,0", 0, id="a key in a bucket"),
        pytest.param(data_object("logs/k", at=["a"]), "logs/k,0", 0, id="unknown"),
    ],
)
def test_a_size_that_is_not_declared_is_that_of_the_object_itself(obj: Object, urn: str, size: int) -> None:
    assert seconds(place(obj, inputs=[urn]))["b"] == pytest.approx(0.001 + size / 500e6, rel=1e-12)


ASSUMED = 250_000_000  # the default of assumedReadBytes


@pytest.mark.parametrize(
    ("obj", "notes", "size", "assumed"),
    [
        pytest.param(
            data_object("logs", at=["a"], size=10**13), {"data_sources": "logs"}, ASSUMED, True, id="a huge source"
        ),
        pytest.param(data_object("logs", at=["a"], size=7000), {"data_sources": "logs"}, 7000, True, id="a small one"),
        pytest.param(data_object("logs", at=["a"], size=0), {"data_sources": "logs"}, 0, True, id="an empty one"),
        pytest.param(data_object("logs", at=["a"]), {"data_sources": "logs"}, ASSUMED, True, id="one never counted"),
        pytest.param(data_object("logs", at=["a"], size=SIZE), {"inputs": ["logs,0"]}, ASSUMED, True, id="a bucket"),
        pytest.param(
            data_object("logs/a/", at=["a"], size=SIZE), {"inputs": ["logs/a/,0"]}, ASSUMED, True, id="a prefix"
        ),
        pytest.param(data_object("logs/a/", at=["a"], size=9), {"inputs": ["logs/a/,0"]}, 9, True, id="a small prefix"),
        pytest.param(
            data_object("logs", at=["a"], size=500), {"inputs": ["logs/a/,0"]}, 500, True, id="less than its bucket"
        ),
        pytest.param(data_object("logs", at=["a"], size=5), {"inputs": [f"logs,{SIZE}"]}, SIZE, False, id="declared"),
        pytest.param(data_object("logs/k", at=["a"], size=SIZE), {"inputs": ["logs/k,0"]}, SIZE, False, id="a key"),
    ],
)
def test_a_share_that_nobody_declares_counts_by_a_bounded_amount_that_is_marked(
    obj: Object, notes: Object, size: int, assumed: bool
) -> None:
    answer = place(obj, **notes)
    for name, of_node in answer["criteria"].items():
        (move,) = of_node["data"]["transfers"]
        assert move["bytes"] == size, name
        assert move.get("assumed", False) is assumed
    assert seconds(answer)["b"] == pytest.approx(0.001 + size / 500e6, rel=1e-12)


WHOLE = 10**13


@pytest.mark.parametrize(
    ("note", "declared", "size"),
    [
        pytest.param("data-sources, input-1 from Knative Service default/reader", WHOLE, ASSUMED, id="added"),
        pytest.param("input-1 from its data-sources", WHOLE, ASSUMED, id="from the pod's own sources"),
        pytest.param("input-2, input-3 and 4 more from CronJob default/reader", WHOLE, ASSUMED, id="with many others"),
        pytest.param("input-1 from its data-sources", WHOLE * 3 // 4, ASSUMED, id="the bucket has grown since"),
        pytest.param("input-1 from CronJob default/reader", 5 * 10**9, 5 * 10**9, id="a part, which that declares"),
        pytest.param("input-11 from its data-sources", WHOLE, WHOLE, id="another one was added"),
        pytest.param("", WHOLE, WHOLE, id="the pod says so itself"),
    ],
)
def test_the_size_of_a_bucket_that_the_webhook_filled_in_does_not_say_how_much_is_read(
    note: str, declared: int, size: int
) -> None:
    notes: Object = {"inputs": [f"lake,{declared}"], "data_sources": "lake"} | ({"enriched": note} if note else {})
    answer = place(data_object("lake", at=["a"], size=WHOLE), **notes)
    (move,) = answer["criteria"]["b"]["data"]["transfers"]
    assert (move["bytes"], move.get("assumed", False)) == (size, size == ASSUMED)


def test_what_is_assumed_tells_near_from_far_and_does_not_drown_what_is_declared() -> None:
    lake, key = data_object("lake", at=["a"], size=10**13), data_object("logs/k", at=["d"], size=10**9)
    assert place(lake, data_sources="lake")["chosen"] == "a"
    assert place(lake, key, inputs=["logs/k,1000000000"], data_sources="lake")["chosen"] == "d"
    asked = question(NODES, pod(notes=data(data_sources="lake")), objects=[lake], settings={"assumedReadBytes": 1000})
    assert seconds(ask(asked))["b"] == pytest.approx(0.001 + 1000 / 500e6, rel=1e-12)


@pytest.mark.parametrize(
    ("twice", "once"),
    [
        pytest.param({"inputs": ["logs/k,5000", "logs/k,5000"]}, {"inputs": ["logs/k,5000"]}, id="the same"),
        pytest.param({"inputs": ["logs/k,5000", "logs/k,70"]}, {"inputs": ["logs/k,5000"]}, id="the larger first"),
        pytest.param({"inputs": ["logs/k,0", "logs/k,70"]}, {"inputs": ["logs/k,70"]}, id="one without a size"),
        pytest.param({"inputs": ["logs/k,0", "logs/k,0"]}, {"inputs": ["logs/k,0"]}, id="both without"),
        pytest.param(
            {"inputs": ["logs/k,9,30", "logs/k,9,30"]}, {"inputs": ["logs/k,9,30"]}, id="its processing counts once"
        ),
        pytest.param({"inputs": ["logs/k,9", "logs/k,9,30"]}, {"inputs": ["logs/k,9,30"]}, id="the longer processing"),
        pytest.param({"outputs": ["logs/o,5", "logs/o,7"]}, {"outputs": ["logs/o,7"]}, id="two outputs"),
        pytest.param(
            {"inputs": ["logs,5"], "data_sources": "logs"}, {"inputs": ["logs,5"]}, id="an input and a source"
        ),
        pytest.param({"data_sources": "logs,logs"}, {"data_sources": "logs"}, id="a source twice"),
    ],
)
def test_the_same_urn_named_twice_is_fetched_once(twice: Object, once: Object) -> None:
    objects = data_object("logs/k", at=["a"], size=400), data_object("logs", at=["b"], size=1000)
    first, second = place(*objects, **twice), place(*objects, **once)
    assert first["criteria"] == second["criteria"]
    assert first["profile"] == second["profile"]


def test_what_is_read_and_written_moves_twice() -> None:
    answer = place(data_object("logs/k", at=["a"]), inputs=[f"logs/k,{SIZE}"], outputs=[f"logs/k,{SIZE}"])
    assert seconds(answer)["b"] == pytest.approx(2 * ZONE, rel=1e-12)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        pytest.param([f"logs/k,{SIZE}"], ["logs/k", "raw-data"], id="a key"),
        pytest.param([f"logs,{SIZE}"], ["logs", "raw-data"], id="the bucket"),
        pytest.param(["logs/a,1", "raw-data/b,1"], ["logs/a", "raw-data/b"], id="both"),
        pytest.param(["logs-of-others/a,1"], ["logs-of-others/a", "logs", "raw-data"], id="another bucket"),
    ],
)
def test_a_data_source_that_an_input_lies_in_is_not_read_twice(inputs: list[str], expected: list[str]) -> None:
    objects = [data_object(bucket, at=["a"], size=SIZE) for bucket in ("logs", "raw-data", "logs-of-others")]
    answer = place(*objects, inputs=inputs, data_sources="logs,raw-data")
    assert [move["urn"] for move in answer["criteria"]["b"]["data"]["transfers"]] == expected


def test_what_is_written_to_a_data_source_does_not_say_what_is_read_from_it() -> None:
    answer = place(data_object("logs", at=["a"], size=SIZE), outputs=["logs/k,5"], data_sources="logs")
    assert [move["urn"] for move in answer["criteria"]["b"]["data"]["transfers"]] == ["logs", "logs/k"]


def test_what_is_written_to_a_bucket_is_not_as_big_as_the_bucket() -> None:
    answer = place(data_object("results", at=["a"], size=SIZE), outputs=["results,0"])
    assert seconds(answer)["d"] == pytest.approx(0.030, rel=1e-12)


def test_own_objects_go_before_the_schedulers_and_no_other_counts() -> None:
    home, own, other = (
        data_object("logs/k", at=[where], namespace=namespace)
        for where, namespace in (("b", build.HOME), ("a", "default"), ("d", "other"))
    )
    for objects, nearest in (((home, other), "b"), ((home, own, other), "a")):
        answer = place(*objects, inputs=[f"logs/k,{SIZE}"])
        assert seconds(answer)[nearest] == pytest.approx(LOCAL, rel=1e-12)
        assert answer["chosen"] == nearest


def test_the_largest_sizes_stay_finite_and_in_order() -> None:
    keys = [f"logs/{number}" for number in range(64)]
    answer = place(data_object("logs", at=["a"]), inputs=[f"{key},{2**63 - 1}" for key in keys])
    found = seconds(answer)
    assert sorted(found, key=lambda name: found[name]) == ["a", "b", "c", "d", "e"]
    assert found["e"] == pytest.approx(64 * (2**63 / 25e6), rel=1e-9)
    assert answer["chosen"] == "a"


BANDWIDTHS = st.integers(1_000, 10**11)
LATENCIES = st.floats(1e-6, 10)


@given(
    size=st.integers(0, 10**13),
    bigger=st.integers(0, 10**13),
    slow=BANDWIDTHS,
    faster=st.integers(0, 10**11),
    latency_s=LATENCIES,
    prompter=st.floats(0.01, 1),
    replicas=st.lists(st.sampled_from("acde"), min_size=1, max_size=3, unique=True),
    another=st.sampled_from("abcde"),
    is_output=st.booleans(),
)
def test_better_is_never_worse(
    size: int,
    bigger: int,
    slow: int,
    faster: int,
    latency_s: float,
    prompter: float,
    replicas: list[str],
    another: str,
    is_output: bool,
) -> None:
    """A faster or prompter link, one more replica: never more seconds, anywhere. More bytes: never fewer."""

    def found(bandwidth: int, late_s: float, where: list[str], much: int) -> dict[str, float]:
        others = [one for one in where if one != "b"]
        targets = {"b": others} if is_output else {one: ["b"] for one in others}
        capabilities = [
            build.capability(source, links=[link(one, bandwidth=bandwidth, latency_s=late_s) for one in reached])
            for source, reached in targets.items()
        ]
        text = [f"logs/k,{much}"]
        notes = data(outputs=text) if is_output else data(inputs=text)
        snap = build.state(NODES, objects=[data_object("logs", at=where)], capabilities=capabilities).freeze()
        decision = asking.decide_on(snap, pod(notes=notes))
        assert decision.data is not None
        return dict(
            zip([snap.names[index] for index in decision.feasible], decision.data.seconds.tolist(), strict=True)
        )

    base = found(slow, latency_s, replicas, size)
    better = [
        found(slow + faster, latency_s, replicas, size),
        found(slow, latency_s * prompter, replicas, size),
        found(slow, latency_s, replicas, max(size - bigger, 0)),
    ]
    if another not in replicas:
        better.append(found(slow, latency_s, [*replicas, another], size))
    for one in better:
        assert all(one[name] <= base[name] for name in base)


def external(urn: str, region: str, zone: str, **more: object) -> Object:
    """A DataObject whose one copy a store outside the cluster holds."""
    made = data_object(urn, **more)  # type: ignore[arg-type]
    made["status"]["replicas"].append({"node": "external", "region": region, "zone": zone, "available": True})
    return made


@pytest.mark.parametrize(
    ("region", "zone", "expected"),
    [
        pytest.param("r", "z", {"a": ZONE, "b": ZONE, "c": REGION, "d": FAR, "e": FAR}, id="in a zone of ours"),
        pytest.param("r", "elsewhere", {"a": REGION, "c": REGION, "d": FAR}, id="in a region of ours"),
        pytest.param("moon", "crater", {"a": FAR, "c": FAR, "d": FAR, "e": FAR}, id="where no node is"),
        pytest.param("", "", {"a": FAR, "c": FAR, "d": FAR, "e": FAR}, id="nobody knows where"),
    ],
)
@pytest.mark.parametrize("way", ["inputs", "outputs"])
def test_a_store_outside_is_as_near_as_its_place_and_never_local(
    region: str, zone: str, expected: dict[str, float], way: str
) -> None:
    answer = place(external("logs", region, zone), **{way: [f"logs/k,{SIZE}"]})  # type: ignore[arg-type]
    found = seconds(answer)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    (move,) = answer["criteria"]["a"]["data"]["transfers"]
    assert move["from" if way == "inputs" else "to"] == f"external:{region}/{zone}"


def test_a_node_that_holds_the_data_is_nearer_than_a_store_outside() -> None:
    answer = place(external("logs/k", "s", "x", at=["a"]), inputs=[f"logs/k,{SIZE}"])
    came_from = {name: one["data"]["transfers"][0]["from"] for name, one in answer["criteria"].items()}
    assert (came_from["a"], came_from["b"], came_from["d"]) == ("a", "a", "external:s/x")


def test_one_that_serves_what_others_store_is_as_near() -> None:
    served = data_object("logs/k", at=["a", "d"])
    served["status"]["replicas"][1]["role"] = "Serves"
    assert seconds(place(served, inputs=[f"logs/k,{SIZE}"]))["d"] == pytest.approx(LOCAL, rel=1e-12)


def promised(urn: str, *nodes: str, confidence: float = 0.8, size: int | None = None, **more: object) -> Object:
    """A DataObject of what a pod is about to write."""
    made = data_object(urn, **more)  # type: ignore[arg-type]
    one: Object = {"producer": "default/p", "confidence": confidence, "since": "2026-01-01T00:00:00Z"}
    if size is not None:
        one["sizeBytes"] = size
    made["status"]["expected"] = [one | {"node": node} for node in nodes]
    return made


def test_what_is_expected_counts_with_its_confidence_and_the_bucket_for_the_rest() -> None:
    answer = place(promised("logs/k", "d"), data_object("logs", at=["a"]), inputs=[f"logs/k,{SIZE}"])
    found = seconds(answer)
    assert found["d"] == pytest.approx(0.8 * LOCAL + 0.2 * FAR, rel=1e-12)
    assert found["a"] == pytest.approx(0.8 * FAR + 0.2 * LOCAL, rel=1e-12)
    assert answer["chosen"] == "d"
    assert answer["criteria"]["d"]["data"]["transfers"] == [
        {
            "urn": "logs/k",
            "bytes": SIZE,
            "from": "d",
            "seconds": found["d"],
            "bandwidthBytesPerSecond": 1e9,
            "source": "local",
            "expected": True,
            "confidence": 0.8,
            "otherwise": "a",
        }
    ]


def test_what_is_expected_and_nowhere_else_to_be_found_counts_for_what_it_is_sure() -> None:
    answer = place(promised("logs/k", "d", size=SIZE), inputs=["logs/k,0"])
    assert seconds(answer)["d"] == pytest.approx(0.8 * LOCAL, rel=1e-12)
    assert "otherwise" not in answer["criteria"]["d"]["data"]["transfers"][0]
    assert "unknown" not in answer


def test_what_is_there_counts_for_what_it_is() -> None:
    answer = place(promised("logs/k", "d", at=["a"], size=5), data_object("logs", at=["b"]), inputs=[f"logs/k,{SIZE}"])
    assert seconds(answer)["a"] == pytest.approx(LOCAL, rel=1e-12)
    assert "expected" not in answer["criteria"]["a"]["data"]["transfers"][0]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param([promised("logs/k", "left")], ZONE, id="its node left"),
        pytest.param([promised("logs/k", "b", namespace="other")], ZONE, id="in another namespace"),
        pytest.param([promised("logs/k", "b", namespace=build.HOME)], 0.8 * LOCAL + 0.2 * ZONE, id="at home"),
        pytest.param([promised("logs/", "b")], 0.8 * LOCAL + 0.2 * ZONE, id="of the whole prefix"),
        pytest.param([promised("logs/k", "d", "b")], 0.8 * LOCAL + 0.2 * ZONE, id="by two: the nearer"),
        pytest.param([promised("logs/k", "b", confidence=1.0)], LOCAL, id="certain"),
        pytest.param([promised("logs/k", "b", confidence=0.0)], ZONE, id="out of the question"),
        pytest.param(
            [promised("logs/k", "d", "b"), promised("logs/k", "d", namespace=build.HOME)],
            0.8 * LOCAL + 0.2 * ZONE,
            id="own first",
        ),
    ],
)
def test_whose_expectation_counts(known: list[Object], expected: float) -> None:
    answer = place(*known, data_object("logs", at=["a"]), inputs=[f"logs/k,{SIZE}"])
    assert seconds(answer)["b"] == pytest.approx(expected, rel=1e-12)


@given(confidence=st.floats(0, 1), size=st.integers(0, 10**13))
def test_an_expectation_lies_between_what_is_known_and_what_would_be(confidence: float, size: int) -> None:
    bucket = data_object("logs", at=["a"])
    known, there, expected = (
        seconds(place(*objects, bucket, inputs=[f"logs/k,{size}"]))
        for objects in ((), (data_object("logs/k", at=["d"]),), (promised("logs/k", "d", confidence=confidence),))
    )
    for name, value in expected.items():
        low, high = sorted((known[name], there[name]))
        assert low * (1 - 1e-9) <= value <= high * (1 + 1e-9)
