"""What pages show as YAML or JSON can be read, and manifests among it say what is understood."""

import json
import pathlib
import re
from typing import Any

import pytest
import yaml
from click import testing

from scheduler.locality import cli

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WRONG_ON_PURPOSE = {"kubectl-locality.md"}  # it shows what is found in such a manifest


def blocks(page: pathlib.Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_can_be_read(page: pathlib.Path) -> None:
    for block in blocks(page, "json"):
        json.loads(block)
    for block in blocks(page, "ya?ml"):
        list(yaml.safe_load_all(block))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in WRONG_ON_PURPOSE], ids=lambda page: page.name
)
def test_manifests_are_understood(page: pathlib.Path) -> None:
    wrong: list[Any] = []
    for block in blocks(page, "yaml"):
        documents = [
            one for one in yaml.safe_load_all(block) if isinstance(one, dict) and {"apiVersion", "kind"} <= set(one)
        ]
        for one in documents:
            done = testing.CliRunner().invoke(cli.main, ["validate", "-f", "-", "-o", "json"], input=json.dumps(one))
            wrong += [found for found in json.loads(done.stdout)["findings"] if found["kind"] != "ignored"]
    assert wrong == []
