"""What a daemon writes into DataObjects, and that many daemons writing into one come to rest at the truth."""

import copy
import dataclasses
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from daemon.status import dataobject
from daemon.stores import contents, model
from scheduler.api import core, crd, names

NOW = "2026-01-02T03:04:05Z"
LATER = "2026-01-02T03:04:35Z"
MUCH_LATER = "2026-01-02T04:04:05Z"


def store(name: str = "minio", namespace: str = "storage", speaks_for: str = "") -> model.Store:
    return model.Store(namespace, name, "uid", f"http://{name}:9000", "secret", speaks_for=speaks_for)


def view(
    outcome: contents.Listing | contents.Failure, *, of: model.Store | None = None, at: str = NOW
) -> dict[str, dataobject.View]:
    of = of or store()
    return {of.name: dataobject.View(of, outcome, at)}


def listed(buckets: dict[str, int | None], found: dict[str, int] | None = None, missing: set[str] | None = None) -> Any:
    return contents.Listing(
        "minio",
        {name: None if size is None else contents.Content(size, 3) for name, size in buckets.items()},
        frozenset(),
        {urn: contents.Content(size, 1, etag="e") for urn, size in (found or {}).items()},
        frozenset(missing or ()),
    )


DOWN = contents.Failure("Unreachable", "away")


@dataclasses.dataclass
class Server:
    """As much of server-side apply as matters: list entries by owner, forced scalars, conditions by type."""

    item: crd.DataObject
    owned: dict[str, set[tuple[str, str]]] = dataclasses.field(default_factory=dict)
    writes: int = 0

    def apply(self, manager: str, body: dict[str, Any]) -> crd.DataObject:
        self.writes += 1
        status = msgspec.to_builtins(self.item.status)
        entries = {(r["node"], r.get("store", "")): r for r in status.get("replicas", ())}
        applied = {(r["node"], r["store"]): r for r in body["status"]["replicas"]}
        for key in self.owned.get(manager, set()) - applied.keys():
            entries.pop(key, None)
        self.owned[manager] = set(applied)
        conditions = {c["type"]: c for c in [*status.get("conditions", ()), *body["status"]["conditions"]]}
        status = {**status, **copy.deepcopy(body["status"])}
        status |= {"replicas": list((entries | applied).values()), "conditions": list(conditions.values())}
        self.item = msgspec.structs.replace(self.item, status=msgspec.convert(status, crd.DataObjectStatus))
        return self.item


def data_object(urn: str = "photos", generation: int = 1, **spec: Any) -> crd.DataObject:
    meta = core.ObjectMeta(name="o", namespace="ns", uid="u", generation=generation)
    return crd.DataObject(meta, crd.DataObjectSpec(urn=urn, **spec))


def write(
    server: Server, views: dict[str, dataobject.View], *, node: str = "n1", now: str = NOW, seen: Any = None
) -> dict[str, Any] | None:
    """One write of a daemon, from what the server has or from what it saw before."""
    wrote: dict[str, Any] | None = None
    for speaker, manager, found in dataobject.speakers(node, [v.store for v in views.values()]):
        body = dataobject.status_to_apply(seen or server.item, node=speaker, discovered=found, views=views, now=now)
        if body is not None:
            server.apply(manager, body)
            wrote = body
    return wrote


def condition(item: crd.DataObject, kind: str = "Ready") -> tuple[str, str]:
    found = next(c for c in item.status.conditions if c.type == kind)
    return found.status, found.reason


def test_a_bucket_becomes_a_replica_with_all_columns_filled() -> None:
    server = Server(data_object())
    write(server, view(listed({"photos": 3 * 2**30})))
    status = server.item.status
    assert (status.granularity, status.size_bytes, status.size_human, status.object_count) == (
        "Bucket",
        3 * 2**30,
        "3.0 GiB",
        3,
    )
    assert (status.replica_count, status.nodes_text, status.observed_generation) == (1, "n1", 1)
    (replica,) = status.replicas
    assert (replica.node, replica.store, replica.endpoint, replica.available, replica.last_probe_time) == (
        "n1",
        "storage/minio",
        "http://minio:9000",
        True,
        NOW,
    )
    assert condition(server.item) == ("True", "Available")
    assert condition(server.item, "CountComplete") == ("True", "Counted")


def test_nothing_is_written_for_time_alone_until_the_probe_is_stale() -> None:
    server = Server(data_object())
    write(server, view(listed({"photos": 5})))
    assert write(server, view(listed({"photos": 5}), at=LATER), now=LATER) is None
    assert write(server, view(listed({"photos": 5}), at=MUCH_LATER), now=MUCH_LATER) is not None
    (replica,) = server.item.status.replicas
    assert replica.last_probe_time == MUCH_LATER
    assert {c.last_transition_time for c in server.item.status.conditions} == {NOW}


def test_a_condition_that_another_writer_added_does_not_make_the_daemon_write() -> None:
    server = Server(data_object())
    write(server, view(listed({"photos": 5})))
    foreign = crd.Condition("Expected", "True", "Produced", "", NOW)
    status = msgspec.structs.replace(server.item.status, conditions=(*server.item.status.conditions, foreign))
    server.item = msgspec.structs.replace(server.item, status=status)
    assert write(server, view(listed({"photos": 5})), now=LATER) is None


@pytest.mark.parametrize(
    ("outcome", "replicas", "ready", "size"),
    [
        pytest.param(DOWN, [False], ("False", "Unavailable"), 5, id="store down: kept, not available, size remembered"),
        pytest.param(listed({}), [], ("False", "NotFound"), 5, id="bucket gone: removed"),
        pytest.param(listed({"photos": None}), [False], ("False", "Unavailable"), 5, id="bucket may not be read"),
        pytest.param(listed({"photos": 7}), [True], ("True", "Available"), 7, id="grown"),
        pytest.param(listed({"photos": 0}), [True], ("True", "Available"), 0, id="emptied"),
    ],
)
def test_what_a_later_probe_makes_of_a_replica(
    outcome: Any, replicas: list[bool], ready: tuple[str, str], size: int
) -> None:
    server = Server(data_object())
    write(server, view(listed({"photos": 5})))
    write(server, view(outcome, at=LATER), now=LATER)
    assert [replica.available for replica in server.item.status.replicas] == replicas
    assert condition(server.item) == ready
    assert server.item.status.size_bytes == size
    assert server.item.status.replica_count == sum(replicas)
    assert write(server, view(outcome, at=LATER), now=LATER) is None
    write(server, view(listed({"photos": 5})), now=LATER)
    assert condition(server.item) == ("True", "Available")


def test_a_store_that_left_the_node_takes_its_replica_along() -> None:
    server = Server(data_object())
    write(server, view(listed({"photos": 5})))
    write(server, {})
    assert server.item.status.replicas == ()


def test_a_bucket_that_there_was_no_time_to_count_keeps_its_figures() -> None:
    server = Server(data_object())
    write(server, view(listed({"photos": 5})))
    hurried = contents.Listing("minio", {"photos": None}, frozenset({"photos"}))
    assert write(server, view(hurried, at=LATER), now=LATER) is None


def test_a_store_not_asked_yet_changes_nothing() -> None:
    server = Server(data_object())
    write(server, view(listed({"photos": 5})))
    assert dataobject.status_to_apply(server.item, node="n1", discovered=[store()], views={}, now=LATER) is None


@pytest.mark.parametrize(
    ("urn", "outcome", "granularity", "replicas"),
    [
        pytest.param("photos/a.raw", listed({"photos": 9}, {"photos/a.raw": 4}), "Key", [4], id="key"),
        pytest.param("photos/2024/", listed({"photos": 9}, {"photos/2024/": 6}), "Prefix", [6], id="prefix"),
        pytest.param("photos/a.raw", listed({"photos": 9}, {}, {"photos/a.raw"}), "Key", [], id="key missing"),
        pytest.param("photos/a.raw", listed({"other": 9}), "Key", None, id="bucket missing"),
        pytest.param("photos/a.raw", listed({"photos": 9}), "Key", None, id="not looked up yet"),
    ],
)
def test_keys_and_prefixes_that_somebody_declared(
    urn: str, outcome: Any, granularity: str, replicas: list[int] | None
) -> None:
    server = Server(data_object(urn))
    body = write(server, view(outcome))
    if replicas is None:
        assert body is None
    else:
        assert [replica.size_bytes for replica in server.item.status.replicas] == replicas
        assert server.item.status.granularity == granularity
        assert condition(server.item) == (("True", "Available") if replicas else ("False", "NotFound"))


@pytest.mark.parametrize(
    ("leads", "heals", "says"),
    [
        pytest.param(True, False, True, id="the first holder of the bucket"),
        pytest.param(False, False, False, id="another holder"),
        pytest.param(False, True, True, id="another holder, in its regular round"),
    ],
)
def test_one_holder_of_the_bucket_says_that_nobody_has_the_key(leads: bool, heals: bool, says: bool) -> None:
    views = view(listed({"photos": 9}, {}, {"photos/a.raw"}))
    body = dataobject.status_to_apply(
        data_object("photos/a.raw"),
        node="n1",
        discovered=[store()],
        views=views,
        now=NOW,
        leads=leads,
        heals=heals,
    )
    assert (body is not None) == says


def test_a_summary_is_put_right_by_the_daemon_of_the_largest_copy() -> None:
    server = Server(data_object())
    write(server, view(listed({"photos": 5})), node="n1")
    write(server, view(listed({"photos": 7})), node="n2")
    item = msgspec.structs.replace(server.item, metadata=data_object(generation=2).metadata)
    wrote = {
        node: dataobject.status_to_apply(
            item, node=node, discovered=[store()], views=view(listed({"photos": size})), now=LATER, heals=False
        )
        for node, size in {"n1": 5, "n2": 7}.items()
    }
    assert wrote["n1"] is None
    assert wrote["n2"] is not None
    assert wrote["n2"]["status"]["observedGeneration"] == 2


def copies(**etags: str) -> crd.DataObject:
    replicas = tuple(crd.Replica(node=node, store="s", etag=etag, available=True) for node, etag in etags.items())
    return msgspec.structs.replace(data_object("photos/a"), status=crd.DataObjectStatus(replicas=replicas))


@pytest.mark.parametrize(
    ("before", "after", "behind"),
    [
        pytest.param({"n1": "a", "n2": "a"}, {"n1": "a", "n2": "b"}, True, id="overwritten elsewhere"),
        pytest.param({}, {"n2": "a"}, True, id="created elsewhere"),
        pytest.param({"n1": "a", "n2": "a"}, {"n1": "a"}, True, id="deleted elsewhere"),
        pytest.param({"n2": "a"}, {}, False, id="deleted elsewhere, never here"),
        pytest.param({"n1": "b", "n2": "a"}, {"n1": "b", "n2": "b"}, False, id="the other one caught up"),
        pytest.param({"n1": "a", "n2": "x"}, {"n1": "b", "n2": "x"}, False, id="changed here alone"),
    ],
)
def test_another_nodes_news_are_a_reason_to_look_again(
    before: dict[str, str], after: dict[str, str], behind: bool
) -> None:
    assert dataobject.is_behind(copies(**after), copies(**before), node="n1") == behind


def test_a_store_outside_the_cluster_bears_no_nodes_name() -> None:
    lake = model.Store(
        "storage", "", "", "https://lake", "secret", alias="lake", role="Serves", place=model.Place("west", "west-1")
    )
    server = Server(data_object())
    write(server, view(listed({"photos": 5}), of=lake))
    (replica,) = server.item.status.replicas
    assert (replica.node, replica.store, replica.role, replica.region, replica.zone) == (
        names.EXTERNAL,
        "lake",
        "Serves",
        "west",
        "west-1",
    )
    assert server.item.status.object_count == 3
    assert write(server, view(listed({"photos": 5}), of=lake), now=LATER) is None
    write(server, view(listed({}), of=lake), now=LATER, node="n2")  # which asks in place of n1 now
    assert server.item.status.replicas == ()


@pytest.mark.parametrize(
    ("standing", "wins"),
    [
        pytest.param("2026-01-02T03:04:06Z", False, id="asked later"),
        pytest.param(NOW, True, id="asked at the same time"),
        pytest.param("2026-01-02T03:04:04Z", True, id="asked earlier"),
        pytest.param("2026-01-02T05:04:05Z", True, id="by a clock that is far ahead"),
    ],
)
def test_of_two_nodes_that_ask_one_store_outside_the_later_answer_stands(standing: str, wins: bool) -> None:
    lake = model.Store("storage", "", "", "https://lake", "", alias="lake", place=model.Place("west", ""))
    server = Server(data_object())
    write(server, view(listed({"photos": 5}), of=lake, at=standing), node="n1")
    write(server, view(listed({"photos": 7}), of=lake), node="n2")
    assert server.item.status.size_bytes == (7 if wins else 5)


def test_stores_outside_the_cluster_do_not_take_each_others_entries_back() -> None:
    server = Server(data_object())
    lake, pond = (
        model.Store("ns", "", "", f"https://{name}", "", alias=name, place=model.Place("west", ""))
        for name in ("lake", "pond")
    )
    write(server, view(listed({"photos": 5}), of=lake) | view(listed({"photos": 5})), node="n1")
    write(server, view(listed({"photos": 5}), of=pond), node="n2")
    write(server, view(listed({}), of=pond), node="n3", now=LATER)
    assert {(replica.node, replica.store) for replica in server.item.status.replicas} == {
        (names.EXTERNAL, "lake"),
        ("n1", "storage/minio"),
    }


def test_a_key_keeps_its_replica_until_it_is_known_to_be_gone() -> None:
    server = Server(data_object("photos/a.raw"))
    write(server, view(listed({"photos": 9}, {"photos/a.raw": 4})))
    assert write(server, view(listed({"photos": 9})), now=LATER) is None
    write(server, view(listed({"photos": 9}, {}, {"photos/a.raw"})), now=LATER)
    assert server.item.status.replicas == ()


def test_a_pinned_size_wins_and_a_declared_location_counts() -> None:
    server = Server(data_object(size_bytes=1000, locations=(crd.Location("n1"), crd.Location("n2"))))
    write(server, view(listed({"photos": 5})))
    status = server.item.status
    assert status.size_bytes == 1000
    assert [(r.node, r.store, r.available) for r in status.replicas] == [
        ("n1", "", True),
        ("n1", "storage/minio", True),
    ]
    write(server, {}, node="n2")
    assert server.item.status.nodes_text == "n1,n2"


def test_a_location_without_any_size_is_not_ready() -> None:
    server = Server(data_object(locations=(crd.Location("n1"),)))
    write(server, {})
    assert condition(server.item) == ("False", "SizeUnknown")


@pytest.mark.parametrize(
    ("unreadable", "reason"),
    [pytest.param(0, "ListingBounded", id="by the limits"), pytest.param(3, "Unreadable", id="by what is closed")],
)
def test_a_bounded_count_is_marked_as_a_lower_bound(unreadable: int, reason: str) -> None:
    server = Server(data_object())
    outcome = contents.Listing("minio", {"photos": contents.Content(99, 10_000, complete=False, unreadable=unreadable)})
    write(server, view(outcome))
    assert condition(server.item, "CountComplete") == ("False", reason)
    assert server.item.status.object_count == 10_000


def test_the_larger_copy_speaks_for_the_object() -> None:
    server = Server(data_object())
    bounded = contents.Listing("minio", {"photos": contents.Content(99, 10_000, complete=False)})
    write(server, view(bounded), node="n1")
    write(server, view(listed({"photos": 50})), node="n2")
    status = server.item.status
    assert (status.size_bytes, status.object_count, status.replica_count) == (99, 10_000, 2)
    assert condition(server.item, "CountComplete") == ("False", "ListingBounded")
    write(server, view(DOWN), node="n1")
    write(server, view(listed({"photos": 50})), node="n2")
    assert (server.item.status.size_bytes, server.item.status.object_count) == (50, 3)
    assert condition(server.item, "CountComplete") == ("True", "Counted")


def test_other_nodes_objects_are_left_alone() -> None:
    assert write(Server(data_object("elsewhere")), view(listed({"photos": 5}))) is None


@pytest.mark.parametrize(
    ("urn", "name"),
    [
        pytest.param("photos", "photos", id="bucket"),
        pytest.param("a.b-3", "a.b-3", id="bucket that is a subdomain"),
        pytest.param("a.-b", "a-b-", id="bucket that is none"),
        pytest.param("photos/A.raw", "photos-a-raw-", id="key"),
        pytest.param("日本", "urn-", id="nothing readable"),
    ],
)
def test_names_can_be_recognised(urn: str, name: str) -> None:
    found = dataobject.name_of(urn)
    assert found == name or (name.endswith("-") and found.startswith(name))


@hypothesis.given(st.text(min_size=1, max_size=1100), st.text(min_size=1, max_size=1100))
def test_names_are_valid_and_tell_urns_apart(one: str, other: str) -> None:
    for urn in (one, other):
        name = dataobject.name_of(urn)
        assert len(name) <= 253
        assert all(part and part[0].isalnum() and part[-1].isalnum() for part in name.split("."))
        assert all(c.isascii() and (c.isdigit() or c.islower() or c in ".-") for c in name)
    if one != other:
        assert dataobject.hashed_name_of(one) != dataobject.hashed_name_of(other)


def test_buckets_get_one_object_each_in_our_namespace() -> None:
    taken = data_object("something/else")
    taken = msgspec.structs.replace(taken, metadata=core.ObjectMeta(name="photos", namespace="home"))
    known = data_object("known")
    known = msgspec.structs.replace(known, metadata=core.ObjectMeta(name="mine", namespace="home"))
    elsewhere = data_object("fresh")
    views = view(listed({"photos": 1, "known": 1, "fresh": 1})) | view(listed({"fresh": 1}), of=store("second"))
    bodies = dataobject.to_create([taken, known, elsewhere], views.values(), "home")
    assert [(b["spec"]["urn"], b["metadata"]["labels"][names.BUCKET_LABEL]) for b in bodies] == [
        ("fresh", "fresh"),
        ("photos", "photos"),
    ]
    assert bodies[0]["metadata"]["name"] == "fresh"
    assert bodies[1]["metadata"]["name"] == dataobject.hashed_name_of("photos")


OUTCOMES = st.sampled_from([DOWN, listed({}), listed({"photos": None}), *(listed({"photos": s}) for s in (0, 5, 9))])


@hypothesis.given(st.data())
def test_daemons_that_write_at_once_come_to_rest_at_the_truth(data: st.DataObject) -> None:
    """Each daemon may write from an outdated read, as concurrent ones do; then regular rounds follow."""
    nodes = ["n1", "n2", "n3"]
    server = Server(data_object())
    reads = dict.fromkeys(nodes, server.item)
    outcomes: dict[str, Any] = {}
    for node in data.draw(st.lists(st.sampled_from(nodes), max_size=12)):
        if data.draw(st.booleans()):
            reads[node] = server.item
            outcomes[node] = data.draw(OUTCOMES)
        elif node in outcomes:
            write(server, view(outcomes[node]), node=node, seen=reads[node])
    for node in nodes:
        outcomes.setdefault(node, listed({}))
    for _ in range(3):
        for node in nodes:
            write(server, view(outcomes[node]), node=node)
    before = server.writes
    for node in nodes:
        assert write(server, view(outcomes[node], at=LATER), node=node, now=LATER) is None
    assert server.writes == before
    holding = {
        node: content.size_bytes
        for node, outcome in outcomes.items()
        if isinstance(outcome, contents.Listing) and (content := outcome.buckets.get("photos")) is not None
    }
    status = server.item.status
    assert {r.node for r in status.replicas if r.available} == set(holding)
    if server.writes:
        assert status.replica_count == len(holding)
        assert status.nodes_text == ",".join(sorted(holding))
    if holding:
        assert status.size_bytes == max(holding.values())
        assert condition(server.item) == ("True", "Available")


def test_the_answer_to_a_write_shows_what_a_concurrent_writer_made_stale() -> None:
    """Two daemons write from the same read; the second one's answer tells it to write again."""
    server = Server(data_object())
    seen = server.item
    write(server, view(listed({"photos": 5})), node="n1", seen=seen)
    write(server, view(listed({"photos": 9})), node="n2", seen=seen)
    assert server.item.status.replica_count == 1
    write(server, view(listed({"photos": 9})), node="n2")
    assert server.item.status.replica_count == 2
    assert write(server, view(listed({"photos": 9})), node="n2") is None
    assert write(server, view(listed({"photos": 5})), node="n1") is None
