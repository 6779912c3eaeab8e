"""For whom a store speaks in DataObjects, which copies count, and what too many of them or other clocks do."""

import datetime
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from daemon.status import conditions, dataobject, summary
from daemon.stores import contents, model
from scheduler.api import core, crd, names
from tests.daemon.test_objects import DOWN, LATER, Server, condition, data_object, listed, store, view, write

TENANT = store("minio", "tenant-a", speaks_for="tenant-a")
RIVAL = store("minio", "tenant-b", speaks_for="tenant-b")


def in_namespace(namespace: str, urn: str = "photos") -> crd.DataObject:
    return msgspec.structs.replace(
        data_object(urn), metadata=core.ObjectMeta(name="photos", namespace=namespace, uid="u", generation=1)
    )


def entries(item: crd.DataObject) -> list[tuple[str, str]]:
    return [(replica.node, replica.store) for replica in item.status.replicas]


# ---- for whom a store speaks ----


def test_a_bucket_gets_an_object_where_its_store_speaks() -> None:
    views = [
        *view(listed({"photos": 1, "own": 1}), of=TENANT).values(),
        *view(listed({"photos": 2}), of=RIVAL).values(),
        *view(listed({"photos": 3, "open": 1}), of=store("lake")).values(),
    ]
    made = dataobject.to_create([in_namespace("tenant-b")], views, "home")
    assert [(body["metadata"]["namespace"], body["spec"]["urn"]) for body in made] == [
        ("home", "open"),
        ("home", "photos"),
        ("tenant-a", "own"),
        ("tenant-a", "photos"),
    ]


@pytest.mark.parametrize(
    ("namespace", "stores"),
    [
        pytest.param("tenant-a", ["storage/lake", "tenant-a/minio"], id="its own and everybody's"),
        pytest.param("tenant-b", ["storage/lake", "tenant-b/minio"], id="the rival's"),
        pytest.param("home", ["storage/lake"], id="the scheduler's"),
        pytest.param("other", ["storage/lake"], id="a namespace without stores"),
    ],
)
@pytest.mark.parametrize("urn", ["photos", "photos/2024/", "photos/a.raw"])
def test_two_tenants_with_the_same_bucket_never_see_each_others_copies(
    namespace: str, stores: list[str], urn: str
) -> None:
    sizes = {TENANT: 10**12, RIVAL: 7, store("lake"): 5}
    views: dict[str, dataobject.View] = {}
    for of, size in sizes.items():
        views |= view(listed({"photos": size}, {} if urn == "photos" else {urn: size}), of=of)
    server = Server(in_namespace(namespace, urn))
    write(server, views)
    assert sorted(name for _, name in entries(server.item)) == stores
    assert server.item.status.size_bytes == max(size for of, size in sizes.items() if of.name in stores)


def test_a_key_that_a_tenants_store_lacks_is_no_news_elsewhere() -> None:
    views = view(listed({"photos": 1}, missing={"photos/a.raw"}), of=TENANT)
    assert write(Server(in_namespace("tenant-b", "photos/a.raw")), views) is None
    assert write(Server(in_namespace("tenant-a", "photos/a.raw")), views) is not None


def test_what_an_earlier_daemon_wrote_of_a_tenants_store_elsewhere_is_taken_back_with_its_figures() -> None:
    server = Server(in_namespace("home"))
    before = store("minio", "tenant-a")  # as it was when every store spoke for everybody
    write(server, view(listed({"photos": 10**12}), of=before))
    assert server.item.status.size_bytes == 10**12
    write(server, view(listed({"photos": 10**12}), of=TENANT), now=LATER)
    status = server.item.status
    assert (entries(server.item), status.size_bytes, status.object_count, status.nodes_text) == ([], 0, 0, "")
    assert condition(server.item) == ("False", "NotFound")
    assert write(server, view(listed({"photos": 10**12}), of=TENANT), now=LATER) is None


def test_what_stands_of_a_tenants_store_elsewhere_is_taken_back_even_while_it_is_down() -> None:
    server = Server(in_namespace("home"))
    write(server, view(listed({"photos": 5}), of=store("minio", "tenant-a")))
    write(server, view(DOWN, of=TENANT), now=LATER)
    assert entries(server.item) == []


@pytest.mark.parametrize("speaks_for", ["", "tenant-a"])
def test_stores_of_one_owner_with_the_same_bucket_are_its_copies(speaks_for: str) -> None:
    server = Server(in_namespace("tenant-a"))
    for node in ("n1", "n2"):
        write(server, view(listed({"photos": 5}), of=store("minio", "tenant-a", speaks_for)), node=node)
    assert (server.item.status.replica_count, server.item.status.nodes_text) == (2, "n1,n2")


SPEAKS_FOR = st.sampled_from(["", "tenant-a", "tenant-b"])


@hypothesis.given(
    st.lists(st.dictionaries(st.sampled_from("pqr"), SPEAKS_FOR, max_size=3), min_size=1, max_size=6),
    st.sampled_from(["home", "tenant-a", "tenant-b"]),
)
def test_whatever_namespaces_were_shared_before_only_who_speaks_now_is_left(
    times: list[dict[str, str]], namespace: str
) -> None:
    """Stores come, go and change for whom they speak; what stands afterwards is of those who speak now."""
    server = Server(in_namespace(namespace))
    sizes = {name: 10**number for number, name in enumerate("pqr", start=1)}
    views: dict[str, dataobject.View] = {}
    for speaking in times:
        views = {}
        for name, speaks_for in speaking.items():
            views |= view(listed({"photos": sizes[name]}), of=store(name, "any", speaks_for))
        write(server, views)
    counting = {f"any/{name}" for name, speaks_for in times[-1].items() if speaks_for in {"", namespace}}
    assert {name for _, name in entries(server.item)} == counting
    if counting:
        assert server.item.status.size_bytes == max(sizes[name.removeprefix("any/")] for name in counting)
    assert write(server, views, now=LATER) is None


# ---- which copies count ----


def holding(urn: str, etag: str, size: int, written: str) -> dict[str, dataobject.View]:
    found = {urn: contents.Content(size, 1, etag=etag, last_modified=written)}
    return view(contents.Listing("minio", {"photos": contents.Content(size, 1)}, frozenset(), found))


OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
KEY = "photos/a.raw"


def test_an_older_copy_is_named_and_counts_for_nothing() -> None:
    server = Server(data_object(KEY))
    write(server, holding(KEY, "old", 900, OLD), node="n1")
    write(server, holding(KEY, "new", 5, NEW), node="n2")
    status = server.item.status
    assert (status.size_bytes, status.replica_count, status.nodes_text) == (5, 1, "n2")
    assert condition(server.item) == ("True", "Available")
    assert condition(server.item, "Consistent") == ("False", "StaleCopies")
    assert "storage/minio on n1" in next(c.message for c in status.conditions if c.type == "Consistent")
    assert {replica.node for replica in status.replicas} == {"n1", "n2"}, "it stays, for people to see"
    before = server.writes
    for node, etag, size, written in (("n1", "old", 900, OLD), ("n2", "new", 5, NEW)):
        assert write(server, holding(KEY, etag, size, written), node=node, now=LATER) is None
    assert server.writes == before
    write(server, holding(KEY, "new", 5, NEW), node="n1", now=LATER)
    assert condition(server.item, "Consistent") == ("True", "CopiesAgree")
    assert server.item.status.replica_count == 2


def test_todays_content_that_cannot_be_had_is_not_replaced_by_yesterdays() -> None:
    server = Server(data_object(KEY))
    write(server, holding(KEY, "old", 900, OLD), node="n1")
    write(server, holding(KEY, "new", 5, NEW), node="n2")
    write(server, view(DOWN), node="n2", now=LATER)
    status = server.item.status
    assert (status.replica_count, status.nodes_text, status.size_bytes) == (0, "", 5)
    assert condition(server.item) == ("False", "Unavailable")


@pytest.mark.parametrize(
    "views",
    [
        pytest.param(view(listed({"photos": 5})), id="a bucket has no content to compare"),
        pytest.param({}, id="nor has a declared location"),
    ],
)
def test_where_there_are_no_contents_to_compare_nothing_is_said_of_them(views: dict[str, dataobject.View]) -> None:
    server = Server(data_object(locations=(crd.Location("n1"), crd.Location("n2"))))
    for node in ("n1", "n2"):
        write(server, views, node=node)
    assert "Consistent" not in {c.type for c in server.item.status.conditions}


@hypothesis.given(
    st.lists(st.tuples(st.sampled_from(["n1", "n2", "n3"]), st.sampled_from("ab"), st.integers(0, 3)), min_size=1)
)
def test_daemons_with_different_contents_come_to_rest_and_agree_on_todays(steps: list[tuple[str, str, int]]) -> None:
    server = Server(data_object(KEY))
    said: dict[str, tuple[str, str]] = {}
    for node, etag, day in steps:
        said[node] = (etag, f"2026-01-0{day + 1}T00:00:00Z")
        write(server, holding(KEY, etag, 5, said[node][1]), node=node)
    for _ in range(2):
        for node, (etag, written) in said.items():
            write(server, holding(KEY, etag, 5, written), node=node)
    for node, (etag, written) in said.items():
        assert write(server, holding(KEY, etag, 5, written), node=node, now=LATER) is None
    newest = max(said.values(), key=lambda one: (one[1], one[0]))[0]
    today = sorted(node for node, (etag, _) in said.items() if etag == newest)
    assert server.item.status.nodes_text == ",".join(today)
    if len(today) < len(said):
        assert condition(server.item, "Consistent") == ("False", "StaleCopies")
    elif len(said) > 1:
        assert condition(server.item, "Consistent") == ("True", "CopiesAgree")


# ---- more copies than there is room for ----


def crowd(count: int) -> crd.DataObject:
    found = tuple(
        crd.Replica(f"n{number:04}", "storage/minio", available=True, size_bytes=5) for number in range(count)
    )
    return msgspec.structs.replace(data_object(), status=crd.DataObjectStatus(replicas=found))


def test_the_node_too_many_writes_nothing_and_is_told_of() -> None:
    """Its entry would have the API server refuse every write, that of the summary too."""
    server = Server(crowd(summary.MAX_REPLICAS))
    views = view(listed({"photos": 5}))
    assert write(server, views, node="one-more") is None
    assert dataobject.is_crowded_out(server.item, "one-more", [store()], views)
    assert not dataobject.is_crowded_out(server.item, "one-more", [store()], view(listed({"other": 5})))
    assert not dataobject.is_crowded_out(server.item, "n0007", [store()], views)


def test_those_that_are_listed_go_on_and_say_that_the_list_is_full() -> None:
    server = Server(crowd(summary.MAX_REPLICAS), {dataobject.field_manager("n0007"): {("n0007", "storage/minio")}})
    write(server, view(listed({"photos": 9})), node="n0007")
    assert server.item.status.size_bytes == 9
    assert len(server.item.status.replicas) == summary.MAX_REPLICAS
    assert condition(server.item, "CopiesComplete") == ("False", "AtLimit")
    write(server, view(listed({})), node="n0007", now=LATER)
    assert condition(server.item, "CopiesComplete") == ("True", "AllListed")
    write(server, view(listed({"photos": 1})), node="one-more", now=LATER)
    assert ("one-more", "storage/minio") in entries(server.item), "a place that becomes free is taken"


@hypothesis.given(st.integers(0, 5), st.integers(0, 4))
def test_the_list_never_grows_beyond_what_the_server_takes_and_who_is_listed_stays(free: int, stores: int) -> None:
    server = Server(crowd(summary.MAX_REPLICAS - free))
    first: dict[str, dataobject.View] = {}
    for number in range(stores):
        first |= view(listed({"photos": 5}), of=store(f"s{number}"))
    write(server, first, node="late")
    listed_first = entries(server.item)
    write(server, first | view(listed({"photos": 5}), of=store("a-newer-one")), node="late", now=LATER)
    assert len(server.item.status.replicas) <= summary.MAX_REPLICAS
    assert set(listed_first) <= set(entries(server.item))
    assert len(server.item.status.replicas) == min(summary.MAX_REPLICAS, summary.MAX_REPLICAS - free + stores + 1)


# ---- clocks that differ ----


def at(seconds: float) -> str:
    return conditions.rfc3339(datetime.datetime.fromtimestamp(1_767_000_000 + seconds, datetime.UTC))


@hypothesis.given(st.floats(-7200, 7200), st.integers(1, 60))
def test_whoever_takes_over_a_store_outside_is_believed_within_minutes_whatever_the_clocks_say(
    skew_s: float, period_s: int
) -> None:
    """The node that asked before is gone; its clock was ahead or behind by ``skew_s``."""
    lake = model.Store("storage", "", "", "https://lake", "", alias="lake", place=model.Place("west", ""))
    server = Server(data_object())
    write(server, view(listed({"photos": 5}), of=lake, at=at(skew_s)), node="n1", now=at(skew_s))
    for passed_s in range(period_s, 120 + 2 * period_s, period_s):
        seen: Any = view(listed({"photos": 7}), of=lake, at=at(passed_s))
        write(server, seen, node="n2", now=at(passed_s))
    assert server.item.status.size_bytes == 7
    assert entries(server.item) == [(names.EXTERNAL, "lake")]


@hypothesis.given(st.floats(-1e6, 1e6))
def test_a_probe_time_is_renewed_when_it_is_off_by_much_in_either_direction(age_s: float) -> None:
    """A clock that was set back must not leave a time in the future standing, which nobody would believe."""
    hypothesis.assume(abs(abs(age_s) - conditions.STALE_S) > 2)
    assert conditions.is_stale(at(0), at(age_s)) == (abs(age_s) >= conditions.STALE_S)
