"""The whole suite, some files at a time: ``python -m tests``, or ``make test``.

What starts clusters mostly waits for what other programs do, so that the rest fits in between. Some lanes take the
former first, and some the rest, and each takes the next part when it is done with one: none is still at work long after
the others, whether a machine has slow processors or slow disks. What a part prints is shown when it ends.

Arguments are pytest's. Options go to each part; where a path, a word or a mark chooses, one run does what they say.
"""

from __future__ import annotations

import collections
import os
import pathlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent import futures

import pytest

ROOT = pathlib.Path(__file__).parent
WITH_CLUSTERS, WITHOUT = "e2e and not kind", "not e2e and not kind"
MARK, MARK_OF_ONE_TEST = "mark.e2e", re.compile(r"^ *@pytest\.mark\.e2e", re.MULTILINE)
FILES, CLUSTER_FILES = 20, 4  # of a part: it takes long beside the start of pytest, and not beside the whole suite
LANES = 2  # that take what starts clusters first, and as many that take it last

Parts = collections.deque[Sequence[str]]


def parts(options: Sequence[str]) -> tuple[Parts, Parts]:
    """The arguments of each run of pytest: of those that start clusters, and of the others."""
    texts = {str(path): path.read_text() for path in sorted(ROOT.rglob("test_*.py"))}
    starting = [path for path, text in texts.items() if MARK in text]
    rest = [path for path, text in texts.items() if MARK not in text or MARK_OF_ONE_TEST.search(text)]
    return (
        Parts(["-m", WITH_CLUSTERS, *options, *some] for some in _portions(starting, CLUSTER_FILES)),
        Parts(["-m", WITHOUT, *options, *some] for some in _portions(rest, FILES)),
    )


def _portions(paths: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (paths[first : first + size] for first in range(0, len(paths), size))


def in_lanes(clusters: Parts, others: Parts) -> list[subprocess.CompletedProcess[bytes]]:
    """Run all parts, of which none is left then; returns how each ended, and what it printed."""
    # Programs are started hundreds of times, and would be compiled each time where nothing of that may be kept.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ended: list[subprocess.CompletedProcess[bytes]] = []
    printing = threading.Lock()

    def lane(*queues: Parts) -> None:
        for queue in queues:
            while queue:
                try:
                    part = queue.popleft()
                except IndexError:  # another lane was quicker
                    break
                command = [sys.executable, "-m", "pytest", *part]
                ran = subprocess.run(
                    command,
                    check=False,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
                ended.append(ran)
                with printing:
                    sys.stdout.buffer.write(ran.stdout)
                    sys.stdout.flush()

    with futures.ThreadPoolExecutor(2 * LANES) as lanes:
        running = [lanes.submit(lane, *queues) for queues in ((clusters, others), (others, clusters)) * LANES]
        try:
            for each in running:
                each.result()
        finally:
            clusters.clear()
            others.clear()
    return ended


def main(arguments: Sequence[str]) -> int:
    if not all(argument.startswith("--") for argument in arguments):
        marks = [] if any(argument.startswith("-m") for argument in arguments) else ["-m", "not kind"]
        return subprocess.run([sys.executable, "-m", "pytest", *marks, *arguments], check=False).returncode
    ended = in_lanes(*parts(arguments))
    for line in (line for ran in ended for line in ran.stdout.splitlines() if line.startswith((b"FAILED ", b"ERROR "))):
        sys.stdout.buffer.write(line + b"\n")  # once more, so that nobody has to look for it
    sys.stdout.flush()
    codes = [ran.returncode for ran in ended]
    print(f"exit codes: {sorted(codes)}")  # noqa: T201
    nothing = pytest.ExitCode.NO_TESTS_COLLECTED  # of a part of which another run has all tests
    return max((code for code in codes if code != nothing), key=abs, default=nothing)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
