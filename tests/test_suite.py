"""The parts of the whole suite: together they are all of it, and what starts clusters is not among the rest."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Sequence

from tests import __main__ as suite

ROOT = pathlib.Path(__file__).parent


def files(parts: Iterable[Sequence[str]]) -> set[str]:
    return {str(pathlib.Path(word).relative_to(ROOT)) for part in parts for word in part if word.endswith(".py")}


def test_every_file_is_in_a_part_of_its_kind() -> None:
    clusters, others = map(files, suite.parts(()))
    assert clusters | others == {str(path.relative_to(ROOT)) for path in ROOT.rglob("test_*.py")}
    assert "e2e/test_scheduling.py" in clusters - others  # all of its tests
    assert "kube/test_client.py" in others - clusters  # none of them
    assert "daemon/test_any_store.py" in clusters & others  # some of them


def test_options_go_to_every_part() -> None:
    for parts in suite.parts(("--hypothesis-seed=7",)):
        assert all("--hypothesis-seed=7" in part for part in parts)
