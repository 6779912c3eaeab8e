"""kube-scheduler's own cycle over the same cluster and pods: the Go program of tests/parity, asked for times."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from scheduler.api import names
from tests.parity import program

Json = dict[str, Any]


class Setting(msgspec.Struct, rename="camel", frozen=True):
    """How kube-scheduler is set."""

    parallelism: int
    percentage_of_nodes_to_score: int

    def __str__(self) -> str:
        nodes = f"{self.percentage_of_nodes_to_score} %" if self.percentage_of_nodes_to_score else "as many as it likes"
        return f"parallelism {self.parallelism}, of the nodes {nodes}"


SETTINGS: Final[Mapping[str, Setting]] = {
    "all": Setting(16, 100),  # the default parallelism, and all nodes looked at, as by us
    "all-one": Setting(1, 100),
    "default": Setting(16, 0),  # a tenth of 5,000 nodes
}


def version() -> str:
    """What it calls itself."""
    return subprocess.run(
        [str(program.build()), "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()


class Taken(msgspec.Struct, rename="camel"):
    """What the program says of some pods."""

    fault: str = ""
    pods: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    wall_ns: tuple[int, ...] = ()
    cpu_ns: tuple[int, ...] = ()


class Upstream:
    """A scheduler for each setting over one cluster; a context manager.

    Raises:
        program.UnavailableError: it cannot be built here.
        RuntimeError: it ended.
    """

    def __init__(self, objects: Mapping[str, Sequence[Json]], pending: Sequence[Json]) -> None:
        found = program.build()
        self._process = subprocess.Popen(
            [str(found), "time"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "GOGC": "100"},  # as kube-scheduler's process has it
        )
        pods = [{**pod, "spec": {"schedulerName": names.DEFAULT_SCHEDULER_NAME, **pod["spec"]}} for pod in pending]
        self._ask({**objects, "pending": pods, "settings": list(SETTINGS.values())})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def take(self, setting: str, prefix: str, count: int) -> Taken:
        """Have the next pods scheduled whose names begin so."""
        return self._ask({"setting": list(SETTINGS).index(setting), "prefix": prefix, "count": count})

    def _ask(self, what: object) -> Taken:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(what) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("upstream's program has ended")
        return msgspec.json.decode(line, type=Taken)
