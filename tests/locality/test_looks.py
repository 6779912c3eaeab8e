"""`objects`, `links`, `stores`, `top`: what docs/kubectl-locality.md shows is what they print, and what they need."""

import json
import pathlib
import re
import time
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import yaml
from click import testing
from hypothesis import strategies as st

from scheduler import config
from scheduler.api import core, crd
from scheduler.kernel import journal
from scheduler.locality import cli, gains, lookup, top, whereabouts
from tests.locality import scene

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "kubectl-locality.md"
EXAMPLES = dict(
    re.findall(r"```console\n\$ kubectl locality ((?:objects|links|stores|top).*)\n((?:.*\n)*?)```", PAGE.read_text())
)


class Clock:
    """Stands still."""

    @staticmethod
    def time() -> float:
        return scene.NOW_S


@pytest.fixture
def cluster(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[scene.Cluster]:
    made = scene.Cluster(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(lookup, "time", Clock)
    yield made
    made.server.shutdown()
    made.server.server_close()


def run(cluster: scene.Cluster, *arguments: str) -> Any:
    done = testing.CliRunner().invoke(cli.main, [*arguments, "--server", cluster.address])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def told(cluster: scene.Cluster, *arguments: str) -> Any:
    done = run(cluster, *arguments, "-o", "json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("command", EXAMPLES)
def test_what_docs_show_is_what_it_prints(cluster: scene.Cluster, command: str) -> None:
    done = run(cluster, *command.split())
    assert (done.exit_code, done.stdout, done.stderr) == (0, EXAMPLES[command], "")


def test_every_command_has_an_example() -> None:
    assert {command.split()[0] for command in EXAMPLES} == {"objects", "links", "stores", "top"}


@pytest.mark.parametrize("command", ["objects", "objects photos", "links", "links edge-1", "stores", "top"])
def test_json_and_yaml_hold_the_same(cluster: scene.Cluster, command: str) -> None:
    as_json = told(cluster, *command.split())
    assert as_json
    assert yaml.safe_load(run(cluster, *command.split(), "-o", "yaml").stdout) == as_json
    assert len(run(cluster, *command.split(), "-o", "wide").stdout) >= len(run(cluster, *command.split()).stdout)


@pytest.mark.parametrize(
    ("urn", "found_as", "places", "expected"),
    [
        pytest.param("photos/2024/harbour.raw", "photos/2024/harbour.raw", ["edge-1"], [], id="a key"),
        pytest.param("photos/other.raw", "photos", ["edge-1"], [], id="a key of which only the bucket is known"),
        pytest.param("tiles/a", "tiles", ["cloud-1"], [], id="declared, for everybody"),
        pytest.param("thumbs/harbour.png", "thumbs/harbour.png", ["edge-1"], ["edge-1"], id="not written yet"),
        pytest.param("faces/a", "", [], [], id="unknown"),
    ],
)
def test_a_urn_is_where_decisions_find_it(
    cluster: scene.Cluster, urn: str, found_as: str, places: list[str], expected: list[str]
) -> None:
    found = told(cluster, "objects", urn)
    assert (found["foundAs"], found["from"], found["expectedOn"]) == (found_as, places, expected)


def test_what_does_not_count_says_why(cluster: scene.Cluster) -> None:
    [harbour] = told(cluster, "objects", "photos/2024/harbour.raw")["objects"]
    assert [(copy["where"], copy["counts"], copy["whyNot"], copy["ageSeconds"]) for copy in harbour["copies"]] == [
        ("edge-1", True, "", 20.0),
        ("edge-2", False, "its node is not ready or cannot be reached", 90.0),
    ]
    cluster.has("/api/v1/nodes", [scene.node("edge-2", "edge", "west", "west-2")])
    [harbour] = told(cluster, "objects", "photos/2024/harbour.raw")["objects"]
    assert [copy["whyNot"] for copy in harbour["copies"]] == ["its node is not in the cluster", ""]


def test_who_reads_and_writes_is_told_and_who_is_done_is_not(cluster: scene.Cluster) -> None:
    used = told(cluster, "objects", "photos")["pods"]
    assert [(use["pod"], use["writes"], use["urn"]) for use in used] == [
        ("default/index", False, "photos"),
        ("default/resize", False, "photos/2024/harbour.raw"),
    ]
    assert [use["writes"] for use in told(cluster, "objects", "thumbs")["pods"]] == [True]


def test_a_store_outside_the_cluster_is_told_by_its_place_with_who_asks_it(cluster: scene.Cluster) -> None:
    [archive] = told(cluster, "objects", "archive/1999/")["objects"]
    [held] = archive["copies"]
    assert (held["where"], held["saidBy"], held["whyNot"]) == (
        "external:north/n1",
        "cloud-1",
        "its store cannot be read now",
    )


parts = st.lists(st.sampled_from(["a", "b", "aa"]), min_size=1, max_size=4)


@hypothesis.given(st.lists(st.tuples(parts, st.booleans()), max_size=6), parts, st.booleans())
def test_who_moves_it_is_who_names_it_a_part_of_it_or_what_it_is_a_part_of(
    named: list[tuple[list[str], bool]], wanted: list[str], is_prefix: bool
) -> None:
    def urn(names: list[str], *, ends: bool) -> str:
        return "/".join(["bucket", *names]) + "/" * ends

    def is_within(part: str, whole: str) -> bool:
        is_whole = whole == "bucket" or whole.endswith("/")
        return part == whole or (is_whole and part.startswith(whole.rstrip("/") + "/"))

    urns = [urn(names[1:], ends=ends and len(names) > 1) for names, ends in named]
    wish = urn(wanted[1:], ends=is_prefix and len(wanted) > 1)
    pods = [
        core.convert(scene.pod(str(number), "n", {"data.scheduler.thesis/input-1": f"{each},1"}), core.Pod, "")
        for number, each in enumerate(urns)
    ]
    world = lookup.World([], [], [], home="home", settings=config.Settings())
    found = whereabouts.Look(world, "default", "home", pods).moving(wish)
    expected = [number for number, each in enumerate(urns) if is_within(each, wish) or is_within(wish, each)]
    assert sorted(use.pod for use in found) == sorted(f"default/{number}" for number in expected)


def test_a_link_is_told_both_ways_with_what_is_said_of_it(cluster: scene.Cluster) -> None:
    found = told(cluster, "links", "edge-1", "cloud-1")
    assert [(one["from"], one["to"], one["source"]) for one in found["links"]] == [
        ("edge-1", "cloud-1", "prior"),
        ("cloud-1", "edge-1", "measured"),
    ]
    [report] = found["reports"]
    assert (report["reporter"], report["bandwidthBytesPerSecond"], report["ageSeconds"]) == (
        "cloud-1",
        31_250_000,
        1500,
    )
    assert 0.85 < report["weight"] < report["confidence"] == 0.9
    done = run(cluster, "links", "edge-1", "edge-9")
    assert (done.exit_code, "edge-9" in done.stderr) == (2, True)


def test_the_schedulers_own_settings_count(cluster: scene.Cluster) -> None:
    """Where they cannot be had the defaults do, and that is said."""
    assert {one["whyNot"] for one in told(cluster, "stores") if one["name"] == "storage/minio"} == {
        "nobody has seen it for longer than maxWitnessAgeMinutes"
    }
    cluster.says("/storage-info", json.dumps(scene.STORAGE_INFO | {"maxWitnessAgeSeconds": 1800.0}))
    assert {one["whyNot"] for one in told(cluster, "stores") if one["name"] == "storage/minio"} == {""}
    done = testing.CliRunner().invoke(cli.main, ["stores", "--server", "http://127.0.0.1:9"])
    assert done.exit_code == 0
    assert done.stderr.startswith("note: the scheduler's own settings are not known, so its defaults are shown: ")


@pytest.mark.parametrize(
    ("path", "command", "words", "shown"),
    [
        pytest.param("/api/v1/namespaces/default/pods", "objects", "pods of default", "photos", id="pods"),
        pytest.param("/api/v1/nodes", "links", "nodes", "cloud-1", id="nodes"),
        pytest.param("/api/v1/nodes", "objects", "nodes", "edge-1", id="nodes, for data"),
        pytest.param(f"{scene.API}/nodecapabilities", "objects", "NodeCapabilities", "photos", id="NodeCapabilities"),
        pytest.param("/api/v1/namespaces/default/services", "stores", "services of default", "edge-1", id="services"),
        pytest.param("/api/v1/namespaces/default/pods", "top", "pods of default", "saved", id="pods, for top"),
    ],
)
def test_a_right_that_is_missing_costs_a_line_and_the_rest_is_shown(
    cluster: scene.Cluster, path: str, command: str, words: str, shown: str
) -> None:
    cluster.forbids(path)
    done = run(cluster, command)
    assert (done.exit_code, shown in done.stdout) == (0, True)
    assert done.stderr.splitlines() == [
        f"note: {words} cannot be listed: Error from server (Forbidden): user cannot list that"
    ]


def test_what_is_no_scheduler_is_told_of(cluster: scene.Cluster) -> None:
    cluster.says("/world", "<html>")
    done = run(cluster, "top")
    assert (done.exit_code, "1,204 scheduled" in done.stdout, "saved" in done.stdout) == (0, True, False)
    assert done.stderr.startswith("note: what is gained is not known: the scheduler is of another version ")
    cluster.says("/metrics", "<html>")
    done = run(cluster, "top")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: what answers at {cluster.address} is no scheduler: ")


def test_nothing_that_can_be_read_is_an_error(cluster: scene.Cluster, tmp_path: pathlib.Path) -> None:
    for path in scene.objects():
        cluster.forbids(path)
    done = run(cluster, "objects")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: nodes cannot be listed: ")


def test_no_content_of_a_secret_is_ever_asked_for(cluster: scene.Cluster, tmp_path: pathlib.Path) -> None:
    assert {(one["node"], one["name"]): one["secret"] for one in told(cluster, "stores")} == {
        ("cloud-1", "lake"): None,
        ("cloud-1", "storage/minio"): False,
        ("edge-1", "default/minio"): True,
        ("edge-2", "default/minio"): True,
    }
    assert not any("secrets" in path for path in cluster.asked())


def test_an_object_that_cannot_be_read_costs_a_line(cluster: scene.Cluster) -> None:
    path = f"{scene.API}/namespaces/default/dataobjects"
    cluster.has(path, [{"metadata": {"name": "odd"}, "spec": {"urn": 7}}, *scene.objects()[path]])
    done = run(cluster, "objects", "photos")
    assert (done.exit_code, "edge-1" in done.stdout) == (0, True)
    assert done.stderr == 'note: DataObjects of default: spec.urn: "7": Expected `str`, got `int`\n'


def pod(message: str, **spec: Any) -> core.Pod:
    condition = {"type": "PodScheduled", "status": "False", "message": message}
    return core.convert({"metadata": {}, "spec": spec, "status": {"conditions": [condition]}}, core.Pod, "")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(
            "0/4 nodes are available: 1 node(s) had untolerated taint(s), 3 Insufficient cpu. "
            "preemption: 0/4 nodes are available: 1 Preemption is not helpful for scheduling, 3 No victims found.",
            ["node(s) had untolerated taint(s)", "Insufficient cpu"],
            id="with preemption",
        ),
        pytest.param(
            "0/4 nodes are available: 4 Insufficient nvidia.com/gpu.", ["Insufficient nvidia.com/gpu"], id="dot"
        ),
        pytest.param("no nodes available to schedule pods", ["no nodes available to schedule pods"], id="other words"),
        pytest.param("", ["not looked at yet"], id="nothing said"),
    ],
)
def test_why_a_pod_waits_is_told_by_reason(message: str, expected: list[str]) -> None:
    assert top.reasons(pod(message)) == expected


def test_gates_are_named() -> None:
    assert top.reasons(pod("", schedulingGates=[{"name": "quota"}])) == ["held back by its scheduling gate quota"]


def test_what_is_gained_is_what_the_links_say() -> None:
    """One input of 100 MB on one of two nodes, 50 MB/s apart: at home 0.1 s and no byte, else 2.03 s and all bytes."""
    nodes = [core.convert(scene.node(name, "cloud", name, name), core.Node, "") for name in ("a", "b")]
    where = core.convert(scene.data("d", "data", [], spec={"locations": [{"node": "a"}]}), crd.DataObject, "")
    world = lookup.World(nodes, [], [where], home="home", settings=config.Settings())
    moves = [scene.move("data", "a", 100_000_000)]
    decided = core.convert(scene.decision("p", "a", *moves)["decision"], journal.Record, "")
    gained = gains.reckon(world, [decided])
    assert gained.placed.seconds == pytest.approx(0.1001)
    assert gained.mean_node.seconds == pytest.approx((0.1001 + 2.03) / 2)
    assert (gained.placed.network_bytes, gained.mean_node.network_bytes) == (0, 50_000_000)
    assert gained.by_distance["on the node"] == 100_000_000


def test_time_is_taken_once_from_the_clock() -> None:
    before = time.time()
    assert before <= lookup.World([], [], [], home="", settings=config.Settings()).now_s <= time.time()
