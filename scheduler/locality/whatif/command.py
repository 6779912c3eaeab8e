"""`kubectl locality what-if`: which recent pods would go elsewhere if something were otherwise, and what would move."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any, Final

import click

from scheduler import errors, progress
from scheduler.locality import door, show
from scheduler.locality.whatif import changes, comparing, selecting, telling
from scheduler.offline import world as worlds

MOST: Final = 1000


def world_option(command: Callable[..., None]) -> Callable[..., None]:
    """Where the world is read from: a file, else the running scheduler."""
    told = "A file that `kubectl locality world` wrote, or - for standard input, instead of asking a scheduler."
    return click.option("--world", "file", type=click.Path(allow_dash=True), default="", help=told)(command)


def pods_options(command: Callable[..., None]) -> Callable[..., None]:
    """Which pods are looked at."""
    told = "How many of the pods decided last."
    last = click.option("--last", type=click.IntRange(1, MOST), default=100, show_default=True, help=told)
    told = "Only those with these labels, as for kubectl: app=web,tier!=test. With -n only those of the namespace."
    return last(click.option("--pods", "selector", default="", help=told)(command))


def change_options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each kind of change; the command gets them as ``wanted``, in the order of the table."""

    @functools.wraps(command)
    def run(**given: Any) -> None:
        texts = {name: given.pop(name.replace("-", "_")) for name in changes.OPTIONS}
        files = given.pop("change_files")
        try:
            wanted = [one for file in files for one in _read(file)]
            wanted += [one for name, said in texts.items() for text in said for one in changes.of_option(name, text)]
        except errors.InputError as error:
            raise click.UsageError(str(error)) from error
        command(wanted=wanted, **given)

    for name, option in reversed(changes.OPTIONS.items()):
        run = click.option(
            f"--{name}",
            name.replace("-", "_"),
            multiple=True,
            metavar=option.metavar,
            help=option.help,
            shell_complete=door.known("nodes") if option.metavar == "NODE" else None,
        )(run)
    told = "A file with a list of changes, such as - cordon: worker-3"
    return click.option("-f", "--changes", "change_files", multiple=True, type=click.Path(allow_dash=True), help=told)(
        run
    )


def read_world(file: str, where: door.Where) -> worlds.World:
    """The world that a file holds, or the scheduler's.

    Raises:
        InputError: it cannot be read.
        DoorError: the scheduler cannot be asked.
    """
    gc.set_threshold(100_000)  # to look for cycles among so many objects, which make none, takes a fifth of the time
    if file:
        return worlds.read(_content(file))
    with show.progress("reading the scheduler's world"), door.opened(where) as scheduler:
        return worlds.read(b"".join(scheduler.pieces("/world")))


def _read(file: str) -> list[changes.Change]:
    return changes.of_file(_content(file), file)


def _content(file: str) -> bytes:
    try:
        with click.open_file(file, "rb") as content:
            read: bytes = content.read()
            return read
    except OSError as error:
        raise errors.InputError(file, "", f"cannot be read: {error.strerror}") from error


@click.command("what-if")
@change_options
@pods_options
@click.option("--replay", is_flag=True, help="Place them one after another, instead of each on its own.")
@world_option
@show.output_option
@door.options
def what_if(
    *,
    wanted: list[changes.Change],
    last: int,
    selector: str,
    replay: bool,
    file: str,
    output: str,
    where: door.Where,
) -> None:
    """Tell which of the last pods would go elsewhere if something were otherwise, and what that would move.

    Nothing is changed: it is reckoned here, by the scheduler's own code, on its world. Options may be given several
    times, and together.
    """
    if not wanted:
        raise click.UsageError("say what is to be otherwise, such as --cordon NODE; see --help")
    meant = selecting.meant(selector, where.given_namespace)
    world = read_world(file, where)
    told = comparing.compare(
        world, wanted, last=last, meant=meant, is_replayed=replay, tell=progress.told("{:,} of {:,} decisions")
    )
    if output in {show.JSON, show.YAML}:
        show.say(show.document(telling.document(told), output))
    else:
        show.say(telling.lines(told, is_wide=output == show.WIDE))
