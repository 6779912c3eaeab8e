"""The comparison as Markdown, which is also how it is printed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from benchmarks.quality import comparing, results


def lines(found: Sequence[results.Result]) -> Iterator[str]:
    """Standings over everything and by topology, every piece of work, others' wins with the reasons, and failures."""
    rows = comparing.table(found)
    rivals = comparing.rivals(rows)
    yield from _part("## How each stands to ours", standing(rivals))
    for topology in dict.fromkeys(place[1] for place in rivals):
        here = {place: row for place, row in rivals.items() if place[1] == topology}
        yield from _part(f"### On {topology}", standing(here))
    variants = comparing.variants(rows)
    if comparing.standings(variants):
        yield from _part("## What each part of ours is worth", standing(variants))
    yield from _part("## Makespan in seconds", makespans(rows))
    yield from _part("## Where others are sooner", wins(rivals))
    faults = [one for one in found if one.fault]
    if faults:
        yield from _part("## What failed", (f"- {one.case}: {one.fault}" for one in faults))


def standing(rows: comparing.Table) -> Iterator[str]:
    """A row for each arm."""
    yield _row([
        "arm", "compared", "its makespan / ours (geometric mean)", "(sum)", "mean turnaround / ours",
        "bytes moved / ours", "across regions / ours", "sooner than ours", "later",
    ])  # fmt: skip
    yield _row(["---", *["---:"] * 8])
    for one in comparing.standings(rows):
        ratios = [f"{ratio:.3f}" for ratio in (one.ratio, one.plain, one.turnaround)]
        shares = [_share(one.moved), _share(one.crossed)]
        yield _row([one.arm, str(one.compared), *ratios, *shares, str(one.wins), str(one.losses)])


def makespans(rows: comparing.Table) -> Iterator[str]:
    """A row for each piece of work; the least is in bold, and what is not done in full in brackets."""
    names = list(dict.fromkeys(arm for row in rows.values() for arm in row))
    yield _row(["work", "topology", *names])
    yield _row(["---", "---", *["---:"] * len(names)])
    for (work, topology, _), row in rows.items():
        whole = comparing.makespans(row)
        least = min(whole.values(), default=math.nan)
        cells = []
        for name in names:
            if name in whole:
                cells.append(f"**{whole[name]:.1f}**" if whole[name] == least else f"{whole[name]:.1f}")
            else:
                one = row.get(name)
                done = one.figures if one is not None else None
                cells.append(f"({done.done} of {done.pods} done)" if done is not None else "failed" if one else "")
        yield _row([work, topology, *cells])


def wins(rows: comparing.Table) -> Iterator[str]:
    """Each piece of work where an arm beats ours, and why."""
    found = comparing.wins(rows)
    if not found:
        yield "Nowhere."
        return
    yield _row(["work", "topology", "arm", "sooner by", "why"])
    yield _row(["---", "---", "---", "---:", "---"])
    for win in found:
        yield _row([win.place[0], win.place[1], win.arm, f"{100 * win.sooner:.1f} %", win.why])


def _part(heading: str, body: Iterable[str]) -> Iterator[str]:
    yield heading
    yield ""
    yield from body
    yield ""


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
