"""Where a urn lies: the longest match, whose namespace goes first, what is passed over, and who serves a bucket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.api import urns
from scheduler.state import replicas, served, witnesses
from tests.state import build
from tests.state.build import HOME, Object, data_object

BUCKETS = ["logs", "raw-data"]
PARTS = st.sampled_from(["", "a", "b", " ", "é", "日本 語", "a.b", "%2F", "\U0001f4be"])
NODES = ["n1", "n2", "n3"]


@st.composite
def urn_texts(draw: st.DrawFn) -> str:
    key = "/".join(draw(st.lists(PARTS, max_size=5)))
    bucket = draw(st.sampled_from(BUCKETS))
    text = f"{bucket}/{key}" if key else bucket
    return bucket if urns.fault(text) else text


@st.composite
def objects(draw: st.DrawFn) -> list[Object]:
    node_lists = st.lists(st.sampled_from(NODES), max_size=2, unique=True)
    return [
        data_object(
            draw(urn_texts()),
            at=draw(node_lists),
            gone=draw(node_lists),
            declared=draw(st.lists(st.sampled_from(NODES), max_size=1)),
            size=draw(st.sampled_from([None, 0, 5])),
            pinned=draw(st.sampled_from([None, None, 0, 9])),
            namespace=draw(st.sampled_from(["default", HOME, "other"])),
            name=f"o{number}",
        )
        for number in range(draw(st.integers(0, 8)))
    ]


def naive(known: list[Object], namespace: str, urn: str) -> tuple[str, int | None, set[str]] | None:
    """Try every object that knows of a copy: does it cover the urn, and is it longer or nearer home than others?

    Of those that are equally good the first by name that can be had counts; with none the nodes are none.
    """
    bucket = urn.partition("/")[0]
    found: dict[tuple[int, bool], list[tuple[str, int | None, set[str], str]]] = {}
    for obj in known:
        spec, status, meta = obj["spec"], obj["status"], obj["metadata"]
        covers = spec["urn"] in {urn, bucket} or (spec["urn"].endswith("/") and urn.startswith(spec["urn"]))
        nodes = {one["node"] for one in spec["locations"]}
        nodes |= {one["node"] for one in status["replicas"] if one.get("available")}
        if covers and (nodes or status["replicas"]) and meta["namespace"] in {namespace, HOME}:
            rank = (-len(spec["urn"]), meta["namespace"] != namespace)
            size = spec["sizeBytes"] if "sizeBytes" in spec else status.get("sizeBytes")
            found.setdefault(rank, []).append((meta["name"], size, nodes, spec["urn"]))
    if not found:
        return None
    best = sorted(found[min(found)], key=lambda one: one[0])
    return next(((of, size, nodes) for _, size, nodes, of in best if nodes), (best[0][3], None, set()))


def witnesses_of(*nodes: str) -> witnesses.Witnesses:
    made = witnesses.Witnesses(900.0)
    for name in nodes:
        made.set_node(build.as_node(build.node(name)))
    return made


def table(known: list[Object]) -> replicas.ReplicaTable:
    """A table of those objects; all nodes that they name are there."""
    told = [one["node"] for obj in known for one in (*obj["spec"]["locations"], *obj["status"]["replicas"])]
    made = replicas.ReplicaTable(HOME, witnesses_of(*told, *NODES))
    for obj in known:
        made.apply(build.as_data_object(obj))
    return made


def nodes_of(found: replicas.Entry | None) -> set[str]:
    return set(found.nodes) if found else set()


@given(known=objects(), urn=urn_texts(), namespace=st.sampled_from(["default", HOME, "elsewhere"]))
def test_the_best_of_all_that_cover_a_urn(known: list[Object], urn: str, namespace: str) -> None:
    found = table(known).resolve(namespace, urn, 0.0)
    expected = naive(known, namespace, urn)
    assert (found and (found.urn, set(found.nodes))) == (expected and (expected[0], expected[2]))
    if expected is None or found is None:
        return
    if found.nodes:
        assert found.size_bytes == expected[1]
    else:
        assert found.absent
        assert {one.doubt for one in found.absent} == {witnesses.Doubt.UNAVAILABLE}
    assert len(set(found.nodes)) == len(found.nodes)


@given(
    known=objects(),
    urn=urn_texts(),
    serving=st.dictionaries(st.sampled_from(NODES), st.sets(st.sampled_from(BUCKETS))),
    namespace=st.sampled_from(["", HOME, "default", "other"]),
    removed=st.sets(st.sampled_from(NODES)),
)
def test_those_who_serve_a_bucket_count_where_no_object_knows_better(
    known: list[Object], urn: str, serving: dict[str, set[str]], namespace: str, removed: set[str]
) -> None:
    made = table(known)
    for node, buckets in serving.items():
        made.served.serve(node, (served.Store("s", namespace, available=True, buckets=tuple(sorted(buckets))),))
    for node in removed:
        made.served.serve(node, ())
    # Such a store is like one more object of the bucket, after all others of its namespace.
    bucket = urn.partition("/")[0]
    here = [node for node, buckets in sorted(serving.items()) if bucket in buckets and node not in removed]
    claim = data_object(bucket, at=here, namespace=namespace or HOME, name="~")
    expected = naive([*known, claim], "default", urn)
    found = made.resolve("default", urn, 0.0)
    assert (found and (found.urn, set(found.nodes))) == (expected and (expected[0], expected[2]))
    for node in serving:
        made.served.serve(node, ())
    again, without = made.resolve("default", urn, 0.0), naive(known, "default", urn)
    assert nodes_of(again) == (without[2] if without else set())


@given(known=objects(), urn=urn_texts())
def test_what_was_removed_leaves_no_trace(known: list[Object], urn: str) -> None:
    made = table(known)
    for obj in known:
        made.remove(obj["metadata"]["namespace"], obj["metadata"]["name"])
        made.remove(obj["metadata"]["namespace"], obj["metadata"]["name"])
    assert made.resolve("default", urn, 0.0) is None


DEEP = f"logs/{'/' * 500}x{'/a' * 200}"

LADDER = [
    data_object("logs", at=["bucket"]),
    data_object("logs/a/", at=["prefix"]),
    data_object("logs/a/b/", at=["longer"]),
    data_object("logs/a/b/c", at=["key"]),
]


@pytest.mark.parametrize(
    ("urn", "node"),
    [
        pytest.param("logs/a/b/c", "key", id="key"),
        pytest.param("logs/a/b/c/", "longer", id="a prefix below a key"),
        pytest.param("logs/a/b/cc", "longer", id="a key that begins alike"),
        pytest.param("logs/a/b/", "longer", id="the prefix itself"),
        pytest.param("logs/a/b", "prefix", id="a key called like a prefix"),
        pytest.param("logs/a/x/y/z", "prefix", id="deep below a prefix"),
        pytest.param("logs/a", "bucket", id="no slash, no prefix"),
        pytest.param("logs/ab/c", "bucket", id="half a name is no prefix"),
        pytest.param("logs//a/b/c", "bucket", id="an empty part is a part"),
        pytest.param("logs", "bucket", id="bucket"),
        pytest.param("logs/A/b/c", "bucket", id="case counts"),
        pytest.param(DEEP, "bucket", id="hundreds of slashes"),
    ],
)
def test_the_longest_match_wins(urn: str, node: str) -> None:
    found = table(LADDER).resolve("default", urn, 0.0)
    assert found is not None
    assert found.nodes == (node,)


def test_another_buckets_objects_do_not_match() -> None:
    assert table(LADDER).resolve("default", "logs2/a/b/c", 0.0) is None
    assert table(LADDER).resolve("default", "log", 0.0) is None


def test_unicode_is_not_normalised() -> None:
    known = [data_object("logs/\u00e9", at=["composed"]), data_object("logs", at=["bucket"])]
    found = table(known).resolve("default", "logs/e\u0301", 0.0)
    assert found is not None
    assert found.nodes == ("bucket",)


@pytest.mark.parametrize(
    ("known", "node"),
    [
        pytest.param(
            [data_object("logs/k", at=["home"], namespace=HOME), data_object("logs/k", at=["own"])],
            "own",
            id="own first",
        ),
        pytest.param(
            [data_object("logs/k", at=["home"], namespace=HOME), data_object("logs", at=["own"])],
            "home",
            id="but the longer match before it",
        ),
        pytest.param(
            [data_object("logs/k", at=["home"], namespace=HOME), data_object("logs/k", gone=["own"])],
            None,
            id="own cannot be had",
        ),
        pytest.param(
            [data_object("logs/k", gone=["x"]), data_object("logs", at=["bucket"])], None, id="key cannot be had"
        ),
        pytest.param(
            [data_object("logs/k"), data_object("logs/k", namespace=HOME), data_object("logs", at=["bucket"])],
            "bucket",
            id="nobody knows of the key",
        ),
        pytest.param(
            [data_object("logs/k", gone=["x"], name="1"), data_object("logs/k", at=["y"], name="2")],
            "y",
            id="two objects of one urn are one",
        ),
        pytest.param(
            [data_object("logs/k", at=["x"], namespace="other")], None, id="another namespace is not looked at"
        ),
        pytest.param([data_object("logs/k", declared=["x"])], "x", id="declared, never seen"),
        pytest.param([data_object("logs/k", declared=["x"], gone=["x"])], "x", id="declared, seen as gone"),
        pytest.param([data_object("logs/k")], None, id="nowhere"),
    ],
)
def test_whose_object_counts(known: list[Object], node: str | None) -> None:
    found = table(known).resolve("default", "logs/k", 0.0)
    assert nodes_of(found) == ({node} if node else set())


def test_outputs_go_to_the_stores_of_their_bucket() -> None:
    known = [data_object("logs", at=["n1"]), data_object("logs/old", at=["n2"]), data_object("raw-data/x/", at=["n3"])]
    made = table(known)
    for urn, node in (("logs/old", "n1"), ("logs/new", "n1"), ("raw-data/x/new", "n3")):
        found = made.stores("default", urn, 0.0)
        assert found is not None
        assert found.nodes == (node,), urn
    assert made.stores("default", "raw-data/y/new", 0.0) is None


def test_stores_by_label_and_capability_serve_nodes_that_are_there() -> None:
    made = build.state(
        [build.node("a", can={"storage-bucket-logs": "true"}), build.node("b")],
        capabilities=[
            build.capability("b", stores=[build.store("raw-data"), build.store("dead", available=False, name="d")]),
            build.capability("unknown", stores=[build.store("raw-data")]),
        ],
    )
    locations = made.freeze().locations
    serving = {bucket: found.nodes if (found := locations.resolve("default", bucket, 0.0)) else None
               for bucket in ("logs", "raw-data", "dead")}  # fmt: skip
    assert serving == {"logs": ("a",), "raw-data": ("b",), "dead": ()}
    made.apply_node(build.as_node(build.node("a")))
    made.remove_capability("b")
    assert locations.resolve("default", "logs", 0.0) is None
    assert locations.resolve("default", "raw-data", 0.0) is None


def test_a_node_that_left_serves_nothing_until_it_is_back() -> None:
    """Its NodeCapability outlives it; what is written to its buckets then goes where else they lie."""
    left = build.node("left", can={"storage-bucket-logs": "true"})
    made = build.state(
        [left, build.node("a")],
        objects=[data_object("logs/k", at=["a"])],
        capabilities=[build.capability("left", stores=[build.store("logs", "raw-data")])],
    )
    locations = made.freeze().locations

    def stores(urn: str) -> tuple[str, ...]:
        found = locations.stores("default", urn, 0.0)
        return found.nodes if found else ()

    assert (stores("logs/k"), stores("raw-data/x")) == (("left",), ("left",))
    made.remove_node("left")
    assert (stores("logs/k"), stores("raw-data/x")) == (("a",), ())
    made.apply_node(build.as_node(left))
    assert (stores("logs/k"), stores("raw-data/x")) == (("left",), ("left",))


def test_a_bucket_is_known_to_those_for_whom_somebody_speaks_of_it() -> None:
    """Available or not: a key of such a bucket is worth looking up."""
    stores = [
        build.store("common"),
        build.store("down", name="down", available=False),
        build.store("private", name="own", namespace="team"),
        build.store("asked", name="asked", role="Probes"),
    ]
    made = build.state(
        [build.node("a", ready="False")],
        objects=[data_object("theirs", namespace="other")],
        capabilities=[build.capability("a", stores=stores)],
    )
    known = {
        namespace: {
            bucket
            for bucket in ("common", "down", "private", "theirs", "asked")
            if made.replicas.speaks_in(namespace, bucket) is not None
        }
        for namespace in ("team", "other", HOME)
    }
    shared = {"common", "down"}
    assert known == {"team": shared | {"private"}, "other": shared | {"theirs"}, HOME: shared}


def test_the_doubts_about_an_object_are_those_of_all_its_copies() -> None:
    made = build.state(
        [build.node("a", ready="True"), build.node("b", ready="Unknown")],
        objects=[
            data_object(
                "logs/k",
                name="k",
                declared=["b"],
                replicas=[
                    build.replica("a", "new", seen="2026-03-01T12:00:00Z"),
                    build.replica("a", "old", seen="2026-03-01T10:00:00Z"),
                    build.replica("left", seen="2026-03-01T12:00:00Z"),
                ],
            )
        ],
    )
    found = made.replicas.doubts("default", "k", build.time_s("2026-03-01T12:01:00Z"))
    assert [(one.copy.node, one.copy.store, one.doubt.value) for one in found] == [
        ("b", "", "NodeNotReady"),
        ("a", "old", "WitnessSilent"),
        ("left", "minio", "NodeGone"),
    ]
    assert made.replicas.doubts("default", "unheard-of", 0.0) == ()


def test_a_store_that_its_node_no_longer_lists_vouches_for_nothing() -> None:
    at_noon, noon = "2026-03-01T12:00:00Z", build.time_s("2026-03-01T12:00:00Z")
    copies = [build.replica("a", seen="2020-01-01T00:00:00Z"),
              build.replica("external", "far", seen="2020-01-01T00:00:00Z")]  # fmt: skip
    made = build.state([build.node("a"), build.node("b")], objects=[data_object("logs", name="o", replicas=copies)])

    def doubtful() -> list[str]:
        return [one.copy.store for one in made.replicas.doubts("default", "o", noon)]

    mine, far = build.store(seen=at_noon), build.store(name="far", role="Probes", seen=at_noon)
    assert doubtful() == ["minio", "far"]
    for name in ("a", "b"):
        made.apply_capability(build.as_capability(build.capability(name, stores=[mine, far])))
    assert doubtful() == []
    made.apply_capability(build.as_capability(build.capability("a", stores=[])))
    assert doubtful() == ["minio"], "the other node still asks the one outside"
    made.remove_capability("b")
    assert doubtful() == ["minio", "far"]
