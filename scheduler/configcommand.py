"""`data-locality-scheduler config`: what a configuration file may say, for editors and for people."""

from __future__ import annotations

import json

import click


@click.group()
def config() -> None:
    """Tell what may stand in the scheduler's configuration file."""


@config.command()
def schema() -> None:
    """Print the JSON schema of the file, by which editors complete and check it."""
    from scheduler import configschema  # noqa: PLC0415 (only this command needs it)

    click.echo(json.dumps(configschema.schema(), indent=1, ensure_ascii=False))


@config.command()
def keys() -> None:
    """Print the keys of the file as a table in Markdown: what each does, its default, its bounds."""
    from scheduler import configschema  # noqa: PLC0415 (likewise)

    click.echo(configschema.table(), nl=False)
