"""How many questions a second the offline door answers on one core, by number of nodes and kind of pod.

    python benchmarks/bench_decide.py [--seconds 3] [--seed 1]

Each figure is the median over passes through 50 generated questions by one `decide` process, its start not counted. The
goal of 300 questions a second at 50 nodes is printed beside its figure, not asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys
import threading
import time
from typing import IO, Any

import numpy as np

PROGRAM = pathlib.Path(sys.executable).parent / "data-locality-scheduler"
QUESTIONS = 50
PODS_PER_NODE = 4


def question(rng: random.Random, nodes: int, *, with_data: bool) -> bytes:
    """A cluster over four zones in two regions, half of it edge, some pods on every node, six buckets."""
    names = [f"node-{number}" for number in range(nodes)]
    objects: dict[str, Any] = {
        "nodes": [_node(rng, name, number) for number, name in enumerate(names)],
        "pods": [
            _pod(f"old-{number}", rng, {"nodeName": rng.choice(names)}) for number in range(nodes * PODS_PER_NODE)
        ],
        "dataObjects": [
            {
                "metadata": {"name": f"bucket-{number}", "namespace": "data-locality-scheduler"},
                "spec": {"urn": f"bucket-{number}"},
                "status": {"replicas": [{"node": rng.choice(names), "store": "s", "available": True}]},
            }
            for number in range(6)
        ],
    }
    pod = _pod("new", rng, {})
    if with_data:
        pod["metadata"]["annotations"] = {
            "data.scheduler.thesis/input-1": f"bucket-{rng.randrange(6)}/a/b.bin,{rng.randrange(10**9)},5",
            "data.scheduler.thesis/input-2": f"bucket-{rng.randrange(6)}/c.bin,{rng.randrange(10**8)},5",
            "data.scheduler.thesis/output-1": f"bucket-{rng.randrange(6)}/d.bin,{rng.randrange(10**7)}",
            "scheduler.thesis/prefer-edge": "true",
        }
    return json.dumps({"id": 1, "pod": pod, **objects}).encode()


def _node(rng: random.Random, name: str, number: int) -> dict[str, Any]:
    zone = number % 4
    return {
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/region": f"region-{zone // 2}",
                "topology.kubernetes.io/zone": f"zone-{zone}",
                "node-capability/node-type": rng.choice(["edge", "cloud"]),
            },
        },
        "spec": {"taints": [{"key": "soft", "effect": "PreferNoSchedule"}] if number % 5 == 0 else []},
        "status": {"allocatable": {"cpu": rng.choice(["4", "8", "16"]), "memory": "32Gi", "pods": "110"}},
    }


def _pod(name: str, rng: random.Random, spec: dict[str, Any]) -> dict[str, Any]:
    requests = {"cpu": f"{rng.randrange(50, 400)}m", "memory": f"{rng.randrange(64, 512)}Mi"}
    containers = [{"name": "main", "image": "example/app:1", "resources": {"requests": requests}}]
    return {"metadata": {"name": name, "namespace": "default", "uid": name}, "spec": {"containers": containers, **spec}}


def main() -> None:
    """Print a row per size and kind."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to measure each row, about")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    versions = f"Python {platform.python_version()}, numpy {np.__version__}"
    print(f"{platform.platform()}, {versions}, seed {options.seed}, one core")
    print(f"{'nodes':>6} {'pods':>6} {'pod':>6} {'kB/question':>12} {'questions/s':>12}")
    for nodes in (10, 50, 200, 1000):
        for kind in ("plain", "data"):
            rng = random.Random(options.seed)  # noqa: S311 (repeatable, not secret)
            lines = [question(rng, nodes, with_data=kind == "data") + b"\n" for _ in range(QUESTIONS)]
            rate = statistics.median(_rates(lines, options.seconds))
            size_kb = statistics.mean(map(len, lines)) / 1000
            goal = "   (goal: 300)" if nodes == 50 else ""
            print(f"{nodes:>6} {nodes * PODS_PER_NODE:>6} {kind:>6} {size_kb:>12.0f} {rate:>12.0f}{goal}")


def _rates(lines: list[bytes], seconds: float) -> list[float]:
    """Questions a second in each pass through the lines, by one process on one core; the first pass is not counted."""
    rates: list[float] = []
    with subprocess.Popen([PROGRAM, "decide"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
        assert process.stdin is not None
        assert process.stdout is not None
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(rates) < 4:
            feeder = threading.Thread(target=_feed, args=(process.stdin, lines))
            began = time.perf_counter()
            feeder.start()
            for _ in lines:
                answer = process.stdout.readline()
                if b'"chosen"' not in answer:
                    raise SystemExit(f"not answered: {answer[:300]!r}")
            rates.append(len(lines) / (time.perf_counter() - began))
            feeder.join()
        process.stdin.close()
    return rates[1:]


def _feed(stdin: IO[bytes], lines: list[bytes]) -> None:
    stdin.writelines(lines)
    stdin.flush()


if __name__ == "__main__":
    main()
