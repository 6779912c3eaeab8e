"""Runs cases in two processes, keeps what comes of each at once, and says how long the rest will take.

Each case gets so much CPU time and no more: an arm that takes longer over a workflow is noted as such, and all else
goes on.
"""

from __future__ import annotations

import concurrent.futures
import math
import sys
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.quality import cases, chain, results
from scheduler import simulate
from scheduler.simulate import arms, figures, outcome, scenario
from scheduler.simulate import running as simulating

PROCESSES: Final = 2
LIMIT_S: Final = 120.0
_GUESS_S: Final = 2.0  # a case's CPU time, as long as none has been seen
_EVERY_S: Final = 10.0


class TooLongError(Exception):
    """A case takes more CPU time than it may; found between two moments of its simulation."""


def run(
    wanted: Sequence[cases.Case], book: results.Book, *, limit_s: float = LIMIT_S, minutes: float = math.inf
) -> list[results.Result]:
    """Run what the book does not have yet; returns what there is of the wanted results, in their order.

    Args:
        limit_s: CPU time that a case may take.
        minutes: After so many, no further case is begun.
    """
    known = {one.case: one for one in book.kept}
    todo = [case for case in wanted if case not in known]
    took_s = [one.cpu_s for one in known.values() if not one.fault]
    _tell(f"{len(wanted)} cases, {len(wanted) - len(todo)} of them kept; {_rest(len(todo), took_s)}")
    began_s = told_s = time.monotonic()
    with concurrent.futures.ProcessPoolExecutor(PROCESSES) as pool:
        asked = [pool.submit(measure, case, limit_s) for case in todo]
        try:
            for left, done in enumerate(concurrent.futures.as_completed(asked), 1 - len(asked)):
                found = done.result()
                book.add(found)
                known[found.case] = found
                took_s.append(found.cpu_s)
                if time.monotonic() - told_s >= _EVERY_S:
                    told_s = time.monotonic()
                    _tell(f"{found.case} done; {_rest(-left, took_s)}")
                if time.monotonic() - began_s > minutes * 60:
                    _tell(f"{minutes:g} minutes are over; run it again for the rest")
                    break
        finally:
            pool.shutdown(cancel_futures=True)
    return [known[case] for case in wanted if case in known]


def measure(case: cases.Case, limit_s: float) -> results.Result:
    """Run one case; whatever goes wrong becomes its ``fault``."""
    began_s = time.process_time()

    def go_on(*_progress: float) -> None:
        if time.process_time() - began_s > limit_s:
            raise TooLongError(f"more than {limit_s:g} s of CPU time")

    try:
        given, done = outcome_of(case, go_on)
    except Exception as error:  # noqa: BLE001 (one arm that fails must not end the comparison of all others)
        fault = f"{type(error).__name__}: {error}"
        return results.Result(case=case, cpu_s=time.process_time() - began_s, fault=fault)
    return results.Result(
        case=case,
        figures=figures.of(done),
        parts=chain.parts(given, done),
        cpu_s=time.process_time() - began_s,
    )


def outcome_of(
    case: cases.Case, progress: simulating.Progress | None = None
) -> tuple[scenario.Scenario, outcome.Outcome]:
    """The scenario of a case, and what came of it."""
    given = cases.make(case)
    subject = arms.make(case.arm, given, case.seed)
    return given, simulate.run(given, subject, arm=case.arm, seed=case.seed, progress=progress)


def _rest(count: int, took_s: Sequence[float]) -> str:
    each_s = sum(took_s) / len(took_s) if took_s else _GUESS_S
    return f"{count} to go, about {count * each_s / PROCESSES / 60:.1f} minutes on {PROCESSES} free cores"


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
