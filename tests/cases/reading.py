"""Small inputs from users' reports with their right answers, as they lie beside the repository.

They are others' own and not kept here; where they are absent, the tests say so.
"""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

FOLDER = pathlib.Path(__file__).parents[3] / "shared" / "cases"

Case = dict[str, Any]


def cases(name: str) -> list[Any]:
    """The cases of one file as parameters of a test, each with its id."""
    file = FOLDER / name
    if not file.is_file():
        reason = f"no cases at {file}"
        return [pytest.param({}, id="absent", marks=pytest.mark.skip(reason=reason))]
    found = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]
    return [pytest.param(case, id=case["id"]) for case in found]
