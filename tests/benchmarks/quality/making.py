"""Results of runs that never were."""

from benchmarks.quality import cases, chain, results
from scheduler.simulate import figures, outcome


def result(
    work: str, arm: str, makespan_s: float, *, moved_gb: float = 1.0, done: int = 2, **parts: float
) -> results.Result:
    """A case that took so long, of two pods."""
    moved_bytes = int(moved_gb * 1e9)
    case = cases.Case(work, "cluster", arm, 1)
    pods = [
        outcome.Ran(pod=f"default/{number}", arrived_s=0.0, done_s=makespan_s if number < done else None)
        for number in range(2)
    ]
    moves = [
        outcome.Moved(
            pod="default/0",
            urn="bucket/key",
            kind=outcome.Kind.INPUT,
            source="a",
            target="b",
            distance=outcome.Distance.SAME_ZONE,
            size_bytes=moved_bytes,
            begun_s=0.0,
            ended_s=1.0,
        )
    ]
    run = outcome.Outcome(scenario=work, arm=arm, seed=1, ended_s=makespan_s, pods=tuple(pods), moves=tuple(moves))
    return results.Result(case=case, figures=figures.of(run), parts=chain.Parts(**parts), cpu_s=0.5)
