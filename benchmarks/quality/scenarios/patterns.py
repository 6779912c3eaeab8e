"""Small workflows of one shape each, after the patterns of WOW's evaluation (https://arxiv.org/abs/2503.13072).

Sixty tasks write 0.8 to 1 GB each; others read that, one, three or all of them, and write as much as they read:

    chain            each file is read by one task
    fork             one file is read by all tasks
    group            each three files are read by one task
    group-multiple   likewise, and once more in other groups of three
    all-in-one       one task reads all files

Sixty, not the hundred of the paper, as a pod names at most 64 inputs. How long tasks work is our choice: ten seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from scheduler.api import annotations as intents
from scheduler.simulate import scenario
from scheduler.simulate.reading import assembling, making

TASKS: Final = 60
NAMES: Final = ("chain", "fork", "group", "group-multiple", "all-in-one")
_BUCKET: Final = "pattern"
_WORKS_S: Final = 10.0
_BYTES: Final = (800_000_000, 1_000_000_000)


def part(name: str, seed: int) -> assembling.Part:
    """The pods of a pattern, one of NAMES."""
    chance = np.random.default_rng(seed)
    every = range(TASKS)
    groups: Mapping[str, Sequence[Sequence[int]]] = {
        "chain": [[number] for number in every],
        "fork": [[0] for _ in every],
        "group": [[first, first + 1, first + 2] for first in every[::3]],
        "group-multiple": [
            *([first, first + 1, first + 2] for first in every[::3]),
            *([first, first + 20, first + 40] for first in every[:20]),
        ],
        "all-in-one": [every],
    }
    writers = 1 if name == "fork" else TASKS
    files = [
        intents.Transfer(f"{_BUCKET}/a-{number}", int(chance.integers(*_BYTES)), _WORKS_S) for number in range(writers)
    ]
    works = [_work(f"a-{number}", outputs=[file]) for number, file in enumerate(files)]
    for number, group in enumerate(groups[name]):
        inputs = [files[each] for each in group]
        merged = intents.Transfer(f"{_BUCKET}/b-{number}", sum(file.size_bytes for file in inputs))
        after = tuple(works[each].pod.key for each in group)
        works.append(_work(f"b-{number}", inputs=inputs, outputs=[merged], after=after))
    return assembling.Part(where=name, name=name, works=tuple(works))


def _work(
    name: str,
    *,
    inputs: Sequence[intents.Transfer] = (),
    outputs: Sequence[intents.Transfer],
    after: tuple[str, ...] = (),
) -> scenario.Work:
    pod = making.pod(
        name,
        intent=intents.Intent(inputs=tuple(inputs), outputs=tuple(outputs)),
        resources={"cpu": "1", "memory": "1Gi"},
    )
    return scenario.Work(pod=pod, after=after, works_s=_WORKS_S)
