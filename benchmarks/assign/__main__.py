"""How near joint placement comes to the best there is, beside one pod at a time; and how many pods a second.

    python -m benchmarks.assign [--instances 1000] [--contended 100] [--steps 8000] [--seed 1] [--known FILE]

The best is an exact solver's answer, which takes a hundred times as long as all the rest; with --known it is kept in a
file and not sought again, so that a run may go on where another stopped. What it could not prove in its time is counted
and left out. The excess says how much more a plan costs than the best; where it places fewer pods than can be placed,
that is counted instead. Times are CPU time, and contenders have their turns on each problem.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import platform
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from typing import Final

import numpy as np

from benchmarks.assign import contended, instances, optimum, trials
from scheduler.engine.assign import problem

_PODS: Final = (8, 16, 32, 64)
_NODES: Final = (10, 20, 30, 50)
_ROOM: Final = (0.9, 1.1, 1.25, 1.5, 2.0)  # what is free, by what is asked for; of the first some pods find no room
_FEW_PODS: Final = (8, 10, 12)
_FEW_NODES: Final = (6, 7, 8)
_FEW_ROOM: Final = (1.25, 1.5, 2.0, 4.0)
_LARGE: Final = (instances.Sizes(32, 50, 1.5), instances.Sizes(128, 1000, 4.0), instances.Sizes(128, 5000, 16.0))

Exact = Callable[[problem.Problem, float], optimum.Optimum]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.assign", description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, default=1000, help="problems in which each pod has its cost to itself")
    parser.add_argument("--contended", type=int, default=100, help="problems in which transfers share links")
    parser.add_argument("--large", type=int, default=3, help="problems of each large size, for speed")
    parser.add_argument("--steps", type=int, default=8000, help="work that a plan may take; a quarter of it as well")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--limit", type=float, default=3.0, metavar="SECONDS", help="for the exact solver, by the clock"
    )
    parser.add_argument("--known", type=pathlib.Path, help="where what the exact solver found is kept")
    options = parser.parse_args()
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "scipy"))
    print(f"{platform.platform()}, Python {platform.python_version()}, {versions}")
    print(f"seed {options.seed}, {options.steps} steps a plan, {options.limit:g} s for the exact solver\n")
    known = _Known(options.known)
    for title, sizes, shared, exact in (
        ("each pod by itself", _drawn(options.seed, options.instances, _PODS, _NODES, _ROOM), False, optimum.found),
        (
            "links shared",
            _drawn(options.seed, options.contended, _FEW_PODS, _FEW_NODES, _FEW_ROOM),
            True,
            contended.found,
        ),
    ):
        if sizes:
            _beside_the_best(title, sizes, options, known, exact, shared=shared)
    if options.large:
        _speed(options)


class _Known:
    """What the exact solver found, by what it was asked; kept in a file if there is one."""

    def __init__(self, path: pathlib.Path | None) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path and path.exists() else []
        self._found: dict[str, list[float] | None] = dict(json.loads(line) for line in lines)

    def found(self, name: str, given: problem.Problem, exact: Exact, limit_s: float) -> optimum.Optimum | None:
        """The optimum; None if it was not found, or not proven, in that time."""
        if name not in self._found:
            try:
                best = exact(given, limit_s)
            except RuntimeError:
                best = None
            proven = best is not None and best.cost - best.bound <= 1e-6 * max(best.cost, 1)
            self._found[name] = list(best) if best is not None and proven else None
            if self._path:
                with self._path.open("a") as file:
                    file.write(json.dumps([name, self._found[name]]) + "\n")
        answer = self._found[name]
        return None if answer is None else optimum.Optimum(int(answer[0]), *answer[1:])


def _drawn(
    seed: int, count: int, pods: Sequence[int], nodes: Sequence[int], room: Sequence[float]
) -> list[instances.Sizes]:
    rng = np.random.default_rng(seed)
    return [
        instances.Sizes(int(rng.choice(pods)), int(rng.choice(nodes)), float(rng.choice(room))) for _ in range(count)
    ]


def _beside_the_best(
    title: str,
    sizes: list[instances.Sizes],
    options: argparse.Namespace,
    known: _Known,
    exact: Exact,
    *,
    shared: bool,
) -> None:
    budgets = (options.steps // 4, options.steps)
    found: dict[int, list[tuple[instances.Sizes, trials.Trial]]] = {steps: [] for steps in budgets}
    unsolved = 0
    for number, size in enumerate(sizes):
        seed = options.seed * 1_000_000 + number
        given = instances.made(size, seed, shared=shared)
        best = known.found(f"{title} {seed} {size}", given, exact, options.limit)
        if best is None:
            unsolved += 1
            continue
        for steps in budgets:
            found[steps].append((size, trials.trial(given, best, steps, options.seed)))
    print(f"{title}: {len(sizes)} problems, {unsolved} of them not solved exactly in time")
    for steps, each in found.items():
        print(f"{steps} steps\n{trials.HEADER}")
        print(trials.row("all", [trial for _, trial in each]))
        for name, of in (("pods", 0), ("room", 2)):
            for value in sorted({size[of] for size, _ in each}):
                print(trials.row(f"{name} {value:g}", [trial for size, trial in each if size[of] == value]))
    print()


def _speed(options: argparse.Namespace) -> None:
    print(f"speed, {options.large} problems each")
    for line in _speeds(options):
        print(line)


def _speeds(options: argparse.Namespace) -> Iterator[str]:
    yield (
        f"{'pods x nodes':>14} {'steps':>6} {'pods/s':>8} {'one by one':>10} {'gap %':>7} {'saves %':>8}"
        f" {'left out':>9}"
    )
    for size in _LARGE:
        given = [instances.made(size, options.seed + number) for number in range(options.large)]
        for steps in (options.steps // 4, options.steps):
            runs = [trials.timed(each, steps, options.seed) for each in given]
            greedy = [trials.timed(each, 0, options.seed) for each in given]
            plans = [plan for plan, _ in runs]
            as_many = [plan for plan in plans if (plan.nodes < 0).sum() == (plan.in_turn < 0).sum()]
            saves = np.mean([100 * (1 - plan.cost / plan.in_turn_cost) for plan in as_many]) if as_many else np.nan
            yield (
                f"{f'{size.pods} x {size.nodes}':>14} {steps:>6}"
                f" {size.pods * len(runs) / sum(took_s for _, took_s in runs):>8.0f}"
                f" {size.pods * len(runs) / sum(took_s for _, took_s in greedy):>10.0f}"
                f" {np.mean([trials.gap_percent(plan) for plan in plans]):>7.2f}"
                f" {saves:>8.2f}"
                f" {sum(int((plan.nodes < 0).sum()) for plan in plans):>4}"
                f"/{sum(int((plan.in_turn < 0).sum()) for plan in plans):>4}"
            )


if __name__ == "__main__":
    main()
