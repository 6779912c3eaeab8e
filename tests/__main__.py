"""The whole suite in three processes at once: two that start clusters, and one for all other tests.

The former mostly wait for what other programs do, so that the others fit in between: ``python -m tests``, or
``make test``. Arguments are pytest's; where there are any, one process tries what starts clusters, as the folders may
be given; and where they choose by mark, one process does what they say. What the others print is shown at the end.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile

import pytest

WITH_CLUSTERS, WITHOUT = "e2e and not kind", "not e2e and not kind"
# Half of the time that tests with clusters take; the other half is in the folders of the parts.
TOGETHER = ("tests/e2e", "tests/benchmarks", "tests/compat", "tests/localcluster")


def parts(arguments: list[str]) -> list[list[str]]:
    """The arguments of each process."""
    if any(argument.startswith("-m") for argument in arguments):
        return [arguments]
    if arguments:
        return [["-m", WITH_CLUSTERS, *arguments], ["-m", WITHOUT, *arguments]]
    others = [f"--ignore={folder}" for folder in TOGETHER]
    return [["-m", WITH_CLUSTERS, *TOGETHER], ["-m", WITH_CLUSTERS, *others], ["-m", WITHOUT]]


def main(arguments: list[str]) -> int:
    first, *others = [[sys.executable, "-m", "pytest", *part] for part in parts(arguments)]
    with contextlib.ExitStack() as stack:
        running = []
        for command in others:
            output = stack.enter_context(tempfile.TemporaryFile())
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
            stack.callback(process.wait)
            running.append((process, output))
        codes = [subprocess.run(first, check=False).returncode]
        for process, output in running:
            codes.append(process.wait())
            output.seek(0)
            sys.stdout.flush()
            shutil.copyfileobj(output, sys.stdout.buffer)
    print(f"exit codes: {codes}")  # noqa: T201
    nothing = pytest.ExitCode.NO_TESTS_COLLECTED  # by one of them, where arguments choose tests of one kind only
    return max((code for code in codes if code != nothing), key=abs, default=nothing)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
