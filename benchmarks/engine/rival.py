"""Skippy's core, in an environment of its own: its only release is of 2021, and nothing else needs it."""

from __future__ import annotations

import json
import pathlib
import subprocess
from typing import Final

from benchmarks import tools

VERSION: Final = "0.1.1"
_SIDE: Final = pathlib.Path(__file__).with_name("skippy_side.py")


def measure(nodes: int, decisions: int, seed: int) -> dict[str, list[float]]:
    """Milliseconds of each decision by kind of pod.

    Raises:
        RuntimeError: it cannot be had, or failed.
    """
    python = tools.environment("edgerun-skippy-core", VERSION) / "python"
    command = [str(python), str(_SIDE), str(nodes), str(decisions), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{_SIDE.name} failed: {done.stderr.strip()[-500:]}")
    return {str(kind): list(map(float, values)) for kind, values in json.loads(done.stdout).items()}
