"""Who reads what others write, by pods that wait and by those that came before; and how much comes after each."""

from __future__ import annotations

from collections.abc import Sequence

import hypothesis
import pytest
from hypothesis import strategies as st

from scheduler.api import core
from scheduler.state import durations, pipelines
from tests.state import build


def pod(name: str, *, reads: Sequence[str] = (), writes: Sequence[str] = (), namespace: str = "default") -> core.Pod:
    """A pod; what it reads and writes is ``urn[,bytes[,processing_s]]``, of a megabyte if nothing is said."""

    def sized(texts: Sequence[str]) -> list[str]:
        return [text if "," in text else f"{text},1000000" for text in texts]

    notes = build.data(inputs=sized(reads), outputs=sized(writes))
    return build.as_pod(build.pod(name, namespace=namespace, notes=notes))


def readers(known: pipelines.Pipelines, of: core.Pod) -> list[tuple[str, str, int]]:
    """Urn, reader and bytes."""
    return [(one.output, one.pod.metadata.name, one.size_bytes) for one in known.readers_of(of)]


@pytest.fixture
def known() -> pipelines.Pipelines:
    return pipelines.Pipelines(durations.Durations())


def test_who_waits_for_an_output_reads_it_whichever_of_both_came_first(known: pipelines.Pipelines) -> None:
    known.waits(pod("early", reads=["mid/x,7"]))
    producer = pod("producer", writes=["mid/x,9", "mid/y"])
    known.waits(producer)
    known.waits(pod("late", reads=["mid/x,0"]))
    known.waits(pod("other", reads=["mid/z"]))
    known.waits(pod("stranger", reads=["mid/x"], namespace="elsewhere"))
    assert readers(known, producer) == [("mid/x", "early", 7), ("mid/x", "late", 9)]


def test_who_waits_no_longer_reads_nothing_more(known: pipelines.Pipelines) -> None:
    producer = pod("producer", writes=["mid/x"])
    known.waits(pod("consumer", reads=["mid/x"]))
    known.leaves("uid-consumer")
    known.leaves("uid-consumer")
    assert readers(known, producer) == []
    assert known.known() == []


def test_a_pod_that_reads_something_else_now_is_known_by_that(known: pipelines.Pipelines) -> None:
    known.waits(pod("consumer", reads=["mid/x"]))
    known.waits(pod("consumer", reads=["mid/y"]))
    assert readers(known, pod("producer", writes=["mid/x", "mid/y"])) == [("mid/y", "consumer", 1_000_000)]
    known.waits(pod("consumer"))
    assert known.known() == []


@pytest.mark.parametrize("first", ["producer", "consumer"])
def test_who_read_what_earlier_pods_of_the_kind_wrote_is_expected_again(first: str) -> None:
    known = pipelines.Pipelines(durations.Durations())
    pair = [pod("producer-1", writes=["mid/x1", "mid/y1"]), pod("consumer-1", reads=["mid/y1,5", "far/z1"])]
    for one in pair if first == "producer" else pair[::-1]:
        known.waits(one)
    for one in pair:
        known.leaves(one.metadata.uid)
    [reader] = known.readers_of(pod("producer-2", writes=["mid/x2", "mid/y2"]))
    assert (reader.output, reader.urn, reader.size_bytes, reader.is_learned) == ("mid/y2", "mid/y1", 5, True)
    assert reader.pod.metadata.name == "consumer-1"
    assert readers(known, pod("another-2", writes=["mid/x2", "mid/y2"])) == []


def test_who_waits_goes_before_what_was_learned(known: pipelines.Pipelines) -> None:
    known.waits(pod("producer-1", writes=["mid/x1"]))
    known.waits(pod("consumer-1", reads=["mid/x1"]))
    known.waits(pod("consumer-2", reads=["mid/x2"]))
    assert readers(known, pod("producer-2", writes=["mid/x2"])) == [("mid/x2", "consumer-2", 1_000_000)]


def test_without_learning_only_who_waits_is_known() -> None:
    known = pipelines.Pipelines(durations.Durations(), learns=False)
    known.waits(pod("producer-1", writes=["mid/x1"]))
    known.waits(pod("consumer-1", reads=["mid/x1"]))
    assert readers(known, pod("producer-2", writes=["mid/x2"])) == []


def test_the_rank_is_the_longest_way_to_the_end(known: pipelines.Pipelines) -> None:
    first = pod("first", writes=["mid/a,0,1", "mid/b,0"])
    for one in (
        first,
        pod("short", reads=["mid/a,0,2"]),
        pod("long", reads=["mid/b,0,3"], writes=["mid/c,0"]),
        pod("last", reads=["mid/c,0,4"]),
    ):
        known.waits(one)
    assert known.rank_s(first) == pytest.approx(1 + 3 + 4)
    known.leaves("uid-last")
    assert known.rank_s(first) == pytest.approx(1 + 3)
    known.waits(pod("last", reads=["mid/c,0,9"]))
    assert known.rank_s(first) == pytest.approx(1 + 3 + 9)


def test_bytes_are_seconds_and_a_pod_without_data_has_no_rank(known: pipelines.Pipelines) -> None:
    mover = pod("mover", reads=["far/x,400000000"])
    known.waits(mover)
    assert known.rank_s(mover) == pytest.approx(2.0)
    known.waits(pod("plain"))
    assert known.rank_s(pod("plain")) == 0.0


def test_a_circle_has_an_end_and_so_has_a_long_way(known: pipelines.Pipelines) -> None:
    known.waits(pod("hen", reads=["mid/egg,0,1"], writes=["mid/hen,0"]))
    known.waits(pod("egg", reads=["mid/hen,0,2"], writes=["mid/egg,0"]))
    assert known.rank_s(pod("hen")) == pytest.approx(3.0)
    for number in range(5000):
        known.waits(pod(f"way-{number}", reads=[f"way/{number},0,1"], writes=[f"way/{number + 1},0"]))
    assert known.rank_s(pod("way-0")) == pytest.approx(5000.0)


Step = tuple[int, bool, list[int], list[int]]


@hypothesis.given(
    st.lists(
        st.tuples(
            st.integers(0, 7),
            st.booleans(),
            st.lists(st.integers(0, 5), max_size=2),
            st.lists(st.integers(0, 5), max_size=2),
        ),
        max_size=30,
    )
)
def test_whatever_joins_and_leaves_ranks_and_readers_are_those_made_anew(steps: list[Step]) -> None:
    known = pipelines.Pipelines(durations.Durations(), learns=False)
    there: dict[str, core.Pod] = {}
    for number, comes, read, written in steps:
        # A higher one never writes what a lower one reads: no circles, whose ranks depend on where one began.
        name = f"p{number}"
        if comes:
            reads = [f"data/{urn},0,{number + 1}" for urn in read if urn < number]
            one = pod(name, reads=reads, writes=[f"data/{urn},0" for urn in written if urn >= number])
            known.waits(one)
            there.pop(name, None)
            if one.metadata.annotations:
                there[name] = one
        else:
            known.leaves(f"uid-{name}")
            there.pop(name, None)
        anew = pipelines.Pipelines(durations.Durations(), learns=False)
        for one in there.values():
            anew.waits(one)
        assert sorted(known.known()) == sorted(anew.known())
        for one in there.values():
            assert known.rank_s(one) == pytest.approx(anew.rank_s(one))
            assert sorted(readers(known, one)) == sorted(readers(anew, one))
    for name in there:
        known.leaves(f"uid-{name}")
    assert (known._readers, known._writers, known._ranks) == ({}, {}, {})


def test_what_is_learned_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines, "_LEARNED", 5)
    monkeypatch.setattr(pipelines, "_WRITTEN", 5)
    known = pipelines.Pipelines(durations.Durations())
    for number in range(20):
        letter = "abcdefghijklmnopqrst"[number]
        known.waits(pod(f"producer{letter}", writes=[f"mid/{letter}"]))
        known.waits(pod(f"consumer{letter}", reads=[f"mid/{letter}"]))
        known.leaves(f"uid-producer{letter}")
        known.leaves(f"uid-consumer{letter}")
    assert (len(known._learned), len(known._written)) == (5, 5)
    assert readers(known, pod("producert", writes=["mid/u"])) == [("mid/u", "consumert", 1_000_000)]


def test_pods_are_of_one_pipeline_if_one_waits_for_them_sooner_or_later_or_if_one_owner_made_them(
    known: pipelines.Pipelines,
) -> None:
    left, right = pod("left", writes=["mid/l"]), pod("right", writes=["mid/r"])
    known.waits(pod("between", reads=["mid/r"], writes=["mid/b"]))
    known.waits(pod("end", reads=["mid/l", "mid/b"]))
    apart, alone = pod("apart", writes=["mid/a"]), pod("alone", writes=["mid/nobody"])
    known.waits(pod("other-end", reads=["mid/a"]))
    kin = [pod("kin-1", writes=["mid/k1"]), pod("kin-2", writes=["mid/k2"])]
    known.waits(pod("kin-end", reads=["mid/k1"]))  # and more than it names
    given = [left, right, apart, alone, *kin, pod("unseen", writes=["mid/l"])]
    for one in given[:-1]:
        known.waits(one)
    of = known.pipelines_of(given)
    assert of[0] == of[1] is not None
    assert of[4] == of[5] is not None
    assert len({of[0], of[2], of[4]}) == 3
    assert of[2] is not None
    assert (of[3], of[6]) == (None, None)
