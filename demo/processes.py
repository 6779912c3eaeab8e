"""The product's own processes in the demo's cluster, each under its own ServiceAccount, as in a real installation."""

from __future__ import annotations

import json
import pathlib
import sys
import urllib.error
import urllib.request
from typing import Any

from localcluster import cluster, keeping

ROOT = pathlib.Path(__file__).parent.parent
PROGRAM = pathlib.Path(sys.executable).parent / "data-locality-scheduler"
NAMESPACE = "data-locality-scheduler"
_READY_S = 60.0
_REQUEST_S = 30.0


def install(running: cluster.Cluster) -> None:
    """Apply CRDs, namespace and roles; the workloads run as processes here, for there is no container runtime."""
    running.apply(ROOT / "crds")
    base = ROOT / "manifests" / "base"
    running.apply(base / "namespace.yaml", base / "rbac-scheduler.yaml")
    running.apply(base / "rbac-daemon.yaml", base / "policy-daemon.yaml")
    running.apply(ROOT / "manifests" / "examples" / "store-access.yaml")


def start_daemons(running: cluster.Cluster) -> None:
    """One daemon per node, each told only its node's name; its token names the node too, as a pod's does."""
    for node in running.nodes:
        kubeconfig = running.service_account_kubeconfig(NAMESPACE, "data-locality-daemon", node=node)
        running.launch(
            f"daemon-{node}",
            [
                PROGRAM,
                "daemon",
                f"--kubeconfig={kubeconfig}",
                f"--node={node}",
                "--health-host=127.0.0.1",
                f"--health-port={keeping.free_port()}",
                "--interval-s=5",
            ],
        )


def start_scheduler(running: cluster.Cluster, configuration: pathlib.Path | None = None) -> str:
    """The scheduler; returns the address of its health server once it is ready."""
    kubeconfig = running.service_account_kubeconfig(NAMESPACE, "data-locality-scheduler")
    port = keeping.free_port()
    running.launch(
        "scheduler",
        [
            PROGRAM,
            "run",
            f"--kubeconfig={kubeconfig}",
            "--health-host=127.0.0.1",
            f"--health-port={port}",
            *([f"--config={configuration}"] if configuration else []),
        ],
    )
    address = f"http://127.0.0.1:{port}"
    running.wait_until(
        lambda: _answers(f"{address}/readyz"), what="the scheduler", timeout_s=_READY_S, program="scheduler"
    )
    return address


def explanation(address: str, pod: str) -> dict[str, Any]:
    """The scheduler's newest decision about a pod, ``namespace/name``."""
    with urllib.request.urlopen(f"{address}/explain?pod={pod}", timeout=_REQUEST_S) as answer:  # noqa: S310 (our own)
        newest: dict[str, Any] = json.load(answer)["decisions"][-1]
        return newest


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_REQUEST_S) as answer:  # noqa: S310 (our own)
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
