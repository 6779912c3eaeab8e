"""How long a what-if takes over the last thousand pods, and where the time goes.

    python -m benchmarks.bench_whatif [--nodes 5000] [--placed 50000] [--pods 1000] [--seed 1]

The world is one that a kernel hands out in this process, with so many pods placed and decided, half of them with data.
The stages are those of the command, which then runs as a process of its own on the same file. The goal of 10 s for a
thousand pods at 5,000 nodes is printed beside its figures, not asserted.
"""

from __future__ import annotations

import argparse
import pathlib
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import TypeVar

from benchmarks.scheduling import work
from scheduler.api import core, crd, names
from scheduler.kernel import events, kernel, question
from scheduler.locality.whatif import altering, changes, judging
from scheduler.locality.whatif.ground import Ground
from scheduler.offline import world as worlds
from tests.kernel import running
from tests.locality import serving

PROGRAM = pathlib.Path(sys.executable).parent / "kubectl-locality"
NAMESPACE = "default"
# Of the pods that were decided last: data, few shapes of pods, and many.
SHARES = {"data": 2, "plain": 1, "shapes": 1}
OPTIONS = (
    ("cordon", "node-00001"),
    ("drain", "node-00001"),
    ("add-node", "like:node-00001,count=20"),
    ("add-replica", f"{work.urn(1)}=node-00002"),
    ("weight", "data=2"),
    ("set", "sameZoneBandwidth=1000000"),
)

T = TypeVar("T")


def world(nodes: int, placed: int, pods: int, seed: int) -> bytes:
    """The world of a cluster in which so many pods were decided last, as the scheduler hands it out."""
    bare = running.Bare(kernel.Kernel(running.SETTINGS, names.HOME_NAMESPACE, seed))
    scene = work.Scene(nodes, random.Random(seed))  # noqa: S311 (repeatable, not secret)
    bare.nodes(*(core.convert(work.node(number), core.Node, "node") for number in range(nodes)))
    for one in work.data_objects(scene):
        one["metadata"]["namespace"] = NAMESPACE
        bare.kernel.handle(events.ObjectSeen(bare.now_s, core.convert(one, crd.DataObject, "object")))
    for number in range(placed):
        host = work.node_name(number % nodes)
        bare.seen(running.pod(f"old-{number}", cpu="100m", node=host, labels={"app": f"group-{number % 500}"}))
    for name, share in SHARES.items():
        kind, count = work.KINDS[name], pods * share // sum(SHARES.values())
        for one in work.pods(kind, count, scene, names.SCHEDULER_NAME, with_data=kind.data):
            called = f"{name}-{one['metadata']['name']}"
            one["metadata"] |= {"name": called, "namespace": NAMESPACE, "uid": f"uid-{called}"}
            bare.pending(core.convert(one, core.Pod, called))
        serving.decided(bare)
    return b"".join(question.whole(bare.kernel, bare.now_s))


def main() -> None:
    """Print the stages of each change, and what the command takes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--placed", type=int, default=50_000)
    parser.add_argument("--pods", type=int, default=1000, help="that were decided last")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    data = world(options.nodes, options.placed, options.pods, options.seed)
    print(
        f"{options.nodes} nodes, {options.placed} pods placed, {options.pods} decided last, seed {options.seed}; "
        f"{len(data) / 1e6:.0f} MB; goal: the command under 10 s. Seconds of CPU:"
    )
    head = ("change", "read", "state", "before", "change", "after", "command", "by the clock", "moves")
    print(" ".join(f"{name:>12}" for name in head))
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(data)
        file.flush()
        for option, value in OPTIONS:
            stages = _stages(data, option, value, options.pods)
            asked = ["what-if", f"--{option}", value, "--world", file.name, "--last", str(options.pods)]
            used_s, took_s, said = _called(asked)
            row = " ".join(f"{one:>12.2f}" for one in (*stages, used_s, took_s))
            print(f"{option:>12} {row} {said.split(' would', 1)[0]}")
        used_s, took_s, said = _called(["advise", "--world", file.name, "--last", str(options.pods)])
        print(f"{'advise':>12} {'':>64} {used_s:>12.2f} {took_s:>12.2f} {said.strip().splitlines()[-1]}")


def _called(arguments: list[str]) -> tuple[float, float, str]:
    """Seconds of CPU that a command takes, those by the clock, and what it says."""
    began_s, used_s = time.perf_counter(), _children_s()
    done = subprocess.run([str(PROGRAM), *arguments], capture_output=True, check=True, text=True)
    return _children_s() - used_s, time.perf_counter() - began_s, done.stdout


def _stages(data: bytes, option: str, value: str, last: int) -> list[float]:
    took: list[float] = []

    def timed(work_done: Callable[[], T]) -> T:
        began_s = time.process_time()
        found = work_done()
        took.append(time.process_time() - began_s)
        return found

    read = timed(lambda: worlds.read(data))
    ground = timed(lambda: Ground(read))
    subjects = judging.subjects(read, last, lambda _: True)
    timed(lambda: judging.alone(ground, subjects, _nobody))
    changed = altering.altered(read, changes.of_option(option, value), ground.view().where_is)
    timed(lambda: ground.become(changed.world))
    timed(lambda: judging.alone(ground, subjects, _nobody))
    return took


def _nobody(_done: int, _of: int) -> None:
    return None


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
