"""What documents show of `kubectl locality`."""

from __future__ import annotations

import pathlib
import re


def shown(page: pathlib.Path) -> list[tuple[str, str]]:
    """The commands of a page, and what each is said to print."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
    calls = [call for block in blocks for call in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    pairs = [call.split("\n", 1) for call in calls]
    return [(command, told) for command, told in pairs if command.startswith("kubectl locality") and told.strip()]
