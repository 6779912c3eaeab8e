"""WfCommons' own generator at work; runs in an environment that has wfcommons, and nothing of ours.

    python wfcommons_side.py FOLDER RECIPE TASKS SEED [RECIPE TASKS SEED]...

Each workflow is written to FOLDER/RECIPE-TASKS-SEED.json in WfFormat. The package draws from two sources of chance and
names files by a third, which here draws from the first, so that a seed gives the same workflow everywhere.
"""

from __future__ import annotations

import pathlib
import random
import sys
import uuid

import numpy as np
from wfcommons import WorkflowGenerator, wfchef  # type: ignore[import-not-found]


def main(folder: pathlib.Path, asked: list[str]) -> None:
    uuid.uuid4 = lambda: uuid.UUID(int=random.getrandbits(128), version=4)
    for recipe, tasks, seed in zip(asked[::3], asked[1::3], asked[2::3], strict=True):
        random.seed(int(seed))
        np.random.seed(int(seed) % 2**32)
        maker = getattr(wfchef.recipes, f"{recipe.capitalize()}Recipe")
        workflow = WorkflowGenerator(maker.from_num_tasks(int(tasks))).build_workflow()
        target = folder / f"{recipe}-{tasks}-{seed}.json"
        partial = target.with_suffix(".partial")
        workflow.write_json(partial)
        partial.rename(target)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2:])
