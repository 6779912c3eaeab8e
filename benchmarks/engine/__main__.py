"""How long a decision takes by kind of pod, with many pods placed.

    python -m benchmarks.engine [--nodes 5000] [--placed 50000] [--decisions 300] [--seed 1] [--kinds plain-known ...]

A decision is all between a pod that has been read and a node whose room is taken. The first of a kind is told apart,
for what it makes anew stops the loop, and so is the worst of the others. Time is the thread's CPU time: decisions wait
for nothing, so what is more by the clock went to others on the machine.

Beside each stands kube-scheduler's own cycle on the same cluster about the same pods, some of them in turn with ours.
"""

from __future__ import annotations

import argparse
import gc
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import bounds, conditions
from benchmarks.engine import door, kinds, rival, worlds
from benchmarks.scheduling import figures

Json = dict[str, Any]

FEW_PODS = 1000
BLOCKS = 10  # of what is compared, in turn
SKIPPY_NODES = 1000


def main() -> None:
    """Measure, print, and write as JSON where told."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--placed", type=int, default=50_000)
    parser.add_argument("--decisions", type=int, default=300, help="of each kind")
    parser.add_argument("--kinds", nargs="+", choices=worlds.KINDS, default=list(worlds.KINDS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-skippy", action="store_true", help="leave Skippy's core out")
    parser.add_argument("--no-upstream", action="store_true", help="leave kube-scheduler's own cycle out")
    parser.add_argument("--json", type=pathlib.Path, help="where to write all figures")
    options = parser.parse_args()
    gc.set_threshold(100_000)  # as the scheduler's process has it
    about = conditions.found({name: value for name, value in vars(options).items() if name != "json"})
    for line in conditions.lines(about):
        print(line)
    found: Json = {"conditions": about, **kinds.measure(options), "growth": _growth(options)}
    if not options.no_skippy:
        found["skippy"] = _beside_skippy(options)
    judged = list(_verdicts(found))
    for line in bounds.table(judged, bounds.measured()):
        print(line)
    found["bounds"] = [each.as_json() for each in judged]
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


def _verdicts(found: Json) -> Iterator[bounds.Verdict]:
    """What was measured of what is bounded."""
    measured = {**found["kinds"], "growth": found["growth"]}
    measured |= {f"upstream-{name}": each for name, each in found["upstream"].items()}
    measured |= {f"skippy-{name}": each for name, each in found.get("skippy", {}).items() if name != "fault"}
    for bound in bounds.load().decisions:
        for kind, each in measured.items():
            if bound.kind in {kind, "any"} and bound.figure in each:
                yield bounds.Verdict(f"{kind}: {bound.figure}", (each[bound.figure],), bound, rounds=1)


def _growth(options: argparse.Namespace) -> Json:
    """What a plain pod costs where many pods are placed, against where few are, in turn."""
    doors = {
        placed: door.Door(worlds.groups(options.nodes, placed), options.seed) for placed in (FEW_PODS, options.placed)
    }
    took_ms: dict[int, list[float]] = {placed: [] for placed in doors}
    count = max(1, options.decisions // BLOCKS)
    for block in range(BLOCKS + 1):
        for placed, at_work in doors.items():
            some_ms = _decide(at_work, f"new-{block}", worlds.KINDS["plain-known"], count, options.seed)
            if block:  # the first warms up
                took_ms[placed] += some_ms
    few_ms, many_ms = (figures.quantile(values, 0.5) for values in took_ms.values())
    print(f"\na plain pod with {FEW_PODS} pods placed {few_ms:.3g} ms, with {options.placed} {many_ms:.3g} ms:"
          f" {many_ms / few_ms:.2f} times")  # fmt: skip
    return {"few_ms": few_ms, "many_ms": many_ms, "ratio": many_ms / few_ms}


def _beside_skippy(options: argparse.Namespace) -> Json:
    """Skippy's core and ours, each with plain pods and with pods of one input."""
    try:
        theirs = rival.measure(SKIPPY_NODES, min(options.decisions, 100), options.seed)
    except RuntimeError as error:
        print(f"\nSkippy's core is not compared: {error}")
        return {"fault": str(error)}
    at_work = door.Door(worlds.groups(SKIPPY_NODES, 0), options.seed)
    found: Json = {}
    print(f"\n{SKIPPY_NODES} nodes, beside Skippy's core {rival.VERSION}; median milliseconds a decision\n")
    print("| pods | Skippy | ours | ratio |\n| --- | ---: | ---: | ---: |")
    for name, kind in (("plain", worlds.KINDS["plain-known"]), ("data", worlds.ONE_INPUT)):
        ours_ms = _median(_decide(at_work, name, kind, options.decisions, options.seed)[1:])
        theirs_ms = _median(theirs[name])
        found[name] = {"skippy_ms": theirs_ms, "ours_ms": ours_ms, "ratio": theirs_ms / ours_ms}
        print(f"| {name} | {theirs_ms:.3g} | {ours_ms:.3g} | {theirs_ms / ours_ms:.0f} |")
    return found


def _decide(at_work: door.Door, name: str, kind: worlds.Kind, count: int, seed: int) -> list[float]:
    took = kinds.decide(at_work, kinds.prepared(at_work, kinds.pods(name, kind, count, seed)))
    assert took is not None, f"{kind.story}: there is no room"
    return [each.cpu_ms for each in took]


def _median(values: Sequence[float]) -> float:
    return figures.quantile(values, 0.5)


if __name__ == "__main__":
    main()
