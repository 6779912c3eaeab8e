"""Where a urn lies: the longest match, whose namespace goes first, what is passed over, and who serves a bucket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.api import urns
from scheduler.state import replicas
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
    """Try every object: does it cover the urn, can it be had, and is it longer, nearer home, or first by name."""
    bucket = urn.partition("/")[0]
    found = []
    for obj in known:
        spec, status, meta = obj["spec"], obj["status"], obj["metadata"]
        covers = spec["urn"] in {urn, bucket} or (spec["urn"].endswith("/") and urn.startswith(spec["urn"]))
        nodes = {one["node"] for one in spec["locations"]}
        nodes |= {one["node"] for one in status["replicas"] if one.get("available")}
        if covers and nodes and meta["namespace"] in {namespace, HOME}:
            rank = (-len(spec["urn"]), meta["namespace"] != namespace, meta["name"])
            size = spec["sizeBytes"] if "sizeBytes" in spec else status.get("sizeBytes")
            found.append((rank, (spec["urn"], size, nodes)))
    return min(found, key=lambda one: one[0])[1] if found else None


class Everywhere:
    """Every node that anybody names."""

    def __contains__(self, name: object) -> bool:
        return True


def table(known: list[Object]) -> replicas.ReplicaTable:
    made = replicas.ReplicaTable(HOME, Everywhere())
    for obj in known:
        made.apply(build.as_data_object(obj))
    return made


@given(known=objects(), urn=urn_texts(), namespace=st.sampled_from(["default", HOME, "elsewhere"]))
def test_the_best_of_all_that_cover_a_urn(known: list[Object], urn: str, namespace: str) -> None:
    found = table(known).resolve(namespace, urn)
    expected = naive(known, namespace, urn)
    assert (found and (found.urn, found.size_bytes, set(found.nodes))) == expected
    assert found is None or len(set(found.nodes)) == len(found.nodes)


@given(
    known=objects(),
    urn=urn_texts(),
    served=st.dictionaries(st.sampled_from(NODES), st.sets(st.sampled_from(BUCKETS))),
    removed=st.sets(st.sampled_from(NODES)),
)
def test_those_who_serve_a_bucket_count_only_where_no_object_does(
    known: list[Object], urn: str, served: dict[str, set[str]], removed: set[str]
) -> None:
    made = table(known)
    for source in ("labels", "capability"):
        for node, buckets in served.items():
            made.serve(node, source, frozenset(buckets))
    for node in removed:
        made.serve(node, "labels", frozenset())  # its NodeCapability still says so
    found = made.resolve("default", urn)
    by_object = naive(known, "default", urn)
    if by_object:
        assert found is not None
        assert set(found.nodes) == by_object[2]
        return
    serving = {node for node, buckets in served.items() if urn.partition("/")[0] in buckets}
    assert (set(found.nodes) if found else set()) == serving
    for node in served:
        made.serve(node, "labels", frozenset())
        made.serve(node, "capability", frozenset())
    assert made.resolve("default", urn) is None


@given(known=objects(), urn=urn_texts())
def test_what_was_removed_leaves_no_trace(known: list[Object], urn: str) -> None:
    made = table(known)
    for obj in known:
        made.remove(obj["metadata"]["namespace"], obj["metadata"]["name"])
        made.remove(obj["metadata"]["namespace"], obj["metadata"]["name"])
    assert made.resolve("default", urn) is None


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
    found = table(LADDER).resolve("default", urn)
    assert found is not None
    assert found.nodes == (node,)


def test_another_buckets_objects_do_not_match() -> None:
    assert table(LADDER).resolve("default", "logs2/a/b/c") is None
    assert table(LADDER).resolve("default", "log") is None


def test_unicode_is_not_normalised() -> None:
    known = [data_object("logs/\u00e9", at=["composed"]), data_object("logs", at=["bucket"])]
    found = table(known).resolve("default", "logs/e\u0301")
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
            "home",
            id="own cannot be had",
        ),
        pytest.param(
            [data_object("logs/k", gone=["x"]), data_object("logs", at=["bucket"])], "bucket", id="key cannot be had"
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
    found = table(known).resolve("default", "logs/k")
    assert (found.nodes if found else None) == ((node,) if node else None)


def test_outputs_go_to_the_stores_of_their_bucket() -> None:
    known = [data_object("logs", at=["n1"]), data_object("logs/old", at=["n2"]), data_object("raw-data/x/", at=["n3"])]
    made = table(known)
    for urn, node in (("logs/old", "n1"), ("logs/new", "n1"), ("raw-data/x/new", "n3")):
        found = made.stores("default", urn)
        assert found is not None
        assert found.nodes == (node,), urn
    assert made.stores("default", "raw-data/y/new") is None


def test_stores_by_label_and_capability_serve_nodes_that_are_there() -> None:
    made = build.state(
        [build.node("a", can={"storage-bucket-logs": "true"}), build.node("b")],
        capabilities=[
            build.capability("b", stores=[build.store("raw-data"), build.store("dead", available=False, name="d")]),
            build.capability("unknown", stores=[build.store("raw-data")]),
        ],
    )
    locations = made.freeze().locations
    serving = {bucket: found.nodes if (found := locations.resolve("default", bucket)) else None
               for bucket in ("logs", "raw-data", "dead")}  # fmt: skip
    assert serving == {"logs": ("a",), "raw-data": ("b",), "dead": None}
    made.apply_node(build.as_node(build.node("a")))
    made.remove_capability("b")
    assert locations.resolve("default", "logs") is None
    assert locations.resolve("default", "raw-data") is None


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
        found = locations.stores("default", urn)
        return found.nodes if found else ()

    assert (stores("logs/k"), stores("raw-data/x")) == (("left",), ("left",))
    made.remove_node("left")
    assert (stores("logs/k"), stores("raw-data/x")) == (("a",), ())
    made.apply_node(build.as_node(left))
    assert (stores("logs/k"), stores("raw-data/x")) == (("left",), ("left",))
