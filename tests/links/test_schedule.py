"""Who probes whom, and when: every pair of zones in time, within the bytes allowed, whatever the number of nodes."""

from __future__ import annotations

import collections
import dataclasses
import heapq
import random
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.links import budget, schedule
from daemon.links.schedule import Duty, Member, Planner, Zone

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
TRANSFER_BYTES = 8 * 2**20
BYTES_PER_HOUR = 128 * 2**20
PERIOD_S = 1800.0


def member(node: str, zone: str = "z", *, region: str = "r", store: bool = False, **measured: float) -> Member:
    return Member(node, (region, zone), "10.0.0.1", 1, store, measured)


def world(zones: int, nodes: int) -> list[Member]:
    """Nodes dealt out to zones, one in ten with a store."""
    return [
        member(f"n{number}", f"z{number % zones}", region=f"r{number % zones % 4}", store=number % 10 == 0)
        for number in range(nodes)
    ]


def by_zone(members: Iterable[Member]) -> dict[Zone, list[Member]]:
    zones: dict[Zone, list[Member]] = collections.defaultdict(list)
    for one in members:
        zones[one.zone].append(one)
    return zones


def standing(members: Iterable[Member]) -> list[Member]:
    return [one for zone in by_zone(members).values() for one in schedule.representatives(zone)]


def test_a_zone_is_represented_by_three_first_by_those_with_stores() -> None:
    zone = [member(f"n{number}", store=number in {4, 7}) for number in range(20)]
    chosen = schedule.representatives(zone)
    assert len(chosen) == schedule.REPRESENTATIVES
    assert {"n4", "n7"} < {one.node for one in chosen}
    assert schedule.representatives(zone[:2]) in (zone[:2], zone[1::-1])


@given(count=st.integers(4, 60), gone=st.data())
def test_a_node_that_goes_changes_the_choice_only_if_it_was_chosen(count: int, gone: st.DataObject) -> None:
    zone = [member(f"n{number}") for number in range(count)]
    before = schedule.representatives(zone)
    left = gone.draw(st.sampled_from(zone))
    after = schedule.representatives([one for one in zone if one != left])
    assert schedule.representatives(zone[::-1]) == before
    kept = [one for one in before if one != left]
    assert after[: len(kept)] == kept


@given(sizes=st.lists(st.integers(1, 3), min_size=1, max_size=8))
def test_each_pair_of_zones_is_the_duty_of_one_node_and_the_others_stand_in_line(sizes: list[int]) -> None:
    everybody = [member(f"{zone}-{number}", f"z{zone}") for zone, size in enumerate(sizes) for number in range(size)]
    line: dict[frozenset[Zone], list[int]] = collections.defaultdict(list)
    for one in everybody:
        for duty in schedule.duties(one.node, everybody):
            line[frozenset((one.zone, duty.zone))].append(duty.place)
            assert one.node not in {target.node for target in duty.targets}
            assert {target.zone for target in duty.targets} == {duty.zone}
    zones = by_zone(everybody)
    for pair in {frozenset((a, b)) for a in zones for b in zones if a != b or len(zones[a]) > 1}:
        assert sorted(line.pop(pair)) == list(range(sum(len(zones[zone]) for zone in pair)))
    assert not line


def test_who_stands_for_no_zone_has_no_duty() -> None:
    assert schedule.duties("stranger", world(3, 9)) == []


def test_no_node_has_more_duties_than_it_can_publish_and_zones_with_stores_come_first() -> None:
    everybody = standing(world(400, 400))
    with_stores = {one.zone for one in everybody if one.has_store}
    for one in everybody[:40]:
        found = schedule.duties(one.node, everybody)
        assert len(found) == schedule.MAX_DUTIES
        first = [duty for duty in found if not duty.place]
        assert all(duty.zone in with_stores for duty in first[:5])


def test_a_path_to_a_node_in_no_zone_is_published_under_its_name() -> None:
    assert schedule.peer_of(member("n1", "z", region="r")) == "zone:r/z"
    assert schedule.peer_of(member("n1", "z", region="")) == "zone:/z"
    assert schedule.peer_of(member("n1", "", region="r")) == "n1"


def test_what_others_published_is_seen_from_either_end() -> None:
    a = [dataclasses.replace(member(f"a{n}", "a"), measured={"zone:r/b": 10.0 + n, "zone:r/c": 99.0}) for n in range(3)]
    b = [dataclasses.replace(member(f"b{n}", "b"), measured={"zone:r/a": 30.0 + n}) for n in range(3)]
    for one in (*a, *b):
        (seen_s,) = [duty.published_s for duty in schedule.duties(one.node, [*a, *b]) if duty.zone != one.zone]
        assert seen_s == (31.0 if one.node == "b2" else 32.0)  # what one published oneself does not count


@dataclasses.dataclass
class Run:
    """What a simulated cluster did."""

    probes: list[tuple[float, str, str, frozenset[Zone], int]]  # when, from, to, between, bytes

    def spent_in_any_hour(self) -> int:
        """The most that one node spent in an hour, by looking at each hour that begins with a probe of its."""
        worst = 0
        for_node: dict[str, collections.deque[tuple[float, int]]] = collections.defaultdict(collections.deque)
        for at_s, source, _, _, size_bytes in self.probes:
            window = for_node[source]
            window.append((at_s, size_bytes))
            while window[0][0] <= at_s - HOUR_S:
                window.popleft()
            worst = max(worst, sum(each for _, each in window))
        return worst

    def longest_gap_s(self, pairs: Iterable[frozenset[Zone]], until_s: float) -> float:
        times: dict[frozenset[Zone], list[float]] = {pair: [0.0] for pair in pairs}
        for at_s, _, _, pair, _ in self.probes:
            times[pair].append(at_s)
        return max(
            later - earlier
            for each in times.values()
            for earlier, later in zip(each, [*each[1:], until_s], strict=True)
        )


def simulate(
    everybody: Sequence[Member],
    *,
    days: float,
    seed: int = 1,
    spend: float = 1.0,
    dead: frozenset[str] = frozenset(),
    loaded: float = 0.0,
    bytes_per_hour: int = BYTES_PER_HOUR,
) -> Run:
    """Representatives follow their planners for days, and read every ten minutes what the others published.

    Args:
        spend: Which part of the bytes set aside a probe takes.
        dead: Nodes whose daemons neither probe nor answer.
        loaded: The chance that a node has other work when a probe is due.
    """
    rng = random.Random(seed)
    planners: dict[str, Planner] = {}
    known: dict[str, dict[str, float]] = {one.node: {} for one in everybody}
    samples: collections.Counter[tuple[str, str]] = collections.Counter()
    events: list[tuple[float, int, str, str]] = []
    for number, one in enumerate(everybody):
        if one.node not in dead:
            planners[one.node] = Planner(
                period_s=PERIOD_S, bytes_per_hour=bytes_per_hour, transfer_bytes=TRANSFER_BYTES, rng=rng
            )
            start_s = rng.uniform(0, 60)
            events += [(start_s, number, "look", one.node), (start_s + 1, number, "probe", one.node)]
    heapq.heapify(events)
    run = Run([])
    zone_of = {one.node: one.zone for one in everybody}
    while events[0][0] < days * DAY_S:
        now_s, number, what, node = heapq.heappop(events)
        planner = planners[node]
        if what == "look":
            published = [dataclasses.replace(one, measured=known[one.node]) for one in everybody]
            planner.assign(schedule.duties(node, published), now_s)
            heapq.heappush(events, (now_s + HOUR_S, number, what, node))
            continue
        task = planner.take(now_s, loaded=rng.random() < loaded)
        if task is not None:
            spent_bytes = int(task.reserved_bytes * spend)
            peer = schedule.peer_of(task.target)
            if task.target.node in dead:
                planner.failed(task, now_s, spent_bytes=0)
            else:
                samples[node, peer] += 1
                known[node][peer] = now_s
                pair = frozenset((zone_of[node], task.duty.zone))
                run.probes.append((now_s, node, task.target.node, pair, spent_bytes))
                planner.done(task, now_s, spent_bytes=spent_bytes, settled=samples[node, peer] >= 3)
        next_s = planner.next_s()
        again_s = now_s + HOUR_S if next_s is None else min(max(now_s + 2, next_s), now_s + HOUR_S)
        heapq.heappush(events, (again_s, number, what, node))
    return run


def pairs_of(everybody: Sequence[Member]) -> list[frozenset[Zone]]:
    zones = list(by_zone(everybody))
    return [frozenset((a, b)) for number, a in enumerate(zones) for b in zones[number:]]


def test_a_thousand_nodes_in_forty_zones() -> None:
    """Every pair in time even where each probe takes all it may, and few probes: the nodes' number is not in it."""
    everybody = standing(world(40, 1000))
    assert len(everybody) == 120
    run = simulate(everybody, days=0.5)
    pairs = pairs_of(everybody)
    gap_s, spent = run.longest_gap_s(pairs, DAY_S / 2), run.spent_in_any_hour()
    print(  # noqa: T201 - figures for who reads the log
        f"1,000 nodes, 40 zones: {len(run.probes)} probes in half a day of {len(pairs)} pairs, "
        f"longest gap {gap_s / 60:.0f} min, most bytes of a node in an hour {spent} of {BYTES_PER_HOUR}"
    )
    assert spent <= BYTES_PER_HOUR
    assert gap_s <= 2.5 * HOUR_S
    assert len(run.probes) <= 1.3 * len(pairs) * DAY_S / 2 / PERIOD_S + 10 * len(pairs)
    assert len({(source, target) for _, source, target, _, _ in run.probes}) <= 2 * len(pairs)
    # Ten times the nodes in the same zones: the same probes, to the last.
    more = standing(world(40, 10_000))
    assert len(more) == len(everybody)


@pytest.mark.parametrize("seed", range(3))
def test_the_budget_holds_over_days_and_the_period_is_kept_where_it_is_ample(seed: int) -> None:
    everybody = standing(world(4, 40))
    run = simulate(everybody, days=4, seed=seed, spend=0.25)
    assert run.spent_in_any_hour() <= BYTES_PER_HOUR
    assert run.longest_gap_s(pairs_of(everybody), 4 * DAY_S) <= 1.2 * PERIOD_S
    little = 40 * 2**20
    run = simulate(everybody, days=4, seed=seed, bytes_per_hour=little)
    assert 0 < run.spent_in_any_hour() <= little


def test_a_dead_node_is_passed_over_and_stood_in_for() -> None:
    everybody = standing(world(3, 30))
    dead = frozenset(one.node for zone in by_zone(everybody).values() for one in zone[:1])
    run = simulate(everybody, days=2, spend=0.25, dead=dead)
    pairs = pairs_of(everybody)
    assert run.longest_gap_s(pairs, 2 * DAY_S) <= 2 * schedule.STAND_IN_S + 1.5 * HOUR_S + PERIOD_S


def test_a_node_with_other_work_probes_less_and_never_gives_up() -> None:
    everybody = standing(world(3, 30))
    calm, driven = (simulate(everybody, days=1, spend=0.25, loaded=loaded) for loaded in (0.0, 0.98))
    assert len(driven.probes) < 0.8 * len(calm.probes)
    assert run_is_kept(driven, everybody)
    assert simulate(everybody, days=1, loaded=1.0).probes == []


def run_is_kept(run: Run, everybody: Sequence[Member]) -> bool:
    return {pair for _, _, _, pair, _ in run.probes} == set(pairs_of(everybody))


def test_the_same_generator_makes_the_same_plan() -> None:
    everybody = standing(world(3, 30))
    first, again, other = (simulate(everybody, days=0.5, seed=seed).probes for seed in (5, 5, 6))
    assert first == again
    assert first != other


def planner(**changes: int) -> Planner:
    settings = {"bytes_per_hour": BYTES_PER_HOUR, "transfer_bytes": TRANSFER_BYTES} | changes
    return Planner(period_s=PERIOD_S, rng=random.Random(3), **settings)


DUTY = Duty(("r", "b"), (member("b1", "b"), member("b2", "b")))


def test_a_busy_peer_is_asked_again_soon_and_a_silent_one_gives_way_to_the_next() -> None:
    plan = planner()
    plan.assign([DUTY], 0.0)
    assert plan.take(1.0, loaded=False) is None  # not at once after a start
    task = plan.take(100.0, loaded=False)
    assert task is not None
    assert task.target.node == "b1"
    plan.busy(task, 100.0, spent_bytes=0)
    next_s = plan.next_s()
    assert next_s is not None
    assert 100 < next_s <= 140
    task = plan.take(200.0, loaded=False)
    assert task is not None
    assert task.target.node == "b1"
    pauses = []
    for attempt in range(8):
        plan.failed(task, 1000.0 * attempt, spent_bytes=0)
        next_s = plan.next_s()
        assert next_s is not None
        pauses.append(next_s - 1000 * attempt)
        task = plan.take(next_s, loaded=False)
        assert task is not None
        assert task.target.node == ("b2", "b1")[attempt % 2]
    assert 50 < pauses[0] < 70
    assert 0.8 * PERIOD_S < pauses[-1] < 1.2 * PERIOD_S


def test_what_is_not_settled_is_measured_sooner() -> None:
    pauses = {}
    for settled in (True, False):
        plan = planner()
        plan.assign([DUTY], 0.0)
        task = plan.take(100.0, loaded=False)
        assert task is not None
        plan.done(task, 100.0, spent_bytes=5, settled=settled)
        next_s = plan.next_s()
        assert next_s is not None
        pauses[settled] = next_s - 100
    assert pauses[False] < pauses[True] / 4


def test_a_duty_that_is_gone_is_not_due_and_its_end_changes_nothing() -> None:
    plan = planner()
    plan.assign([DUTY], 0.0)
    task = plan.take(100.0, loaded=False)
    assert task is not None
    plan.assign([], 101.0)
    plan.done(task, 102.0, spent_bytes=5, settled=True)
    assert plan.next_s() is None
    assert plan.take(10_000.0, loaded=False) is None


@given(
    limit=st.integers(0, 1000),
    steps=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 400), st.floats(0, 1)), max_size=60),
)
def test_no_hour_costs_more_than_allowed(limit: int, steps: list[tuple[int, int, float]]) -> None:
    allowed, now_s = budget.Budget(limit), 0.0
    spent: list[tuple[float, int]] = []

    def in_the_hour_before(at_s: float) -> int:
        return sum(size for each_s, size in spent if at_s - HOUR_S < each_s)

    for pause_s, wanted, share in steps:
        now_s += pause_s
        may = in_the_hour_before(now_s) + wanted <= limit
        assert allowed.reserve(wanted, now_s) is may
        if may:
            size = int(wanted * share)
            allowed.spend(wanted, size, now_s)
            spent.append((now_s, size))
        else:
            free_s = allowed.free_s(wanted, now_s)
            assert free_s > now_s
            assert wanted > limit or in_the_hour_before(free_s) + wanted <= limit
    for start_s, _ in spent:
        assert sum(size for at_s, size in spent if start_s <= at_s < start_s + HOUR_S) <= limit


def test_what_is_set_aside_cannot_be_spent_twice() -> None:
    allowed = budget.Budget(100)
    assert allowed.reserve(60, 0.0)
    assert not allowed.reserve(60, 0.0)
    allowed.spend(60, 10, 0.0)
    assert allowed.reserve(60, 0.0)
