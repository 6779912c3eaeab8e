"""Who is measured: how each is started and ended. The pods are the same for all but for the scheduler they name."""

from __future__ import annotations

import compileall
import functools
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
    """The name of its process in the cluster; a further replica's is followed by what tells it apart."""
    launch: Callable[[cluster.Cluster, str, bool], None]
    """Starts the replica that is told apart so, "" for the only one; with a leader elected or without."""
    reads_data: bool = False
    writes_events: bool = True
    elects: bool = True
    preempts: bool = True
    is_python: bool = True

    def start(self, running: cluster.Cluster) -> None:
        """Start its only replica."""
        self.launch(running, "", False)

    def pid(self, running: cluster.Cluster) -> int:
        """Its process; 0 where it ended."""
        return running.pids().get(self.program, 0)


def _start_ours(program: pathlib.Path, name: str, running: cluster.Cluster, replica: str, elect: bool) -> None:
    kubeconfig = running.service_account_kubeconfig(names.HOME_NAMESPACE, "data-locality-scheduler")
    port = keeping.free_port()
    flags = [f"--kubeconfig={kubeconfig}", "--health-host=127.0.0.1", f"--health-port={port}"]
    configuration = running.directory / "leader-election.yaml"
    configuration.write_text(f"leaderElection: {{leaderElect: {str(elect).lower()}}}\n")
    running.launch(f"{name}{replica}", [program, "run", f"--config={configuration}", *flags])


def _start_stock(running: cluster.Cluster, replica: str, elect: bool) -> None:
    running.start_kube_scheduler(qps=STOCK_LIMIT, burst=STOCK_LIMIT, replica=replica, leader_elect=elect)


def _start_raw(running: cluster.Cluster, replica: str, _elect: bool) -> None:
    running.launch(f"binder{replica}", [sys.executable, _BINDER, running.kubeconfig, RAW_SCHEDULER])


STOCK: Final = Contender("stock", names.DEFAULT_SCHEDULER_NAME, "kube-scheduler", _start_stock, is_python=False)
RAW: Final = Contender("raw", RAW_SCHEDULER, "binder", _start_raw, writes_events=False, elects=False, preempts=False)


def ours(name: str = "ours", program: pathlib.Path = processes.PROGRAM) -> Contender:
    """This scheduler, or another build of it under another name."""
    # As it is installed in an image: what pip installs is compiled, what lies in a working tree may not be.
    for folder in {program.parents[0], program.parents[2]}:
        compileall.compile_dir(folder / "scheduler", quiet=2)
    launch = functools.partial(_start_ours, program, name)
    return Contender(name, names.SCHEDULER_NAME, name, launch, reads_data=True)


NAMES: Final = ("stock", "ours", "raw")


def chosen(wanted: list[str], other: pathlib.Path | None) -> list[Contender]:
    """Those that are wanted, and the other build, if any."""
    known = {one.name: one for one in (STOCK, ours(), RAW)}
    return [known[name] for name in wanted] + ([ours("other", other)] if other else [])


def in_turn(taking_part: list[Contender], turn: int) -> list[Contender]:
    """Another one begins each time, so that none always comes after the same one."""
    first = turn % len(taking_part)
    return taking_part[first:] + taking_part[:first]
