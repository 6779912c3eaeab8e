"""One scheduler on an API server of its own: what a script has happen there, and what the scheduler makes of it.

What it tried is read in its log: an Event is not written anew for every attempt, and the condition of a pod that is
refused for the same reason as before does not change.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from demo import processes
from localcluster import binaries, cluster
from scheduler import errors
from scheduler.api import volumes
from tests.parity.sequences import scripts

Json = dict[str, Any]

SPACE: Final = "/api/v1/namespaces/default"
PATHS: Final = {
    "nodes": "/api/v1/nodes",
    "pods": f"{SPACE}/pods",
    "claims": f"{SPACE}/persistentvolumeclaims",
    "volumes": "/api/v1/persistentvolumes",
}
# A backoff of a second is over when the second ends in which it does; so both have the same to try when a step comes.
QUIET_S: Final = 2.2
LONG_S: Final = 60.0
_TRIED: Final = re.compile(r'"Attempting to schedule pod" pod="default/([^"]+)"')


class Seen(NamedTuple):
    """What a scheduler has made of a pod."""

    node: str
    reason: str
    message: str


class World:
    """A cluster, and a scheduler that is started when the opening scene stands."""

    def __init__(self, running: cluster.Cluster, scheduler_name: str) -> None:
        self._running = running
        self._name = scheduler_name
        self._read = 0  # attempts that were told of
        for name, value in scripts.CLASSES.items():
            body = {"metadata": {"name": name}, "value": value, "preemptionPolicy": "Never"}
            running.api.request("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", body)
        of_volumes = {"metadata": {"name": scripts.CLASS}, "provisioner": volumes.NO_PROVISIONER}
        of_volumes["volumeBindingMode"] = volumes.WAIT_FOR_FIRST_CONSUMER
        running.api.request("POST", "/apis/storage.k8s.io/v1/storageclasses", of_volumes)

    def do(self, step: scripts.Step) -> None:
        """Have something happen; what cannot happen, as a pod is not there any more, does not."""
        api, path = self._running.api, PATHS[step.kind]
        if step.what == "create":
            body = step.body
            if step.kind == "pods":
                body = body | {"spec": body["spec"] | {"schedulerName": self._name}}
            api.request("POST", path, body)
        elif step.what == "delete":
            api.request("DELETE", f"{path}/{step.name}", {"gracePeriodSeconds": 0})
        else:
            self._change(f"{path}/{step.name}", step.body)

    def _change(self, path: str, change: Json) -> None:
        for _ in range(20):
            was = self._running.api.request("GET", path)
            where = f"{path}/status" if "status" in change else path
            try:
                self._running.api.request("PUT", where, scripts.merged(was, change))
            except errors.ConflictError:
                continue  # KWOK was faster
            except errors.ApiError as error:
                if error.status != 422:
                    raise
            return
        raise AssertionError(f"{path} changes all the time")

    def start(self) -> None:
        """Start the scheduler."""
        raise NotImplementedError

    def attempts(self) -> list[str]:
        """Whom the scheduler has tried to place so far, in that order."""
        raise NotImplementedError

    def settle(self) -> list[str]:
        """Wait until nothing has been tried for long enough; returns who was tried since the last time."""
        known, since, deadline = len(self.attempts()), time.monotonic(), time.monotonic() + LONG_S
        while time.monotonic() < since + QUIET_S:
            if time.monotonic() > deadline:
                raise AssertionError("it does not come to rest")
            time.sleep(0.1)
            if (count := len(self.attempts())) != known:
                known, since = count, time.monotonic()
        new = self.attempts()[self._read : known]
        self._read = known
        return new

    def pods(self) -> dict[str, Seen]:
        found = self._running.api.request("GET", PATHS["pods"])["items"]
        return {pod["metadata"]["name"]: _seen(pod) for pod in found}

    def _log(self, program: str) -> str:
        return (self._running.directory / "logs" / f"{program}.log").read_text()


def _seen(pod: Json) -> Seen:
    conditions = pod["status"].get("conditions", ())
    told: Json = next((one for one in conditions if one["type"] == "PodScheduled"), {})
    return Seen(pod["spec"].get("nodeName", ""), told.get("reason", ""), told.get("message", ""))


class Stock(World):
    """kube-scheduler itself."""

    def __init__(self, running: cluster.Cluster) -> None:
        super().__init__(running, "default-scheduler")

    def start(self) -> None:
        running = self._running
        configuration = running.directory / "sequence-stock.json"
        settings = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": False},
            "podInitialBackoffSeconds": 1,
            "podMaxBackoffSeconds": 1,
            "clientConnection": {"kubeconfig": str(running.kubeconfig)},
        }
        configuration.write_text(json.dumps(settings))
        found = binaries.resolve(["kube-scheduler"], report=binaries.report_to_stderr)
        program = found["kube-scheduler"]
        running.launch("sequence-stock", [program, f"--config={configuration}", "--secure-port=0", "-v=3"])

    def attempts(self) -> list[str]:
        return _TRIED.findall(self._log("sequence-stock"))


class Ours(World):
    """The scheduler of this project, installed as users do it."""

    def __init__(self, running: cluster.Cluster) -> None:
        super().__init__(running, "data-locality-scheduler")
        processes.install(running)

    def start(self) -> None:
        configuration = self._running.directory / "sequence-ours.json"
        configuration.write_text(json.dumps({"podInitialBackoffSeconds": 1, "podMaxBackoffSeconds": 1, "dataWait": 0}))
        processes.start_scheduler(self._running, configuration)

    def attempts(self) -> list[str]:
        return [line["pod"].removeprefix("default/") for line in self._lines() if line.get("event") in _OUTCOMES]

    def _lines(self) -> Iterator[Json]:
        for line in self._log("scheduler").splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):
                yield json.loads(line)


_OUTCOMES: Final = ("pod bound", "pod not placed", "pod not bound")
