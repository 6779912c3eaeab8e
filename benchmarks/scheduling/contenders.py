"""Who is measured: how each is started and ended. The pods are the same for all but for the scheduler they name."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from demo import processes
from localcluster import cluster, keeping
from scheduler.api import names

STOCK_LIMIT: Final = 5000  # requests a second: none that would ever be reached, as we have none either
RAW_SCHEDULER: Final = "benchmark-raw"
_BINDER: Final = pathlib.Path(__file__).with_name("binder.py")


@dataclass(frozen=True)
class Contender:
    """One scheduler."""

    name: str
    scheduler_name: str
    """Which pods are its."""
    program: str
    """The name of its process in the cluster."""
    start: Callable[[cluster.Cluster], None]
    reads_data: bool = False
    writes_events: bool = True

    def pid(self, running: cluster.Cluster) -> int:
        """Its process; 0 where it ended."""
        return running.pids().get(self.program, 0)

    def stop(self, running: cluster.Cluster) -> None:
        """End it and wait until it is gone."""
        running.end(self.program)


def _start_ours(running: cluster.Cluster) -> None:
    kubeconfig = running.service_account_kubeconfig(names.HOME_NAMESPACE, "data-locality-scheduler")
    port = keeping.free_port()
    flags = [f"--kubeconfig={kubeconfig}", "--health-host=127.0.0.1", f"--health-port={port}"]
    running.launch("scheduler", [processes.PROGRAM, "run", *flags])


def _start_stock(running: cluster.Cluster) -> None:
    running.start_kube_scheduler(qps=STOCK_LIMIT, burst=STOCK_LIMIT)


def _start_raw(running: cluster.Cluster) -> None:
    running.launch("binder", [sys.executable, _BINDER, running.kubeconfig, RAW_SCHEDULER])


CONTENDERS: Final = {
    one.name: one
    for one in (
        Contender("stock", names.DEFAULT_SCHEDULER_NAME, "kube-scheduler", _start_stock),
        Contender("ours", names.SCHEDULER_NAME, "scheduler", _start_ours, reads_data=True),
        Contender("raw", RAW_SCHEDULER, "binder", _start_raw, writes_events=False),
    )
}


def in_turn(chosen: list[Contender], turn: int) -> list[Contender]:
    """Another one begins each time, so that none always comes after the same one."""
    first = turn % len(chosen)
    return chosen[first:] + chosen[:first]
