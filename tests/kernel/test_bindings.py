"""What follows from the answers to bindings: each assumption ends once, and one namespace leaves others room."""

import dataclasses

import pytest

from scheduler.api import verdicts
from scheduler.kernel import bindings, commands, kernel, places, validation
from tests.kernel import running

Verdict = verdicts.Verdict
Place = places.Place


@pytest.fixture
def bare(bare: running.Bare) -> running.Bare:
    """One that is just binding a pod, which takes all of its node."""
    bare.nodes(running.node("n1", cpu="1"))
    bare.pending(running.pod("a"))
    assert running.bound(bare.step()) == {"a": "n1"}
    return bare


def is_assumed(bare: running.Bare) -> bool:
    return bare.kernel.state.is_assumed("uid-a")


def outcome(bare: running.Bare) -> str:
    [(_, record)] = bare.kernel.journal.of("default/a")
    return record.outcome


def test_a_bound_pod_stays_counted_until_it_is_seen(bare: running.Bare) -> None:
    [told] = bare.answer("a", Verdict.BOUND)
    assert isinstance(told, commands.Scheduled)
    assert (is_assumed(bare), outcome(bare), bare.place("a")) == (True, "bound", Place.BINDING)
    bare.seen(running.pod("a", node="n1"))
    assert not is_assumed(bare)
    assert bare.later(1000) == []


@pytest.mark.parametrize(
    ("verdict", "place"),
    [
        pytest.param(Verdict.GONE, Place.GONE, id="gone"),
        pytest.param(Verdict.REFUSED, Place.ERROR_BACKOFF, id="refused"),
    ],
)
def test_what_is_known_at_once_is_settled_at_once(bare: running.Bare, verdict: Verdict, place: Place) -> None:
    [told] = bare.answer("a", verdict)
    assert isinstance(told, commands.NotBound)
    assert (is_assumed(bare), outcome(bare), bare.place("a")) == (False, verdict.value, place)


@pytest.mark.parametrize("answer", [Verdict.CONFLICT, Verdict.THROTTLED, Verdict.UNKNOWN])
@pytest.mark.parametrize(
    ("found", "held", "place"),
    [
        pytest.param(Verdict.BOUND, True, Place.BINDING, id="on our node"),
        pytest.param(Verdict.FINISHED, True, Place.BINDING, id="and at its end"),
        pytest.param(Verdict.CONFLICT, False, Place.GONE, id="on another"),
        pytest.param(Verdict.GONE, False, Place.GONE, id="gone"),
        pytest.param(Verdict.UNBOUND, False, Place.ERROR_BACKOFF, id="nowhere"),
    ],
)
def test_what_is_not_known_is_read(
    bare: running.Bare, answer: Verdict, found: Verdict, held: bool, place: Place
) -> None:
    [look] = running.only(commands.LookUp, bare.answer("a", answer, after_s=0.0))
    assert (look.after_s == 0) is (answer is Verdict.CONFLICT)
    assert is_assumed(bare)
    bare.looked_up("a", found)
    assert (is_assumed(bare), bare.place("a")) == (held, place)


def test_what_stays_unknown_is_read_ever_less_often_and_keeps_its_room(bare: running.Bare) -> None:
    given, pauses = bare.answer("a", Verdict.UNKNOWN), []
    for _ in range(9):
        [look] = running.only(commands.LookUp, given)
        pauses.append(look.after_s)
        given = bare.looked_up("a", Verdict.UNKNOWN)
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    bare.pending(running.pod("b"))
    assert running.bound(bare.step()) == {}
    [look] = running.only(commands.LookUp, bare.looked_up("a", Verdict.UNKNOWN, after_s=60.0))
    assert look.after_s == 60.0


def test_room_that_is_taken_back_wakes_who_waits_for_it(bare: running.Bare) -> None:
    bare.pending(running.pod("b"))
    bare.step()
    assert bare.place("b") is Place.UNSCHEDULABLE
    bare.answer("a", Verdict.GONE)
    assert running.bound(bare.step()) == {"b": "n1"}


@pytest.mark.parametrize(
    ("found", "held"),
    [
        pytest.param(Verdict.BOUND, True, id="it is there"),
        pytest.param(Verdict.UNKNOWN, True, id="it cannot be read"),
        pytest.param(Verdict.FINISHED, False, id="it came to its end"),
        pytest.param(Verdict.GONE, False, id="it is gone"),
        pytest.param(Verdict.CONFLICT, False, id="it is elsewhere"),
        pytest.param(Verdict.UNBOUND, False, id="it is not bound at all"),
    ],
)
def test_a_bound_pod_that_is_never_seen_is_read_and_held_for_while_it_is_there(
    bare: running.Bare, found: Verdict, held: bool
) -> None:
    bare.answer("a", Verdict.BOUND)
    assert bare.later(bindings.CONFIRM_WITHIN_S - 1) == [], "a watch may take a moment"
    wait_s = bare.kernel.wait_s()
    assert wait_s is not None
    assert wait_s <= bindings.SWEEP_INTERVAL_S
    [look] = bare.later(bindings.SWEEP_INTERVAL_S)
    assert isinstance(look, commands.LookUp)
    assert bare.later(bindings.SWEEP_INTERVAL_S) == [], "it is being read"
    bare.looked_up("a", found)
    assert is_assumed(bare) is held
    assert bool(bare.later(2 * bindings.CONFIRM_WITHIN_S)) is held, "who is held for is read again"


def test_answers_that_nobody_waits_for_change_nothing(bare: running.Bare) -> None:
    bare.answer("a", Verdict.BOUND)
    assert bare.answer("a", Verdict.GONE) == []
    assert bare.looked_up("b", Verdict.GONE) == []
    assert is_assumed(bare)


def test_a_pod_that_comes_back_while_it_is_bound_is_not_bound_twice(bare: running.Bare) -> None:
    bare.kernel.queue.remove("uid-a")
    bare.pending(running.pod("a"))
    assert running.bound(bare.step()) == {}
    bare.answer("a", Verdict.REFUSED)
    assert running.bound(bare.later(60)) == {"a": "n1"}


# ------------------------------------------------------------------------------------------------- room for namespaces


def crowd(limit: int, cpu: str = "1000") -> running.Bare:
    settings = dataclasses.replace(running.SETTINGS, binds_in_flight=limit)
    bare = running.Bare(kernel.Kernel(settings, "home", seed=1))
    bare.nodes(running.node("n1", cpu=cpu))
    return bare


def of(given: list[commands.Command]) -> list[str]:
    return [one.namespace for one in running.only(commands.Bind, given)]


def test_slow_bindings_of_one_namespace_leave_room_for_others() -> None:
    bare = crowd(limit=16)
    bare.pending(*(running.pod(f"a{number}", namespace="a", priority=9) for number in range(50)))
    assert of(bare.step()) == ["a"] * 12
    bare.pending(*(running.pod(f"b{number}", namespace="b") for number in range(50)))
    given = of(bare.step())
    assert given
    assert set(given) == {"b"}
    bare.pending(running.pod("c", namespace="c"))
    assert of(bare.step()) == ["c"], "some are left for who comes new"
    bare.answer("c", Verdict.BOUND)
    assert of(bare.step()) == [], "whom that one leaves no room"
    validation.check(bare.kernel)


def test_who_is_crowded_out_is_decided_before_anybody_less_urgent() -> None:
    bare = crowd(limit=4, cpu="6")
    bare.pending(*(running.pod(f"a{number}", namespace="a", priority=9) for number in range(6)))
    sent = of(bare.step())
    assert sent == ["a"] * 3
    bare.pending(running.pod("equal", namespace="b", priority=9), running.pod("b", namespace="b"))
    given = bare.step()
    assert list(running.bound(given)) == ["equal"], "one as urgent goes on beside them"
    assert bare.place("b") is Place.ACTIVE, "no more may be bound"
    answered = [*(f"a{number}" for number in range(3)), "equal"]
    for name in answered:
        given += bare.answer(name, Verdict.BOUND)
        given += bare.step()
        validation.check(bare.kernel)
    assert [one.name for one in running.only(commands.Bind, given)] == ["equal", "a3", "a4"]
    assert [one.pod.metadata.name for one in running.only(commands.Unplaced, given)] == ["a5", "b"]


def test_what_waits_for_a_slot_gets_it_from_whoever_ends_first() -> None:
    bare = crowd(limit=16)
    bare.pending(
        *(running.pod(f"{space}{number}", namespace=space, priority=9) for space in "ab" for number in range(18))
    )
    sent = list(running.bound(bare.step()))
    bare.pending(running.pod("c", namespace="c"))
    given = bare.step()
    assert list(running.bound(given)) == ["c"], "everybody else is decided, and waits for a slot"
    assert bare.kernel.queue.count(Place.BINDING) == 37
    sent.append("c")
    while sent:
        name = sent.pop(0)
        sent += running.bound(bare.answer(name, Verdict.BOUND))
        assert not running.bound(bare.step())
        validation.check(bare.kernel)
        assert bare.kernel.bindings.free >= 0
    assert len(bare.kernel.bindings) == 0


def test_each_answer_lets_the_most_urgent_of_the_crowd_go_on() -> None:
    bare = crowd(limit=4)
    bare.pending(*(running.pod(f"p{number}", priority=number) for number in range(8)))
    order = list(running.bound(bare.step()))
    while len(order) < 8:
        bare.answer(order[-1], Verdict.BOUND)
        order += running.bound(bare.step())
    assert order == [f"p{number}" for number in reversed(range(8))]


def test_no_more_are_bound_at_once_than_may_be() -> None:
    bare = crowd(limit=2)
    bare.pending(*(running.pod(f"p{number}", namespace=f"ns{number}") for number in range(5)))
    assert len(of(bare.step())) == 2
    assert bare.kernel.wait_s() is None, "only an answer brings a turn"
    validation.check(bare.kernel)
