"""`explain` and `why-not`: what docs/explain.md shows is what they print, and what they take."""

import json
import pathlib
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from click import testing

from scheduler.locality import cli
from tests.locality import pages, serving, worlds

SHOWN = pages.shown(pathlib.Path(__file__).parents[2] / "docs/explain.md")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving.serving(worlds.documented()) as address:
        yield address


def run(url: str, *arguments: str, given: str | None = None) -> testing.Result:
    return testing.CliRunner().invoke(cli.main, [*arguments, "--server", url, "-n", "default"], input=given)


@pytest.mark.parametrize(("command", "told"), SHOWN, ids=lambda value: value if value.startswith("kubectl") else "")
def test_the_page_shows_what_is_printed(url: str, command: str, told: str) -> None:
    result = run(url, *shlex.split(command)[2:])
    assert result.exit_code == 0, result.output
    assert result.output == told


def test_the_page_shows_each_command() -> None:
    assert {command.split()[2] for command, _ in SHOWN} == {"explain", "why-not"}


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_programs_get_all_there_is(url: str, output: str) -> None:
    result = run(url, "explain", "pod/thumbs", "-o", output)
    told = json.loads(result.output) if output == "json" else yaml.safe_load(result.output)
    [record] = told["decisions"]
    assert record["cost"] == sum(term["cost"] for term in record["terms"].values())
    assert [one["node"] for one in told["now"]["ranking"]] == ["edge-2", "cloud-1", "cloud-2"]


def test_colours_are_for_who_sees_and_wants_them(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["explain", "thumbs", "-n", "default", "--server", url]
    assert "\x1b[" in testing.CliRunner().invoke(cli.main, arguments, color=True).output
    assert "\x1b[" not in testing.CliRunner().invoke(cli.main, arguments).output
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in testing.CliRunner().invoke(cli.main, arguments, color=True).output


def test_ranking_says_how_many_nodes_are_listed(url: str) -> None:
    told = json.loads(run(url, "explain", "thumbs", "--ranking", "1", "-o", "json").output)
    assert [one["node"] for one in told["now"]["ranking"]] == ["edge-2"]
    assert told["now"]["feasible"] == 3


MANIFEST: dict[str, Any] = {
    "kind": "Pod",
    "metadata": {"name": "new", "annotations": worlds.THUMBS},
    "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1500m"}}}]},
}
DEPLOYMENT: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {"name": "many"},
    "spec": {"template": {"metadata": {"annotations": worlds.THUMBS}, "spec": MANIFEST["spec"]}},
}
CRON: dict[str, Any] = {
    "kind": "CronJob",
    "metadata": {"name": "c"},
    "spec": {"jobTemplate": {"spec": DEPLOYMENT["spec"]}},
}


@pytest.mark.parametrize(
    ("manifest", "name"), [(MANIFEST, "new"), (DEPLOYMENT, "many-new"), (CRON, "c-new")], ids=lambda one: str(one)[:20]
)
def test_a_pod_that_is_not_there_is_explained_as_it_would_be(url: str, manifest: dict[str, Any], name: str) -> None:
    result = run(url, "explain", "-f", "-", given=json.dumps(manifest))
    assert result.exit_code == 0, result.output
    assert f"default/{name} is not there; if it were:" in result.output
    assert "It would go to edge-2; 3 of 5 nodes fit." in result.output
    assert "photos/2026.tar" in result.output


def test_a_file_may_hold_several(url: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "pods.yaml"
    path.write_text(yaml.safe_dump_all([MANIFEST, {"kind": "List", "items": [DEPLOYMENT]}, {"kind": "ConfigMap"}]))
    told = json.loads(run(url, "explain", "-f", str(path), "-o", "json").stdout)
    assert [one["pod"] for one in told] == ["default/new", "default/many-new"]
    result = run(url, "why-not", "gpu-1", "-f", str(path))
    assert result.output.count("TaintToleration") == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(("explain",), 2, "name one pod", id="nothing"),
        pytest.param(("explain", "node", "a"), 2, "name one pod", id="another kind"),
        pytest.param(("explain", "a", "-f", "-"), 2, "either a pod or a file", id="both"),
        pytest.param(("explain", "-f", "-"), 2, "neither a pod", id="an empty file"),
        pytest.param(("explain", "pod", "nobody"), 1, "no decision about default/nobody", id="an unknown pod"),
        pytest.param(("why-not", "edge-1", "--pod", "nobody"), 1, "no decision about default/nobody", id="likewise"),
    ],
)
def test_what_cannot_be_answered_is_said(url: str, arguments: tuple[str, ...], code: int, words: str) -> None:
    result = run(url, *arguments, given="")
    assert (result.exit_code, words in result.output) == (code, True), result.output


def test_a_node_that_is_not_there_is_no_reason(url: str) -> None:
    assert "no node of that name" in run(url, "why-not", "node/absent", "--pod", "web").output
