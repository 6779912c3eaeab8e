"""On what figures were measured; they mean little without."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from localcluster import building

Json = dict[str, Any]


def found(options: Mapping[str, Any]) -> Json:
    """On what it was measured."""
    versions = {name: metadata.version(name) for name in ("data-locality-scheduler", "kopf", "aiohttp", "numpy")}
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "kubernetes": building.KUBERNETES_VERSION,
        "etcd": building.ETCD_VERSION,
        "versions": versions,
        "commit": commit,
        "options": {name: value if isinstance(value, int | list) else str(value) for name, value in options.items()},
    }


def _processor() -> str:
    with open("/proc/cpuinfo") as file:  # noqa: PTH123
        return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "unknown")


def lines(about: Json) -> Iterator[str]:
    """The same for people."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    yield f"{about['machine']}, {about['cores']} cores ({about['processor']}), Python {about['python']}"
    yield f"Kubernetes {about['kubernetes']}, etcd {about['etcd']}, {versions}, commit {about['commit']}"
    yield ", ".join(f"{name} {value}" for name, value in about["options"].items())
