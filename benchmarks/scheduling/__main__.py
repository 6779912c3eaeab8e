"""Schedulers in turn on one real API server.

python -m benchmarks.scheduling --kinds plain --nodes 1000 --pods 1000 --rounds 1     # about a minute
python -m benchmarks.scheduling --bounds                                              # what bounds.yaml speaks of
python -m benchmarks.scheduling                                                       # everything: hours
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import pathlib
import signal
import sys
import time

from benchmarks import bounds, conditions
from benchmarks.scheduling import contenders, plan, plot, profiles, readiness, report, turns, work, world


def main() -> None:
    """Measure what the options say; print the report, and write it where told."""
    options = _options()
    planned = _planned(options)
    if not planned:
        sys.exit("no bound speaks of that")
    if options.profile:
        profiles.install()  # takes a while, which is no time of any turn
    about = conditions.found({name: value for name, value in vars(options).items() if name != "out"})
    about["versions"] |= conditions.programs(("kube-scheduler", "kube-apiserver", "etcd"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the cluster ends, and what was measured is told
    done: list[turns.Turn] = []
    try:
        asyncio.run(_measure_all(options, planned, done))
    finally:  # what took an hour is not lost to what fails then
        text = report.as_markdown(about, done)
        print(text)
        if options.out:
            (options.out / "results.json").write_text(json.dumps(report.as_json(about, done), indent=1) + "\n")
            (options.out / "results.md").write_text(text + "\n")
            (options.out / "results.svg").write_text(plot.svg(report.pieces(done)))
    if any(turn.fault for turn in done):
        sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scheduling",
        description=__doc__.partition("\n")[0],
        epilog="; ".join(f"{name}: {kind.story}" for name, kind in work.KINDS.items()),
    )
    add = parser.add_argument
    add("--bounds", action="store_true", help="just what bounds.yaml speaks of; kinds, modes and nodes narrow it")
    add("--kinds", nargs="+", choices=work.KINDS, help="all where not given")
    add("--modes", nargs="+", choices=plan.MODES, help="backlog and steady where not given")
    add("--nodes", nargs="+", type=int, help="1000 and 5000 where not given")
    add("--placed", type=int, default=0, help="pods that are on the nodes before")
    add("--pods", type=int, help="pods of a backlog: 3000, or one for each of more nodes")
    add("--seconds", type=int, default=plan.STEADY_S, help="of steady pods")
    add("--busy", action="store_true", help="beside a busy loop on each core")
    add("--contenders", nargs="+", choices=contenders.NAMES, help="all where not given; of bounds stock and ours")
    add("--other", type=pathlib.Path, metavar="PROGRAM", help="another build of ours, in turn with the rest")
    add("--rounds", type=int, default=bounds.ROUNDS)
    add("--seed", type=int, default=1)
    add("--profile", type=pathlib.Path, metavar="FOLDER", help="of profiles of backlogs, to be written")
    add("--out", type=pathlib.Path, metavar="FOLDER", help="for results.json, results.md and results.svg")
    options = parser.parse_args()
    options.contenders = options.contenders or (["stock", "ours"] if options.bounds else list(contenders.NAMES))
    for folder in filter(None, (options.profile, options.out)):
        folder.mkdir(parents=True, exist_ok=True)
    return options


def _planned(options: argparse.Namespace) -> list[plan.Piece]:
    if not options.bounds:
        return plan.pieces(
            options.kinds or list(work.KINDS),
            options.modes or plan.OF_KINDS,
            options.nodes or plan.SIZES,
            placed=options.placed,
            busy=options.busy,
            pods=options.pods,
            seconds=options.seconds,
        )
    return [
        piece
        for piece in plan.of_bounds(bounds.load().turns)
        if piece.kind in (options.kinds or [piece.kind])
        and piece.mode in (options.modes or [piece.mode])
        and piece.nodes in (options.nodes or [piece.nodes])
    ]


async def _measure_all(options: argparse.Namespace, planned: list[plan.Piece], done: list[turns.Turn]) -> None:
    taking_part = contenders.chosen(options.contenders, options.other)
    who = {piece: [one for one in taking_part if _can_do(one, piece)] for piece in planned}
    ahead = plan.Ahead([piece for piece in planned for _ in range(options.rounds * len(who[piece]))])
    began_s = time.monotonic()
    _say(f"{len(planned)} pieces of work {ahead}")
    for place, group in itertools.groupby(planned, lambda piece: piece.place):
        _say(f"starting a cluster for {place.kind}: {place.nodes} nodes, {place.placed} pods placed")
        starts_s = time.monotonic()
        async with world.made(place, options.seed) as scene:
            _say(f"it took {time.monotonic() - starts_s:.0f} s")
            for piece, number in itertools.product(group, range(options.rounds)):
                for contender in contenders.in_turn(who[piece], number):
                    turn = turns.Turn(contender.name, piece, number)
                    await _measure(options, scene, contender, turn)
                    done.append(turn)
                    ahead.turn(time.monotonic() - began_s)
                    _tell(turn, ahead)


def _can_do(one: contenders.Contender, piece: plan.Piece) -> bool:
    return (piece.mode != "takeover" or one.elects) and (not work.KINDS[piece.kind].low or one.preempts)


async def _measure(
    options: argparse.Namespace, scene: world.World, contender: contenders.Contender, turn: turns.Turn
) -> None:
    match turn.piece.mode:
        case "backlog":
            await turns.backlog(scene, contender, turn, options.profile)
        case "steady":
            await turns.steady(scene, contender, turn)
        case "start":
            await readiness.start(scene, contender, turn)
        case _:
            await readiness.takeover(scene, contender, turn)


def _tell(turn: turns.Turn, ahead: plan.Ahead) -> None:
    shown = ", ".join(f"{name} {value:.3g}" for name, value in turn.figures.items())
    _say(f"{ahead} round {turn.round + 1}, {turn.piece}, {turn.contender}: {turn.fault or shown}")


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
