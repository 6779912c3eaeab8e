"""What a comparison says to people, and to programs."""

from __future__ import annotations

from typing import Any

from scheduler.locality import show
from scheduler.locality.whatif import comparing, judging

_MOST = 20


def lines(told: comparing.Compared, *, is_wide: bool) -> list[str]:
    """Tables; ``is_wide`` has all pods that move, and each transfer that does."""
    rows = told.rows
    moves, lost, gained = (told.of(one) for one in (comparing.MOVES, comparing.LOST, comparing.GAINED))
    said = [f"{_of(len(moves), len(rows))} would go elsewhere"]
    if lost:
        said.append(show.bad(f"{len(lost):,} would not fit any more"))
    if gained:
        said.append(show.good(f"{len(gained):,} would fit that do not now"))
    found = [f"{', '.join(said)}.", _how(told)]
    if moves or gained:
        found += ["", *_moves([*gained, *moves], is_wide=is_wide)]
    if lost:
        found += ["", show.strong("WOULD NOT FIT ANY MORE")]
        few = lost if is_wide else lost[:_MOST]
        found += [f"{row.pod} ({row.before.node or row.node_now}): {row.after.message}" for row in few]
        found += _more(len(lost) - len(few))
    return [*found, "", *_totals(told)]


def _of(count: int, pods: int) -> str:
    return f"{show.strong(f'{count:,}')} of {show.count(pods, 'recent pod')}"


def _how(told: comparing.Compared) -> str:
    if told.is_replayed:
        return "Placed one after another in the order in which they were decided, as if none of them were there yet."
    drifted = sum(1 for row in told.rows if row.node_now and row.before.node and row.node_now != row.before.node)
    said = "Each was decided on its own, with and without the change, all others where they are."
    if drifted:
        said += f" {show.count(drifted, 'pod')} would go elsewhere today even without it, and from there."
    return said


def _moves(rows: list[comparing.Row], *, is_wide: bool) -> list[str]:
    few = rows if is_wide else rows[:_MOST]
    head = ["POD", "FROM", "TO", "TRANSFERS", "THEN", "MOVED", "THEN"]
    cells = [
        [
            row.pod,
            (row.node_now if row.is_evicted else "") or row.before.node or "-",
            row.after.node,
            show.seconds(row.before.data_s),
            show.seconds(row.after.data_s),
            show.size(moved_bytes(row.before)),
            show.size(moved_bytes(row.after)),
        ]
        for row in few
    ]
    return [*show.table(head, cells, right=(3, 4, 5, 6)), *_more(len(rows) - len(few))]


def _more(count: int) -> list[str]:
    return [show.faint(f"and {count:,} more: -o wide")] if count > 0 else []


def moved_bytes(placing: judging.Placing) -> int:
    """What goes over the network."""
    return sum(one.size_bytes for one in placing.transfers if one.distance != judging.SAME_NODE)


def _totals(told: comparing.Compared) -> list[str]:
    before, after = (judging.total(column) for column in _columns(told))
    cells = []
    for name in judging.CLASSES:
        one, other = before[name], after[name]
        cells.append([name, *_cells(one, other)])
    all_before, all_after = (sum(each.values(), judging.Moved()) for each in (before, after))
    cells.append(["all", *_cells(all_before, all_after)])
    head = ["TRANSFERS OF ALL", "BYTES", "THEN", "CHANGE", "SECONDS", "THEN", "CHANGE"]
    return show.table(head, cells, right=(1, 2, 3, 4, 5, 6))


def _cells(before: judging.Moved, after: judging.Moved) -> list[str]:
    return [
        show.size(before.size_bytes),
        show.size(after.size_bytes),
        signed_size(after.size_bytes - before.size_bytes),
        show.seconds(before.seconds),
        show.seconds(after.seconds),
        signed_seconds(after.seconds - before.seconds),
    ]


def signed_size(size_bytes: int) -> str:
    """A difference of sizes: ``-45.8 MiB``."""
    return f"{'+' if size_bytes > 0 else '-' if size_bytes else ''}{show.size(abs(size_bytes))}"


def signed_seconds(value_s: float) -> str:
    """A difference of times: ``+1.25 s``."""
    told = show.seconds(value_s)
    return f"+{told}" if value_s > 0 and told != "0 s" else told


def _columns(told: comparing.Compared) -> tuple[list[judging.Placing], list[judging.Placing]]:
    return [row.before for row in told.rows], [row.after for row in told.rows]


def document(told: comparing.Compared) -> dict[str, Any]:
    """All there is, for programs."""
    before, after = (judging.total(column) for column in _columns(told))
    return {
        "replayed": told.is_replayed,
        "pods": [
            {
                "pod": row.pod,
                "outcome": row.outcome,
                "nodeNow": row.node_now,
                "evicted": row.is_evicted,
                "before": _placing(row.before),
                "after": _placing(row.after),
            }
            for row in told.rows
        ],
        "moved": {name: {"before": before[name]._asdict(), "after": after[name]._asdict()} for name in judging.CLASSES},
    }


def _placing(placing: judging.Placing) -> dict[str, Any]:
    return placing._asdict() | {"transfers": [one._asdict() for one in placing.transfers]}
