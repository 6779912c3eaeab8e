"""The whole suite in two processes at once: the tests that start clusters, and all others.

The first mostly wait for what other programs do, so that the others fit in between: ``python -m tests``, or
``make test``. Arguments are pytest's, for both; where they choose by mark, one process does what they say. What the
tests without a cluster print is shown at the end.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile

import pytest

WITH_CLUSTERS, WITHOUT = "e2e and not kind", "not e2e and not kind"


def main(arguments: list[str]) -> int:
    command = [sys.executable, "-m", "pytest"]
    if any(argument.startswith("-m") for argument in arguments):
        return subprocess.run([*command, *arguments], check=False).returncode
    with tempfile.TemporaryFile() as output:
        others = subprocess.Popen(
            [*command, "-m", WITHOUT, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            code = subprocess.run([*command, "-m", WITH_CLUSTERS, *arguments], check=False).returncode
        finally:
            others.wait()
        output.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(output, sys.stdout.buffer)
    print(f"with clusters: exit {code}, without: exit {others.returncode}")  # noqa: T201
    nothing = pytest.ExitCode.NO_TESTS_COLLECTED  # by one of them, where arguments choose tests of one kind only
    return max((one for one in (code, others.returncode) if one != nothing), key=abs, default=nothing)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
