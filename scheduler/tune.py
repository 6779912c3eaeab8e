"""The command that looks for weights by simulation; see scheduler.simulate.tuning."""

from __future__ import annotations

import pathlib
import sys
from typing import Final

import click
import yaml

from scheduler import errors, logs, progress

_CANNOT_START: Final = 2


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path))
@click.option(
    "--goal",
    "wanted",
    multiple=True,
    default=("makespan", "bytes"),
    show_default=True,
    help="What is to be small, as NAME or NAME=WEIGHT; may be given several times. One of makespan, turnaround, bytes, "
    "cross-region-bytes, preferences (that are not met), spread (the busiest node against the mean).",
)
@click.option("--trials", type=click.IntRange(1, 100_000), default=60, show_default=True, help="Settings to be tried.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of all chance.")
@click.option(
    "--write",
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    help="File for the best settings, as a configuration for `run --config`.",
)
def tune(
    *, files: tuple[pathlib.Path, ...], wanted: tuple[str, ...], trials: int, seed: int, write: pathlib.Path | None
) -> None:
    """Look for weights that serve goals best in simulations of FILES, and show what one goal costs another."""
    logs.configure("text", "warning")
    from scheduler.simulate import curve, reading, tuning  # noqa: PLC0415 (only this command needs them)

    told_of = progress.told(f"{{}} of {trials} settings tried, best score {{:.4f}}")
    try:
        goals = [tuning.goal(text) for text in wanted]
        made = tuning.tune(reading.read(files), goals, trials=trials, seed=seed, progress=told_of)
    except errors.InputError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(_CANNOT_START)
    for line in curve.lines(goals, made):
        click.echo(line)
    best = tuning.as_configuration(min(made, key=lambda one: one.score).settings)
    told = yaml.safe_dump(best, sort_keys=False)
    if write is None:
        click.echo(f"\n{told}", nl=False)
        return
    try:
        write.write_text(f"# By data-locality-scheduler tune, {trials} trials, seed {seed}.\n{told}", "utf-8")
    except OSError as error:
        click.echo(f"\n{told}", nl=False)  # so that it is not lost, after so many trials
        click.echo(f"error: {write}: cannot be written: {error.strerror}", err=True)
        sys.exit(_CANNOT_START)
