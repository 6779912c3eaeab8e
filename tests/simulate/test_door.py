"""The command: what it prints, what it refuses, and that a recorded run comes out the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click import testing

from scheduler import cli, config
from scheduler.kernel import kernel
from scheduler.simulate import outcome, running
from tests.simulate import recorder, worlds
from tests.simulate.worlds import MB

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "simulate.md").read_text()
SCENARIOS = ROOT / "benchmarks" / "quality" / "scenarios"

WORLD = """
name: two-nodes
nodes:
  - {name: near, zone: a, region: r, cpu: 2, buckets: [data]}
  - {name: far, zone: b, region: s, cpu: 2}
objects:
  - {urn: data/x, size: 100M, at: [near]}
pods:
  - {name: p, works: 5s, inputs: [data/x]}
"""


ARMS = ", ".join(f"'--arm', {name!r}" for name in ("ours", "wow", "quincy", "dask"))


def simulate(*arguments: object) -> testing.Result:
    return testing.CliRunner().invoke(cli.main, ["simulate", *map(str, arguments)])


def written(folder: Path, text: str = WORLD) -> Path:
    file = folder / "world.yaml"
    file.write_text(text)
    return file


def test_figures_of_several_schedulers_stand_side_by_side(tmp_path: Path) -> None:
    found = simulate(written(tmp_path), "--arm", "ours", "--arm", "default", "--seed", 3)
    assert found.exit_code == 0, found.output
    heading, *rows = found.stdout.splitlines()
    assert heading.split() == ["ours", "default"]
    assert "pods done" in rows[0]
    assert rows[0].split()[-6:] == ["1", "of", "1"] * 2


def test_the_same_as_json_and_all_of_a_run_on_one_line(tmp_path: Path) -> None:
    file = written(tmp_path)
    (figures,) = msgspec.json.decode(simulate(file, "-o", "json").stdout)
    assert (figures["arm"], figures["done"], figures["bytes_by_distance"]["local"]) == ("ours", 1, 100 * MB)
    run = msgspec.json.decode(simulate(file, "-o", "jsonl").stdout, type=outcome.Outcome)
    assert [one.node for one in run.pods] == ["near"]
    assert simulate(file, "-o", "jsonl").stdout == simulate(file, "-o", "jsonl").stdout


def test_the_same_comes_of_it_whatever_order_python_has_its_sets_in(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
keepsInputs: true
nodes: [{name: n, count: 3, cpu: 2, zone: "z{n}", buckets: ["*"]}]
images: [{name: i, size: 100M, registry: "external:r/x"}]
objects: [{urn: "data/{n}", count: 3, size: 300M}]
pods:
  - {name: a, count: 8, works: 1s, image: i, inputs: {data/1: 300M, data/2: 300M}, outputs: {"mid/{n}": 200M}}
  - {name: b, count: 8, works: 2s, cpu: 1, after: ["a-{n}"], inputs: {"mid/{n}": 200M, data/3: 300M}}
outages: [{node: n-1, begins: 1, ends: 4}]
""",
    )
    program = f"from scheduler import cli; cli.main(['simulate', {str(file)!r}, '-o', 'jsonl', {ARMS}])"
    runs = [
        subprocess.Popen([sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, stdout=subprocess.PIPE)
        for seed in ("1", "2")
    ]
    (first, _), (second, _) = (one.communicate() for one in runs)
    assert first == second
    assert [msgspec.json.decode(line)["arm"] for line in first.splitlines()] == ["ours", "wow", "quincy", "dask"]


def test_what_cannot_be_run_is_told_in_one_line(tmp_path: Path) -> None:
    unreadable = tmp_path / "many.yaml"
    unreadable.write_text("nodes: [{name: n, cpu: many}]")
    for arguments in ((unreadable,), (), (written(tmp_path), "--arm", "none")):
        found = simulate(*arguments)
        assert found.exit_code == cli.CANNOT_START
        assert found.stdout == ""
        assert found.stderr.startswith("error: ")
        assert len(found.stderr.splitlines()) == 1


def test_a_recorded_run_is_run_again_and_each_answer_compared(tmp_path: Path) -> None:
    given = worlds.world(
        worlds.node("a"),
        objects=(worlds.data("data/x", "a"),),
        works=tuple(worlds.work(f"p{number}", reads={"data/x": MB}, at_s=number) for number in range(3)),
    )
    recorded = recorder.Recorded(kernel.Kernel(given.settings, "data-locality-scheduler", 5), given, 5)
    running.run(given, recorded, arm="ours", seed=5)
    file = tmp_path / "run.jsonl"
    file.write_bytes(b"".join(recorded.lines))
    found = simulate("--recorded", file)
    assert (found.exit_code, found.stdout) == (
        0,
        f"{len(recorded.lines) - 1} inputs, 3 decisions: the same commands followed\n",
    )
    file.write_bytes(b"".join(recorded.lines).replace(b'"node":"a"', b'"node":"b"', 1))
    assert simulate("--recorded", file).exit_code == 1
    beside = simulate("--recorded", file, written(tmp_path))
    assert (beside.exit_code, beside.stdout) == (2, "")
    assert "name no FILES" in beside.stderr
    file.write_bytes(recorded.lines[0].replace(b'"seed":5', b'"seed":-5'))
    assert "line 1" in simulate("--recorded", file).stderr


def test_the_example_of_the_documentation_prints_what_stands_there() -> None:
    (example,) = re.findall(r"runs this -->\n```console\n\$ data-locality-scheduler (.*?)```", DOCS, re.DOTALL)
    command, *told = example.splitlines()
    _, *arguments = command.split()
    found = simulate(*(ROOT / each if each.endswith(".yaml") else each for each in arguments))
    assert found.exit_code == 0, found.output

    def labels(lines: list[str]) -> list[str]:
        return [line.partition("  " if line[:1] != " " else "   ")[0] for line in lines]

    # What it comes to changes with every better idea; what is told does not.
    assert labels(found.stdout.splitlines()) == labels(told)
    assert found.stdout.splitlines()[0].split() == told[0].split()


COMMANDS = [
    (page, command)
    for page in ("simulate", "simulate-format", "tune")
    for command in re.findall(
        r"^\$ data-locality-scheduler ((?:simulate|tune) .*)$", (ROOT / "docs" / f"{page}.md").read_text(), re.MULTILINE
    )
]


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=[command[:40] for _, command in COMMANDS])
def test_commands_of_the_documentation_run(
    page: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a user's own files where they stand for such, and tune's trials cut short."""
    _, nodes, pods = re.split("(?=nodes:|pods:)", WORLD)
    for name, content in (("cluster.json", nodes), ("cluster.yaml", nodes), ("pods.yaml", pods)):
        (tmp_path / name).write_text(content)
    (tmp_path / "benchmarks").symlink_to(ROOT / "benchmarks")
    (tmp_path / "topologies").symlink_to(SCENARIOS / "topologies")
    (tmp_path / "pipelines.yaml").symlink_to(SCENARIOS / "pipelines.yaml")
    monkeypatch.chdir(tmp_path)
    arguments = re.sub(r"--trials \d+", "--trials 2", command).split()
    found = testing.CliRunner().invoke(cli.main, arguments)
    assert found.exit_code == 0, (page, found.output)
    assert "pods done" in found.stdout or "as it is" in found.stdout
    if "--write" in arguments:
        config.load(tmp_path / arguments[arguments.index("--write") + 1])
