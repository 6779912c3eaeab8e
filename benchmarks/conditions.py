"""On what figures were measured; they mean little without."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any

from localcluster import binaries

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
        "versions": versions,
        "commit": commit,
        "options": {name: value if isinstance(value, int | list) else str(value) for name, value in options.items()},
    }


def programs(names: Sequence[str]) -> dict[str, str]:
    """What the programs of the local cluster call themselves, wherever they were found; what is missing is built."""
    found = binaries.resolve(names, report=binaries.report_to_stderr)
    answers = {
        name: subprocess.run([str(path), "--version"], capture_output=True, text=True, check=False).stdout
        for name, path in found.items()
    }
    return {name: next(iter(re.findall(r"v?\d+\.\d+\.\d+", text)), "unknown") for name, text in answers.items()}


def _processor() -> str:
    with open("/proc/cpuinfo") as file:  # noqa: PTH123
        return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "unknown")


def lines(about: Json) -> Iterator[str]:
    """The same for people."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    yield f"{about['machine']}, {about['cores']} cores ({about['processor']}), Python {about['python']}"
    yield f"{versions}, commit {about['commit']}"
    yield ", ".join(f"{name} {value}" for name, value in about["options"].items())
