"""Dashboard, alerts and PodMonitors ask for what is served, of the jobs that serve it; each alert has its page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from tests.monitoring import registries

OVERLAY = registries.ROOT / "manifests" / "overlays" / "monitoring"
RUNBOOKS = registries.ROOT / "docs" / "runbooks"
MONITORS = list(yaml.safe_load_all((OVERLAY / "monitors.yaml").read_text()))
RULES = yaml.safe_load((OVERLAY / "rules.yaml").read_text())
DASHBOARD = json.loads((OVERLAY / "dashboard.json").read_text())
ALERTS = [rule for group in RULES["spec"]["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

SERVED: Final = {
    "data-locality-scheduler": registries.scheduler(),
    "data-locality-daemon": registries.daemon(),
    "data-locality-webhook": registries.webhook(),
}
# What Prometheus adds: to each series that an operator's PodMonitor brings, and of its own.
OF_TARGETS: Final = {"job", "namespace", "pod", "container", "instance"}
OF_PROMETHEUS: Final = {"up"}
# A name, its selectors, and no parenthesis behind: that would be a function.
SELECTOR = re.compile(r"\b([a-zA-Z_:][\w:]*)\{([^}]*)\}")
GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')


def expressions() -> Iterator[tuple[str, str]]:
    for alert in ALERTS:
        yield alert["alert"], alert["expr"]
    for panel in PANELS:
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]


def without_texts(expression: str) -> str:
    return re.sub(r'"[^"]*"', '""', expression)


@pytest.mark.parametrize(("of", "expression"), list(expressions()))
def test_an_expression_asks_for_what_that_job_serves(of: str, expression: str) -> None:
    selectors = SELECTOR.findall(expression)
    assert selectors
    words = set(re.findall(r"\b(?:scheduler|data_locality|leader_election)_\w+", without_texts(expression)))
    assert words <= {name for name, _ in selectors}, "a metric without its job"
    known: set[str] = set()
    for name, inside in selectors:
        matchers = dict(MATCHER.findall(inside))
        if name in OF_PROMETHEUS:
            known |= OF_TARGETS
            assert any(re.fullmatch(matchers["job"], job) for job in SERVED)
            continue
        metrics = [metric for metric in SERVED[matchers["job"]] if name in metric.samples]
        assert metrics, f"{matchers['job']} serves no {name}"
        labels = {*metrics[0].labels, *OF_TARGETS, *(("le",) if name.endswith("_bucket") else ())}
        assert set(matchers) <= labels
        known |= labels
    for grouping in GROUPING.findall(expression):
        assert {label.strip() for label in grouping.split(",")} <= known


@pytest.mark.parametrize("text", [expression for _, expression in expressions()])
def test_an_expressions_brackets_close(text: str) -> None:
    opened = []
    for letter in without_texts(text):
        if letter in "([{":
            opened.append(letter)
        elif letter in ")]}":
            assert opened
            assert opened.pop() + letter in {"()", "[]", "{}"}
    assert not opened


def test_what_counts_up_is_asked_for_its_increase() -> None:
    """A bare counter is never alerted on or drawn: it begins anew with its process."""
    counters = [
        name for metrics in SERVED.values() for metric in metrics if metric.kind != "gauge" for name in metric.samples
    ]
    for _, expression in expressions():
        for name in counters:
            for found in re.finditer(rf"\b{name}\{{[^}}]*\}}", expression):
                assert expression[: found.start()].endswith(("rate(", "increase("))
                assert expression[found.end()] == "["


def test_the_first_defect_is_an_alert() -> None:
    """A series that begins with its first count has no increase yet, so it has to be there before."""
    (alert,) = (alert for alert in ALERTS if alert["alert"] == "DataLocalityInternalErrors")
    asked = {name for name, _ in SELECTOR.findall(alert["expr"])}
    assert len(asked) == len(SERVED)
    assert all(metric.begun for metrics in SERVED.values() for metric in metrics if metric.name in asked)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"info", "warning", "critical"}
    assert re.fullmatch(r"\d+[mh]", alert["for"])
    assert alert["annotations"]["summary"].endswith(".")
    assert alert["annotations"]["description"].endswith(".")
    page = registries.ROOT / alert["annotations"]["runbook"]
    assert page == RUNBOOKS / f"{alert['alert']}.md"
    text = page.read_text()
    assert text.startswith(f"# {alert['alert']}\n")
    assert alert["expr"] in text, "the page shows another expression"
    assert f"`{alert['labels']['severity']}`" in text
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["How to see", "What to do"]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_names_labels_that_its_series_have(alert: dict[str, Any]) -> None:
    told = set(re.findall(r"\$labels\.(\w+)", json.dumps(alert["annotations"])))
    groupings = GROUPING.findall(alert["expr"])
    if groupings:
        assert all(told <= {label.strip() for label in grouping.split(",")} for grouping in groupings)
        return
    for name, inside in SELECTOR.findall(alert["expr"]):
        of = dict(MATCHER.findall(inside))["job"]
        labels = {label for metric in SERVED.get(of, []) if name in metric.samples for label in metric.labels}
        assert told <= labels | OF_TARGETS


def test_there_is_a_page_for_each_alert_and_for_nothing_else() -> None:
    names = [alert["alert"] for alert in ALERTS]
    assert len(set(names)) == len(names)
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {*names, "README"}
    listed = re.findall(r"^\| \[(\w+)\]\(\1\.md\) \| (\w+) \|", (RUNBOOKS / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted((alert["alert"], alert["labels"]["severity"]) for alert in ALERTS)


def test_a_panel_is_of_the_chosen_source_and_namespace() -> None:
    assert {variable["name"] for variable in DASHBOARD["templating"]["list"]} == {"datasource", "namespace"}
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
            assert all('namespace="$namespace"' in inside for _, inside in SELECTOR.findall(target["expr"]))


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (column, line)
            for column in range(place["x"], place["x"] + place["w"])
            for line in range(place["y"], place["y"] + place["h"])
        }
        assert max(column for column, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_a_monitor_reads_the_port_at_which_pods_answer() -> None:
    """By the label that gives its job the name that expressions go by."""
    base = registries.ROOT / "manifests" / "base"
    read = set()
    for monitor in MONITORS:
        ((key, job),) = monitor["spec"]["selector"]["matchLabels"].items()
        assert monitor["spec"]["jobLabel"] == key
        documents = yaml.safe_load_all((base / f"{job.rpartition('-')[2]}.yaml").read_text())
        (pods,) = (item["spec"]["template"] for item in documents if item["kind"] in {"Deployment", "DaemonSet"})
        assert pods["metadata"]["labels"][key] == job
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        ports = {port["name"] for container in pods["spec"]["containers"] for port in container["ports"]}
        assert endpoint["port"] in ports
        read.add(job)
    assert read == SERVED.keys()
