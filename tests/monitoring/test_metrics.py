"""docs/metrics.md tells of every metric that is served, and of no other."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.monitoring import registries

DOCUMENT = (registries.ROOT / "docs" / "metrics.md").read_text()


def told(part: str) -> list[registries.Metric]:
    """The rows of a part's tables."""
    (text,) = re.findall(rf"^## {part}$(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\| (.*) \|$", text, re.MULTILINE)
    assert len(rows) == len(re.findall(r"^\| `", text, re.MULTILINE)), "a row of another form"
    return [registries.Metric(name, kind, label_names(labels)) for name, kind, labels, _ in rows]


def label_names(cell: str) -> tuple[str, ...]:
    """What stands first between semicolons: ``a`: `one`, `two`; `b`: of what``; or `a`, `b`: as above``."""
    heads = [part.partition(":")[0] for part in cell.split(";")]
    return tuple(name for head in heads for name in re.findall(r"`(\w+)`", head))


@pytest.mark.parametrize(
    ("part", "served"),
    [
        pytest.param("Scheduler", registries.scheduler, id="scheduler"),
        pytest.param("Daemon", registries.daemon, id="daemon"),
        pytest.param("Webhook", registries.webhook, id="webhook"),
    ],
)
def test_what_is_told_is_what_is_served(part: str, served: Callable[[], list[registries.Metric]]) -> None:
    rows = {metric.name: metric for metric in told(part)}
    there = {metric.name: metric for metric in served()}
    assert len(rows) == len(told(part)), "a metric is told of twice"
    assert rows.keys() == there.keys()
    assert [(rows[name], there[name]) for name in rows if rows[name] != there[name]] == []
