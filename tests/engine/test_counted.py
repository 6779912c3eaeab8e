"""Which copies count: by the readiness of their node, the age of their witness, whose they are, and their content."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine import asking
from tests.engine.asking import ask, question, reasons
from tests.state import build
from tests.state.build import Object, capability, data, data_object, node, pod, replica, store

NOW = "2026-03-01T12:00:00Z"
RECENTLY, JUST_IN_TIME, TOO_LONG_AGO = "2026-03-01T11:56:00Z", "2026-03-01T11:45:00Z", "2026-03-01T11:44:59Z"
SOON, FAR_AHEAD = "2026-03-01T12:05:00Z", "2026-03-01T12:15:01Z"
YEARS_AGO = "2020-01-01T00:00:00Z"
GB = 1_000_000_000
AWAY = "node.kubernetes.io/unreachable"
# The copy that is asked about lies on "here"; another one, far away, can always be had.
ELSEWHERE = node("far", region="s", zone="y")


def came_from(answer: Object, where: str = "near") -> list[str]:
    """From where the pod's data comes on a node."""
    return [move["from"] for move in answer["criteria"][where]["data"]["transfers"]]


def place(here: Object, *objects: Object, capabilities: tuple[Object, ...] = (), **notes: object) -> Object:
    nodes = [here, node("near", region="r", zone="z"), ELSEWHERE]
    asked = question(nodes, pod(notes=data(**notes)), objects=objects, capabilities=capabilities)  # type: ignore[arg-type]
    return ask(asked | {"now": NOW})


def here(**more: object) -> Object:
    return node("here", region="r", zone="z", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "asked", "doubt"),
    [
        pytest.param(RECENTLY, None, "", id="seen of late"),
        pytest.param(JUST_IN_TIME, None, "", id="just in time"),
        pytest.param(TOO_LONG_AGO, None, "WitnessSilent", id="too long ago"),
        pytest.param(YEARS_AGO, None, "WitnessSilent", id="years ago"),
        pytest.param("", None, "", id="declared by hand"),
        pytest.param(SOON, None, "", id="by a clock that is ahead"),
        pytest.param(FAR_AHEAD, None, "WitnessSilent", id="from the future"),
        pytest.param(YEARS_AGO, RECENTLY, "", id="its store was asked of late"),
        pytest.param(RECENTLY, YEARS_AGO, "", id="only the copy was seen of late"),
        pytest.param(YEARS_AGO, TOO_LONG_AGO, "WitnessSilent", id="neither"),
        pytest.param(YEARS_AGO, FAR_AHEAD, "WitnessSilent", id="a newest that is not believed"),
        pytest.param(RECENTLY, FAR_AHEAD, "", id="beside one that is not believed"),
        pytest.param("", YEARS_AGO, "WitnessSilent", id="a store that nobody asks any more"),
    ],
)
@pytest.mark.parametrize("outside", [False, True], ids=["on a node", "outside"])
def test_a_copy_counts_while_its_witness_is_fresh(seen: str, asked: str | None, doubt: str, outside: bool) -> None:
    at = replica("external", "s", seen=seen, region="r", zone="z") if outside else replica("here", "s", seen=seen)
    reporter, role = ("near", "Probes") if outside else ("here", "Stores")
    stores = [] if asked is None else [store(name="s", seen=asked, role=role)]
    others = [store(name="other", seen=RECENTLY)]  # says nothing of this one
    answer = place(
        here(),
        data_object("logs/k", replicas=[at, replica("far", seen=RECENTLY)]),
        capabilities=(capability(reporter, stores=[*stores, *others]),),
        inputs=[f"logs/k,{GB}"],
    )
    assert came_from(answer) == (["far"] if doubt else ["external:r/z" if outside else "here"])
    assert [one["reason"] for one in answer.get("notCounted", {}).get("logs/k", [])] == ([doubt] if doubt else [])


@pytest.mark.parametrize(
    ("node_is", "counts"),
    [
        pytest.param({}, True, id="which says nothing of itself"),
        pytest.param({"ready": "True"}, True, id="ready"),
        pytest.param({"ready": "False"}, False, id="not ready"),
        pytest.param({"ready": "Unknown"}, False, id="not heard of"),
        pytest.param({"ready": "True", "taints": [{"key": AWAY, "effect": "NoExecute"}]}, False, id="unreachable"),
        pytest.param(
            {"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]}, False, id="tainted not ready"
        ),
        pytest.param({"taints": [{"key": "dedicated", "effect": "NoSchedule"}]}, True, id="with another taint"),
        pytest.param({"ready": "True", "cordoned": True}, True, id="cordoned, where the store goes on"),
    ],
)
@pytest.mark.parametrize(
    ("what", "capabilities"),
    [
        pytest.param(data_object("logs", replicas=[replica("here", seen=RECENTLY)]), (), id="a copy"),
        pytest.param(data_object("logs", declared=["here"]), (), id="a declared location"),
        pytest.param(
            data_object("other"), (capability("here", stores=[store("logs", seen=RECENTLY)]),), id="a store's bucket"
        ),
        pytest.param(data_object("other"), (), id="a label"),
    ],
)
@pytest.mark.parametrize("way", ["inputs", "outputs"])
def test_what_is_on_a_node_counts_while_that_is_ready(
    node_is: Object, counts: bool, what: Object, capabilities: tuple[Object, ...], way: str
) -> None:
    by_label = what["spec"]["urn"] == "other" and not capabilities
    at = here(**node_is, can={"storage-bucket-logs": "true"} if by_label else {})
    answer = place(at, what, capabilities=capabilities, **{way: [f"logs/k,{GB}"]})
    moves = answer["criteria"]["near"]["data"]["transfers"]
    assert [move["from" if way == "inputs" else "to"] for move in moves] == (["here"] if counts else [])
    assert answer.get("unavailable", []) == ([] if counts else ["logs/k"])
    assert "unknown" not in answer


def test_a_node_that_no_longer_runs_the_daemon_is_silent_and_its_labels_do_not_bring_it_back() -> None:
    """The node is ready; what its daemon wrote still stands there, in its NodeCapability and as labels."""
    marks = {"storage-service": "true", "storage-bucket-logs": "true"}
    old = capability("here", found={"storage-service": "true"}, stores=[store("logs", seen=YEARS_AGO)])
    answer = place(here(can=marks, ready="True"), capabilities=(old,), inputs=[f"logs/k,{GB}"])
    assert answer["unavailable"] == ["logs/k"]
    assert answer["notCounted"]["logs/k"] == [
        {
            "node": "here",
            "store": "minio",
            "reason": "WitnessSilent",
            "message": "nobody has seen it for longer than maxWitnessAgeMinutes",
        }
    ]
    storage = data(requires_local_storage="true")
    asked = question([here(can=marks, ready="True")], pod(notes=storage), capabilities=[old]) | {"now": NOW}
    assert reasons(ask(asked)) == {"here": ["node(s) didn't serve local storage"]}
    fresh = capability("here", found={"storage-service": "true"}, stores=[store("logs", seen=RECENTLY)])
    assert ask(asked | {"nodeCapabilities": [fresh]})["chosen"] == "here"
    assert ask(asked | {"nodeCapabilities": []})["chosen"] == "here", "labels that somebody else set"


def test_the_age_is_the_operators() -> None:
    objects = [data_object("logs/k", replicas=[replica("here", seen="2026-03-01T11:30:00Z")])]
    asked = question([here()], pod(notes=data(inputs=[f"logs/k,{GB}"])), objects=objects) | {"now": NOW}
    assert ask(asked)["unavailable"] == ["logs/k"]
    assert "unavailable" not in ask(asked | {"config": {"maxWitnessAgeMinutes": 30}})
    assert "unavailable" not in ask({key: asked[key] for key in asked if key != "now"}), "as of what was seen last"


def test_what_is_expected_on_a_node_that_is_away_does_not_draw() -> None:
    """And what it was to overwrite, and is lost, is not looked for where the bucket lies."""
    promise = {"node": "here", "producer": "default/p", "confidence": 0.8, "since": RECENTLY}
    key = data_object("logs/k", replicas=[replica("far", seen=YEARS_AGO)])
    key["status"]["expected"] = [promise]
    bucket = data_object("logs", replicas=[replica("near", seen=RECENTLY)])
    ready = place(here(), key, bucket, inputs=[f"logs/k,{GB}"])
    assert came_from(ready) == ["here"]
    assert "otherwise" not in ready["criteria"]["near"]["data"]["transfers"][0], "the key is not in the bucket's stores"
    away = place(here(ready="False"), key, bucket, inputs=[f"logs/k,{GB}"])
    assert came_from(away) == []
    assert away["unavailable"] == ["logs/k"]


# Whose stores count for whom


@pytest.mark.parametrize(
    ("speaks_for", "namespace", "counts"),
    [
        pytest.param("", "team", True, id="everybody's"),
        pytest.param(build.HOME, "team", True, id="the scheduler's"),
        pytest.param("team", "team", True, id="the pod's own"),
        pytest.param("other", "team", False, id="another's"),
        pytest.param("team", build.HOME, False, id="not even for the scheduler's"),
    ],
)
def test_a_store_counts_for_the_pods_of_its_namespace(speaks_for: str, namespace: str, counts: bool) -> None:
    nodes = [here(), node("near", region="r", zone="z")]
    serving = [capability("here", stores=[store("logs", namespace=speaks_for, seen=RECENTLY)])]
    reader = pod(notes=data(inputs=[f"logs/k,{GB}"]), namespace=namespace)
    answer = ask(question(nodes, reader, capabilities=serving) | {"now": NOW})
    assert came_from(answer) == (["here"] if counts else [])
    assert answer.get("unknown", []) == ([] if counts else ["logs/k"])
    wisher = pod(notes=data(requires_local_storage="true"), namespace=namespace)
    answer = ask(question(nodes, wisher, capabilities=serving) | {"now": NOW})
    assert answer["feasible"] == (["here"] if counts else [])


def test_ones_own_store_goes_before_everybodys_of_the_same_bucket() -> None:
    serving = (
        capability("here", stores=[store("logs", name="own", namespace="default", seen=RECENTLY)]),
        capability("far", stores=[store("logs", name="shared", seen=RECENTLY)]),
    )
    assert came_from(place(here(), capabilities=serving, inputs=["logs/k,5"]), "far") == ["here"]


def test_two_tenants_with_the_same_bucket_see_each_their_own() -> None:
    nodes = [here(), node("near", region="r", zone="z")]
    objects = [
        data_object("logs", replicas=[replica(where, seen=RECENTLY)], size=size, namespace=whose)
        for whose, where, size in (("red", "here", 1000), ("blue", "near", 2000))
    ]
    for whose, where, size in (("red", "here", 1000), ("blue", "near", 2000)):
        reader = pod(notes=data(data_sources="logs"), namespace=whose)
        answer = ask(question(nodes, reader, objects=objects) | {"now": NOW})
        (move,) = answer["criteria"]["near"]["data"]["transfers"]
        assert (move["from"], move["bytes"]) == (where, size)


# Whose content is today's


def test_only_copies_of_the_newest_content_count_and_their_size_does() -> None:
    old: Object = {"etag": "a", "lastModified": "2026-02-01T00:00:00Z", "sizeBytes": 9_000_000}
    new: Object = {"etag": "b", "lastModified": "2026-02-02T00:00:00Z", "sizeBytes": 500}
    key = data_object("logs/k", size=9_000_000, replicas=[replica("here", **old), replica("far", **new)])
    answer = place(here(), key, inputs=["logs/k,0"])
    assert came_from(answer, "here") == ["far"]
    assert answer["criteria"]["near"]["data"]["transfers"][0]["bytes"] == 500
    assert [(one["node"], one["reason"]) for one in answer["notCounted"]["logs/k"]] == [("here", "StaleCopy")]
    away = data_object("logs/k", replicas=[replica("here", **old), replica("far", available=False, **new)])
    assert place(here(), away, inputs=["logs/k,0"])["unavailable"] == ["logs/k"], "the old one is something else"


def test_a_decision_says_in_words_what_can_be_had_nowhere_and_what_is_assumed() -> None:
    objects = [
        data_object("logs/k", replicas=[replica(f"left-{number}", "s", seen=RECENTLY) for number in range(6)]),
        data_object("lake", replicas=[replica("here", seen=RECENTLY)], size=10**13),
    ]
    notes = data(inputs=[f"logs/k,{GB}", "nowhere/k,5"], data_sources="lake")
    snap = build.state([here()], objects=objects).freeze(build.time_s(NOW))
    found = asking.decide_on(snap, pod(notes=notes))
    one = "s on left-{}: its node is not in the cluster"
    assert found.unavailable == {"logs/k": "; ".join([*(one.format(n) for n in range(4)), "and 2 more copies"])}
    assert found.data is not None
    assert found.data.unknown == ("nowhere/k",)
    assert [(each.urn, each.assumed) for each in found.transfers(snap)] == [("lake", True)]
    answer = ask(question([here()], pod(notes=notes), objects=objects) | {"now": NOW})
    assert answer["assumed"] == {"lake": "how much of it is read is not declared; 250000000 bytes are assumed"}


# Laws

TIMES = st.sampled_from(["", RECENTLY, JUST_IN_TIME, TOO_LONG_AGO, YEARS_AGO, SOON, FAR_AHEAD])
NODES = ["n0", "n1", "n2", "n3"]
URNS = st.sampled_from(["logs", "logs/a/", "logs/a/k", "logs/b"])


@st.composite
def worlds(draw: st.DrawFn) -> Object:
    nodes = [
        node(name, region=f"r{number % 2}", zone=f"z{number}", ready=draw(st.sampled_from(["True", "True", "Unknown"])))
        for number, name in enumerate(NODES)
    ]
    copies = st.builds(
        replica,
        st.sampled_from([*NODES, "left"]),
        st.sampled_from(["s", "t"]),
        seen=TIMES,
        available=st.sampled_from([True, True, False]),
    )
    objects = [
        data_object(
            draw(URNS),
            replicas=draw(st.lists(copies, max_size=3)),
            size=draw(st.sampled_from([None, 10**6, 10**12])),
            namespace=draw(st.sampled_from(["default", build.HOME, "other"])),
            name=f"o{number}",
        )
        for number in range(draw(st.integers(1, 4)))
    ]
    stores = st.builds(
        store,
        st.just("logs"),
        name=st.sampled_from(["s", "t"]),
        available=st.booleans(),
        namespace=st.sampled_from(["", "default", "other"]),
        seen=TIMES,
    )
    serving = [capability(name, stores=draw(st.lists(stores, max_size=1))) for name in NODES[:2]]
    return question(nodes, pod(), objects=objects, capabilities=serving) | {"now": NOW}


def reading(world: Object, notes: dict[str, str]) -> Object:
    return ask(world | {"pod": pod(notes=notes)})


@given(world=worlds(), urn=URNS, way=st.sampled_from(["from", "to"]))
def test_law_a_copy_that_does_not_count_is_never_the_other_end_of_a_transfer(world: Object, urn: str, way: str) -> None:
    text = [f"{urn},{GB}"]
    answer = reading(world, data(inputs=text) if way == "from" else data(outputs=text))
    ready = {one["metadata"]["name"] for one in world["nodes"] if one["status"]["conditions"][0]["status"] == "True"}
    dated = [(of["metadata"]["name"], one) for of in world["nodeCapabilities"] for one in of["status"]["stores"]]
    dated += [(one["node"], one) for obj in world["dataObjects"] for one in obj["status"]["replicas"]]
    # By anybody at all, for anything.
    vouched = {name for name, one in dated if one["lastProbeTime"] in {"", RECENTLY, JUST_IN_TIME, SOON}}
    ends = {move[way] for of in answer["criteria"].values() for move in of["data"]["transfers"]}
    assert ends <= ready & vouched
    counted = [{one["node"] for one in told if one["reason"].startswith("Node")} for told in
               answer.get("notCounted", {}).values()]  # fmt: skip
    assert all(not ends & away for away in counted)
    named = {*answer.get("unknown", []), *answer.get("unavailable", [])}
    assert bool(ends) is (urn not in named), "it is moved or it is named"


@given(world=worlds(), first=URNS, second=URNS, size=st.sampled_from([0, 500, GB]), seconds_of=st.sampled_from([0, 9]))
def test_law_to_name_a_urn_again_changes_nothing(
    world: Object, first: str, second: str, size: int, seconds_of: int
) -> None:
    texts = [f"{first},{size},{seconds_of}", f"{second},70"]
    for way in ("inputs", "outputs"):
        once, again = (reading(world, data(**{way: named})) for named in (texts, [*texts, texts[0], texts[1]]))  # type: ignore[arg-type]
        assert once == again


@given(
    world=worlds(),
    urn=URNS,
    processing=st.sampled_from([0, 1, 1000]),
    more=st.lists(st.sampled_from(["nowhere/k,5,1000", "nowhere,0,0.1", "elsewhere/a/,7"]), min_size=1, max_size=3),
    way=st.sampled_from(["inputs", "outputs"]),
)
def test_law_what_nobody_knows_changes_neither_the_profile_nor_the_transfers(
    world: Object, urn: str, processing: int, more: list[str], way: str
) -> None:
    known = [f"{urn},{GB},{processing}"]
    without = reading(world, data(inputs=known))
    notes = data(inputs=[*known, *more]) if way == "inputs" else data(inputs=known, outputs=more)
    told = reading(world, notes)
    assert told["profile"]["name"] == without["profile"]["name"]
    assert told["criteria"] == without["criteria"]
    assert told["best"] == without["best"]
    unheard_of = [text.partition(",")[0] for text in dict.fromkeys(more)]
    assert told["unknown"] == [*without.get("unknown", []), *unheard_of]


@given(world=worlds(), urn=URNS, ahead_s=st.integers(-300, 300))
def test_law_clocks_that_differ_by_minutes_change_no_answer_of_a_daemon_that_speaks(
    world: Object, urn: str, ahead_s: int
) -> None:
    """A daemon writes every five minutes at least, by its own clock."""
    for one in (*world["dataObjects"], *world["nodeCapabilities"]):
        for each in (*one["status"].get("replicas", []), *one["status"].get("stores", [])):
            each["lastProbeTime"] = RECENTLY
    now = f"2026-03-01T{12 + ahead_s // 3600:02}:{ahead_s // 60 % 60:02}:{ahead_s % 60:02}Z"
    notes = data(inputs=[f"{urn},{GB}"])
    assert reading(world, notes) == reading(world | {"now": now}, notes)


def test_the_time_goes_by_without_anything_being_told_to_the_state() -> None:
    """What counts is a function of the snapshot and its time, so that live and offline agree."""
    made = build.state(
        [here(), node("near", region="r", zone="z")],
        objects=[data_object("logs/k", replicas=[replica("here", seen="2026-03-01T12:00:00Z")])],
    )
    noon = build.time_s(NOW)
    found = [
        asking.decide_on(made.freeze(noon + after_s), pod(notes=data(inputs=[f"logs/k,{GB}"]))).data
        for after_s in (0, 900, 901, 10)
    ]
    assert [one.unavailable if one else None for one in found] == [(), (), ("logs/k",), ()]
    made.apply_node(build.as_node(here(ready="Unknown")))
    away = asking.decide_on(made.freeze(noon), pod(notes=data(inputs=[f"logs/k,{GB}"]))).data
    assert away is not None
    assert away.unavailable == ("logs/k",)
    made.apply_node(build.as_node(here(ready="True")))
    back = asking.decide_on(made.freeze(noon), pod(notes=data(inputs=[f"logs/k,{GB}"]))).data
    assert back is not None
    assert (back.unavailable, len(back.moves)) == ((), 1)
