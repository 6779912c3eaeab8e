"""Schedulers in turn on one real API server.

python -m benchmarks.scheduling --kinds plain --nodes 1000 --pods 1000 --rounds 1     # about a minute
python -m benchmarks.scheduling                                                       # everything: hours
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pathlib
import sys
import time

from benchmarks import conditions
from benchmarks.scheduling import contenders, report, turns, work, world

MODES = {"backlog": turns.backlog, "steady": turns.steady}


def main() -> None:
    """Measure what the options say; print the report, and write it as JSON where told."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scheduling",
        description=__doc__.partition("\n")[0],
        epilog="; ".join(f"{name}: {kind.story}" for name, kind in work.KINDS.items()),
    )
    parser.add_argument("--kinds", nargs="+", choices=work.KINDS, default=list(work.KINDS))
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--contenders", nargs="+", choices=contenders.CONTENDERS, default=list(contenders.CONTENDERS))
    parser.add_argument("--nodes", nargs="+", type=int, default=[1000, 5000])
    parser.add_argument("--placed", type=int, default=0, help="pods that are on the nodes before")
    parser.add_argument("--pods", type=int, default=3000, help="pods of a backlog")
    parser.add_argument("--seconds", type=int, default=20, help="of steady pods")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path, help="where to write all figures")
    options = parser.parse_args()
    about = conditions.found({name: value for name, value in vars(options).items() if name != "json"})
    done: list[turns.Turn] = []
    try:
        for nodes in options.nodes:
            asyncio.run(_at_size(options, nodes, done))
    finally:  # what took an hour is not lost to what fails then
        if options.json:
            options.json.write_text(json.dumps(report.as_json(about, done), indent=1) + "\n")
        print(report.as_markdown(about, done))
    if any(turn.fault for turn in done):
        sys.exit(1)


async def _at_size(options: argparse.Namespace, nodes: int, done: list[turns.Turn]) -> None:
    _say(f"starting a cluster of {nodes} nodes with {options.placed} pods")
    chosen = [contenders.CONTENDERS[name] for name in options.contenders]
    async with await world.World.make(nodes=nodes, placed=options.placed, seed=options.seed) as scene:
        for number in range(options.rounds):
            for kind in options.kinds:
                for mode in options.modes:
                    pods = options.pods if mode == "backlog" else options.seconds * turns.STEADY_PER_S
                    for contender in contenders.in_turn(chosen, number):
                        turn = turns.Turn(contender.name, kind, mode, nodes, options.placed, pods, number)
                        done.append(await MODES[mode](scene, contender, turn))
                        _tell(turn)


def _tell(turn: turns.Turn) -> None:
    shown = ", ".join(f"{name} {value:.3g}" for name, value in turn.figures.items())
    what = f"round {turn.round + 1}, {turn.kind}, {turn.mode}, {turn.nodes} nodes, {turn.contender}"
    _say(f"{what}: {turn.fault or shown}")


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
