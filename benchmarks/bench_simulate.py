"""How long a simulation of many pods on many nodes takes, with the live scheduler's kernel, on one core.

    python -m benchmarks.bench_simulate [--pods 100000] [--nodes 5000] [--seed 1]

Seconds are the process's own (CPU), the making of the scenario not counted. The goal is ten minutes for 100,000 pods on
5,000 nodes; it is printed beside the figure, not asserted.
"""

from __future__ import annotations

import argparse
import gc
import platform
import resource
import time

from benchmarks.quality.scenarios import synthetic
from scheduler import simulate
from scheduler.simulate import figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=100_000)
    parser.add_argument("--nodes", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    given = synthetic.crowd(asked.pods, asked.nodes, seed=asked.seed)
    gc.set_threshold(200_000)  # as `data-locality-scheduler simulate` has it
    told_s = time.monotonic()

    def progress(done: int, pods: int, now_s: float) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= 10:
            told_s = time.monotonic()
            print(f"{done} of {pods} pods done, {now_s:,.1f} s of virtual time, {time.process_time():,.0f} s CPU")

    began_s = time.process_time()
    run = simulate.run(given, simulate.ours(given, asked.seed), arm="ours", seed=asked.seed, progress=progress)
    took_s = time.process_time() - began_s
    found = figures.of(run)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, seed {asked.seed}")
    print(
        f"{found.done} of {found.pods} pods on {asked.nodes} nodes, {found.accesses} transfers, {run.ended_s:,.1f} s "
        f"of virtual time: {took_s:,.1f} s CPU (goal: 600), {1000 * took_s / max(found.pods, 1):.2f} ms a pod, "
        f"{peak_mb:,.0f} MiB at most"
    )


if __name__ == "__main__":
    main()
