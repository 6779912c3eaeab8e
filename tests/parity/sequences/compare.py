"""The same script against kube-scheduler and against ours, on two real API servers, compared after every step.

    python -m tests.parity.sequences.compare --count 5 --length 20 --seed 1

Compared are who is bound and where, what each pod is told that waits, and whom each step woke: who was tried once more.
What is tried again and again has no place in a script, so that a number of attempts would be one of luck.

Both may choose any of the best nodes. Nodes are made so that there is one; where they part all the same, the rest of
the script says nothing and is cut. A difference is printed with the seed and with what happened until then.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import sys
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import click

from localcluster import cluster, topology
from tests.parity.sequences import scripts, worlds

T = TypeVar("T")

NO_NODES = topology.Topology(())


class Outcome(NamedTuple):
    """What a script came to.

    Attributes:
        steps: How many steps were compared.
        attempts: How many pods were tried, one and the same counted anew with each step.
        difference: What was not the same after the last of these; "" if nothing was.
        is_cut: Whether it ended early, as a pod went to another node.
    """

    steps: int
    attempts: int
    difference: str = ""
    is_cut: bool = False


class Pair:
    """Both worlds, side by side."""

    def __init__(self, stock: worlds.World, ours: worlds.World) -> None:
        self._both = (stock, ours)
        self._pool = concurrent.futures.ThreadPoolExecutor(2)

    def run(self, script: scripts.Script) -> Outcome:
        for step in script.opening:
            self._do(step)
        self._each(lambda world: world.start())
        attempts = 0
        for number in range(len(script.steps) + 1):
            if number:
                self._do(script.steps[number - 1])
            tried = self._each(lambda world: world.settle())
            attempts += len(set(tried[0]))
            found = _difference(tried, self._each(lambda world: world.pods()))
            if found is not None:
                return Outcome(number, attempts, *found)
        return Outcome(len(script.steps), attempts)

    def _do(self, step: scripts.Step) -> None:
        self._each(lambda world: world.do(step))

    def _each(self, act: Callable[[worlds.World], T]) -> list[T]:
        return list(self._pool.map(act, self._both))


def _difference(tried: list[list[str]], pods: list[dict[str, worlds.Seen]]) -> tuple[str, bool] | None:
    """What differs, and whether that is only where a pod went."""
    found = []
    stock, ours = pods
    for name in sorted(stock.keys() | ours.keys()):
        a, b = stock.get(name), ours.get(name)
        if a != b and not (a is not None and b is not None and a.node and b.node):
            found.append(f"{name}: {a} and {b}")
    if set(tried[0]) != set(tried[1]):
        found.append(f"tried: {tried[0]} and {tried[1]}")
    if found:
        return "\n".join(found), False
    parted = [name for name, seen in stock.items() if seen.node != ours[name].node]
    return ("", True) if parted else None


def run(start: Callable[[], cluster.Cluster], script: scripts.Script) -> Outcome:
    """Run a script on two new clusters."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        starting = [pool.submit(start) for _ in range(2)]
    with starting[0].result() as first, starting[1].result() as second:
        return Pair(worlds.Stock(first), worlds.Ours(second)).run(script)


def shown(script: scripts.Script, steps: int) -> str:
    """What happened, a step a line."""
    return "\n".join(json.dumps(dataclasses.asdict(step)) for step in (*script.opening, *script.steps[:steps]))


@click.command(help=__doc__)
@click.option("--count", default=3, help="How many scripts.")
@click.option("--length", default=20, help="Of how many steps each.")
@click.option("--seed", default=1, help="Of the first script; the next has the next.")
def main(count: int, length: int, seed: int) -> None:
    differing = 0
    for each in range(seed, seed + count):
        script = scripts.draw(each, length)
        outcome = run(lambda: cluster.start(NO_NODES), script)
        click.echo(f"seed {each}: {outcome.steps} of {length} steps, {outcome.attempts} attempts"
                   f"{', cut where a pod went elsewhere' if outcome.is_cut else ''}")  # fmt: skip
        if outcome.difference:
            differing += 1
            click.echo(f"{shown(script, outcome.steps)}\nkube-scheduler and ours differ:\n{outcome.difference}")
    click.echo(f"{count} scripts, {differing} differ")
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
