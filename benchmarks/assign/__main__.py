"""How near joint placement comes to the best there is, beside one pod at a time; and how many pods a second.

    python -m benchmarks.assign [--instances 1000] [--contended 100] [--steps 3000 6000] [--seed 1] [--out FOLDER]

The best is an exact solver's plan, which takes a hundred times as long as all the rest; in the folder it is kept and
not sought again, so that a run goes on where another stopped. No problem is left out: where the exact solver cannot
prove in its time that there is nothing better than its plan, the excess is over that plan, and how much it may be at
most is told by what is proven. A plan that places fewer pods than the exact solver's is counted as such ("fewer"): it
is worse than all others in the 95th percentile, and no part of mean and maximum. Times are CPU time.
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
from scheduler.kernel import batching

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
    parser.add_argument(
        "--steps",
        type=int,
        nargs="+",
        default=(batching.STEPS, batching.STEPS_OF_FEW),
        help="work that a plan may take",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--limit", type=float, default=3.0, metavar="SECONDS", help="for the exact solver, by the clock"
    )
    parser.add_argument("--out", type=pathlib.Path, help="folder for results.md and what the exact solver found")
    options = parser.parse_args()
    lines = []
    for line in _measured(options):
        print(line, flush=True)
        lines.append(line)
    if options.out:
        (options.out / "results.md").write_text("\n".join(["```", *lines, "```", ""]))


def _measured(options: argparse.Namespace) -> Iterator[str]:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "scipy"))
    yield f"{platform.platform()}, Python {platform.python_version()}, {versions}"
    yield f"seed {options.seed}, {options.limit:g} s for each question to the exact solver"
    known = _Known(options.out)
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
            yield from _beside_the_best(title, sizes, options, known, exact, shared=shared)
    if options.large:
        yield from _speeds(options)


class _Known:
    """What the exact solver found, by what it was asked; kept in a file if there is a folder for it."""

    def __init__(self, folder: pathlib.Path | None) -> None:
        self._path = None
        self._found: dict[str, list[float]] = {}
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            self._path = folder / "optima.jsonl"
            if self._path.exists():
                self._found = dict(json.loads(line) for line in self._path.read_text().splitlines())

    def found(self, name: str, given: problem.Problem, exact: Exact, limit_s: float) -> optimum.Optimum:
        """What is known, sought for so long if need be."""
        if name not in self._found:
            self._found[name] = list(exact(given, limit_s))
            if self._path:
                with self._path.open("a") as file:
                    file.write(json.dumps([name, self._found[name]]) + "\n")
        missing, cost, bound, fewest = self._found[name]
        return optimum.Optimum(int(missing), cost, bound, int(fewest))


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
) -> Iterator[str]:
    found: dict[int, list[tuple[instances.Sizes, trials.Trial]]] = {steps: [] for steps in options.steps}
    for number, size in enumerate(sizes):
        seed = options.seed * 1_000_000 + number
        given = instances.made(size, seed, shared=shared)
        best = known.found(f"{title} {seed} {size}", given, exact, options.limit)
        for steps, trial in found.items():
            trial.append((size, trials.trial(given, best, steps, options.seed)))
    yield f"\n{title}: {len(sizes)} problems"
    for steps, each in found.items():
        yield f"{steps} steps\n{trials.HEADER}"
        yield trials.row("all", [trial for _, trial in each])
        for is_proven, name in ((True, "proven"), (False, "not proven")):
            some = [trial for _, trial in each if trial.is_proven is is_proven]
            if some:
                yield trials.row(name, some)
        for name, of in (("pods", 0), ("room", 2)):
            for value in sorted({size[of] for size, _ in each}):
                yield trials.row(f"{name} {value:g}", [trial for size, trial in each if size[of] == value])


def _speeds(options: argparse.Namespace) -> Iterator[str]:
    yield f"\nspeed, {options.large} problems each"
    yield (
        f"{'pods x nodes':>14} {'steps':>6} {'pods/s':>8} {'one by one':>10} {'gap %':>7} {'saves %':>8}"
        f" {'left out':>9}"
    )
    for size in _LARGE:
        given = [instances.made(size, options.seed + number) for number in range(options.large)]
        for steps in options.steps:
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
