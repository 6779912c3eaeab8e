"""The schedulers that ours is compared with, each faithful to its source, over the same world.

base       what all but ours share: the kernel's events in, bindings out, who fits where
seen       what a strategy sees
the rest   a strategy each: its module says what it does, by which source, and where it differs

`ours` is the kernel itself; the names that begin with it are the kernel with settings of `OURS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from scheduler import config
from scheduler.api import names
from scheduler.kernel import kernel
from scheduler.simulate import scenario, scheduling
from scheduler.simulate.arms import base, chance, dask, delay, earlier, heft, quincy, skippy, stripped, wow

# By name, what is changed of the scenario's settings.
OURS: Final[Mapping[str, Callable[[config.Settings], config.Settings]]] = {
    "ours": lambda settings: settings,
}

_STRATEGIES: Final[Mapping[str, Callable[[scenario.Scenario, int], base.Strategy]]] = {
    "random": lambda _, seed: chance.strategy(seed),
    "earlier": lambda given, _: earlier.strategy(given.settings),
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
    settings = given.settings
    if name in OURS:
        return kernel.Kernel(OURS[name](settings), names.HOME_NAMESPACE, seed)
    if name == DEFAULT:
        return stripped.Stripped(kernel.Kernel(settings, names.HOME_NAMESPACE, seed))
    return base.Arm(settings, _STRATEGIES[name](given, seed))
