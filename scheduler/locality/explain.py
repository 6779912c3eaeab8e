"""`kubectl locality explain` and `why-not`: where a pod went and why, where it would go now, what speaks against one.

A pod that is not there yet is taken as the API server would create it, defaults and webhooks included: it is asked to,
without doing so (`kubectl create --dry-run=server`). With --server and no kubeconfig it is taken as it is written.
"""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any, Final

import click

from scheduler import errors
from scheduler.locality import door, show, tell

RANKED: Final = 5
RANKED_WIDE: Final = 20

Json = dict[str, Any]

file_option = click.option(
    "-f",
    "--filename",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=pathlib.Path),
    help="Manifest of pods, or of what has a pod template, that need not be there yet; - for standard input.",
)


@click.command()
@click.argument("pod", nargs=-1, shell_complete=door.known("pods"))
@file_option
@click.option("--ranking", type=click.IntRange(1, 1000), help="How many nodes to list; 5, or 20 with -o wide.")
@show.output_option
@door.options
def explain(
    *, pod: tuple[str, ...], filename: pathlib.Path | None, ranking: int | None, output: str, where: door.Where
) -> None:
    """Tell where POD went and why, what it would cost elsewhere now, and what other nodes lack.

    Write it as `explain pod NAME`, `explain pod/NAME` or `explain NAMESPACE/NAME`.
    """
    best = ranking or (RANKED_WIDE if output == show.WIDE else RANKED)
    answers = _answers(where, pod, filename, {"ranking": str(best)})
    if output in {show.JSON, show.YAML}:
        show.say(show.document(answers[0] if len(answers) == 1 else answers, output))
        return
    for number, answer in enumerate(answers):
        show.say([*([""] if number else []), *tell.told(answer, is_wide=output == show.WIDE)])


@click.command("why-not")
@click.argument("node", shell_complete=door.known("nodes"))
@click.option("--pod", default="", help="The pod: NAME or NAMESPACE/NAME.", shell_complete=door.known("pods"))
@file_option
@show.output_option
@door.options
def why_not(*, node: str, pod: str, filename: pathlib.Path | None, output: str, where: door.Where) -> None:
    """Tell why a pod is not on NODE: which filters refuse it there, or what it would cost beside the best node."""
    answers = _answers(where, (pod,) if pod else (), filename, {"ranking": "1", "node": node.removeprefix("node/")})
    if output in {show.JSON, show.YAML}:
        told = [answer["now"] for answer in answers]
        show.say(show.document(told[0] if len(told) == 1 else told, output))
        return
    for answer in answers:
        show.say(tell.why_not(answer["pod"], answer["now"]))


def _answers(
    where: door.Where, pod: tuple[str, ...], filename: pathlib.Path | None, query: dict[str, str]
) -> list[Json]:
    """What the scheduler says of each pod that is asked about.

    Raises:
        DoorError: it does not answer.
        InputError: none is named, or what the file has cannot be used.
    """
    if filename is None:
        key = where.key(_name(pod))
        with show.progress(f"asking about {key}"), door.opened(where) as scheduler:
            return [scheduler.get("/explain", pod=key, **query)]
    if pod:
        raise errors.InputError("POD", " ".join(pod), "give either a pod or a file")
    pods = [_created(where, one) for one in _pods(filename, where)]
    with show.progress(f"asking about {show.count(len(pods), 'pod')}"), door.opened(where) as scheduler:
        return [scheduler.post("/explain", json.dumps(one).encode(), **query) for one in pods]


def _name(pod: tuple[str, ...]) -> str:
    kind, names = (pod[0], pod[1:]) if len(pod) > 1 else ("pod", pod)
    if len(names) != 1 or kind not in {"pod", "pods", "po"}:
        raise errors.InputError("POD", " ".join(pod), "name one pod, such as pod NAME, or give -f FILE")
    return names[0]


def _pods(filename: pathlib.Path, where: door.Where) -> Iterator[Json]:
    """The pods that a manifest is of, and those that would be made of its templates, one of each."""
    import yaml  # noqa: PLC0415 (only this needs it)

    text = sys.stdin.read() if str(filename) == "-" else filename.read_text("utf-8")
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise errors.InputError(str(filename), "", f"no YAML: {error}") from error
    found = False
    for document in documents:
        items = document.get("items", [document]) if isinstance(document, dict) else []
        for item in items:
            if isinstance(item, dict) and (pod := _pod(item)) is not None:
                found = True
                pod["metadata"].setdefault("namespace", where.namespace)
                yield pod
    if not found:
        raise errors.InputError(str(filename), "", "neither a pod nor anything with a pod template is in it")


def _pod(item: Json) -> Json | None:
    """A pod as it is written, or as its template says."""
    if item.get("kind") == "Pod":
        return item if isinstance(item.get("metadata"), dict) else {**item, "metadata": {}}
    of = item.get("spec")
    while isinstance(of, dict) and "jobTemplate" in of:
        of = of["jobTemplate"].get("spec")
    template = of.get("template") if isinstance(of, dict) else None
    if not isinstance(template, dict) or not isinstance(template.get("spec"), dict):
        return None
    owner = item.get("metadata") or {}
    metadata = {**(template.get("metadata") or {}), "generateName": f"{owner.get('name', 'pod')}-"}
    if owner.get("namespace"):
        metadata["namespace"] = owner["namespace"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def _created(where: door.Where, pod: Json) -> Json:
    """A pod as the API server would create it."""
    if where.server and not (where.kubeconfig or where.context):
        click.echo("note: taken as written, without the API server's defaults and webhooks", err=True)
        pod["metadata"].setdefault("name", f"{pod['metadata'].get('generateName', 'pod-')}new")
        return pod
    words = where.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", given=json.dumps(pod).encode())
    created: Json = json.loads(words)
    return created
