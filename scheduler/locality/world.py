"""`kubectl locality world`: all that a decision reads and the last decisions, for what-if and reports.

It holds objects of every namespace. What it has is described in docs/decide.md.
"""

from __future__ import annotations

import sys

import click

from scheduler.locality import door, show


@click.command()
@door.options
def world(*, where: door.Where) -> None:
    """Print the cluster as decisions see it, with the last of them: kubectl locality world > world.json.

    It holds objects of all namespaces, so that it takes the same right as a decision's question.
    """
    with show.progress("reading the scheduler's world"), door.opened(where) as scheduler:
        for piece in scheduler.pieces("/world"):
            sys.stdout.buffer.write(piece)
