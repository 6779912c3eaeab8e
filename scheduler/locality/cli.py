"""`kubectl-locality`, which kubectl runs as `kubectl locality`; `data-locality-scheduler` has the same commands.

A command is a line of the table below and a module that has it: the table is all that `--help` reads, so that it is
there at once, and a module is imported when its command runs. Exit codes: 0 done, 1 not found or not answered, 2 it
cannot start as set up (options, access, configuration).
"""

from __future__ import annotations

import importlib
import sys
from typing import Final, NamedTuple

import click

_NO_FILES: Final = ":4"  # cobra's ShellCompDirectiveNoFileComp


class Entry(NamedTuple):
    """A command: which attribute of which module it is, and what it does, in one line."""

    module: str
    attribute: str
    help: str


COMMANDS: Final[dict[str, Entry]] = {
    "advise": Entry("scheduler.locality.advise", "advise", "Which replica to add, or pod to move, to save most."),
    "explain": Entry("scheduler.locality.explain", "explain", "Where a pod went and why, or why it waits."),
    "why-not": Entry("scheduler.locality.explain", "why_not", "Why a pod is not on a node, or what it would cost."),
    "what-if": Entry("scheduler.locality.whatif.command", "what_if", "Which pods would go elsewhere after a change."),
    "validate": Entry(
        "scheduler.locality.validate.command", "validate", "What is wrong with manifests and configuration files."
    ),
    "objects": Entry(
        "scheduler.locality.objects", "objects", "Where data lies, what does not count, and who moves it."
    ),
    "links": Entry("scheduler.locality.links", "links", "How fast data moves between nodes, and how that is known."),
    "stores": Entry("scheduler.locality.stores", "stores", "Which stores there are, what they hold, and why not."),
    "top": Entry("scheduler.locality.top", "top", "What is gained, what crosses zones, what waits, and why."),
    "world": Entry("scheduler.locality.world", "world", "All that a decision reads, as JSON: for what-if and reports."),
}


class Group(click.Group):
    """A group whose commands, beside those that are added to it, are those of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *COMMANDS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        command = getattr(importlib.import_module(entry.module), entry.attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.{entry.attribute} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        told: list[tuple[str, str]] = []
        for name in self.list_commands(ctx):
            if name in COMMANDS:
                told.append((name, COMMANDS[name].help))
            elif (command := super().get_command(ctx, name)) is not None and not command.hidden:
                told.append((name, command.get_short_help_str(limit=100)))
        with formatter.section("Commands"):
            formatter.write_dl(told)


@click.group("kubectl locality", cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="data-locality-scheduler")
def main() -> None:
    """See where pods went and why, what they would cost elsewhere, and where data lies."""


def run() -> None:
    """The program `kubectl-locality`, under the name by which it is called."""
    main(prog_name="kubectl locality")


def complete() -> None:
    """The program `kubectl_complete-locality`: what may come next on a command line, as kubectl reads it."""
    from click import shell_completion  # noqa: PLC0415 (only completion needs it)

    *arguments, incomplete = sys.argv[1:] or [""]
    completing = shell_completion.ShellComplete(main, {}, "kubectl-locality", "")
    for found in completing.get_completions(arguments, incomplete):
        click.echo(found.value)
    click.echo(_NO_FILES)
