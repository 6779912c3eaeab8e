"""What several places say of the same thing."""

import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).parents[2]


def test_the_chart_has_the_programs_version() -> None:
    """So has the base, whose tag the chart's appVersion is."""
    chart = yaml.safe_load((ROOT / "manifests" / "chart" / "Chart.yaml").read_text())
    project = (ROOT / "pyproject.toml").read_text()
    (image,) = yaml.safe_load((ROOT / "manifests" / "base" / "kustomization.yaml").read_text())["images"]
    for version in (chart["version"], chart["appVersion"], image["newTag"]):
        assert f'\nversion = "{version}"\n' in project


def test_each_overlay_is_told_of_where_installing_is() -> None:
    told = (ROOT / "docs" / "install.md").read_text()
    overlays = sorted(path.name for path in (ROOT / "manifests" / "overlays").iterdir())
    assert re.findall(r"^\| `([a-z-]+)` \| .* \|$", told.partition("## Helm")[0], re.MULTILINE) == overlays


def test_the_images_base_is_named_by_digest() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11-slim@sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${PYTHON_IMAGE}", "scratch"}
