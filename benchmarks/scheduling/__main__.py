"""Schedulers in turn on one real API server.

python -m benchmarks.scheduling --kinds plain --nodes 1000 --pods 1000 --rounds 1     # about a minute
python -m benchmarks.scheduling                                                       # everything: hours
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pathlib
import signal
import sys
import time
from collections.abc import Iterator

from benchmarks import conditions
from benchmarks.scheduling import contenders, plot, profiles, readiness, report, turns, work, world

OF_KINDS = ("backlog", "steady")
MODES = (*OF_KINDS, "start", "takeover")


def main() -> None:
    """Measure what the options say; print the report, and write it as JSON where told."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scheduling",
        description=__doc__.partition("\n")[0],
        epilog="; ".join(f"{name}: {kind.story}" for name, kind in work.KINDS.items()),
    )
    parser.add_argument("--kinds", nargs="+", choices=work.KINDS, default=list(work.KINDS))
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(OF_KINDS))
    parser.add_argument("--contenders", nargs="+", choices=contenders.NAMES, default=list(contenders.NAMES))
    parser.add_argument(
        "--other", type=pathlib.Path, metavar="PROGRAM", help="another build of ours, in turn with the rest"
    )
    parser.add_argument("--nodes", nargs="+", type=int, default=[1000, 5000])
    parser.add_argument("--placed", type=int, default=0, help="pods that are on the nodes before")
    parser.add_argument("--pods", type=int, default=3000, help="pods of a backlog")
    parser.add_argument("--seconds", type=int, default=20, help="of steady pods")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--busy", action="store_true", help="beside a busy loop on each core")
    parser.add_argument("--profile", type=pathlib.Path, metavar="FOLDER", help="of profiles of backlogs, to be written")
    parser.add_argument(
        "--out", type=pathlib.Path, metavar="FOLDER", help="for results.json, results.md and results.svg"
    )
    options = parser.parse_args()
    for folder in filter(None, (options.profile, options.out)):
        folder.mkdir(parents=True, exist_ok=True)
    if options.profile:
        profiles.install()  # takes a while, which is no time of any turn
    about = conditions.found({name: value for name, value in vars(options).items() if name != "out"})
    about["versions"] |= conditions.programs(("kube-scheduler", "kube-apiserver", "etcd"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the cluster ends, and what was measured is told
    done: list[turns.Turn] = []
    try:
        for nodes in options.nodes:
            asyncio.run(_at_size(options, nodes, done))
    finally:  # what took an hour is not lost to what fails then
        text = report.as_markdown(about, done)
        print(text)
        if options.out:
            (options.out / "results.json").write_text(json.dumps(report.as_json(about, done), indent=1) + "\n")
            (options.out / "results.md").write_text(text + "\n")
            (options.out / "results.svg").write_text(plot.svg(report.pieces(done)))
    if any(turn.fault for turn in done):
        sys.exit(1)


async def _at_size(options: argparse.Namespace, nodes: int, done: list[turns.Turn]) -> None:
    _say(f"starting a cluster of {nodes} nodes with {options.placed} pods")
    taking_part = contenders.chosen(options.contenders, options.other)
    async with await world.World.make(nodes=nodes, placed=options.placed, seed=options.seed) as scene:
        if options.busy:
            scene.make_busy()
        for number in range(options.rounds):
            for kind, mode in _pieces(options):
                for contender in contenders.in_turn(taking_part, number):
                    if mode == "takeover" and not contender.elects:
                        continue
                    turn = turns.Turn(contender.name, kind, mode, nodes, options.placed, 1, options.busy, number)
                    await _measure(options, scene, contender, turn)
                    done.append(turn)
                    _tell(turn)


def _pieces(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Kind and mode of each piece of work; how soon somebody schedules has nothing to do with kinds."""
    for mode in options.modes:
        for kind in options.kinds if mode in OF_KINDS else ["plain"]:
            yield kind, mode


async def _measure(
    options: argparse.Namespace, scene: world.World, contender: contenders.Contender, turn: turns.Turn
) -> None:
    match turn.mode:
        case "backlog":
            turn.pods = options.pods
            await turns.backlog(scene, contender, turn, options.profile)
        case "steady":
            turn.pods = options.seconds * turns.STEADY_PER_S
            await turns.steady(scene, contender, turn)
        case "start":
            await readiness.start(scene, contender, turn)
        case _:
            await readiness.takeover(scene, contender, turn)


def _tell(turn: turns.Turn) -> None:
    shown = ", ".join(f"{name} {value:.3g}" for name, value in turn.figures.items())
    what = f"round {turn.round + 1}, {turn.kind}, {turn.mode}, {turn.nodes} nodes, {turn.contender}"
    _say(f"{what}: {turn.fault or shown}")


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
