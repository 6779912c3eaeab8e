"""Where the programs of a local cluster come from.

In this order: KUBEBUILDER_ASSETS (the folder that controller-runtime's envtest uses), PATH, the per-user cache, a build
from source into that cache. A program that somebody installed wins, because it is there at no cost and because it lets
the same tests run against another Kubernetes version.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import sys
from collections.abc import Mapping, Sequence

from localcluster import building

CONTROL_PLANE = ("kube-apiserver", "etcd", "kube-controller-manager", "kwok", "kubectl")


def resolve(names: Sequence[str], *, report: building.Report) -> Mapping[str, pathlib.Path]:
    """The path of each named program; what is nowhere is built.

    Raises:
        errors.BinariesError: Something is missing and cannot be built.
    """
    missing = [name for name in names if _find(name) is None]
    if missing:
        building.build(missing, report)
    return {name: path for name in names if (path := _find(name)) is not None}


def report_to_stderr(message: str) -> None:
    """The usual place for progress: standard output belongs to results."""
    print(message, file=sys.stderr, flush=True)


def _find(name: str) -> pathlib.Path | None:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    candidates = [pathlib.Path(assets) / name] if assets else []
    if on_path := shutil.which(name):
        candidates.append(pathlib.Path(on_path))
    candidates.append(building.cached(name))
    return next((path for path in candidates if os.access(path, os.X_OK) and path.is_file()), None)
