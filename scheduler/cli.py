"""`data-locality-scheduler`: one program, one subcommand per process or tool.

Subcommands import what they run only when they run, so that `--help` and the offline tools start quickly. Exit codes:
0 done, 1 it failed while running, 2 it cannot start as set up (options, configuration, access).
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable
from typing import Any

import click

from scheduler import errors, logs

CANNOT_START = 2


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that every process takes."""
    options = (
        click.option(
            "--kubeconfig",
            type=click.Path(dir_okay=False),
            help="Kubeconfig file. Without it: the service account of the pod that this runs in.",
        ),
        click.option("--config", type=click.Path(dir_okay=False), help="Configuration file (YAML)."),
        click.option("--log-format", type=click.Choice(logs.FORMATS), default="json", show_default=True),
        click.option("--log-level", type=click.Choice(logs.LEVELS), default="info", show_default=True),
    )
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="data-locality-scheduler")
def main() -> None:
    """Place pods where their data lies or can be had soonest."""


@main.command()
@common_options
@click.option(
    "--health-port",
    type=click.IntRange(0, 65535),
    help="Port of /healthz, /metrics and so on; 0 takes a free one and logs it. Default: the configuration's.",
)
@click.option("--health-host", default="", help="Address to serve them on. Default: every address.")
@click.option("--verbose", type=bool, default=False, help="true is the same as --log-level debug.")
def run(
    *,
    kubeconfig: str | None,
    config: str | None,
    log_format: str,
    log_level: str,
    health_port: int | None,
    health_host: str,
    verbose: bool,
) -> None:
    """Run the scheduler."""
    logs.configure(log_format, "debug" if verbose else log_level)
    from scheduler import config as configuration  # noqa: PLC0415 (only this command needs them)
    from scheduler.loop import app  # noqa: PLC0415

    try:
        settings = configuration.load(config) if config else configuration.Settings()
        options = app.Options(kubeconfig=kubeconfig, health_host=health_host, health_port=health_port)
        code = asyncio.run(app.run(settings, options))
    except errors.InputError as error:
        click.echo(f"error: {error}", err=True)
        code = CANNOT_START
    sys.exit(code)
