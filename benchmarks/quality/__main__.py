"""Workflows on clusters of several kinds, placed by ours and by others, in simulated time.

    python -m benchmarks.quality [--works 'montage-*' ...] [--topologies cluster edge regions] [--arms ours default ...]
                                 [--seeds 1 ...] [--out FOLDER]

Results are kept in the folder as they come, with tables and a page (report.html) at the end. Run again with the same
folder, it does only what is missing.
"""

from __future__ import annotations

import argparse
import math
import pathlib
from collections.abc import Sequence
from typing import Final

from benchmarks import conditions
from benchmarks.quality import cases, report, results, running, tables
from benchmarks.quality.scenarios import topologies
from scheduler.simulate import arms

FOLDER: Final = pathlib.Path("build/quality")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing, print the comparison, and write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__.partition("\n")[0])
    parser.add_argument("--works", nargs="+", default=["*"], help="patterns of names, such as 'montage-*'")
    parser.add_argument("--topologies", nargs="+", choices=topologies.NAMES, default=list(topologies.NAMES))
    parser.add_argument("--arms", nargs="+", choices=arms.NAMES, default=list(arms.NAMES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--limit", type=float, default=running.LIMIT_S, help="seconds of CPU that a case may take")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no further case after so many")
    parser.add_argument("--out", type=pathlib.Path, default=FOLDER)
    options = parser.parse_args(arguments)
    wanted = list(cases.all_of(options.works, options.topologies, options.arms, options.seeds))
    if not wanted:
        parser.error(f"no work is called like that; there are {', '.join(cases.WORKS)}")
    found = running.run(
        wanted, results.Book(options.out / "results.jsonl"), limit_s=options.limit, minutes=options.minutes
    )
    about = conditions.found({name: value for name, value in vars(options).items() if name not in {"out", "minutes"}})
    told = "\n".join(["# Simulated workflows", "", *conditions.lines(about), "", *tables.lines(found), ""])
    print(told)
    (options.out / "results.md").write_text(told)
    (options.out / "report.html").write_text(report.html(list(conditions.lines(about)), found, options.seeds[0]))


if __name__ == "__main__":
    main()
