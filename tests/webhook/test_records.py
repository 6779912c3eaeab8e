"""What notifications of stores come to for the next pod, told in the stores' own words and in any order."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from scheduler.api import names
from webhook import facts
from webhook.events import ledger, messages

SHOP = facts.Consumer("default", "shop")
NOON_S = 1_800_000_000.0


def record(what: str, key: str = "cat.raw", *, version: str | None = None, at: str = "12:00:00", **more: Any) -> Any:
    found = {"key": key, **more} | ({} if version is None else {"versionId": version})
    return {
        "eventName": what,
        "eventTime": f"2026-11-30T{at}Z",
        "s3": {"bucket": {"name": "pets"}, "object": found},
    }


def put(version: str | None = None, **more: Any) -> Any:
    return record("s3:ObjectCreated:Put", version=version, size=3, **more)


def delete(version: str | None = None, **more: Any) -> Any:
    return record("s3:ObjectRemoved:Delete", version=version, **more)


def marker(version: str, **more: Any) -> Any:
    return record("s3:ObjectRemoved:DeleteMarkerCreated", version=version, **more)


def heard(*deliveries: Any, book: ledger.Ledger | None = None) -> list[str]:
    """What a pod reads after these were posted, each a list of records or one."""
    clock = itertools.count(NOON_S * 1000, 7)
    book = ledger.Ledger(clock=lambda: next(clock) / 1000) if book is None else book
    for delivery in deliveries:
        body = {"Records": delivery if isinstance(delivery, list) else [delivery]}
        book.add(SHOP, messages.read({"content-type": "application/json"}, json.dumps(body).encode()))
    source = book.source(SHOP)
    data = json.loads(source.annotations[names.EVENT_DATA]) if source else {}
    return [item["urn"] for item in data.get("dataInputs", [])]


THERE = ["pets/cat.raw"]


@pytest.mark.parametrize(
    ("deliveries", "left"),
    [
        pytest.param([put("b"), delete("a")], THERE, id="an old version, by hand"),
        pytest.param([put("b"), record("s3:LifecycleExpiration:Delete", version="a")], THERE, id="an old one expires"),
        pytest.param([put("b"), record("ObjectLifecycle:Expiration:NonCurrent", version="a")], THERE, id="in Ceph"),
        pytest.param([put("b"), record("ObjectSynced:Delete", version="a")], THERE, id="by replication"),
        pytest.param([delete("a"), put("b")], THERE, id="an old version, told before the new one"),
        pytest.param([put("b"), delete("null")], THERE, id="what was there before there were versions"),
        pytest.param([put("a"), delete("a")], [], id="the only version"),
        pytest.param([delete("a"), put("a")], [], id="the only version, told the other way round"),
        pytest.param([put("a"), put("b"), delete("b")], THERE, id="the newest, so that the one before is back"),
        pytest.param([put("a"), put("b"), delete("b"), delete("a")], [], id="all versions"),
        pytest.param([put("a"), marker("m")], [], id="a delete marker"),
        pytest.param([put("a"), record("LifecycleExpiration:DeleteMarkerCreated", version="m")], [], id="it expires"),
        pytest.param([put("a"), record("ObjectLifecycle:Expiration:Current", version="a")], [], id="one in Ceph"),
        pytest.param([put("a"), marker("m"), delete("m")], THERE, id="a delete marker that is deleted"),
        pytest.param([put("a"), marker("m"), delete("a")], [], id="a version under a delete marker"),
        pytest.param([put("a"), record("s3:ObjectRemoved:DeleteAllVersions", version="a")], [], id="MinIO"),
        pytest.param([put(), delete()], [], id="no versions"),
        pytest.param([put(""), delete("")], [], id="no versions, as Ceph writes it"),
        pytest.param([put(), delete("null")], [], id="no versions, named null"),
        pytest.param([put("null"), delete("null")], [], id="versions suspended"),
        pytest.param([put(), record("s3:LifecycleExpiration:Delete")], [], id="an object expires"),
        pytest.param([put(), record("s3:ReducedRedundancyLostObject")], [], id="lost by the store"),
        pytest.param([put(), delete(), put(eTag="2")], THERE, id="written again"),
        pytest.param([put("1"), delete("1", at="12:00:01"), put("1", at="12:00:02")], THERE, id="a fixed version"),
        pytest.param([put(), record("s3:ObjectRemoved:NoOP")], THERE, id="nothing was deleted"),
        pytest.param([put(), record("s3:ObjectCreated:PutTagging")], THERE, id="tags"),
    ],
)  # fmt: skip
def test_what_is_deleted_is_the_version_that_was_named(deliveries: list[Any], left: list[str]) -> None:
    assert heard(*deliveries) == left


@pytest.mark.parametrize(
    "unusable",
    [
        pytest.param(put(key=""), id="an empty key"),
        pytest.param(put(key="a%2Cb"), id="a key that no urn can hold"),
        pytest.param(put(key="%ff"), id="a key that is no text"),
        pytest.param(put() | {"s3": {"bucket": {"name": "My_Bucket"}, "object": {"key": "b"}}}, id="capitals"),
        pytest.param(put() | {"s3": {"bucket": {"name": "ab"}, "object": {"key": "b"}}}, id="a short bucket"),
        pytest.param(put() | {"s3": {"bucket": {}, "object": {}}}, id="no bucket"),
        pytest.param(put() | {"s3": None}, id="no s3"),
        pytest.param(put() | {"eventName": None}, id="no event"),
        pytest.param(record("s3:ObjectAcl:Put", key=""), id="an ACL"),
        pytest.param(record("s3:ObjectRestore:Post"), id="a restore"),
        pytest.param("nothing", id="a word"),
        pytest.param(None, id="null"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_record_that_cannot_be_used_is_passed_over_and_the_others_count(unusable: Any, *, first: bool) -> None:
    good = put(key="dog.raw")
    assert heard([unusable, good] if first else [good, unusable]) == ["pets/dog.raw"]
    assert heard([unusable]) == []


@pytest.mark.parametrize("key", ["Event", "event", "EventName", "eventName"])
@pytest.mark.parametrize("event", ["s3:TestEvent", "TestEvent", "s3:testevent"])
def test_a_stores_test_is_welcome_however_it_is_written(key: str, event: str) -> None:
    body = json.dumps({key: event, "Bucket": "pets", "Time": "2026-11-30T12:00:00Z"}).encode()
    assert messages.read({"content-type": "application/json"}, body) == []


@pytest.mark.parametrize(
    ("source", "told", "key"),
    [
        ("minio:s3", "in%2Fa+b%2Bc.tif", "in/a b+c.tif"),
        ("aws:s3", "in/a+b%2Bc.tif", "in/a b+c.tif"),
        ("ceph:s3", "in/a+b%20c.tif", "in/a+b%20c.tif"),
        ("aws:s3", "in/a b+c.tif", "in/a b+c.tif"),
        ("aws:s3", "in/größe+1.tif", "in/größe+1.tif"),
    ],
)
def test_a_key_is_unescaped_where_the_store_escapes_it(source: str, told: str, key: str) -> None:
    assert heard(put(key=told) | {"eventSource": source}) == [f"pets/{key}"]


@pytest.mark.parametrize(("told", "size"), [("1024", 1024), ("x", 0), (-1, 0), (None, 0), (True, 0), (2**70, 0)])
def test_a_size_that_cannot_be_read_is_not_known(told: Any, size: int) -> None:
    body = json.dumps({"Records": [put() | {"s3": {"bucket": {"name": "pets"}, "object": {"key": "k", "size": told}}}]})
    (message,) = messages.read({"content-type": "application/json"}, body.encode())
    assert [transfer.size_bytes for transfer in message.inputs] == [size]


def test_of_records_at_one_time_the_later_one_counts() -> None:
    assert heard([put(), delete()]) == []
    assert heard([delete(), put()]) == THERE


def test_within_a_millisecond_the_sequencer_tells_the_order_whatever_arrives_first() -> None:
    written, deleted = put(sequencer="15CF"), delete(sequencer="15CF0A")
    assert heard(written, deleted) == heard(deleted, written) == []
    late = put(at="12:00:00.000700")
    early = delete(at="12:00:00.000300")
    assert heard(early, late) == heard(late, early) == THERE


def test_an_object_that_is_written_over_and_over_does_not_push_out_the_others() -> None:
    others = [put("v", key=f"{n}.raw", at="11:00:00") for n in range(60)]
    same = [put(f"v{n}", at=f"12:{n // 60:02}:{n % 60:02}") for n in range(500)]
    assert len(heard(others, same[:250], same[250:])) == 61


versions = st.sampled_from(["a", "b", "c"])
happenings = st.lists(st.builds(lambda act, version: act(version), st.sampled_from([put, delete, marker]), versions))


@hypothesis.given(happenings, st.randoms())
def test_versions_may_be_told_in_any_order(told: list[Any], chance: random.Random) -> None:
    """Against a slow twin: the newest of what was written or hidden whose version was not deleted since."""
    timed = [one | {"eventTime": f"2026-11-30T12:00:{n % 60:02}.{n // 60:03}Z"} for n, one in enumerate(told[:16])]
    state: dict[str, tuple[int, bool]] = {}
    for n, one in enumerate(timed):
        version = one["s3"]["object"]["versionId"]
        if one["eventName"].endswith("Removed:Delete"):
            state.pop(version, None)
        else:
            state[version] = (n, one["eventName"].endswith("Put"))
    left = THERE if state and max(state.values())[1] else []
    assert heard(*timed) == left
    chance.shuffle(timed)
    assert heard(*timed) == left


FIELDS = st.sampled_from([
    "eventName", "eventTime", "eventSource", "s3", "bucket", "name", "object", "key", "size", "versionId", "sequencer",
])  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    | st.sampled_from(["s3:ObjectCreated:Put", "ObjectRemoved:Delete", "pets", "%", "%FF", "a" * 5000, "/" * 5000,
                       "2026-11-30T12:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "null"])
)  # fmt: skip
HOSTILE = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS | st.text(max_size=5), inner, max_size=6)
)


def spoiled(good: dict[str, Any], path: tuple[str, ...], value: Any) -> Any:
    """The record with something else in one place."""
    copy = json.loads(json.dumps(good))
    place = copy
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return copy


PATHS = st.sampled_from([
    ("eventName",), ("eventTime",), ("eventSource",), ("s3",), ("s3", "bucket"), ("s3", "bucket", "name"),
    ("s3", "object"), ("s3", "object", "key"), ("s3", "object", "size"), ("s3", "object", "versionId"),
    ("s3", "object", "sequencer"),
])  # fmt: skip


@hypothesis.given(
    st.lists(HOSTILE | st.builds(lambda path, value: spoiled(put("a"), path, value), PATHS, HOSTILE), max_size=5)
)
def test_whatever_a_record_holds_the_one_beside_it_counts(hostile: list[Any]) -> None:
    assert "pets/dog.raw" in heard([*hostile, put(key="dog.raw", at="13:00:00")])
