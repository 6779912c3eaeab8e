"""How long an explanation takes: the scheduler to work it out, and the command until its answer stands there.

    python -m benchmarks.bench_explain [--nodes 5000] [--placed 50000] [--asks 20] [--seed 1]

The scheduler is its kernel and health server in this process, with so many pods placed, some of which moved data; the
command is a process of its own. The goal of a second at 5,000 nodes is printed beside its figures, not asserted.
"""

from __future__ import annotations

import argparse
import functools
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.scheduling import work
from scheduler.api import core, crd, names
from scheduler.kernel import asking, events, kernel
from tests.kernel import running
from tests.locality import serving

PROGRAM = pathlib.Path(sys.executable).parent / "kubectl-locality"
NAMESPACE = "default"
DECIDED = 30  # of each kind, beside the pods that are there


def world(nodes: int, placed: int, seed: int) -> running.Bare:
    """A cluster as in `make bench`, with pods on all nodes, and a few that were decided."""
    bare = running.Bare(kernel.Kernel(running.SETTINGS, names.HOME_NAMESPACE, seed))
    scene = work.Scene(nodes, random.Random(seed))  # noqa: S311 (repeatable, not secret)
    hosts = [work.node(number) for number in range(nodes)]
    bare.nodes(*(core.convert(one, core.Node, "node") for one in hosts))
    for one in work.data_objects(scene):
        one["metadata"]["namespace"] = NAMESPACE
        bare.kernel.handle(events.ObjectSeen(bare.now_s, core.convert(one, crd.DataObject, "object")))
    for number in range(placed):
        host = hosts[number % nodes]["metadata"]["name"]
        bare.seen(running.pod(f"old-{number}", cpu="100m", node=host, labels={"app": f"group-{number % 500}"}))
    for kind in ("plain", "data"):
        for one in work.pods(work.KINDS[kind], DECIDED, scene, names.SCHEDULER_NAME, with_data=kind == "data"):
            name = f"{kind}-{one['metadata']['name']}"
            one["metadata"] |= {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}"}
            bare.pending(core.convert(one, core.Pod, name))
        serving.decided(bare)
    bare.pending(running.pod("huge", cpu="9999"))
    serving.decided(bare)
    return bare


def main() -> None:
    """Print a row per kind of pod."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--placed", type=int, default=50_000)
    parser.add_argument("--asks", type=int, default=20, help="how often each is asked")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    bare = world(options.nodes, options.placed, options.seed)
    asks = asking.Asking(bare.kernel)
    print(f"{options.nodes} nodes, {options.placed} pods placed, seed {options.seed}; goal: the command under 1 s")
    print(f"{'pod':>6} {'worked out, ms of CPU':>22} {'command, ms of CPU':>19} {'command, ms':>12}")
    for kind in ("plain", "data", "huge"):
        pods = [record.pod for _, record in bare.kernel.journal.recent() if kind in record.pod]
        asked = [pods[number % len(pods)] for number in range(options.asks)]
        worked_ms = [_measured(functools.partial(_ask, asks, bare, pod))[0] for pod in asked]
        with serving.serving(bare) as url:
            took = [_measured(functools.partial(_call, url, pod)) for pod in asked]
        medians = [
            statistics.median(column) for column in (worked_ms, [one[1] for one in took], [one[2] for one in took])
        ]
        print(f"{kind:>6} {medians[0]:>22.1f} {medians[1]:>19.0f} {medians[2]:>12.0f}")


def _ask(asks: asking.Asking, bare: running.Bare, pod: str) -> None:
    asks.of(pod, asking.Asked(best=5, node="absent"), bare.now_s)


def _call(url: str, pod: str) -> None:
    done = subprocess.run([PROGRAM, "explain", pod, "--server", url], capture_output=True, check=True)
    if b"AS IT IS NOW" not in done.stdout:
        raise SystemExit(done.stdout.decode())


def _measured(work_done: Callable[[], None]) -> tuple[float, float, float]:
    """CPU of this process, that of its children, and time by the clock, in milliseconds."""
    began_s, own_s, children_s = time.perf_counter(), time.process_time(), _children_s()
    work_done()
    took_s, own_s, children_s = time.perf_counter() - began_s, time.process_time() - own_s, _children_s() - children_s
    return own_s * 1000, children_s * 1000, took_s * 1000


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
