"""What a comparison says to people, and to programs."""

from __future__ import annotations

from typing import Any

from scheduler.locality import show
from scheduler.locality.whatif import comparing, judging

_MOST = 20


def lines(told: comparing.Compared, *, is_wide: bool) -> list[str]:
    """Tables; ``is_wide``: with all pods, not the first few alone."""
    moves, lost, gained = (told.of(one) for one in (comparing.MOVES, comparing.LOST, comparing.GAINED))
    said = [f"{show.strong(f'{len(moves):,}')} of {show.count(len(told.rows), 'pod')} would go elsewhere"]
    if lost:
        said.append(show.bad(f"{len(lost):,} would not fit any more"))
    if gained:
        said.append(show.good(f"{len(gained):,} would fit that {'does' if len(gained) == 1 else 'do'} not now"))
    found = [f"{', '.join(said)}.", _how(told)]
    if moves or gained:
        found += ["", *_moves([*gained, *moves], is_wide=is_wide)]
    most = None if is_wide else _MOST
    if lost:
        found += ["", show.strong("WOULD NOT FIT ANY MORE")]
        found += [f"{row.pod} ({row.before.node or row.node_now}): {row.after.message}" for row in lost[:most]]
        found += _more(len(lost), most)
    missing = [(row.pod, urns) for row in told.rows if (urns := set(row.after.missing) - set(row.before.missing))]
    if missing:
        found += ["", show.strong("WOULD FIND ITS DATA NOWHERE") + ", so that it is not in the figures below"]
        found += [f"{pod}: {', '.join(sorted(urns))}" for pod, urns in missing[:most]]
        found += _more(len(missing), most)
    return [*found, "", *_totals(told)]


def _how(told: comparing.Compared) -> str:
    evicted = sum(1 for row in told.rows if row.is_evicted and not row.is_recent)
    who = f"The last {show.count(len(told.rows) - evicted, 'pod')}"
    if evicted:
        who += f", and {evicted:,} that would be evicted,"
    if told.is_replayed:
        return f"{who} one after another as they were decided, as if none of them were there yet."
    said = f"{who} each by itself, all others where they are."
    drifted = sum(1 for row in told.rows if row.node_now and row.before.node not in {"", row.node_now})
    if drifted:
        said += f" {show.count(drifted, 'pod')} would go elsewhere today without the change, too: from there."
    return said


def _moves(rows: list[comparing.Row], *, is_wide: bool) -> list[str]:
    most = None if is_wide else _MOST
    head = ["POD", "FROM", "TO", "TRANSFERS", "THEN", "MOVED", "THEN"]
    cells = [
        [
            row.pod,
            (row.node_now if row.is_evicted else "") or row.before.node or "-",
            row.after.node,
            show.seconds(row.before.data_s),
            show.seconds(row.after.data_s),
            show.size(row.before.network_bytes),
            show.size(row.after.network_bytes),
        ]
        for row in rows[:most]
    ]
    return [*show.table(head, cells, right=(3, 4, 5, 6)), *_more(len(rows), most)]


def _more(count: int, shown: int | None) -> list[str]:
    return [show.faint(f"and {count - shown:,} more: -o wide")] if shown is not None and count > shown else []


def _totals(told: comparing.Compared) -> list[str]:
    before, after = (judging.total(column) for column in _columns(told))
    cells = [[name, *_cells(one, after[name])] for name, one in before.items()]
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
        "time": told.time,
        "replayed": told.is_replayed,
        "pods": [
            {
                "pod": row.pod,
                "outcome": row.outcome,
                "node_now": row.node_now,
                "evicted": row.is_evicted,
                "before": _placing(row.before),
                "after": _placing(row.after),
            }
            for row in told.rows
        ],
        "moved": {name: {"before": one._asdict(), "after": after[name]._asdict()} for name, one in before.items()},
    }


def _placing(placing: judging.Placing) -> dict[str, Any]:
    told = placing._asdict() | {"transfers": [one._asdict() for one in placing.transfers]}
    return {key: value for key, value in told.items() if not key.startswith("there_")}
