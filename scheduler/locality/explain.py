"""`kubectl locality explain`: where a pod went and why, or why it waits."""

from __future__ import annotations

from typing import Any

import click

from scheduler.locality import door, show


@click.command()
@click.argument("pod", nargs=-1, required=True)
@show.output_option
@door.options
def explain(*, pod: tuple[str, ...], output: str, where: door.Where) -> None:
    """Tell where POD went and why, or why it waits: explain pod NAME, explain NAMESPACE/NAME."""
    key = where.key(pod[-1])
    with show.progress(f"asking about {key}"), door.opened(where) as scheduler:
        told = scheduler.get("/explain", pod=key)
    if output in {show.JSON, show.YAML}:
        show.say(show.document(told, output))
        return
    show.say(_lines(told))


def _lines(told: dict[str, Any]) -> list[str]:
    newest = told["decisions"][-1]
    head = f"{told['pod']}: {newest['outcome']}"
    return [f"{head} on {newest['node']}" if newest["node"] else f"{head}: {newest['message']}"]
