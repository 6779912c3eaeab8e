"""Decisions by kind of pod, in turn with kube-scheduler's own cycles on the same clusters."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from benchmarks.engine import door, upstream, worlds
from benchmarks.scheduling import figures
from scheduler.plugins import request
from tests.parity import program

Json = dict[str, Any]
Times = dict[str, list[float]]
"""Milliseconds of each decision: ours, and by setting theirs, by the clock and of all cores."""

LIMIT_S: Final = 20.0  # for a kind; what takes long is measured less often
BLOCKS: Final = 10
AT_ONCE: Final = 30  # of theirs, which take long


def measure(options: argparse.Namespace) -> Json:
    """Ours by kind, and each beside upstream's; both are printed."""
    print(f"\n{options.nodes} nodes, {options.placed} pods placed; milliseconds a decision\n")
    print("| pods | first | median | p99 | worst | decisions |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    found: Json = {"kinds": {}, "upstream": {}}
    for name, times in _all_times(options):
        later_ms = times["ours"][1:] or times["ours"]
        told = found["kinds"][name] = {
            "first_ms": times["ours"][0],
            "median_ms": figures.quantile(later_ms, 0.5),
            "p99_ms": figures.quantile(later_ms, 0.99),
            "worst_ms": max(later_ms),
            "decisions": len(times["ours"]),
        }
        print(f"| {name} | {' | '.join(f'{value:.3g}' for value in told.values())} |", flush=True)
        if len(times) > 1:
            found["upstream"][name] = _beside(times)
    if found["upstream"]:
        _print_beside(found["upstream"])
    return found


def _beside(times: Times) -> Json:
    median_ms = {name: figures.quantile(values, 0.5) for name, values in times.items()}
    return {f"{name}_ms": value for name, value in median_ms.items()} | {
        "upstream_ratio": median_ms["all"] / median_ms["ours-wall"],
        "upstream_cpu_ratio": median_ms["all-cpu"] / median_ms["ours"],
        "upstream_default_ratio": median_ms["default"] / median_ms["ours-wall"],
    }


def _print_beside(found: Mapping[str, Json]) -> None:
    told = "; ".join(f"{name}: {setting}" for name, setting in upstream.SETTINGS.items())
    print(f"\nbeside {upstream.version()}, its own cycle; median milliseconds by the clock ({told}) and of all cores\n")
    columns = ("all", "all-one", "default", "all-cpu", "default-cpu", "ours-wall", "ours")
    print(f"| pods | {' | '.join(columns)} | all / ours | of all cores | default / ours |")
    print("| --- |" + " ---: |" * (len(columns) + 3))
    for name, each in found.items():
        cells = [f"{each[f'{column}_ms']:.3g}" for column in columns]
        cells += [f"{each[ratio]:.2f}" for ratio in ("upstream_ratio", "upstream_cpu_ratio", "upstream_default_ratio")]
        print(f"| {name} | {' | '.join(cells)} |")


def _all_times(options: argparse.Namespace) -> Iterator[tuple[str, Times]]:
    for world, make in worlds.WORLDS.items():
        chosen = {name: worlds.KINDS[name] for name in options.kinds if worlds.KINDS[name].world == world}
        if not chosen:
            continue
        asked = {name: pods(name, kind, options.decisions, options.seed) for name, kind in chosen.items()}
        objects = {name: list(each) for name, each in make(options.nodes, options.placed).items()}
        for beside in filter(None, (kind.beside for kind in chosen.values())):
            for number in range(options.decisions):
                for collection, more in beside(number).items():
                    objects.setdefault(collection, []).extend(more)
        at_work = door.Door(objects, options.seed)
        with contextlib.ExitStack() as stack:
            theirs = None
            if not options.no_upstream:
                theirs = _upstream(stack, objects, list(itertools.chain.from_iterable(asked.values())))
            for name, kind in chosen.items():
                times = _in_turn(at_work, theirs, name, kind, asked[name])
                if times is None:
                    print(f"| {name} | no node |  |  |  | 0 |")
                else:
                    yield name, times


def _upstream(
    stack: contextlib.ExitStack, objects: Mapping[str, Sequence[Json]], pending: Sequence[Json]
) -> upstream.Upstream | None:
    try:
        return stack.enter_context(upstream.Upstream(objects, pending))
    except program.UnavailableError as error:
        print(f"kube-scheduler's own cycle is not compared: {error}")
        return None


def _in_turn(
    at_work: door.Door, theirs: upstream.Upstream | None, name: str, kind: worlds.Kind, asked: Sequence[Json]
) -> Times | None:
    """Blocks of ours and of each setting of theirs, one after the other; of theirs as long as there is time."""
    times: Times = {"ours": []}
    ready = prepared(at_work, asked)
    size = max(1, len(ready) // BLOCKS)
    end_s = time.perf_counter() + LIMIT_S
    for start in range(0, len(ready), size):
        some = ready[start : start + size]
        took = decide(at_work, some)
        if took is None:
            return None
        times["ours"] += [each.cpu_ms for each in took]
        if theirs is not None and not kind.is_ours and time.perf_counter() < end_s:
            times.setdefault("ours-wall", []).extend(each.wall_ms for each in took)
            _take(theirs, name, min(len(some), AT_ONCE), times)
        elif sum(times["ours"]) > LIMIT_S * 1000:
            break
    return times


def _take(theirs: upstream.Upstream, name: str, count: int, times: Times) -> None:
    for setting in upstream.SETTINGS:
        taken = theirs.take(setting, f"{name}-", count)
        if taken.fault:
            raise RuntimeError(f"upstream, {name}: {taken.fault}")
        times.setdefault(setting, []).extend(value / 1e6 for value in taken.wall_ns)
        times.setdefault(f"{setting}-cpu", []).extend(value / 1e6 for value in taken.cpu_ns)


def pods(name: str, kind: worlds.Kind, count: int, seed: int) -> list[Json]:
    """So many pods of a kind, whose names begin so."""
    rng = random.Random(seed)  # noqa: S311 (repeatable, not secret)
    return [kind.make(f"{name}-{number}", number, rng) for number in range(count)]


def prepared(at_work: door.Door, asked: Sequence[Json]) -> list[request.PodRequest]:
    """Pods that were read."""
    return [at_work.prepare(pod) for pod in asked]


class Took(NamedTuple):
    """How long a decision took: of this thread's CPU time, and by the clock."""

    cpu_ms: float
    wall_ms: float


def decide(at_work: door.Door, asked: Sequence[request.PodRequest]) -> list[Took] | None:
    """How long each decision took; None where there is no node for a pod."""
    took: list[Took] = []
    for each in asked:
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        node = at_work.place(each)
        took.append(Took((time.thread_time() - cpu_s) * 1000, (time.perf_counter() - wall_s) * 1000))
        if not node:
            return None
        at_work.settle()
    return took
