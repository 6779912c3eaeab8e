"""Order, backoff, wake-ups and bounds of the queue, and the law that a pod is in exactly one place."""

from typing import Any

import hypothesis
import pytest
from hypothesis import given, stateful
from hypothesis import strategies as st

from scheduler.api import core
from scheduler.live import queue
from tests.live import builders

Place = queue.Place


@pytest.fixture
def clock() -> builders.Clock:
    return builders.Clock()


@pytest.fixture
def waiting(clock: builders.Clock) -> queue.Queue:
    return queue.Queue(clock=clock, limit=100, backoff_initial_s=1, backoff_max_s=10)


def popped(waiting: queue.Queue) -> queue.Entry:
    entry = waiting.pop()
    assert entry is not None
    return entry


def names(waiting: queue.Queue) -> list[str]:
    result = []
    while (entry := waiting.pop()) is not None:
        result.append(entry.pod.metadata.name)
    return result


def test_higher_priority_goes_first_then_the_earlier(waiting: queue.Queue, clock: builders.Clock) -> None:
    for name, priority in (("b", 0), ("a", 0), ("top", 10), ("low", -5), ("c", 0)):
        waiting.observe(builders.pod(name, priority=priority))
        clock.now += 1
    assert names(waiting) == ["top", "b", "a", "c", "low"]


def test_updates_of_a_waiting_pod_keep_its_turn_and_are_what_is_decided(waiting: queue.Queue) -> None:
    waiting.observe(builders.pod("a"))
    waiting.observe(builders.pod("b"))
    waiting.observe(builders.pod("a", labels={"new": "yes"}))
    entry = popped(waiting)
    assert entry.pod.metadata.labels == {"new": "yes"}
    assert names(waiting) == ["b"]


def test_a_held_pod_lets_others_pass_and_has_its_old_turn_when_its_time_comes(
    waiting: queue.Queue, clock: builders.Clock
) -> None:
    for name in ("first", "released", "changed"):
        waiting.observe(builders.pod(name))
        clock.now += 1
    for until in (clock.now + 5, clock.now + 50, clock.now + 50):
        waiting.hold(popped(waiting), until)
    waiting.observe(builders.pod("later"))
    assert names(waiting) == ["later"]
    waiting.observe(builders.pod("latest"))
    waiting.release("uid-released")
    waiting.release("uid-latest")  # which is not held
    waiting.release("uid-unheard-of")
    waiting.observe(builders.pod("changed", labels={"a": "b"}))
    assert names(waiting) == ["released", "changed", "latest"]
    assert waiting.wait_s() == 5
    clock.now += 5
    waiting.observe(builders.pod("very-last"))
    assert names(waiting) == ["first", "very-last"]


def test_a_held_pod_that_is_gone_stays_gone(waiting: queue.Queue, clock: builders.Clock) -> None:
    waiting.observe(builders.pod("a"))
    entry = popped(waiting)
    waiting.remove(entry.uid)
    waiting.hold(entry, clock.now + 5)
    waiting.observe(builders.pod("b"))
    waiting.hold(popped(waiting), clock.now + 5)
    waiting.remove("uid-b")
    waiting.release("uid-b")
    clock.now += 6
    assert names(waiting) == []
    assert waiting.wait_s() is None


@pytest.mark.parametrize(
    "last",
    [
        pytest.param(builders.pod("a", node="n1"), id="bound"),
        pytest.param(builders.pod("a", deleting=True), id="deleting"),
        pytest.param(builders.pod("a", phase="Failed"), id="finished"),
    ],
)
def test_a_pod_that_is_no_longer_pending_leaves(waiting: queue.Queue, last: core.Pod) -> None:
    waiting.observe(builders.pod("a"))
    waiting.observe(last)
    assert len(waiting) == 0
    assert waiting.pop() is None


def test_a_gated_pod_waits_for_its_gates(waiting: queue.Queue) -> None:
    waiting.observe(builders.pod("a", gates=("one", "two")))
    waiting.observe(builders.pod("a", gates=("two",)))
    waiting.wake()
    assert waiting.pop() is None
    assert waiting.count(Place.GATED) == 1
    waiting.observe(builders.pod("a"))
    assert names(waiting) == ["a"]


def test_an_unschedulable_pod_sleeps_until_something_helps(waiting: queue.Queue, clock: builders.Clock) -> None:
    waiting.observe(builders.pod("a"))
    waiting.put_back(popped(waiting))
    clock.now += 100
    assert waiting.pop() is None
    waiting.wake()
    assert names(waiting) == ["a"]


def test_a_wakeup_during_the_decision_is_not_lost(waiting: queue.Queue) -> None:
    waiting.observe(builders.pod("a"))
    entry = popped(waiting)
    waiting.wake()  # after the snapshot was taken
    waiting.put_back(entry)
    assert entry.place is Place.BACKOFF
    assert names(waiting) == ["a"]  # nothing else to do: the backoff is skipped


def test_an_event_for_some_wakes_only_those_of_them_whom_the_filter_refused(waiting: queue.Queue) -> None:
    for name, refused_by in (("meant", {"F", "G"}), ("other", {"F"}), ("by another filter", {"G"}), ("unknown", set())):
        waiting.observe(builders.pod(name))
        waiting.put_back(popped(waiting), frozenset(refused_by))
    waiting.wake_refused("F", lambda pod: pod.metadata.name != "other")
    assert names(waiting) == ["meant"]
    waiting.wake_refused("F")
    assert names(waiting) == ["other"]
    waiting.wake_refused("F")  # nobody sleeps for its sake any more
    assert names(waiting) == []
    assert waiting.count(Place.UNSCHEDULABLE) == 2


@pytest.mark.parametrize(
    ("refused_by", "place"),
    [pytest.param({"F"}, Place.BACKOFF, id="concerned"), pytest.param({"G"}, Place.UNSCHEDULABLE, id="not concerned")],
)
def test_an_event_for_some_during_the_decision_is_not_lost(
    waiting: queue.Queue, refused_by: set[str], place: Place
) -> None:
    waiting.observe(builders.pod("a"))
    entry = popped(waiting)
    waiting.wake_refused("F")
    waiting.put_back(entry, frozenset(refused_by))
    assert entry.place is place


def test_a_sleeper_that_goes_is_not_woken(waiting: queue.Queue) -> None:
    waiting.observe(builders.pod("a"))
    waiting.put_back(popped(waiting), frozenset({"F"}))
    waiting.remove("uid-a")
    waiting.wake_refused("F")
    assert waiting.pop() is None


def test_a_change_of_the_pod_during_the_decision_is_not_lost(waiting: queue.Queue) -> None:
    waiting.observe(builders.pod("a"))
    entry = popped(waiting)
    waiting.observe(builders.pod("a", labels={"now": "fits"}))
    waiting.put_back(entry)
    assert entry.place is Place.BACKOFF


def test_a_change_of_the_pods_status_wakes_nobody(waiting: queue.Queue) -> None:
    waiting.observe(builders.pod("a"))
    entry = popped(waiting)
    waiting.put_back(entry)
    waiting.observe(builders.pod("a", phase="Unknown"))
    assert waiting.count(Place.UNSCHEDULABLE) == 1
    waiting.observe(builders.pod("a", annotations={"x": "y"}))
    assert waiting.count(Place.BACKOFF) == 1


def test_backoff_doubles_up_to_its_maximum(waiting: queue.Queue, clock: builders.Clock) -> None:
    waiting.observe(builders.pod("a"))
    waits = []
    entry = popped(waiting)
    for _ in range(6):
        waiting.fail(entry)
        wait = waiting.wait_s()
        assert wait is not None
        waits.append(wait)
        clock.now += wait - 0.01
        assert waiting.pop() is None  # an error's backoff is waited out even with nothing else to do
        clock.now += 0.01
        entry = popped(waiting)
    assert waits == [1, 2, 4, 8, 10, 10]


def test_a_ready_pod_goes_before_one_that_backs_off(waiting: queue.Queue) -> None:
    waiting.observe(builders.pod("a", priority=100))
    waiting.put_back(popped(waiting))
    waiting.wake()
    waiting.observe(builders.pod("b"))
    assert names(waiting) == ["b", "a"]


def test_sleepers_are_tried_again_after_five_minutes(waiting: queue.Queue, clock: builders.Clock) -> None:
    waiting.observe(builders.pod("a"))
    waiting.put_back(popped(waiting))
    assert waiting.wait_s() == 300
    clock.now += 299
    assert waiting.pop() is None
    clock.now += 1
    assert names(waiting) == ["a"]


def test_a_full_queue_drops_counts_and_finds_again(waiting: queue.Queue, clock: builders.Clock) -> None:
    pods = [builders.pod(f"p{number}") for number in range(103)]
    for pod in pods:
        waiting.observe(pod)
    assert (len(waiting), waiting.dropped, waiting.overflowed) == (100, 3, True)
    for _ in range(10):
        waiting.bind(popped(waiting))  # what is being bound does not wait
    waiting.reconcile(pods, asked=clock.now)
    assert (len(waiting), waiting.overflowed) == (103, False)


def test_reconcile_drops_what_the_watch_lost(waiting: queue.Queue, clock: builders.Clock) -> None:
    for name in ("lost", "kept"):
        waiting.observe(builders.pod(name))
    waiting.bind(popped(waiting))
    clock.now += 1
    asked = clock.now
    clock.now += 1
    waiting.observe(builders.pod("newer"))  # arrived while the list was under way
    assert waiting.reconcile([builders.pod("kept"), builders.pod("missed")], asked=asked) == 1
    assert sorted(names(waiting)) == ["kept", "missed", "newer"]


def test_a_deleted_pod_does_not_come_back(waiting: queue.Queue) -> None:
    waiting.observe(builders.pod("a"))
    entry = popped(waiting)
    waiting.remove(entry.uid)
    waiting.put_back(entry)
    waiting.fail(entry)
    waiting.bind(entry)
    assert len(waiting) == 0
    assert waiting.pop() is None


def test_late_events_of_a_pod_being_bound_do_not_queue_it_again(waiting: queue.Queue) -> None:
    waiting.observe(builders.pod("a"))
    waiting.bind(popped(waiting))
    waiting.observe(builders.pod("a", labels={"late": "event"}))
    waiting.wake()
    assert waiting.pop() is None


class QueueLaws(stateful.RuleBasedStateMachine):
    """Any sequence of events and outcomes: one place per pod, nothing pending is lost, nothing gone comes back."""

    uids = st.sampled_from([f"p{number}" for number in range(6)])

    def __init__(self) -> None:
        super().__init__()
        self.clock = builders.Clock()
        self.queue = queue.Queue(clock=self.clock, limit=1000, backoff_initial_s=1, backoff_max_s=10)
        self.pending: set[str] = set()  # what the API server would list
        self.gated: set[str] = set()
        self.out: dict[str, queue.Entry] = {}  # in the cycle's or the binder's hands

    @stateful.rule(name=uids, priority=st.integers(-2, 2), gated=st.booleans(), label=st.integers(0, 2))
    def observe(self, name: str, priority: int, label: int, *, gated: bool) -> None:
        gated = gated and (name not in self.pending or name in self.gated)  # gates only ever go
        self.queue.observe(
            builders.pod(name, priority=priority, labels={"v": str(label)}, gates=("g",) if gated else ())
        )
        self.pending.add(name)
        (self.gated.add if gated else self.gated.discard)(name)

    @stateful.rule(name=uids)
    def remove(self, name: str) -> None:
        self.queue.remove(f"uid-{name}")
        self.pending.discard(name)
        self.gated.discard(name)

    @stateful.rule()
    def pop(self) -> None:
        entry = self.queue.pop()
        if entry is not None:
            name = entry.pod.metadata.name
            assert name in self.pending
            assert name not in self.gated
            held = self.out.get(name)
            assert held is None or held.place is Place.GONE, "popped twice"
            self.out[name] = entry

    @stateful.precondition(lambda self: self.out)
    @stateful.rule(data=st.data(), outcome=st.sampled_from(["put_back", "fail", "bind", "hold"]))
    def hand_back(self, data: st.DataObject, outcome: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.out)))
        entry = self.out[name]
        more: tuple[Any, ...] = ()
        if outcome == "hold":
            more = (self.clock.now + 5,)
        elif outcome == "put_back":
            more = (frozenset(data.draw(st.sets(st.sampled_from("FG")))),)
        getattr(self.queue, outcome)(entry, *more)
        if outcome != "bind" or entry.place is Place.GONE:
            del self.out[name]

    @stateful.rule(name=uids)
    def release(self, name: str) -> None:
        self.queue.release(f"uid-{name}")

    @stateful.rule()
    def wake(self) -> None:
        self.queue.wake()
        assert self.queue.count(Place.UNSCHEDULABLE) == 0

    @stateful.rule(plugin=st.sampled_from("FG"), name=st.none() | uids)
    def wake_refused(self, plugin: str, name: str | None) -> None:
        self.queue.wake_refused(plugin, None if name is None else lambda pod: pod.metadata.name == name)

    @stateful.rule(seconds=st.sampled_from([0.5, 1.0, 10.0, 300.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds

    @stateful.rule()
    def reconcile(self) -> None:
        self.queue.reconcile(
            [builders.pod(name, gates=("g",) if name in self.gated else ()) for name in self.pending],
            asked=self.clock.now,
        )

    @stateful.invariant()
    def one_place_each(self) -> None:
        held = [place for place in Place if place is not Place.GONE]
        assert self.queue.count(*held) == len(self.queue) == len(self.pending)
        for name in self.pending:
            entry = self.queue.get(f"uid-{name}")
            assert entry is not None
            assert entry.place is not Place.GONE
            assert (entry.place is Place.GATED) == (name in self.gated)

    def teardown(self) -> None:
        # Whatever happened: once everything in hand is given back and time passes, every pending pod is decided.
        for entry in self.out.values():
            self.queue.put_back(entry)
        self.clock.now += 1000
        left = set(names(self.queue))
        assert left == self.pending - self.gated


TestQueueLaws = QueueLaws.TestCase
TestQueueLaws.settings = hypothesis.settings(stateful_step_count=40)


@given(
    st.lists(
        st.tuples(st.sampled_from(["arrive", "leave", "decide", "wake", "later"]), st.integers(0, 40)), max_size=400
    )
)
def test_what_has_left_a_line_takes_no_more_room_than_what_is_in_it(steps: list[tuple[str, int]]) -> None:
    """Memory only: those that left from the middle stay in the heap until they surface, or are too many."""
    clock = builders.Clock()
    waiting = queue.Queue(clock=clock, limit=1000, backoff_initial_s=1, backoff_max_s=10)
    for step, number in steps * 3:
        if step == "arrive":
            waiting.observe(builders.pod(f"p{number}", priority=number % 3))
        elif step == "leave":
            waiting.remove(f"uid-p{number}")
        elif step == "decide" and (entry := waiting.pop()) is not None:
            waiting.put_back(entry, frozenset({f"f{number % 2}"}))
        elif step == "wake":
            waiting.wake()
        else:
            clock.now += number
        for line in waiting._lines.values():
            assert len(line._heap) <= 2 * len(line) + 64


def test_pods_that_come_and_go_by_the_thousand_leave_nothing(waiting: queue.Queue) -> None:
    for number in range(5000):
        waiting.observe(builders.pod(f"p{number}"))
        waiting.remove(f"uid-p{number}")
    assert sum(len(line._heap) for line in waiting._lines.values()) <= 64
    assert len(waiting) == 0
    assert not any(waiting._refused.values())
