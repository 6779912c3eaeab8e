"""Ask our ``decide`` and upstream's own plugins the same hostile questions: ``make parity COUNT=10000 SEED=1``.

It prints how often each plugin of upstream rejected, scored and was skipped, what we refuse to answer for want of a
feature, and every class of disagreement with how often it came up and a small example. See docs/parity.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import pathlib
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from scheduler import logs
from scheduler.offline import door
from tests.parity import differences, program, shrink
from tests.parity.hostile import dress
from tests.parity.hostile import question as questions
from tests.parity.hostile.chance import Object

CORPUS: Final = pathlib.Path(__file__).parent / "corpus.jsonl"
_CHUNK: Final = 50
_SELDOM: Final = 100
_SHOWN: Final = 12  # classes; the commonest first
_THEMES: Final = ",".join((*questions.THEMES, *questions.DIFFERENT))
_LENGTH: Final = 300  # of an example's detail


@dataclasses.dataclass(frozen=True)
class Asked:
    """Which questions: of some themes, and whether each is about a pod with data, too."""

    themes: tuple[str, ...]
    has_data: bool = False


@dataclasses.dataclass
class Tally:
    """What some questions came to."""

    asked: int = 0
    agreed: int = 0
    plugins: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)
    refused: Counter[str] = dataclasses.field(default_factory=Counter)
    classes: Counter[str] = dataclasses.field(default_factory=Counter)
    examples: dict[str, tuple[int, str]] = dataclasses.field(default_factory=dict)

    def add(self, other: Tally) -> None:
        self.asked += other.asked
        self.agreed += other.agreed
        self.plugins += other.plugins
        self.refused += other.refused
        self.classes += other.classes
        self.examples = {**other.examples, **self.examples}


def ask(upstream: program.Upstream, question: Object) -> tuple[differences.Answer, differences.Answer]:
    """Our answer and upstream's; both work at the same time."""
    line = json.dumps(question).encode()
    upstream.put(line)
    ours = json.loads(door.answer_line(line))
    return ours, upstream.get()


def made(seed: int, asked: Asked) -> Object:
    """The question of a seed."""
    question = questions.question(seed, asked.themes)
    return dress.with_data(seed, question) if asked.has_data else question


def run(seeds: Sequence[int], asked: Asked, upstream: program.Upstream) -> Tally:
    found = Tally()
    for seed in seeds:
        ours, theirs = ask(upstream, made(seed, asked))
        found.asked += 1
        differences.count(theirs, found.plugins)
        refused = differences.refused(ours)
        if not refused and differences.given_up(theirs):
            refused = "upstream's search for devices ran out of time"
        if refused:
            found.refused[refused] += 1
        all_of_it = list(differences.find(ours, theirs, has_data=asked.has_data))
        found.agreed += not all_of_it and not refused
        for one in {difference.where: difference for difference in reversed(all_of_it)}.values():
            found.classes[one.where] += 1
            found.examples.setdefault(one.where, (seed, one.detail))
    return found


def smallest(question: Object, where: str, asked: Asked, upstream: program.Upstream) -> Object:
    """A small question about which the two still disagree in the same class."""

    def holds(smaller: Object) -> bool:
        try:
            ours, theirs = ask(upstream, smaller)
        except EOFError:  # nonsense that ends the program is no example
            upstream.start()
            return False
        found = differences.find(ours, theirs, has_data=asked.has_data)
        return any(difference.where == where for difference in found)

    return shrink.shrink(question, holds) if holds(question) else question


def _worker(job: tuple[Sequence[int], Asked]) -> Tally:
    global _upstream  # noqa: PLW0603 - one program a process, for as long as the process lives
    _upstream = _upstream or program.Upstream(program.path())
    return run(*job, _upstream)


_upstream: program.Upstream | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.parity.compare", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="questions (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the first question's seed (default: %(default)s)")
    parser.add_argument("--themes", default="", help=f"some of {_THEMES} (default: all but the last)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--shrink", default="", metavar="CLASS", help="print a small example of a class, or of 'all'")
    parser.add_argument("--add", action="store_true", help="add what was shrunk to the corpus that make test runs")
    parser.add_argument("--data", action="store_true", help="with data and preferences added to every question")
    given = parser.parse_args(arguments)
    logs.configure("text", "warning")  # a defect of ours shows its stack, as it does where `decide` runs
    asked = Asked(tuple(given.themes.split(",") if given.themes else questions.THEMES), given.data)
    if unknown := set(asked.themes) - questions.THEMES.keys() - questions.DIFFERENT.keys():
        parser.error(f"no such theme: {', '.join(sorted(unknown))}")
    try:
        built = program.build()
    except program.UnavailableError as error:
        sys.stdout.write(f"Skipped: {error}\n")
        return 0
    seeds = range(given.seed * 1_000_000, given.seed * 1_000_000 + given.count)
    jobs = [(seeds[start : start + _CHUNK], asked) for start in range(0, len(seeds), _CHUNK)]
    started_s, total = time.monotonic(), Tally()
    with multiprocessing.Pool(given.jobs) as pool:
        for tally in pool.imap(_worker, jobs):
            total.add(tally)
    _tell(total, time.monotonic() - started_s)
    wanted = [where for where in sorted(total.examples) if given.shrink in {where, "all"}]
    upstream = program.Upstream(built)
    for where in wanted:
        small = smallest(made(total.examples[where][0], asked), where, asked, upstream)
        ours, theirs = ask(upstream, small)
        sys.stdout.write(f"\n{where}\n{json.dumps(small)}\n")
        sys.stdout.writelines(
            f"  {one.where}: {one.detail}\n" for one in differences.find(ours, theirs, has_data=asked.has_data)
        )
        if given.add:
            with CORPUS.open("a") as corpus:
                corpus.write(json.dumps({"question": {**small, "id": where}, "answer": theirs}) + "\n")
    upstream.close()
    return 1 if total.classes else 0


def _tell(total: Tally, took_s: float) -> None:
    put = sys.stdout.write
    put(f"{total.asked} questions in {took_s:.0f} s ({total.asked / took_s:.0f} a second): ")
    put(f"{total.agreed} answered alike, {sum(total.refused.values())} not decided by one side\n")
    points = tuple(differences.ABLE)
    put(f"\n{'upstream: questions in which':32}" + "".join(f"{point:>17}" for point in points) + "\n")
    least = total.asked // _SELDOM
    for plugin in sorted({plugin for _, plugin in total.plugins}.union(*differences.ABLE.values())):
        put(f"{plugin:32}" + "".join(f"{_times(total, point, plugin, least):>17}" for point in points) + "\n")
    put(f"(!: fewer than one in {_SELDOM}, which proves little)\n")
    if total.refused:
        put("\nnot decided\n")
    for feature, number in total.refused.most_common():
        put(f"{number:8} {feature}\n")
    put("\ndisagreements by class\n" if total.classes else "\nno disagreement\n")
    for where, number in total.classes.most_common():
        put(f"{number:8} {where}\n")
    for where, _ in total.classes.most_common(_SHOWN):
        seed, detail = total.examples[where]
        put(f"\n{where}, for example seed {seed}\n  {detail[:_LENGTH]}\n")


def _times(total: Tally, point: str, plugin: str, least: int) -> str:
    """How often a plugin did so; nothing where it never does."""
    number = total.plugins[point, plugin]
    is_able = plugin in differences.ABLE[point]
    return f"{'! ' if is_able and number < least else ''}{number}" if is_able or number else ""


if __name__ == "__main__":
    sys.exit(main())
