"""A question from a live cluster, by the commands of docs/decide.md as they stand there, with a kubectl that lists."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest
from click import testing

from scheduler import cli
from tests.state.build import Object, capability, container, data, data_object, node, pod

DOCS = pathlib.Path(__file__).parents[2] / "docs" / "decide.md"


def kinds(kind: str, *objects: Object) -> list[Object]:
    return [{"apiVersion": "v", "kind": kind} | one for one in objects]


def cluster(*pods: Object) -> Object:
    """What kubectl prints of a cluster with 5,000 pods more, one node full of them, and data on the other."""
    crowd = [pod(f"p-{number}", on="a", namespace="crowd") for number in range(5000)]
    items = [
        *kinds("Node", node("a", pods="5000"), node("b"), node("c")),
        *kinds("Namespace", {"metadata": {"name": "crowd"}}),
        *kinds("Pod", *crowd, *pods),
        *kinds("DeviceClass", {"metadata": {"name": "d"}, "spec": {}}),
        *kinds("DataObject", data_object("logs/k", at=["c"], size=10**9)),
        *kinds("NodeCapability", capability("b")),
        *kinds("Service", {"metadata": {"name": "other"}}),
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def mine(*containers: Object, on: str = "", **status: Any) -> Object:
    notes = data(inputs=["logs/k,1000000000"])
    return pod("my-pod", *containers, on=on, namespace="my-namespace", notes=notes, status=status)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(mine(), id="waits"),
        pytest.param(mine(on="b", phase="Running", startTime=None), id="runs elsewhere"),
        pytest.param(mine(container(cpu="3"), on="c", phase="Running"), id="runs where it would not fit twice"),
    ],
)
def test_the_documented_commands_ask_about_a_pod_of_a_large_cluster(tmp_path: pathlib.Path, asked: Object) -> None:
    (tmp_path / "all.json").write_text(json.dumps(cluster(asked)))
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(f"#!/bin/sh\ncat {tmp_path}/all.json\n")
    kubectl.chmod(0o755)
    blocks: list[str] = re.findall(r"```console\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (block,) = [block for block in blocks if "kubectl get" in block]
    path = f"{kubectl.parent}:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    for command in block.splitlines():
        run = ["bash", "-c", command.removeprefix("$ ")]
        subprocess.run(run, cwd=tmp_path, env={**os.environ, "PATH": path}, check=True, timeout=60)
    question = json.loads((tmp_path / "question.json").read_text())
    assert len(question["pods"]) == 5000
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert answer["id"] == "my-namespace/my-pod"
    assert answer["nodes"]["a"]["reasons"] == ["Too many pods"]
    assert answer["chosen"] == "c"


def ask(stdin: bytes, name: str) -> testing.Result:
    return testing.CliRunner().invoke(cli.main, ["question", name], input=stdin)


def test_a_pod_that_waits_keeps_the_node_that_is_kept_for_it() -> None:
    waiting = pod("p", status={"nominatedNodeName": "b"})
    told = json.loads(ask(json.dumps(cluster(waiting)).encode(), "p").stdout)
    assert told["pod"]["status"] == {"nominatedNodeName": "b"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["now"])


@pytest.mark.parametrize(
    ("stdin", "text"),
    [
        (json.dumps(cluster()).encode(), 'pod: "x/p": not among the 5000 pods listed; write namespace/name'),
        (b"", "standard input: "),
        (b"[]", "no list of objects"),
        (b'{"kind": "Pod"}', "no list of objects"),
        (b'{"items": [5, {}, {"kind": []}, {"kind": "Pod"}, {"kind": "Pod", "metadata": 5}]}', "not among the 2 pods"),
        (b'{"items": ' + b"[" * 100_000, "standard input: "),
    ],
)  # fmt: skip
def test_what_is_no_list_or_lacks_the_pod_is_refused(stdin: bytes, text: str) -> None:
    result = ask(stdin, "x/p")
    assert (result.exit_code, result.stdout) == (cli.CANNOT_START, "")
    assert text in result.stderr
