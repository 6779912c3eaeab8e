"""The scheduler as users run it: its own process, under its own ServiceAccount with the rights of manifests/base."""

from __future__ import annotations

import json
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, Self

from localcluster import cluster

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = pathlib.Path(sys.executable).parent / "data-locality-scheduler"
ACCOUNT = "data-locality-scheduler"

Json = dict[str, Any]


def account(running: cluster.Cluster) -> pathlib.Path:
    """Apply the scheduler's account and role, and return a kubeconfig for it."""
    base = ROOT / "manifests" / "base"
    running.apply(base / "namespace.yaml", base / "rbac-scheduler.yaml")
    return running.service_account_kubeconfig(ACCOUNT, ACCOUNT)


def until(condition: Callable[[], object], what: str, within_s: float = 60.0) -> None:
    """Wait for what is bound to happen."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        time.sleep(0.05)


ALONE: Json = {"leaderElection": {"leaderElect": False}}
"""The configuration of a scheduler that has no replicas: one that was killed leaves no lease that has to end."""


class Scheduler:
    """One run of the program; a context manager that ends it and shows its log where a test fails."""

    def __init__(
        self, kubeconfig: pathlib.Path, directory: pathlib.Path, configuration: Json = ALONE, *arguments: str
    ) -> None:
        self._log = directory / f"scheduler-{time.monotonic_ns()}.log"
        settings = self._log.with_suffix(".json")
        settings.write_text(json.dumps(configuration))
        command: list[str | pathlib.Path] = [
            PROGRAM,
            "run",
            "--kubeconfig",
            kubeconfig,
            "--config",
            settings,
            "--health-port",
            "0",
            "--health-host",
            "127.0.0.1",
            *arguments,
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def __enter__(self) -> Self:
        try:
            until(self.is_ready, "the scheduler is ready")
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        self.kill()
        if failure[0] is not None:
            print(self._log.read_text()[-20_000:])  # noqa: T201 (pytest shows it with the failure)

    def is_ready(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        return self.get("/readyz")[0] == 200

    def kill(self) -> None:
        """SIGKILL, as a node that fails does; harmless if it has ended."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM, as a kubelet does; returns the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """The exit code, once there is one."""
        return self._process.wait(60)

    def pause(self) -> None:
        """SIGSTOP: not an instruction more, until it goes on."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def leads(self) -> bool:
        """Whether it says so itself."""
        assert self._process.poll() is None, self._log.read_text()
        return bool(re.search(r"^leader_election_master_status\{.*\} 1\.0$", self.get("/metrics")[1], re.MULTILINE))

    def get(self, path: str) -> tuple[int, str]:
        """Ask the health server; status 0 while it does not answer."""
        port = next((line["port"] for line in self.log() if line["event"] == "health server listens"), None)
        if port is None:
            return 0, ""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def log(self) -> list[Json]:
        """Its log so far; every line is JSON."""
        return [json.loads(line) for line in self._log.read_text().splitlines(keepends=True) if line.endswith("\n")]
