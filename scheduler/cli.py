"""`data-locality-scheduler`: one program, one subcommand per process or tool.

Subcommands import what they run only when they run, so that `--help` and the offline tools start quickly; those of
`kubectl locality` are here, too. Exit codes:
0 done, 1 it failed while running, 2 it cannot start as set up (options, configuration, access).
"""

from __future__ import annotations

import asyncio
import datetime
import functools
import gc
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import click

from scheduler import configcommand, errors, logs, progress, tune
from scheduler.locality import cli as locality

CANNOT_START = 2


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that every process takes."""
    options = (
        click.option(
            "--kubeconfig",
            type=click.Path(dir_okay=False),
            help="Kubeconfig file. Without it: the service account of the pod that this runs in.",
        ),
        click.option("--log-format", type=click.Choice(logs.FORMATS), default="json", show_default=True),
        click.option("--log-level", type=click.Choice(logs.LEVELS), default="info", show_default=True),
    )
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command)


config_option = click.option("--config", type=click.Path(dir_okay=False), help="Configuration file (YAML).")


@click.group(cls=locality.Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="data-locality-scheduler")
def main() -> None:
    """Place pods where their data lies or can be had soonest."""


@main.command()
@common_options
@config_option
@click.option(
    "--health-port",
    type=click.IntRange(0, 65535),
    help="Port of /healthz, /metrics and so on; 0 takes a free one and logs it. Default: the configuration's.",
)
@click.option("--health-host", default="", help="Address to serve them on. Default: every address.")
@click.option("--verbose", type=bool, default=False, help="true is the same as --log-level debug.")
@click.option(
    "--record",
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    help="File to record the run in, up to 1 GiB, for decide --replay. Holds what is read of everybody's pods.",
)
def run(
    *,
    kubeconfig: str | None,
    config: str | None,
    log_format: str,
    log_level: str,
    health_port: int | None,
    health_host: str,
    verbose: bool,
    record: pathlib.Path | None,
) -> None:
    """Run the scheduler."""
    gc.disable()  # to look for garbage among what is imported costs a tenth of the time, in vain
    logs.configure(log_format, "debug" if verbose else log_level)
    from scheduler import config as configuration  # noqa: PLC0415 (only this command needs them)
    from scheduler import watchedfile  # noqa: PLC0415
    from scheduler.live import app  # noqa: PLC0415
    from scheduler.plugins import extending  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    try:
        source = watchedfile.Source(
            config, lambda path: extending.check(configuration.load(path)), configuration.Settings()
        )
        options = app.Options(
            kubeconfig=kubeconfig, health_host=health_host, health_port=health_port, record=record, source=source
        )
        code = asyncio.run(app.run(source.settings, options))
    except errors.InputError as error:
        click.echo(f"error: {error}", err=True)
        code = CANNOT_START
    sys.exit(code)


@main.command()
@common_options
@config_option
@click.option("--node", envvar="NODE_NAME", required=True, help="The node this daemon speaks for [env: NODE_NAME].")
@click.option(
    "--namespace",
    envvar="POD_NAMESPACE",
    default="data-locality-scheduler",
    show_default=True,
    help="Where DataObjects of discovered buckets are kept; the scheduler's namespace [env: POD_NAMESPACE].",
)
@click.option(
    "--interval-s",
    "--collection-interval",
    type=click.FloatRange(min=1.0),
    default=30.0,
    show_default=True,
    help="Seconds between two listings of the stores, which find what no store announced, and of Services.",
)
@click.option(
    "--store-timeout-s",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    help="How long a store may take to connect or to go on answering before it counts as not available.",
)
@click.option(
    "--max-keys",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="Keys counted in a bucket or prefix; beyond that its size and count are marked as lower bounds.",
)
@click.option("--health-port", type=click.IntRange(0, 65535), default=8081, show_default=True, help="0: a free one.")
@click.option("--health-host", default="", help="Address to serve health and metrics on. Default: every address.")
@click.option(
    "--host-root",
    type=click.Path(exists=True, file_okay=False, path_type=pathlib.Path),
    envvar="HOST_ROOT",
    help="Where the node's file system is mounted, for facts that a pod does not see [env: HOST_ROOT].",
)
@click.option(
    "--probe-port",
    type=click.IntRange(-1, 65535),
    default=0,
    show_default=True,
    help="Port at which other nodes' daemons measure links; 0 takes a free one, -1 measures nothing.",
)
@click.option(
    "--probe-bytes-per-hour",
    type=click.IntRange(min=0),
    default=600 * 2**10,
    show_default=True,
    help="Bytes an hour that this node spends at most on measuring links, and others on measuring it; "
    "0 measures nothing. Where links cost nothing, 134217728 keeps figures fresh.",
)
@click.option("--enable-data-locality", type=bool, default=True, hidden=True)  # of earlier manifests: always on
@click.option("--v", "verbosity", type=int, default=0, help="5 or more is the same as --log-level debug.")
def daemon(
    *,
    kubeconfig: str | None,
    config: str | None,
    log_format: str,
    log_level: str,
    node: str,
    namespace: str,
    interval_s: float,
    store_timeout_s: float,
    max_keys: int,
    health_port: int,
    health_host: str,
    probe_port: int,
    probe_bytes_per_hour: int,
    host_root: pathlib.Path | None,
    verbosity: int,
    enable_data_locality: bool,  # noqa: ARG001
) -> None:
    """Run the node daemon: find this node's stores and write down what they hold."""
    logs.configure(log_format, "debug" if verbosity > 4 else log_level)  # --v=4 stands in every earlier manifest
    from daemon import app  # noqa: PLC0415 (only this command needs it)

    options = app.Options(
        node=node,
        kubeconfig=kubeconfig,
        namespace=namespace,
        interval_s=interval_s,
        store_timeout_s=store_timeout_s,
        max_keys=max_keys,
        health_host=health_host,
        health_port=health_port,
        probe_port=probe_port,
        probe_bytes_per_hour=probe_bytes_per_hour,
        host_root=host_root,
        config=config,
    )
    try:
        code = asyncio.run(app.run(options))
    except errors.InputError as error:
        click.echo(f"error: {error}", err=True)
        code = CANNOT_START
    sys.exit(code)


@main.command()
@common_options
@click.option(
    "--namespace",
    envvar="POD_NAMESPACE",
    default="data-locality-scheduler",
    show_default=True,
    help="Where this runs: holds what events said, and DataObjects that count for all pods [env: POD_NAMESPACE].",
)
@click.option(
    "--tls-dir",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    default="/etc/data-locality/tls",
    show_default=True,
    help="Folder with tls.crt, tls.key and ca.crt; read again when they change.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9443, show_default=True, help="Of admission; 0: a free one."
)
@click.option(
    "--events-port", type=click.IntRange(0, 65535), default=9444, show_default=True, help="Of events; 0: a free one."
)
@click.option(
    "--events-tokens-dir",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    help="Folder with one file a sender of events, each holding that sender's bearer token.",
)
@click.option(
    "--events-retention-s",
    type=click.FloatRange(min=1.0),
    default=600.0,
    show_default=True,
    help="How long what an event said holds for new pods.",
)
@click.option("--events-allow-anonymous", is_flag=True, help="Take events from anyone. For demonstrations only.")
@click.option("--managed", is_flag=True, help="Write the webhook configurations. For one replica, on local clusters.")
@click.option(
    "--host",
    default="data-locality-webhook",
    show_default=True,
    help="With --managed: the Service, or an address with a dot in it, at which the API server reaches this.",
)
@click.option("--refuse-malformed", is_flag=True, help="Refuse objects with malformed annotations instead of warning.")
@click.option("--health-port", type=click.IntRange(0, 65535), default=8082, show_default=True, help="0: a free one.")
@click.option("--health-host", default="", help="Address to serve health and metrics on. Default: every address.")
def webhook(*, log_format: str, log_level: str, **options: Any) -> None:
    """Run the webhook: add to pods what is known of their data, and receive events that tell of it."""
    logs.configure(log_format, log_level)
    from webhook import app  # noqa: PLC0415 (only this command needs it)

    try:
        code = asyncio.run(app.run(app.Options(**options)))
    except errors.InputError as error:
        click.echo(f"error: {error}", err=True)
        code = CANNOT_START
    sys.exit(code)


@main.command()
@click.option("--config", type=click.Path(dir_okay=False), help="Configuration for questions that bring none (YAML).")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="What decides among nodes that tie.",
)
@click.option(
    "--replay",
    type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path),
    help="Decide a recorded run (run --record) again instead, and compare.",
)
def decide(*, config: str | None, seed: int, replay: pathlib.Path | None) -> None:
    """Answer placement questions offline: JSON Lines on standard input and output, one a question."""
    logs.configure("text", "warning")  # on standard error: what happened where a question met a defect
    if replay is not None:
        sys.exit(_replay(replay))
    from scheduler import config as configuration  # noqa: PLC0415 (only this command needs them)
    from scheduler.offline import door  # noqa: PLC0415

    try:
        settings = configuration.load(config) if config else configuration.Settings()
    except errors.InputError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(CANNOT_START)
    # Questions leave no cycles behind; collecting among their many small objects costs half the time of a large one.
    gc.set_threshold(100_000)
    for line in sys.stdin.buffer:
        if line.strip():
            sys.stdout.buffer.write(door.answer_line(line, settings, seed) + b"\n")
            sys.stdout.buffer.flush()


def _replay(file: pathlib.Path) -> int:
    from scheduler.kernel import recording  # noqa: PLC0415 (only this needs it)

    try:
        with file.open("rb") as lines:
            found = recording.replay(lines)
    except errors.InputError as error:
        click.echo(f"error: {file}: {error}", err=True)
        return CANNOT_START
    if found.difference is None:
        click.echo(f"{found.inputs} inputs, {found.decisions} decisions: the same commands followed")
        return 0
    click.echo(f"input {found.difference.sequence} ({found.difference.event}): other commands followed")
    click.echo(f"recorded: {found.difference.recorded}")
    click.echo(f"replayed: {found.difference.replayed}")
    return 1


@main.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path))
@click.option("--arm", "arms", multiple=True, help="A scheduler to run it with, which may be given several times.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of all chance.")
@click.option(
    "--output",
    "-o",
    type=click.Choice(("table", "json", "jsonl")),
    default="table",
    show_default=True,
    help="Figures side by side, the same as JSON, or a line a run with all its pods and transfers.",
)
@click.option(
    "--recorded",
    type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path),
    help="Run what `run --record` wrote instead, and compare each answer with the recorded one.",
)
def simulate(
    *, files: tuple[pathlib.Path, ...], arms: tuple[str, ...], seed: int, output: str, recorded: pathlib.Path | None
) -> None:
    """Run what FILES describe (a cluster, its data, pods to come) in virtual time, and tell what came of it."""
    logs.configure("text", "warning")
    if recorded is not None and (files or arms):
        raise click.UsageError("--recorded runs a recording as it was: name no FILES and no --arm beside it")
    if recorded is not None:
        sys.exit(_replay(recorded))
    from scheduler.simulate import door  # noqa: PLC0415 (only this command needs it)

    told = progress.told("{}: {} of {} pods done, {:,.1f} s of virtual time")
    try:
        for piece in door.answer(files, arms or ("ours",), seed, output, told):
            sys.stdout.buffer.write(piece + b"\n")
    except errors.InputError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(CANNOT_START)


main.add_command(tune.tune)
main.add_command(configcommand.config)


@main.command()
@click.argument("pod")
def question(pod: str) -> None:
    """Make a question for `decide` about POD (namespace/name) of what kubectl lists, which standard input gives."""
    from scheduler.offline import listing  # noqa: PLC0415 (only this command needs it)

    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        line = listing.question(sys.stdin.buffer.read(), pod, now)
    except errors.InputError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(CANNOT_START)
    sys.stdout.buffer.write(line + b"\n")


@main.command("webhook-certificate")
@click.option("--kubeconfig", type=click.Path(dir_okay=False), help="As for the processes.")
@click.option(
    "--namespace",
    envvar="POD_NAMESPACE",
    default="data-locality-scheduler",
    show_default=True,
    help="Where the webhook runs and its Secrets are kept [env: POD_NAMESPACE].",
)
@click.option("--log-format", type=click.Choice(logs.FORMATS), default="json", show_default=True)
@click.option("--log-level", type=click.Choice(logs.LEVELS), default="info", show_default=True)
def webhook_certificate(*, kubeconfig: str | None, namespace: str, log_format: str, log_level: str) -> None:
    """Make or renew the webhook's certificate and tell the API server whom to trust; nothing where nothing is due."""
    logs.configure(log_format, log_level)
    from webhook.certificates import renewal  # noqa: PLC0415 (only this command needs it)

    try:
        asyncio.run(renewal.run(kubeconfig, namespace))
    except errors.InputError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(CANNOT_START)
    except errors.ApiError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
