"""Looking for weights: goals are served, what is written is what was tried, and chance is of the seed alone."""

from pathlib import Path

import pytest
import yaml
from click import testing

from benchmarks.quality import scenarios
from scheduler import cli, config, errors
from scheduler.simulate import curve, tuning

# A pod that would be near its users, where it would take longer to have its data: who is to win?
WORLD = """
name: torn
nodes:
  - {name: store, region: r, zone: a, type: cloud, cpu: 4, buckets: [data]}
  - {name: users, region: r, zone: b, type: edge, cpu: 4}
objects:
  - {urn: data/x, size: 100M, at: [store]}
pods:
  - name: p
    count: 3
    works: 5s
    inputs: [data/x]
    annotations: {scheduler.thesis/prefer-edge: "true", scheduler.thesis/data-intensive: "true"}
"""


def quiet(_done: int, _score: float) -> None:
    """Nobody looks on."""


def goals(*texts: str) -> list[tuning.Goal]:
    return [tuning.goal(text) for text in texts]


def test_what_is_found_serves_the_goals_at_least_as_well_as_what_was_there() -> None:
    given = scenarios.pipelines()
    made = tuning.tune(given, goals("bytes", "preferences=0.05"), trials=25, seed=1, progress=quiet)
    assert len(made) == 25
    assert made[0].settings == given.settings
    assert list(made[0].figures) == [890 * 2**20, 2]
    best = min(made, key=lambda one: one.score)
    assert made[0].score == pytest.approx(1.05)
    assert best.score < made[0].score
    assert best.figures[0] < 890 * 2**20


def test_the_same_seed_finds_the_same() -> None:
    given = scenarios.pipelines()
    first, again, other = (
        tuning.tune(given, goals("bytes"), trials=4, seed=seed, progress=quiet) for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def trial(*figures: float) -> tuning.Trial:
    return tuning.Trial(config.Settings(), figures, sum(figures))


def test_the_curve_has_what_no_other_beats() -> None:
    made = [trial(3, 3), trial(1, 5), trial(5, 1), trial(2, 4), trial(4, 4), trial(2, 4), trial(1, 6)]
    assert [one.figures for one in tuning.front(made)] == [(1, 5), (2, 4), (3, 3), (5, 1)]
    told = "\n".join(curve.lines(goals("bytes", "spread"), made))
    assert all(mark in told for mark in "ABo.")
    assert "as it is" in told


@pytest.mark.parametrize(
    "text", ["speed", "bytes=", "bytes=-1", "bytes=nan", "bytes=inf", "bytes=1e10", "bytes=much", ""]
)
def test_a_goal_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(errors.InputError, match="--goal"):
        tuning.goal(text)


def test_the_command_writes_settings_that_the_scheduler_reads(tmp_path: Path) -> None:
    world, found = tmp_path / "world.yaml", tmp_path / "found.yaml"
    world.write_text(WORLD)
    arguments = ["tune", str(world), "--goal", "preferences", "--goal", "bytes=0.1", "--trials", "30"]
    told = testing.CliRunner().invoke(cli.main, [*arguments, "--write", str(found)])
    assert told.exit_code == 0, told.output
    assert "as it is" in told.stdout
    assert "what nothing beats" in told.stdout
    settings = config.load(found)
    assert tuning.as_configuration(settings) == yaml.safe_load(found.read_text())
    assert settings.weights.data_intensive.node_type > config.Weights(0, 0, 0.05, 0, 0).node_type, "users are near now"
    shown = testing.CliRunner().invoke(cli.main, arguments)
    assert yaml.safe_load(shown.stdout.partition("\n\n")[2].rpartition("\n\n")[2]) == yaml.safe_load(found.read_text())


def test_where_not_every_pod_is_ever_done_nothing_is_chosen(tmp_path: Path) -> None:
    world = tmp_path / "world.yaml"
    world.write_text("nodes: [{name: n}]\npods: [{name: p, cpu: 99}]")
    told = testing.CliRunner().invoke(cli.main, ["tune", str(world), "--trials", "2"])
    assert (told.exit_code, told.stdout) == (2, "")
    assert "in none of the trials was every pod done" in told.stderr


def test_what_was_found_is_printed_where_it_cannot_be_written(tmp_path: Path) -> None:
    world = tmp_path / "world.yaml"
    world.write_text(WORLD)
    told = testing.CliRunner().invoke(
        cli.main, ["tune", str(world), "--trials", "1", "--write", str(tmp_path / "nowhere" / "found.yaml")]
    )
    assert told.exit_code == 2
    assert "dataGoal: seconds" in told.stdout
    assert told.stderr.count("\n") == 1
    assert "cannot be written: No such file" in told.stderr


def test_a_goal_that_nobody_knows_is_told_in_one_line(tmp_path: Path) -> None:
    world = tmp_path / "world.yaml"
    world.write_text(WORLD)
    told = testing.CliRunner().invoke(cli.main, ["tune", str(world), "--goal", "speed"])
    assert told.exit_code == 2
    assert told.stderr.count("\n") == 1
    assert "makespan" in told.stderr
