"""Which schedulers there are is written down for those who choose among them."""

from __future__ import annotations

import pathlib
import re

from scheduler.simulate import arms

DOCUMENT = pathlib.Path(__file__).parents[3] / "docs" / "simulate.md"


def test_all_are_in_the_table_and_no_others() -> None:
    table = DOCUMENT.read_text("utf-8").partition("## With whom")[2].partition("\n## ")[0]
    rows = "".join(line for line in table.splitlines() if line.startswith("| `"))
    named = {name for name in re.findall(r"`([a-z-]+)`", rows) if name != "--arm"}
    assert named == set(arms.NAMES)
