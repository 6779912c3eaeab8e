"""The earlier implementation's benchmark, with its metrics by their names.

    python -m benchmarks.simulated [--config benchmark_config.yaml] [--arms ours default ...] [--out DIR] [MANIFEST ...]

Without a configuration or manifests it places our equivalent of the five pipelines that the published figures are
about: 22 pods with 56 inputs and outputs of 3,536 MB. The manifests that the earlier implementation ships (``--config``
and workloads/ beside it) say less than those that it was measured with.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from benchmarks.quality import scenarios
from benchmarks.simulated import figures, measures, optimum, placing, report
from scheduler import config, simulate
from scheduler.simulate import arms, reading, scenario

Json = dict[str, Any]

_FOLDER: Final = pathlib.Path(__file__).parent
GOALS: Final = {path.stem: path for path in sorted((_FOLDER / "goals").glob("*.yaml"))}
FEW_UNMET: Final = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Place, compare, print, and write where told."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulated", description=__doc__.partition("\n")[0])
    parser.add_argument("manifests", nargs="*", type=pathlib.Path, help="of workloads, instead of a configuration")
    parser.add_argument("--config", type=pathlib.Path, help="of the earlier implementation; ours are its equivalent")
    parser.add_argument("--arms", nargs="*", choices=arms.NAMES, default=["default", "earlier", "ours"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, help="a folder for results.json and results.md")
    options = parser.parse_args(arguments)
    files = options.manifests if options.config is None else [options.config, *options.manifests]
    given = reading.read([_FOLDER / "nodes.yaml", *files]) if files else scenarios.pipelines()
    lines, found = compare(given, options.arms, options.seed)
    print("\n".join(lines))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "results.md").write_text("\n".join(lines) + "\n")
        (options.out / "results.json").write_text(json.dumps(found, indent=1) + "\n")


def compare(given: scenario.Scenario, names: Sequence[str], seed: int) -> tuple[list[str], Json]:
    """Everything in words, and as JSON."""
    measured = measures.of(given)
    lines = [f"# {given.name}", ""]
    lines += [
        f"{len(measured.pods)} pods; MB are 2^20 bytes; scores and shares are means over workloads. Transfers one"
    ]
    lines += ["after the other, by the earlier implementation's formula.", ""]
    sides: dict[str, figures.Figures] = {}
    told: dict[str, list[str]] = {}
    for goal in ("seconds", *GOALS):
        name = f"one by one, goal {goal}"
        under = subject(given, goal)
        placed, own = placing.one_by_one(under, seed), measures.of(under)
        sides[name] = figures.of(measured, [one.node for one in placed])
        cost, excess = report.excess(own, placed)
        told[name] = [f"The stated objective is {cost:.4f}, {100 * excess:.2f} % above the least possible.", ""]
        told[name] += report.kept_away(measured, placed)
    nodes = {name: index for index, name in enumerate(measured.nodes)}
    for arm in names:
        run = simulate.run(given, arms.make(arm, given, seed), arm=arm, seed=seed)
        where = {one.pod: nodes[one.node] for one in run.pods}
        sides[f"simulated, {arm} ({run.makespan_s:.0f} s)"] = figures.of(
            measured, [where[pod.key] for pod in measured.pods]
        )
    sides |= _best(measured)
    lines += [*report.side_by_side(sides), "", "## How little can be moved", "", *report.front(measured)]
    for name, more in told.items():
        lines += ["", f"## {name[0].upper()}{name[1:]}", "", *more]
    return lines, {
        "scenario": given.name,
        "seed": seed,
        "placed": {name: each._asdict() for name, each in sides.items()},
    }


def subject(given: scenario.Scenario, goal: str) -> scenario.Scenario:
    """The same under a goal: with its weights, and what it says that data costs."""
    if goal not in GOALS:
        return given
    asked, base = config.load(GOALS[goal]), given.settings
    under = dataclasses.replace(base, weights=asked.weights, counts_bytes=asked.counts_bytes, tau_s=asked.tau_s)
    return msgspec.structs.replace(given, settings=under)


def _best(measured: measures.Measures) -> Iterator[tuple[str, figures.Figures]]:
    """What an exact solver finds."""
    for nodes in optimum.front(measured):
        found = figures.of(measured, nodes)
        if found.preferences - found.met <= FEW_UNMET:
            yield f"least possible with {found.preferences - found.met} preferences unmet", found


if __name__ == "__main__":
    main()
