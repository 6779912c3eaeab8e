"""The comparison as a page: each part is headed by what is found, and shows it."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.quality import cases, comparing, page, results, running, scenarios
from benchmarks.quality.pictures import bytes as amounts
from benchmarks.quality.pictures import gantt, standing, tradeoff
from benchmarks.simulated import __main__ as simulated
from benchmarks.simulated import figures, measures, optimum, placing, published
from scheduler.simulate import outcome, tuning

TITLE: Final = "How good the placements are"
_TRIALS: Final = 60
_SHOWN: Final = ("group", "fork", "all-in-one", "chain", cases.PIPELINES)  # small enough to be seen pod by pod


def html(about: Sequence[str], found: Sequence[results.Result], seed: int, *, trials: int = _TRIALS) -> str:
    """The page of all results, with so many settings tried for what one goal costs the other."""
    rows = comparing.table(found)
    rivals = comparing.rivals(rows)
    parts = [*_standings(rivals), *_bytes(rivals), *_ablation(comparing.variants(rows)), *_wins(rivals)]
    return page.page(TITLE, about, [*parts, *_one_run(found), _tradeoff(seed, trials), _everything(rivals)])


def _standings(rows: comparing.Table) -> Iterator[str]:
    for topology in dict.fromkeys(place[1] for place in rows):
        here = {place: row for place, row in rows.items() if place[1] == topology}
        stands = comparing.standings(here)
        if not stands:
            continue
        where = "On nodes of their own" if topology == cases.OWN else f"On {topology}"
        ahead = [one.arm for one in stands if one.ratio < 1 - comparing.EVEN]
        level = [one.arm for one in stands if abs(one.ratio - 1) <= comparing.EVEN]
        if ahead:
            finding = f"{where}, {_and(ahead)} {'are' if ahead[1:] else 'is'} sooner than ours in the mean"
        elif level:
            finding = f"{where}, nobody is sooner than ours in the mean; {_and(level)} as soon"
        else:
            finding = f"{where}, ours is sooner than every other in the mean; {stands[0].arm} comes nearest"
        words = (
            f"Makespans of {len(here)} pieces of work: one mark each, the upright stroke is the geometric mean. "
            "Marks at the right edge are 8 times ours or more."
        )
        ratios = {one.arm: _ratios(here, one.arm) for one in stands}
        yield page.section(finding, words, page.figure(standing.picture(ratios)))


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _ratios(rows: comparing.Table, arm: str) -> list[tuple[str, float]]:
    found = []
    for place, row in rows.items():
        took_s = comparing.makespans(row)
        if arm in took_s and took_s.get(comparing.OURS):
            found.append((place[0], took_s[arm] / took_s[comparing.OURS]))
    return found


def _bytes(rows: comparing.Table) -> Iterator[str]:
    """Over the work that every arm has done in full, as else an arm that gives up would move the least."""
    names = list(dict.fromkeys(arm for row in rows.values() for arm in row))
    whole = [row for row in rows.values() if comparing.makespans(row).keys() >= set(names)]
    if not names or not whole:
        return
    moved: dict[str, collections.Counter[outcome.Distance]] = {name: collections.Counter() for name in names}
    for row in whole:
        for name in names:
            if (done := row[name].figures) is not None:
                moved[name].update(done.bytes_by_distance)
    away = {name: each.total() - each[outcome.Distance.LOCAL] for name, each in moved.items()}
    order = sorted(names, key=lambda name: away[name])
    finding = f"{order[0]} moves the least over the network, {order[-1]} the most"
    if order[0] != comparing.OURS and comparing.OURS in away:
        finding += f"; ours moves {away[comparing.OURS] / max(away[order[0]], 1):.2f} times the least"
    words = f"All inputs and outputs of the {len(whole)} pieces of work that all have done, by how far they went."
    yield page.section(finding, words, page.figure(amounts.picture({name: moved[name] for name in order})))


def _ablation(rows: comparing.Table) -> Iterator[str]:
    stands = comparing.standings(rows)
    if not stands:
        return
    worth = max(stands, key=lambda one: one.ratio)
    finding = (
        f"Of what can be switched, {worth.arm.removeprefix('ours-')} changes makespans most: {worth.ratio:.2f} times"
    )
    words = "Ours with one thing set otherwise, against ours as it is: right of the line it is worth having as it is."
    ratios = {one.arm: _ratios(rows, one.arm) for one in stands}
    yield page.section(finding, words, page.figure(standing.picture(ratios)))


def _wins(rows: comparing.Table) -> Iterator[str]:
    found = comparing.wins(rows)
    places = {win.place for win in found}
    if not found:
        yield page.section("Nobody is sooner than ours anywhere", "Of all work that was compared.")
        return
    first = found[0]
    finding = f"In {len(places)} of {len(rows)} pieces of work somebody is sooner than ours, {first.arm} by the most"
    words = (
        "The reason compares the chains of pods that end last: what ours spends longer on there. "
        "A chain is followed back from the last pod to the one that it waited for."
    )
    yield page.section(finding, words, page.folded(f"All {len(found)}, the greatest first", page.wins(found)))


def _one_run(found: Sequence[results.Result]) -> Iterator[str]:
    """One of ours, small enough to be seen, in which much moves."""
    small = [
        one for one in found if one.case.arm == comparing.OURS and one.case.work in _SHOWN and one.figures is not None
    ]
    if not small:
        return
    case = max(small, key=_moved_share).case
    _, run = running.outcome_of(case)
    nodes = {one.node for one in run.pods if one.node}
    finding = f"{case.work} on {case.topology}, placed by ours: {len(run.pods)} pods on {len(nodes)} nodes"
    words = (
        "A row is a node, with as many lanes as it has pods at once; coloured lines are transfers to or from elsewhere."
    )
    yield page.section(finding, words, page.figure(gantt.picture(run)))


def _moved_share(one: results.Result) -> float:
    return one.figures.moved_bytes / max(one.figures.data_bytes, 1) if one.figures is not None else -1.0


def _tradeoff(seed: int, trials: int) -> str:
    """The earlier implementation's benchmark: how little can be moved for how many preferences, and who moves what."""
    given = scenarios.pipelines()
    measured = measures.of(given)
    curve = [_point(figures.of(measured, nodes)) for nodes in optimum.front(measured)]
    points = []
    moved_mb = {}
    for goal in ("seconds", *simulated.GOALS):
        placed = placing.one_by_one(simulated.subject(given, goal), seed)
        found = figures.of(measured, [one.node for one in placed])
        moved_mb[goal] = found.network_mb
        points.append(_point(found, f"ours, goal {goal}"))
    theirs_mb = sum(run.network_mb for run in published.EARLIER.values())
    points.append(tradeoff.Point(theirs_mb, 2, "earlier implementation, as published", "arm-earlier"))
    finding = (
        f"Where bytes are the goal, ours moves {moved_mb['bytes']:.0f} MB with as many preferences met as the earlier "
        f"implementation with {theirs_mb:.0f}; with locality first {moved_mb['locality-first']:.0f} MB"
    )
    goals = [tuning.Goal("bytes", 1.0), tuning.Goal("preferences", 0.05)]
    made = tuning.tune(given, goals, trials=trials, seed=seed, progress=lambda _done, _score: None)
    tried = [tradeoff.Point(one.figures[0] / measures.MB, one.figures[1]) for one in made]
    words = (
        "The earlier implementation's five pipelines on six nodes. The line is what an exact solver finds; "
        f"grey are {trials} settings that `data-locality-scheduler tune` tries."
    )
    shown = tradeoff.picture(
        curve, points, tried, across="moved over the network, MB of 2^20 bytes", up="preferences unmet of 34"
    )
    return page.section(finding, words, page.figure(shown))


def _point(found: figures.Figures, label: str = "") -> tradeoff.Point:
    return tradeoff.Point(found.network_mb, found.preferences - found.met, label)


def _everything(rows: comparing.Table) -> str:
    words = (
        "Seconds from the first arrival to the last pod's end; green is the least, orange more than a tenth above it."
    )
    return page.section("Every makespan", words, page.folded("The table", page.makespans(rows)))
