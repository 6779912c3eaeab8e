"""Workflows that were really run, in WfFormat: a small one each of three recipes that others are generated after.

From https://github.com/wfcommons/WfInstances (LGPL-3.0), whose names they keep: 1000genome (52 tasks, 2.6 GB) and
srasearch (22, 10.7 GB), both run by Pegasus, and blast (43, of which forty read the same 5.1 GB), run by Makeflow. Of
each file here is what a simulation reads of it: tasks, parents, files with their sizes, runtimes and memory.
"""

from __future__ import annotations

import pathlib
from typing import Final

from scheduler import sections
from scheduler.simulate.reading import assembling, wfformat

_FOLDER: Final = pathlib.Path(__file__).parent
NAMES: Final = tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


def part(name: str) -> assembling.Part:
    """The pods of one of NAMES."""
    path = _FOLDER / f"{name}.json"
    return wfformat.part(sections.load(path), path.name)
