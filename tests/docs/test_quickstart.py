"""What docs/quickstart.md has somebody type without a cluster prints what it shows."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs/quickstart.md").read_text().split("## In some minutes")[0]
BLOCKS = [
    (command, printed)
    for command, printed in re.findall(r"^```console\n\$ (.*)\n((?:.*\n)*?)```", PAGE, re.MULTILINE)
    if not command.startswith("make ")  # which makes the environment that this runs in
]


def test_there_is_something_to_type() -> None:
    assert len(BLOCKS) == 3


@pytest.mark.parametrize(("command", "printed"), BLOCKS)
def test_it_prints_what_is_shown(command: str, printed: str) -> None:
    path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.stdout == printed
