"""``python -m localcluster``: a real control plane on this machine, in seconds.

up          start a cluster that stays until `down`
down        end it
kubeconfig  print where its kubeconfig is
run         start one, run a command against it, end it
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import click

from localcluster import cluster, errors, keeper, keeping, topology
from scheduler import errors as scheduler_errors

DEFAULT_NAME = "default"
PATIENCE_S = 10.0
INTERRUPTED = 128 + signal.SIGINT

topology_option = click.option(
    "--topology",
    "topology_file",
    type=click.Path(path_type=pathlib.Path),
    default=topology.EDGE_CLOUD,
    help="The nodes and stores, as YAML; eight nodes in two regions if not given.",
)
name_option = click.option("--name", default=DEFAULT_NAME, show_default=True, help="Clusters live side by side.")
scheduler_option = click.option("--kube-scheduler", is_flag=True, help="Start stock kube-scheduler too.")
knative_option = click.option("--knative", is_flag=True, help="Start Knative Serving's controllers and webhook too.")
crds_option = click.option(
    "--crds", type=click.Path(exists=True, path_type=pathlib.Path), help="Apply the manifests of this folder."
)


@click.group()
def cli() -> None:
    """A real Kubernetes control plane with S3 stores on this machine, without containers."""


@cli.command()
@topology_option
@name_option
@scheduler_option
@knative_option
@crds_option
def up(
    topology_file: pathlib.Path, *, name: str, kube_scheduler: bool, knative: bool, crds: pathlib.Path | None
) -> None:
    """Start a cluster that stays until `down`."""
    started_s = time.monotonic()
    wanted = topology.load(topology_file)
    running = cluster.start(wanted, name=name, kube_scheduler=kube_scheduler, knative=knative)
    try:
        if crds is not None:
            running.apply(crds)
        running.leave_running()
    except BaseException:
        running.stop()
        raise
    counts = f"{len(running.nodes)} nodes and {len(running.stores)} S3 stores"
    click.echo(f"Cluster {name!r} with {counts} is up at {running.server} after {time.monotonic() - started_s:.1f} s.")
    click.echo(f"  export KUBECONFIG={running.kubeconfig}")
    click.echo(f"  python -m localcluster down --name {name}")


@cli.command()
@name_option
def down(name: str) -> None:
    """End a cluster; it is no error if there is none."""
    keeping.Keeper(keeping.directory_of(name)).shutdown()
    keeping.sweep()


@cli.command()
@name_option
def kubeconfig(name: str) -> None:
    """Print the path of a cluster's kubeconfig."""
    path = keeping.directory_of(name) / cluster.KUBECONFIG
    if not path.exists():
        raise errors.ClusterError(f"no cluster named {name!r} is running; start one with `python -m localcluster up`")
    click.echo(path)


@cli.command(context_settings={"ignore_unknown_options": True})
@topology_option
@scheduler_option
@knative_option
@crds_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def run(
    context: click.Context,
    topology_file: pathlib.Path,
    *,
    kube_scheduler: bool,
    knative: bool,
    crds: pathlib.Path | None,
    command: Sequence[str],
) -> None:
    """Start a cluster, run COMMAND with KUBECONFIG set, end the cluster; the exit code is COMMAND's."""
    with cluster.start(topology.load(topology_file), kube_scheduler=kube_scheduler, knative=knative) as running:
        if crds is not None:
            running.apply(crds)
        code = _run_command(command, running)
    context.exit(code)  # reaches main() as the value of cli()


def _run_command(command: Sequence[str], running: cluster.Cluster) -> int:
    # The marker lets the keeper end what the command leaves behind, or all of it should this process be killed.
    environment = {**os.environ, "KUBECONFIG": str(running.kubeconfig), keeper.MARKER: str(running.directory)}
    # Ctrl-C in a terminal reaches the command by itself; elsewhere it gets a group of its own, so that it can be told.
    group = None if sys.stdin.isatty() else 0
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            process_group=group,
            preexec_fn=keeper.die_with_parent,  # noqa: PLW1509 - starting the cluster has left no thread behind
        )
    except OSError as error:
        raise errors.ClusterError(f"{command[0]} cannot be run: {error}") from error
    try:
        return _exit_code(process.wait())
    except KeyboardInterrupt:
        if group is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(PATIENCE_S)
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
        return INTERRUPTED


def _exit_code(returned: int) -> int:
    return returned if returned >= 0 else 128 - returned  # ended by a signal: as shells put it


def main() -> None:
    """Run the command line; errors that are no bugs are one message and exit code 1."""
    try:
        sys.exit(cli(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(INTERRUPTED)
    except scheduler_errors.LocalityError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
