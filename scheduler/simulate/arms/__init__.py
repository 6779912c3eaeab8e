"""The schedulers that ours is compared with, each faithful to its source, over the same world.

base       what all but ours share: the kernel's events in, bindings out, who fits where
seen       what a strategy sees
the rest   a strategy each: its module says what it does, by which source, and where it differs

`ours` is the kernel itself, and so is whoever's name begins so, with some setting of `OURS`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from scheduler.simulate import running, scenario, scheduling
from scheduler.simulate.arms import base, chance, dask, delay, earlier, heft, quincy, skippy, stripped, wow

# By name, what is set otherwise than the scenario says: each thing that ours can do switched off alone, or on.
OURS: Final[Mapping[str, Mapping[str, Any]]] = {
    "ours": {},
    "ours-no-batch": {"batch_window_s": 0.0},
    "ours-no-lookahead": {"lookahead": 0.0},
    "ours-no-learning": {"learning": False},
    "ours-no-delay": {"max_delay_s": 0.0},
    "ours-no-contention": {"contention": False},
    "ours-images": {"image_pull_as_data": True},
    "ours-bytes": {"counts_bytes": True},
    "ours-bare": {
        "batch_window_s": 0.0,
        "lookahead": 0.0,
        "learning": False,
        "max_delay_s": 0.0,
        "contention": False,
    },
}

_STRATEGIES: Final[Mapping[str, Callable[[scenario.Scenario, int], base.Strategy]]] = {
    "random": lambda _, seed: chance.strategy(seed),
    "earlier": lambda _, __: earlier.strategy(),
    "skippy": lambda given, _: skippy.strategy(given.images),
    "quincy": lambda _, __: quincy.Quincy(),
    "delay": lambda _, seed: delay.Delay(seed),
    "heft": lambda given, _: heft.Heft(given),
    "wow": lambda given, _: wow.Wow(given),
    "dask": lambda _, __: dask.Dask(),
}

DEFAULT: Final = "default"
NAMES: Final = (*OURS, DEFAULT, *_STRATEGIES)


def make(name: str, given: scenario.Scenario, seed: int) -> scheduling.Scheduling:
    """A scheduler that has seen nothing yet.

    Args:
        name: One of NAMES.
        given: What will be simulated. Those whose source knows a workflow beforehand read it here.
        seed: Of all its draws.
    """
    if name in OURS:
        settings = dataclasses.replace(given.settings, **OURS[name])
        return running.ours(msgspec.structs.replace(given, settings=settings), seed)
    if name == DEFAULT:
        return stripped.Stripped(running.ours(given, seed))
    return base.Arm(given.settings, _STRATEGIES[name](given, seed))
