"""Documents name tests and files that are there."""

from __future__ import annotations

import pathlib
import re

import pytest

from tests.manifests import test_manifests as manifests

DOCUMENTS = sorted([*(manifests.ROOT / "docs").rglob("*.md"), manifests.ROOT / "README.md"])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_what_a_document_points_to_is_there(path: pathlib.Path) -> None:
    text = path.read_text()
    named = re.findall(r"`((?:tests|manifests|crds|docs|benchmarks)/[\w./-]+)`", text)
    linked = re.findall(r"\]\(([\w./-]+)\)", text)
    missing = [name for name in named if not (manifests.ROOT / name).exists()]
    missing += [name for name in linked if not (path.parent / name).exists()]
    assert not missing
