"""Whose buckets a node's description names where it cannot name all."""

import hypothesis
import msgspec
from hypothesis import strategies as st

from daemon.status import room
from scheduler.api import crd


@hypothesis.given(st.dictionaries(st.text(), st.integers(0, 3000)), st.integers(0, 5000))
def test_room_is_shared_alike_and_nothing_of_it_is_wasted(wanted: dict[str, int], limit: int) -> None:
    given = room.shared_out(wanted, limit)
    assert given.keys() == wanted.keys()
    assert sum(given.values()) == min(limit, sum(wanted.values()))
    short = {key for key in wanted if given[key] < wanted[key]}
    assert all(given[key] + 1 >= given[other] for key in short for other in wanted), "nobody has more than who lacks"


def store(namespace: str, name: str, buckets: int, message: str = "") -> crd.Store:
    names = tuple(f"{name}-{number:04}".ljust(63, "x") for number in range(buckets))
    return crd.Store(f"{namespace}/{name}", namespace=namespace, buckets=names, message=message)


def test_a_tenant_with_many_buckets_neither_hides_anothers_nor_makes_the_object_too_large() -> None:
    greedy = [store("greedy", f"s{number:02}", 5000) for number in range(60)]
    found = room.bounded([store("aaa", "s", 3), *greedy, store("zzz", "s", 900, "and a note")])
    assert len(msgspec.json.encode(found)) < 10**6, "etcd takes a megabyte and a half"
    assert [len(entry.buckets) for entry in (found[0], found[-1])] == [3, 900]
    assert found[0].message == ""
    assert found[1].message == f"5000 buckets, of which the first {len(found[1].buckets)} are shown"
    assert len({len(entry.buckets) for entry in found[1:-1]}) <= 2


def test_what_fits_stays_as_it_is_and_a_store_alone_shows_a_thousand() -> None:
    entries = [store("a", "s", 1000), store("b", "t", 10, "note")]
    assert room.bounded(entries) == entries
    (cut,) = room.bounded([store("a", "s", 1001, "a note")])
    assert (len(cut.buckets), cut.message) == (1000, "1001 buckets, of which the first 1000 are shown; a note")
    assert room.bounded([cut]) == [cut]
