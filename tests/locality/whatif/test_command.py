"""`what-if` and `advise` as people call them: what docs/what-if.md shows is what they print, and what they take."""

from __future__ import annotations

import json
import pathlib
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from click import testing

from scheduler.locality import cli
from scheduler.locality.whatif import changes
from tests.locality import pages, serving, worlds

PAGE = pathlib.Path(__file__).parents[3] / "docs/what-if.md"
SHOWN = pages.shown(PAGE)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving.serving(worlds.documented()) as address:
        yield address


def run(url: str, *arguments: str, given: str | None = None) -> testing.Result:
    return testing.CliRunner().invoke(
        cli.main, [arguments[0], "--server", url, "-n", "default", *arguments[1:]], input=given
    )


def asked(url: str, *arguments: str, given: str | None = None) -> dict[str, dict[str, Any]]:
    """What it says of each pod, by its name."""
    result = run(url, "what-if", *arguments, "-o", "json", given=given)
    assert result.exit_code == 0, result.output
    return {one["pod"].removeprefix("default/"): one for one in json.loads(result.stdout)["pods"]}


@pytest.mark.parametrize(("command", "told"), SHOWN, ids=lambda value: value if value.startswith("kubectl") else "")
def test_the_page_shows_what_is_printed(url: str, command: str, told: str) -> None:
    result = run(url, *shlex.split(command)[2:])
    assert result.exit_code == 0, result.output
    assert result.output == told


def test_the_page_names_each_option_and_shows_both_commands() -> None:
    text = PAGE.read_text()
    assert [name for name in changes.OPTIONS if f"`--{name} " not in text] == []
    assert {command.split()[2] for command, _ in SHOWN} == {"what-if", "advise"}


@pytest.mark.parametrize(
    ("options", "goes"),
    [
        pytest.param(["--cordon", "edge-2"], "cloud-1", id="cordon"),
        pytest.param(["--cordon", "edge-2", "--uncordon", "edge-2"], "edge-2", id="uncordon"),
        pytest.param(["--drain", "edge-2"], "cloud-1", id="drain"),
        pytest.param(["--remove-node", "edge-2"], "cloud-1", id="remove a node"),
        pytest.param(["--add-node", "like:cloud-1,zone=west-1,name=new"], "new", id="a node like another"),
        pytest.param(["--add-replica", "photos=cloud-1"], "cloud-1", id="a copy of a bucket"),
        pytest.param(["--add-replica", "photos/2026.tar=cloud-1"], "cloud-1", id="a copy of a key"),
        pytest.param(["--link", "edge-1<>cloud-1=40Gbps"], "cloud-1", id="a link both ways"),
        pytest.param(["--link", "cloud-1>edge-1=40Gbps"], "edge-2", id="a link the other way only"),
        pytest.param(["--weight", "data=0.02"], "cloud-1", id="weight"),
        pytest.param(["--weight", "data-intensive.data=0.02"], "edge-2", id="weight of others"),
        pytest.param(["--set", "sameZoneBandwidth=1000"], "cloud-1", id="configuration"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--replay"]], ids=["alone", "replayed"])
def test_a_change_has_its_effect(url: str, options: list[str], goes: str, more: list[str]) -> None:
    told = asked(url, *options, *more)["thumbs"]
    assert (told["before"]["node"], told["after"]["node"]) == ("edge-2", goes)
    assert told["outcome"] == ("stays" if goes == "edge-2" else "moves")


def test_a_size_is_what_is_moved(url: str) -> None:
    for options in ([], ["--add-replica", "photos/2026.tar=cloud-1"]):
        told = asked(url, "--size", "photos/2026.tar=2Gi", *options)["thumbs"]
        assert [one["size_bytes"] for one in told["after"]["transfers"]] == [2**31, 20_000_000]
        assert told["after"]["data_s"] > (told["before"]["data_s"] if not options else 2)


def test_who_does_not_fit_any_more_is_told_with_what_nodes_lack(url: str) -> None:
    options = [part for name in ("edge-2", "cloud-1", "cloud-2") for part in ("--cordon", name)]
    told = asked(url, *options)["thumbs"]
    assert (told["outcome"], told["after"]["node"]) == ("does not fit any more", "")
    assert "3 node(s) were unschedulable" in told["after"]["message"]
    said = run(url, "what-if", *options).output
    assert f"WOULD NOT FIT ANY MORE\ndefault/thumbs (edge-2): {told['after']['message']}\n" in said


def test_who_fits_then_is_told(url: str, tmp_path: pathlib.Path) -> None:
    big = {"cpu": "200", "memory": "1Ti", "pods": "110"}
    nodes = [
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "big"}, "status": {"allocatable": big}},
        {"kind": "NodeCapability", "metadata": {"name": "big"}, "status": {"nodeType": "cloud"}},
    ]
    path = tmp_path / "nodes.yaml"
    path.write_text(yaml.safe_dump_all(nodes))
    told = asked(url, "--add-node", str(path))["huge"]
    assert (told["outcome"], told["before"]["node"], told["after"]["node"]) == ("fits then", "", "big")
    assert "1 would fit that does not now" in run(url, "what-if", "--add-node", str(path)).output


def test_data_that_is_nowhere_any_more_is_told(url: str) -> None:
    told = asked(url, "--remove-replica", "photos=edge-1")["thumbs"]
    assert told["before"]["missing"] == ["faces/known.bin"]
    assert set(told["after"]["missing"]) == {"faces/known.bin", "photos/2026.tar", "photos/small.tar"}
    assert "default/thumbs: photos/2026.tar, photos/small.tar\n" in run(
        url, "what-if", "--remove-replica", "photos=edge-1"
    ).output  # fmt: skip


def test_pods_of_a_drained_node_are_placed_anew(url: str) -> None:
    told = asked(url, "--drain", "edge-1")
    assert (told["camera"]["node_now"], told["camera"]["evicted"], told["camera"]["outcome"]) == (
        "edge-1", True, "moves",
    )  # fmt: skip
    assert told["camera"]["after"]["node"] not in {"", "edge-1"}


def test_only_pods_that_are_meant_are_looked_at(url: str) -> None:
    assert asked(url, "--cordon", "edge-2").keys() == {"thumbs", "web", "huge"}
    assert asked(url, "--cordon", "edge-2", "--last", "1").keys() == {"thumbs"}
    assert asked(url, "--cordon", "edge-2", "--pods", "app").keys() == set()
    assert asked(url, "--cordon", "edge-2", "--pods", "!app,tier!=test,x notin (a, b)").keys() == {
        "thumbs", "web", "huge",
    }  # fmt: skip
    result = run(url, "what-if", "--cordon", "edge-2", "-n", "elsewhere", "-o", "json")
    assert json.loads(result.stdout)["pods"] == []


def test_changes_of_a_file_come_in_its_order(url: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "changes.yaml"
    path.write_text("- cordon: [edge-2, cloud-1]\n- uncordon: edge-2\n")
    assert asked(url, "-f", str(path))["thumbs"]["after"]["node"] == "edge-2"
    given = "changes:\n- uncordon: edge-2\n- cordon: edge-2\n"
    assert asked(url, "-f", "-", given=given)["thumbs"]["after"]["node"] == "cloud-1"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([], "say what is to be otherwise", id="nothing"),
        pytest.param(["--cordon", "edge-9"], '"edge-9": there is none; did you mean edge-', id="node"),
        pytest.param(["--add-replica", "photos"], "write URN=NODE", id="half a copy"),
        pytest.param(["--add-replica", "s3://photos/a=edge-2"], 'write "photos/a"', id="a URL"),
        pytest.param(["--remove-replica", "photos=cloud-1"], "no copy is known on cloud-1; copies are known on edge-1",
                     id="no copy"),
        pytest.param(["--size", "photos=many"], "not a size; write one such as 2Gi", id="size"),
        pytest.param(["--size", "nobody/reads=2Gi"], "no recent pod names it", id="size of nothing"),
        pytest.param(["--link", "edge-1-edge-2=1GBps"], "write FROM>TO=RATE", id="link"),
        pytest.param(["--link", "edge-1>edge-2=fast"], "not a rate; write one such as 100MBps", id="rate"),
        pytest.param(["--weight", "speed=2"], "write one of resources, affinity", id="weight"),
        pytest.param(["--set", "tua=2"], "did you mean tau?", id="key"),
        pytest.param(["--set", "maxFailedAttempts=2"], "has no effect: a pod is tried until", id="without effect"),
        pytest.param(["--add-node", "like:edge-1,color=red"], "write each of name, zone", id="like"),
        pytest.param(["--add-node", "like:edge-1,name=edge-2"], "there is a node of this name", id="taken"),
        pytest.param(["--add-node", "absent.yaml"], "absent.yaml: \"\": cannot be read", id="file"),
        pytest.param(["-f", "absent.yaml"], "cannot be read: No such file", id="changes"),
        pytest.param(["--cordon", "edge-1", "--pods", "a=b=c d"], "no selector", id="selector"),
        pytest.param(["--cordon", "edge-1", "--world", "absent.json"], "cannot be read: No such file", id="world"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_with_what_to_write(url: str, arguments: list[str], words: str) -> None:
    result = run(url, "what-if", *arguments)
    assert (result.exit_code, words in result.output) == (2, True), result.output
