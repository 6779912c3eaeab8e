"""Skippy's core, installed into an environment of its own: its only release is of 2021, and nothing else needs it."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys
from typing import Final

from localcluster import building

VERSION: Final = "0.1.1"
_SIDE: Final = pathlib.Path(__file__).with_name("skippy_side.py")


def measure(nodes: int, decisions: int, seed: int) -> dict[str, list[float]] | str:
    """Milliseconds of each decision by kind of pod, or why there are none."""
    folder = building.cache_root() / f"skippy-{VERSION}"
    python = folder / "bin" / "python"
    commands = [[str(python), str(_SIDE), str(nodes), str(decisions), str(seed)]]
    if not python.exists():
        pip = [str(python), "-m", "pip", "install", "--quiet", f"edgerun-skippy-core=={VERSION}"]
        commands = [[sys.executable, "-m", "venv", str(folder)], pip, *commands]
    output = ""
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            return f"Skippy's core {VERSION} is not compared: {' '.join(command[:4])} failed: {done.stderr[-500:]}"
        output = done.stdout
    return {str(kind): list(map(float, values)) for kind, values in json.loads(output).items()}
