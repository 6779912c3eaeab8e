"""What the ledger keeps, for how long, and that replicas come to hold the same."""

import json
import random
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from scheduler.api import annotations, names
from webhook import facts
from webhook.events import ledger, messages, statements

FMASK = facts.Consumer("default", "fmask")
START_S = 1_800_000_000.0


class Clock:
    def __init__(self, now_s: float = START_S) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def event(
    mark: str, *urns: str, time_s: float | None = None, removed: tuple[str, ...] = (), **options: Any
) -> messages.Message:
    inputs = tuple(annotations.Transfer(urn, 5) for urn in urns)
    return messages.Message(identity=mark, time_s=time_s, inputs=inputs, removed=removed, options=options)


def said(book: ledger.Ledger, consumer: facts.Consumer = FMASK) -> dict[str, Any]:
    source = book.source(consumer)
    return {} if source is None else dict(json.loads(source.annotations[names.EVENT_DATA]))


def inputs(book: ledger.Ledger, consumer: facts.Consumer = FMASK) -> list[str]:
    return [item["urn"] for item in said(book, consumer).get("dataInputs", [])]


def test_what_an_event_says_reads_as_the_same_annotations() -> None:
    book = ledger.Ledger(clock=Clock())
    message = messages.Message(
        identity="1",
        inputs=(annotations.Transfer("raw/a", 5, 1.5, 7, "tif"), annotations.Transfer("raw/b", 0)),
        outputs=(annotations.Transfer("out/c", 9),),
        options={"dataIntensive": True, "preferEdge": False, "preferRegion": "west"},
    )
    assert book.add(FMASK, [message])
    source = book.source(FMASK)
    assert source is not None
    assert source.title == "events for default/fmask"
    intent, problems = annotations.parse(source.annotations)
    assert not problems
    assert intent == annotations.Intent(
        inputs=message.inputs, outputs=message.outputs, data_intensive=True, prefer_region="west"
    )


def test_nothing_is_known_of_others() -> None:
    book = ledger.Ledger(clock=Clock())
    book.add(FMASK, [event("1", "raw/a")])
    assert book.source(facts.Consumer("other", "fmask")) is None
    assert list(book) == [FMASK]


def test_newest_first_and_no_more_than_a_pod_can_name() -> None:
    clock = Clock()
    book = ledger.Ledger(clock=clock)
    for n in range(100):
        clock.now_s += 1
        book.add(FMASK, [event(str(n), f"raw/{n}")])
    assert inputs(book) == [f"raw/{n}" for n in range(99, 35, -1)]


def test_of_one_event_the_first_count() -> None:
    book = ledger.Ledger(clock=Clock())
    book.add(FMASK, [event("1", *(f"raw/{n}" for n in range(64))), event("0", "raw/late")])
    assert inputs(book)[:2] == ["raw/0", "raw/1"]


@pytest.mark.parametrize("age_s", [pytest.param(0, id="just now"), pytest.param(86_400, id="a day ago")])
def test_expires_after_it_was_received_whenever_it_happened(age_s: float) -> None:
    clock = Clock()
    book = ledger.Ledger(clock=clock, retention_s=600)
    book.add(FMASK, [event("1", "raw/a", time_s=START_S - age_s, preferEdge=True)])
    clock.now_s += 599
    assert inputs(book) == ["raw/a"]
    clock.now_s += 2
    assert book.source(FMASK) is None
    assert FMASK in book
    book.expire()
    assert FMASK not in book


def test_what_claims_to_come_from_the_future_does_not_stay_in_front() -> None:
    clock = Clock()
    book = ledger.Ledger(clock=clock)
    book.add(FMASK, [event("1", "raw/a", time_s=START_S + 10**9)])
    clock.now_s += 1
    book.add(FMASK, [event("2", "raw/b")])
    assert inputs(book) == ["raw/b", "raw/a"]


def test_a_stamp_from_a_clock_that_ran_ahead_does_not_live_for_ever() -> None:
    clock = Clock(START_S + 10**7)
    ahead = ledger.Ledger(clock=clock)
    ahead.add(FMASK, [event("1", "raw/a")])
    book = ledger.Ledger(clock=Clock())
    book.merge(FMASK, ahead.kept(FMASK))
    assert FMASK not in book


@pytest.mark.parametrize("order", [pytest.param((0, 1), id="in order"), pytest.param((1, 0), id="late")])
def test_what_is_gone_stays_gone_whenever_one_hears_of_it(order: tuple[int, ...]) -> None:
    clock = Clock()
    book = ledger.Ledger(clock=clock)
    came = event("1", "raw/a", "raw/b", time_s=START_S - 20)
    went = event("2", time_s=START_S - 10, removed=("raw/a",))
    for n in order:
        clock.now_s += 1
        book.add(FMASK, [(came, went)[n]])
    assert inputs(book) == ["raw/b"]


def test_written_anew_after_it_was_gone() -> None:
    book = ledger.Ledger(clock=Clock())
    book.add(FMASK, [event("1", time_s=START_S - 10, removed=("raw/a",)), event("2", "raw/a", time_s=START_S - 5)])
    assert inputs(book) == ["raw/a"]


def test_an_object_that_is_gone_may_still_be_written() -> None:
    book = ledger.Ledger(clock=Clock())
    output = messages.Message(identity="1", time_s=1.0, outputs=(annotations.Transfer("out/a", 5),))
    book.add(FMASK, [output, event("2", removed=("out/a",))])
    assert [item["urn"] for item in said(book)["dataOutputs"]] == ["out/a"]


def test_a_second_delivery_changes_nothing() -> None:
    clock = Clock()
    book = ledger.Ledger(clock=clock)
    book.add(FMASK, [event("1", "raw/a")])
    book.add(FMASK, [event("2", removed=("raw/a",))])
    clock.now_s += 5
    before = book.kept(FMASK)
    assert not book.add(FMASK, [event("1", "raw/a")])
    assert book.kept(FMASK) == before
    assert inputs(book) == []


@pytest.mark.parametrize(
    ("older", "newer", "merged"),
    [
        pytest.param({"preferEdge": True}, {"preferCloud": True}, {"preferCloud": True}, id="edge or cloud"),
        pytest.param({"dataIntensive": True}, {"dataIntensive": False}, {"dataIntensive": False}, id="taken back"),
        pytest.param({"preferRegion": "a", "dataIntensive": True}, {"preferRegion": "b"},
                     {"preferRegion": "b", "dataIntensive": True}, id="what the newer does not mention stays"),
    ],
)  # fmt: skip
def test_of_options_the_newest_count(older: dict[str, Any], newer: dict[str, Any], merged: dict[str, Any]) -> None:
    book = ledger.Ledger(clock=Clock())
    book.add(FMASK, [event("2", time_s=START_S - 5, **newer)])
    book.add(FMASK, [event("1", time_s=START_S - 10, **older)])
    assert said(book)["processingOptions"] == merged


def test_consumers_are_bounded_and_a_crowd_pushes_out_its_own() -> None:
    clock = Clock()
    book = ledger.Ledger(clock=clock, max_consumers=5)
    book.add(FMASK, [event("1", "raw/a")])
    for n in range(20):
        clock.now_s += 1
        book.add(facts.Consumer("crowd", f"c{n:02}"), [event("1", "raw/a")])
    assert [consumer.name for consumer in book] == ["fmask", "c16", "c17", "c18", "c19"]
    assert book.dropped == 16


def test_what_is_kept_survives_being_written_down() -> None:
    book = ledger.Ledger(clock=Clock())
    book.add(FMASK, [event("1", "raw/ä", time_s=START_S - 0.001, preferRegion="west", dataIntensive=True)])
    kept = book.kept(FMASK)
    assert msgspec.json.decode(msgspec.json.encode(kept), type=statements.Kept) == kept


def test_the_most_that_is_kept_fits_an_object_of_the_api_server() -> None:
    clock = Clock()
    book = ledger.Ledger(clock=clock)
    for n in range(300):
        clock.now_s += 0.001
        long = [annotations.Transfer(f"raw/{n}-{m}".ljust(1100, "x"), 2**62, 1.0, 5, "k" * 256) for m in range(64)]
        book.add(FMASK, [messages.Message(identity=f"{n:032x}", inputs=tuple(long))])
    assert 150_000 < len(msgspec.json.encode(book.kept(FMASK))) < 500_000


# ----------------------------------------------------------------------------------------------------------------- laws
few_urns = st.sampled_from([f"raw/{n}" for n in range(6)])


def message_of(inputs: tuple[annotations.Transfer, ...], removed: tuple[str, ...], **more: Any) -> messages.Message:
    """No event says of the same object that it came and that it went."""
    named = {transfer.urn for transfer in inputs}
    return messages.Message(inputs=inputs, removed=tuple(urn for urn in removed if urn not in named), **more)


events = st.builds(
    message_of,
    identity=st.sampled_from([f"e{n}" for n in range(12)]),
    time_s=st.none() | st.integers(-50, 50).map(lambda n: START_S + n / 10),
    inputs=st.lists(few_urns.map(lambda urn: annotations.Transfer(urn, 5)), max_size=3).map(tuple),
    outputs=st.lists(few_urns.map(lambda urn: annotations.Transfer(urn, 6)), max_size=2).map(tuple),
    removed=st.lists(few_urns, max_size=2).map(tuple),
    options=st.dictionaries(st.sampled_from(["preferEdge", "preferCloud", "dataIntensive"]), st.booleans()),
)


def replicas(heard: list[list[messages.Message]], clock: Clock) -> list[ledger.Ledger]:
    """One for each list, which has heard it event by event."""
    books = []
    for one in heard:
        book = ledger.Ledger(clock=clock)
        for message in one:
            clock.now_s += 0.05
            book.add(FMASK, [message])
        books.append(book)
    return books


@hypothesis.given(st.lists(st.lists(events, max_size=8), min_size=1, max_size=4), st.randoms())
def test_any_order_and_repetition_of_merges_gives_the_same(
    heard: list[list[messages.Message]], chance: random.Random
) -> None:
    clock = Clock()
    parts = [book.kept(FMASK) for book in replicas(heard, clock)]
    results = set()
    for _ in range(3):
        book = ledger.Ledger(clock=clock)
        order = parts + chance.choices(parts, k=3)
        chance.shuffle(order)
        for part in order:
            book.merge(FMASK, part)
        results.add(msgspec.json.encode(book.kept(FMASK)))
    assert len(results) == 1


def merged_in_pairs(parts: list[statements.Kept], clock: Clock) -> statements.Kept:
    """The parts as a tree, as replicas that have merged among themselves are."""
    while len(parts) > 1:
        pair = ledger.Ledger(clock=clock)
        for part in (parts.pop(), parts.pop()):
            pair.merge(FMASK, part)
        parts.insert(0, pair.kept(FMASK))
    return parts[0]


@hypothesis.given(st.lists(st.integers(0, 400), min_size=1, max_size=60), st.randoms())
def test_so_it_does_where_more_is_said_than_is_kept(starts: list[int], chance: random.Random) -> None:
    clock = Clock()
    book = ledger.Ledger(clock=clock)
    parts = []
    for n, start in enumerate(starts):
        clock.now_s += 1
        other = ledger.Ledger(clock=clock)
        other.add(FMASK, [event(str(n), *(f"raw/{m}" for m in range(start, start + 10)), removed=(f"raw/{start}",))])
        parts.append(other.kept(FMASK))
    for part in parts:
        book.merge(FMASK, part)
    chance.shuffle(parts)
    assert merged_in_pairs(parts, clock) == book.kept(FMASK)
    assert len(book.kept(FMASK).items) <= ledger.MAX_STATEMENTS


@hypothesis.given(st.lists(events, max_size=10), st.randoms())
def test_events_with_a_time_may_come_in_any_order(heard: list[messages.Message], chance: random.Random) -> None:
    # Distinct events at distinct times: what else than the order could decide?
    timed = [
        msgspec.structs.replace(message, identity=f"t{n}", time_s=START_S - 100 + n) for n, message in enumerate(heard)
    ]
    clock = Clock()
    results = []
    for _ in range(2):
        book = ledger.Ledger(clock=clock)
        for message in timed:
            book.add(FMASK, [message])
        results.append(said(book))
        chance.shuffle(timed)
    assert results[0] == results[1]


@hypothesis.given(st.lists(events, max_size=12))
def test_it_says_what_the_newest_statements_say(heard: list[messages.Message]) -> None:
    """Against a slow twin that keeps every event and asks the newest first."""
    timed = [
        msgspec.structs.replace(message, identity=f"t{n}", time_s=START_S - 100 + n) for n, message in enumerate(heard)
    ]
    book = ledger.Ledger(clock=Clock())
    for message in timed:
        book.add(FMASK, [message])
    decided: dict[str, bool] = {}
    for message in reversed(timed):
        for transfer in message.inputs:
            decided.setdefault(transfer.urn, True)
        for urn in message.removed:
            decided.setdefault(urn, False)
    assert inputs(book) == [urn for urn, there in decided.items() if there]


marks = st.integers(0, 10**6).map(lambda n: f"v{n}")
versioned = st.builds(
    message_of,
    identity=marks,
    time_s=st.none() | st.integers(-50, 50).map(lambda n: START_S + n / 10),
    inputs=st.lists(few_urns.map(lambda urn: annotations.Transfer(urn, 5)), max_size=2).map(tuple),
    removed=st.lists(few_urns, max_size=1).map(tuple),
    withdrawn=st.lists(few_urns, max_size=1).map(tuple),
    version=st.sampled_from(["", "null", *"abcdefgh"]),
    order=st.sampled_from(["", "1", "2"]),
    place=st.integers(0, 2),
)


@hypothesis.given(st.lists(st.lists(versioned, max_size=10), min_size=1, max_size=4), st.randoms())
def test_versions_too_merge_in_any_order(heard: list[list[messages.Message]], chance: random.Random) -> None:
    clock = Clock()
    parts = [book.kept(FMASK) for book in replicas(heard, clock)]
    results = set()
    for _ in range(3):
        order = parts + chance.choices(parts, k=2)
        chance.shuffle(order)
        while len(order) > 1:
            pair = ledger.Ledger(clock=clock)
            for part in (order.pop(), order.pop()):
                pair.merge(FMASK, part)
            order.insert(chance.randrange(len(order) + 1), pair.kept(FMASK))
        results.add(msgspec.json.encode(order[0]))
    assert len(results) == 1


@hypothesis.given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 400)), min_size=1, max_size=30), st.randoms())
def test_so_do_more_versions_than_are_kept(starts: list[tuple[int, int]], chance: random.Random) -> None:
    clock = Clock()
    parts = []
    for n, (urn, version) in enumerate(starts):
        clock.now_s += 1
        book = ledger.Ledger(clock=clock)
        for step in range(8):
            said = event(f"{n}-{step}", f"raw/{urn + step}", f"raw/{urn}", time_s=START_S + version + step)
            book.add(FMASK, [msgspec.structs.replace(said, version=f"{version + step}", withdrawn=(f"raw/{urn}",))])
        parts.append(book.kept(FMASK))
    whole = ledger.Ledger(clock=clock)
    for part in parts:
        whole.merge(FMASK, part)
    chance.shuffle(parts)
    assert merged_in_pairs(parts, clock) == whole.kept(FMASK)
    kept = whole.kept(FMASK)
    assert len(kept.items) <= ledger.MAX_STATEMENTS
    assert len(kept.withdrawn) <= ledger.MAX_WITHDRAWN
