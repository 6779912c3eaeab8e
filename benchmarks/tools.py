"""Programs from PyPI that only benchmarks need, each in an environment of its own in the user's cache."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

from localcluster import building


def environment(package: str, version: str) -> pathlib.Path:
    """The folder with the programs of an environment that has this package; made the first time.

    Raises:
        RuntimeError: it cannot be had; the message has pip's words.
    """
    folder = building.cache_root() / f"{package}-{version}"
    if not folder.exists():
        temporary = folder.with_name(f".{folder.name}")
        pip = [str(temporary / "bin" / "python"), "-m", "pip", "install", "--quiet", f"{package}=={version}"]
        for command in ([sys.executable, "-m", "venv", "--clear", str(temporary)], pip):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                shutil.rmtree(temporary, ignore_errors=True)
                raise RuntimeError(f"{package} {version} cannot be installed: {done.stderr.strip()[-500:]}")
        temporary.rename(folder)
    return folder / "bin"
