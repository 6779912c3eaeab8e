"""A decision in words and tables, of what /explain answers: costs as seconds of transfers wherever those count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from scheduler.locality import show

Json = Mapping[str, Any]

_CRITERIA: Final = {
    "data": "data",
    "ahead": "its readers' data",
    "resources": "resources",
    "affinity": "affinity",
    "nodeType": "node type",
    "capability": "capability",
}
_UNDECIDED: Final = {
    "only node": "it is the only node that fits",
    "tie": "all nodes that fit cost the same",
    "joint": "it was left to it by pods that were placed together with it",
}
_PLACES: Final = {
    "gated": "held back by its scheduling gates",
    "active": "in the queue, ready for its turn",
    "backoff": "waiting for its next attempt, which comes by itself",
    "error-backoff": "waiting for its next attempt, after a failure that was not its own",
    "unschedulable": "asleep until something happens that may help it",
    "held": "waiting for room on a better node, or for others of its group",
    "crowded": "waiting for others of its namespace to be bound",
    "asked": "waiting for news of its data",
    "gathered": "gathered with others, to be placed together",
    "in-cycle": "being decided",
    "binding": "being bound",
}


def told(answer: Json, *, is_wide: bool) -> list[str]:
    """Everything about one pod."""
    decisions, now = answer.get("decisions") or [], answer.get("now")
    lines: list[str] = []
    if decisions:
        lines += decided(answer["pod"], decisions[-1], is_wide=is_wide)
        if len(decisions) > 1:
            lines.append(show.faint(f"{len(decisions) - 1} earlier attempts are remembered; -o json shows them."))
    elif now is not None and not now.get("place") and now.get("node_now") is None:
        lines.append(f"{show.strong(answer['pod'])} is not there; if it were:")
    else:
        lines.append(f"{show.strong(answer['pod'])}: no decision of this scheduler is remembered.")
    if now is not None:
        lines += ["", *as_it_is_now(now, decisions[-1] if decisions else None, is_wide=is_wide)]
    return lines


def decided(pod: str, record: Json, *, is_wide: bool) -> list[str]:
    """What was decided, as of then."""
    lines = [_headline(pod, record)]
    took = f", in {show.seconds(record['decide_s'])}" if record.get("decide_s") else ""
    when = record["time"].replace("T", " ").partition(".")[0]
    lines.append(f"Decided {when} UTC, attempt {record['attempt']}{took}.")
    if record["node"] or record["terms"]:
        lines.append(_why(record))
    if record["profile"]:
        lines.append(f"Weighed as {show.strong(record['profile'])}: {record['profile_why']}.")
    if record.get("jointly"):
        lines.append(_jointly(record["jointly"]))
    lines += [f"{show.doubtful('Ignored')}: {problem}" for problem in record["problems"]]
    if record["terms"]:
        chosen = {"node": record["node"] or "chosen", "cost": record["cost"], "terms": record["terms"]}
        stands = [chosen, record["runner_up"]] if record["runner_up"] else [chosen]
        lines += ["", *_terms(stands, record["second_cost"], is_wide=is_wide)]
    lines += _moved(record)
    if record["refused"] and is_wide:
        counts = ", ".join(f"{plugin} {nodes}" for plugin, nodes in record["refused"].items())
        lines += ["", f"Nodes that did not fit then: {counts}."]
    return lines


def as_it_is_now(now: Json, record: Json | None, *, is_wide: bool) -> list[str]:
    """What would be decided."""
    lines = [_moved_on(now, record)]
    if other := now.get("other_scheduler"):
        lines.append(f"{show.doubtful('Not ours')}: it names the scheduler {other}. If it named this one:")
    if place := now.get("place"):
        waits_for = f" ({now['waits_for']})" if now.get("waits_for") else ""
        lines.append(f"It is {_PLACES.get(place, place)}{waits_for}.")
    lines += [f"{show.doubtful('Ignored')}: {problem}" for problem in now.get("problems", ()) if record is None]
    if now["outcome"] != "fits":
        lines.append(f"{show.bad('It would not be placed')}: {now.get('message') or 'no node fits'}")
    else:
        choice = f"It would go to {show.good(now['node'])}"
        if (here := now.get("node_now")) is not None:
            choice += " again" if here == now["node"] else f", rather than to {here}, where it is"
        if now["ties"] > 1:
            choice += f", drawn among {now['ties']} that cost the same"
        lines.append(f"{choice}; {now['feasible']} of {show.count(now['nodes'], 'node')} fit.")
        if record is None:
            lines.append(f"Weighed as {show.strong(now['profile'])}: {now['profile_why']}.")
        lines += ["", *ranking(now["ranking"], now.get("second_cost", 0.0))]
        if record is None or is_wide:
            lines += _moved(now["ranking"][0] | {"unknown": now.get("unknown"), "unavailable": now.get("unavailable")})
    if refused := now.get("refused"):
        lines += ["", "WHAT OTHERS LACK", *_refused(refused)]
    return lines


def why_not(pod: str, now: Json) -> list[str]:
    """Why a pod is not, or would not be, on one node."""
    singled = now["singled"]
    node = singled["node"]
    if not singled["is_known"]:
        return [f"{show.bad(node)}: no node of that name is known to the scheduler."]
    if refused := singled.get("refused"):
        lines = [f"{show.strong(pod)} does not fit on {show.bad(node)}:"]
        for said in refused:
            final = ", whoever else is there" if said["code"] == "UnschedulableAndUnresolvable" else ""
            lines += [f"  {said['plugin']}: {reason}{final}" for reason in said["reasons"]]
        return lines
    mine = singled.get("ranked")
    if mine is None:
        return [
            f"{show.bad('Nothing speaks against')} {show.strong(node)}, but no node can be chosen: {now.get('message')}"
        ]
    best = now["ranking"][0]
    if mine["node"] == best["node"]:
        where = "is there, and would go there again" if now.get("node_now") == node else "would go there"
        return [f"{show.strong(pod)} {where}: nothing is better than {show.good(node)}."]
    second = now.get("second_cost", 0.0)
    more = _cost(mine["cost"] - best["cost"], second)
    head = f"{show.strong(pod)} fits on {show.strong(node)}, which is number {singled['rank']} of {now['feasible']}"
    tied = mine["cost"] == best["cost"]
    against = (
        f"it costs as much as {best['node']}, which was drawn" if tied else f"it costs {more} more than {best['node']}"
    )
    return [f"{head}: {against}.", "", *_terms([best, mine], second, is_wide=True), *_moved(mine)]


def ranking(ranked: Sequence[Json], second_cost: float) -> list[str]:
    """The best nodes, the terms of each as seconds where transfers count."""
    names = [name for name in _CRITERIA if any(one["terms"].get(name, {}).get("weight") for one in ranked)]
    head = ["NODE", "COST", *(_CRITERIA[name].upper() for name in names)]
    rows = []
    for number, one in enumerate(ranked):
        terms = [_cost(one["terms"][name]["cost"], second_cost) if name in one["terms"] else "" for name in names]
        rows.append([show.good(one["node"]) if not number else one["node"], _cost(one["cost"], second_cost), *terms])
    return show.table(head, rows, right=range(1, len(head)))


def _headline(pod: str, record: Json) -> str:
    name, outcome = show.strong(pod), record["outcome"]
    if outcome == "bound":
        return f"{name} is bound to {show.good(record['node'])}."
    if record["node"]:
        words = f": {record['message']}" if record["message"] else ""
        return f"{name}: {show.doubtful(outcome)} on {record['node']}{words}"
    return f"{name}: {show.bad(outcome)}: {record['message']}"


def _why(record: Json) -> str:
    deciding, other = record["deciding"], record["runner_up"]
    if other is None or deciding not in record["terms"]:
        return f"Nothing decided between nodes: {_UNDECIDED.get(deciding, deciding)}{_drawn(record)}."
    gain = other["terms"][deciding]["cost"] - record["terms"][deciding]["cost"]
    whole = other["cost"] - record["cost"]
    second = record["second_cost"]
    if whole < 0:
        return f"Preemption had made room for it there, though {other['node']} costs {_cost(-whole, second)} less."
    return (
        f"{_CRITERIA[deciding].capitalize()} decided, by {_cost(gain, second)} against {other['node']}, "
        f"which costs {_cost(whole, second)} more in all{_drawn(record)}."
    )


def _drawn(record: Json) -> str:
    return f"; drawn among {record['ties']} that cost the same" if record["ties"] > 1 else ""


def _jointly(part: Json) -> str:
    others = show.count(part["others"], "other pod")
    went = {"kept": "went there", "left": "went elsewhere, which was cheaper by then"}
    text = f"Planned with {others} for {part['node']}, and {went.get(part['outcome'], 'that node took it no more')}"
    if part["forgone_s"] > 0:
        text += f": it gave up {show.seconds(part['forgone_s'])} against {part['alone']}"
    return f"{text}; the plan saves {show.seconds(part['saved_s'])}, within {part['gap_ratio']:.1%} of the least."


def _terms(stands: Sequence[Json], second_cost: float, *, is_wide: bool) -> list[str]:
    """Nodes side by side, a criterion a line."""
    head = ["CRITERION", "WEIGHT", *(one["node"] for one in stands)]
    rows = []
    for name, label in _CRITERIA.items():
        terms = [one["terms"].get(name) for one in stands]
        if all(term is None for term in terms):
            continue
        weight = next(term["weight"] for term in terms if term is not None)
        if not weight and not is_wide:
            continue
        rows.append([label, f"{weight:.2f}", *(_term(term, second_cost) for term in terms)])
    rows.append([show.strong("cost"), "", *(show.strong(_cost(one["cost"], second_cost)) for one in stands)])
    return show.table(head, rows, right=range(1, len(head)))


def _term(term: Json | None, second_cost: float) -> str:
    if term is None:
        return ""
    if "seconds" in term:
        return _cost(term["cost"], second_cost)
    return f"{_cost(term['cost'], second_cost)} ({term['u']:.0%})"


def _cost(cost: float, second_cost: float) -> str:
    """As seconds of transfers where these count, else as a plain number between 0 and 1."""
    return show.seconds(cost / second_cost) if second_cost else f"{cost:.4f}"


def _moved(record: Json) -> list[str]:
    """What is moved for the pod, and what of its data is nowhere."""
    moved = [*record.get("transfers", ()), *record.get("pulls", ())]
    lines: list[str] = []
    if moved:
        head = ["TRANSFER", "SIZE", "", "NODE", "TIME", "LINK"]
        lines += ["", *show.table(head, [_transfer(one) for one in moved], right={1, 4})]
    lines += [f"{show.doubtful(urn)}: no copy is known; it counts nowhere" for urn in record.get("unknown") or ()]
    lines += [
        f"{show.doubtful(urn)}: cannot be had now; it counts nowhere ({why})"
        for urn, why in (record.get("unavailable") or {}).items()
    ]
    return lines


def _transfer(move: Json) -> list[str]:
    notes = [f"{show.rate(move['bandwidth_bytes_per_s'])} {move['source']}"]
    if move["age_s"] is not None:
        notes[0] += f" {show.age(move['age_s'])} ago"
    if move["queued_s"]:
        notes.append(f"{show.seconds(move['queued_s'])} of it behind others on {move['queued_on']}")
    if move["expected"]:
        notes.append(f"expected there, {move['confidence']:.0%} sure" + _otherwise(move))
    if move["assumed"]:
        notes.append("size assumed, as nobody says it")
    size = show.size(move["size_bytes"])
    way = "to" if move["is_output"] else "from"
    return [move["urn"], size, way, move["partner"], show.seconds(move["seconds"]), "; ".join(notes)]


def _otherwise(move: Json) -> str:
    return f", else from {move['otherwise']}" if move["otherwise"] else ""


def _moved_on(now: Json, record: Json | None) -> str:
    head = show.strong("AS IT IS NOW")
    if record is None:
        return head
    inputs = now["sequence"] - record["sequence"]
    if not inputs:
        return f"{head} (nothing has changed since)"
    return f"{head} ({show.count(inputs, 'input')} later, the passing of time among them)"


def _refused(refused: Sequence[Json]) -> list[str]:
    rows = [[str(one["nodes"]), one["plugin"], one["reason"], one["example"]] for one in refused]
    return show.table(["NODES", "FILTER", "REASON", "FOR EXAMPLE"], rows, right={0})
