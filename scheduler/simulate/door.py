"""`data-locality-scheduler simulate`: files in, what came of them out."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from scheduler import errors
from scheduler.simulate import arms, outcome, reading, running, scenario, telling

Progress = Callable[[str, int, int, float], None]
"""(arm, pods done, pods in all, virtual seconds)"""

# Events and their objects leave few cycles behind; to look for them among a large cluster's objects takes long.
_GARBAGE: Final = 200_000


def answer(files: Sequence[Path], names: Sequence[str], seed: int, output: str, progress: Progress) -> Iterator[bytes]:
    """Run what the files describe with each of some schedulers, and tell of it.

    Args:
        output: "table", "json" or "jsonl".

    Raises:
        InputError: a file cannot be read or simulated, or nobody knows a scheduler of that name.
    """
    for name in names:
        if name not in arms.NAMES:
            raise errors.InputError("--arm", name, f"no such scheduler; write one of {', '.join(arms.NAMES)}")
    if not files:
        raise errors.InputError("FILE", "", "nothing to simulate; name files as docs/simulate.md describes them")
    given = reading.read(files)
    gc.set_threshold(_GARBAGE)
    runs = (_run(given, name, seed, progress) for name in names)
    if output == "jsonl":
        yield from map(telling.as_line, runs)
    elif output == "json":
        yield telling.as_json(list(runs))
    else:
        yield telling.table(list(runs)).encode()


def _run(given: scenario.Scenario, name: str, seed: int, progress: Progress) -> outcome.Outcome:
    subject = arms.make(name, given, seed)
    return running.run(given, subject, arm=name, seed=seed, progress=functools.partial(progress, name))
