"""Order, backoff, wake-ups and bounds of the queue, and the law that a pod is in exactly one place."""

from typing import Any

import hypothesis
import pytest
from hypothesis import given, stateful
from hypothesis import strategies as st

from scheduler.api import core
from scheduler.kernel import places, queue, waiters
from tests.live import builders

Place = places.Place


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


def wake(waiting: queue.Queue, *plugins: str) -> None:
    """Rouse whom those filters refused, or (none given) all sleepers."""
    for plugin in plugins or waiting.asleep.plugins():
        for _, entries in waiting.asleep.of(plugin):
            for entry in entries:
                waiting.rouse(entry)


def by(*plugins: str) -> dict[str, waiters.Asked]:
    """Refused by these filters, each asked for the same."""
    return dict.fromkeys(plugins, "something")


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
    wake(waiting)
    assert waiting.pop() is None
    assert waiting.count(Place.GATED) == 1
    waiting.observe(builders.pod("a"))
    assert names(waiting) == ["a"]


def test_an_unschedulable_pod_sleeps_until_something_helps(waiting: queue.Queue, clock: builders.Clock) -> None:
    waiting.observe(builders.pod("a"))
    waiting.put_back(popped(waiting))
    clock.now += 100
    assert waiting.pop() is None
    wake(waiting)
    assert names(waiting) == ["a"]


def test_a_sleeper_is_found_by_each_filter_that_refused_it(waiting: queue.Queue) -> None:
    for name, refused_by in (
        ("both", {"F": 1, "G": 2}),
        ("one", {"F": 1}),
        ("asks other things", {"G": 3}),
        ("nobody", dict[str, int]()),
    ):
        waiting.observe(builders.pod(name))
        waiting.put_back(popped(waiting), refused_by)
    assert waiting.asleep.plugins() == ["F", "G", ""]
    found = {
        (plugin, asked): [entry.pod.metadata.name for entry in entries]
        for plugin in ("F", "G", "H", "")
        for asked, entries in waiting.asleep.of(plugin)
    }
    assert found == {
        ("F", 1): ["both", "one"],
        ("G", 2): ["both"],
        ("G", 3): ["asks other things"],
        ("", None): ["nobody"],
    }
    wake(waiting, "F")
    assert sorted(names(waiting)) == ["both", "one"]
    assert waiting.asleep.of("F") == []
    assert waiting.count(Place.UNSCHEDULABLE) == 2


def test_a_sleeper_that_goes_is_not_woken(waiting: queue.Queue) -> None:
    waiting.observe(builders.pod("a"))
    waiting.put_back(popped(waiting), by("F"))
    waiting.remove("uid-a")
    assert waiting.asleep.of("F") == []
    assert waiting.pop() is None


def test_of_a_sleeper_that_asks_for_something_else_it_is_told_what_it_was(waiting: queue.Queue) -> None:
    first, relabelled = builders.pod("a"), builders.pod("a", labels={"x": "y"})
    assert waiting.observe(first) is None
    assert waiting.observe(relabelled) is None, "it does not sleep"
    waiting.put_back(popped(waiting))
    assert waiting.observe(builders.pod("a", labels={"x": "y"}, phase="Unknown")) is None
    assert waiting.observe(first) == builders.pod("a", labels={"x": "y"}, phase="Unknown")
    assert waiting.count(Place.UNSCHEDULABLE) == 1, "whether that helps is not for the queue to say"


def test_gated_pods_rank_by_when_they_arrived(waiting: queue.Queue, clock: builders.Clock) -> None:
    for name, gates in (("gated", ("g",)), ("free", ())):
        waiting.observe(builders.pod(name, gates=gates))
        clock.now += 1
    waiting.observe(builders.pod("gated"))
    assert names(waiting) == ["gated", "free"]


def test_who_backs_off_within_a_second_goes_in_order_of_priority(waiting: queue.Queue, clock: builders.Clock) -> None:
    failed: list[queue.Entry] = []
    for name, priority, after_s in (("early", 0, 0.1), ("late", 0, 0.2), ("top", 9, 0.3), ("next", 99, 0.9)):
        clock.now += after_s
        waiting.observe(builders.pod(name, priority=priority))
        failed.append(popped(waiting))
        waiting.put_back(failed[-1])
    wake(waiting)
    assert names(waiting) == ["top", "early", "late", "next"]


@pytest.mark.parametrize(("failed_at", "is_over_at"), [(1000.0, 1002.0), (1000.4, 1002.0), (999.999, 1001.0)])
def test_a_backoff_is_over_with_the_second_that_it_ends_in(
    waiting: queue.Queue, clock: builders.Clock, failed_at: float, is_over_at: float
) -> None:
    clock.now = failed_at
    waiting.observe(builders.pod("a"))
    waiting.fail(popped(waiting))
    clock.now = is_over_at - 0.001
    assert waiting.pop() is None
    clock.now = is_over_at
    assert names(waiting) == ["a"]


def test_without_a_longest_backoff_nobody_backs_off(clock: builders.Clock) -> None:
    waiting = queue.Queue(clock=clock, limit=9, backoff_initial_s=1, backoff_max_s=0)
    waiting.observe(builders.pod("a"))
    waiting.fail(popped(waiting))
    assert names(waiting) == ["a"]


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
    assert waits == [2, 3, 5, 9, 11, 11], "each to the end of the second that it ends in"


def test_a_ready_pod_goes_before_one_that_backs_off(waiting: queue.Queue) -> None:
    waiting.observe(builders.pod("a", priority=100))
    waiting.put_back(popped(waiting))
    wake(waiting)
    waiting.observe(builders.pod("b"))
    assert names(waiting) == ["b", "a"]


def test_sleepers_are_tried_again_after_five_minutes(waiting: queue.Queue, clock: builders.Clock) -> None:
    waiting.observe(builders.pod("a"))
    waiting.put_back(popped(waiting))
    assert waiting.wait_s() == 320, "five minutes, and until the sweep after that"
    clock.now += 319
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


def fill(waiting: queue.Queue, kind: str, priority: int = 0, count: int = 100) -> None:
    """Put so many pods of a priority into the queue: gated, asleep, or ready."""
    for number in range(count):
        waiting.observe(builders.pod(f"{kind}{number}", priority=priority, gates=("g",) if kind == "gated" else ()))
        if kind == "asleep":
            waiting.put_back(popped(waiting), by("F"))


@pytest.mark.parametrize(
    ("there", "priority", "comes", "let_in"),
    [
        pytest.param("gated", 9, builders.pod("new"), True, id="gated pods take no room of others"),
        pytest.param("ready", 9, builders.pod("new", gates=("g",)), True, id="nor do others of theirs"),
        pytest.param("asleep", 9, builders.pod("new"), True, id="who is idle makes way"),
        pytest.param("ready", 0, builders.pod("new", priority=1), True, id="who is less urgent makes way"),
        pytest.param("ready", 0, builders.pod("new"), False, id="an equal does not"),
        pytest.param("gated", 0, builders.pod("new", gates=("g",), priority=1), True, id="a less urgent gated pod"),
        pytest.param("gated", 0, builders.pod("new", gates=("g",)), False, id="an equal gated pod does not"),
    ],
)
def test_in_a_full_queue_the_least_urgent_makes_way(
    waiting: queue.Queue, there: str, priority: int, comes: core.Pod, let_in: bool
) -> None:
    fill(waiting, there, priority)
    waiting.observe(comes)
    assert (waiting.get("uid-new") is not None) is let_in
    both = len({bool(comes.spec.scheduling_gates), there == "gated"}) == 2
    assert (len(waiting), waiting.dropped, waiting.overflowed) == ((101, 0, False) if both else (100, 1, True))


def test_of_sleepers_the_last_of_the_least_urgent_goes_first(waiting: queue.Queue, clock: builders.Clock) -> None:
    for name, priority in (("low-early", 0), ("high", 5), ("low-late", 0)):
        waiting.observe(builders.pod(name, priority=priority))
        waiting.put_back(popped(waiting), by("F"))
        clock.now += 1
    fill(waiting, "ready", -1, 97)
    gone = []
    for number in range(4):
        before = {entry.pod.metadata.name for entry in waiting.entries()}
        waiting.observe(builders.pod(f"new{number}", priority=9))
        gone += sorted(before - {entry.pod.metadata.name for entry in waiting.entries()})
    assert gone[:3] == ["low-late", "low-early", "high"]
    assert gone[3].startswith("ready")


def test_a_pod_whose_gates_are_gone_needs_room_like_others(waiting: queue.Queue) -> None:
    fill(waiting, "ready", 1)
    waiting.observe(builders.pod("a", gates=("g",)))
    waiting.observe(builders.pod("a"))
    assert (waiting.get("uid-a"), waiting.dropped, waiting.overflowed) == (None, 1, True)


def test_a_crowded_namespaces_pods_wait_in_their_order_for_each_other_alone(
    waiting: queue.Queue, clock: builders.Clock
) -> None:
    for name, priority in (("b", 0), ("urgent", 7), ("a", 0)):
        waiting.observe(builders.pod(name, priority=priority))
        clock.now += 1
    while (entry := waiting.pop()) is not None:
        waiting.crowd_out(entry)
    assert waiting.crowded() == ["ns"]
    order = []
    while waiting.crowded():
        waiting.readmit("ns")
        order += names(waiting)
    assert order == ["urgent", "b", "a"]


def test_a_crowd_lets_who_is_as_urgent_pass_and_nobody_less_urgent(waiting: queue.Queue, clock: builders.Clock) -> None:
    for name, priority in (("first", 5), ("second", 5), ("same", 5), ("less", 4)):
        waiting.observe(builders.pod(name, priority=priority))
        clock.now += 1
    for _ in range(2):
        entry = waiting.pop()
        assert entry is not None
        waiting.crowd_out(entry)
    order = []
    while (entry := waiting.pop()) is not None:
        entry = waiting.overtaken(entry)
        order.append(entry.pod.metadata.name)
        waiting.bind(entry)
    assert order == ["same", "first", "second", "less"]


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
    wake(waiting)
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
            entry = self.queue.overtaken(entry)
            name = entry.pod.metadata.name
            assert name in self.pending
            assert name not in self.gated
            held = self.out.get(name)
            assert held is None or held.place is Place.GONE, "popped twice"
            self.out[name] = entry

    @stateful.precondition(lambda self: self.out)
    @stateful.rule(data=st.data(), outcome=st.sampled_from(["put_back", "fail", "bind", "hold", "crowd_out"]))
    def hand_back(self, data: st.DataObject, outcome: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.out)))
        entry = self.out[name]
        more: tuple[Any, ...] = ()
        if outcome == "hold":
            more = (self.clock.now + 5,)
        elif outcome == "put_back":
            more = (by(*data.draw(st.sets(st.sampled_from("FG")))),)
        getattr(self.queue, outcome)(entry, *more)
        if outcome != "bind" or entry.place is Place.GONE:
            del self.out[name]

    @stateful.precondition(lambda self: self.queue.crowded())
    @stateful.rule()
    def readmit(self) -> None:
        self.queue.readmit("ns")

    @stateful.rule(name=uids)
    def release(self, name: str) -> None:
        self.queue.release(f"uid-{name}")

    @stateful.rule(plugin=st.sampled_from(["F", "G", ""]))
    def wake(self, plugin: str) -> None:
        wake(self.queue, plugin)
        assert self.queue.asleep.of(plugin) == []

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
        while self.queue.crowded():
            self.queue.readmit("ns")
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
            waiting.put_back(entry, by(f"f{number % 2}"))
        elif step == "wake":
            wake(waiting)
        else:
            clock.now += number
        for line in waiting.lines.values():
            assert line.held() <= 2 * len(line) + 64


def test_pods_that_come_and_go_by_the_thousand_leave_nothing(waiting: queue.Queue) -> None:
    for number in range(5000):
        waiting.observe(builders.pod(f"p{number}"))
        waiting.remove(f"uid-p{number}")
    assert sum(line.held() for line in waiting.lines.values()) <= 64
    assert len(waiting) == 0
