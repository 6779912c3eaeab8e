"""Questions to the engine through its offline door, so that what is tested is what users see."""

from __future__ import annotations

import json
from collections.abc import Sequence

from scheduler import config
from scheduler.api import core
from scheduler.engine import decide, decision
from scheduler.offline import door
from scheduler.plugins import request
from scheduler.state import cluster, snapshot
from tests.state import build
from tests.state.build import Object


def question(
    nodes: Sequence[Object],
    pod: Object,
    *,
    pods: Sequence[Object] = (),
    objects: Sequence[Object] = (),
    capabilities: Sequence[Object] = (),
    settings: Object | None = None,
) -> Object:
    asked: Object = {"id": "q", "nodes": list(nodes), "pod": pod, "pods": list(pods)}
    asked |= {"dataObjects": list(objects), "nodeCapabilities": list(capabilities)}
    return asked if settings is None else asked | {"config": settings}


def ask(asked: Object, *, seed: int = 0, settings: config.Settings | None = None) -> Object:
    """The answer, which must not be a fault."""
    answer: Object = json.loads(door.answer_line(json.dumps(asked).encode(), settings, seed))
    assert not answer.get("fault"), answer["fault"]
    return answer


def seconds(answer: Object) -> dict[str, float]:
    """Each feasible node's seconds of transfer."""
    return {name: of_node["data"]["seconds"] for name, of_node in answer["criteria"].items()}


def utilities(answer: Object, criterion: str) -> dict[str, float]:
    return {name: of_node[criterion]["u"] for name, of_node in answer["criteria"].items()}


def reasons(answer: Object) -> dict[str, list[str]]:
    """Why each refused node was refused."""
    return {name: said["reasons"] for name, said in answer["nodes"].items() if said["code"] != "Success"}


def state_of(asked: Object) -> cluster.Cluster:
    """The cluster that a question describes."""
    return build.state(
        asked["nodes"], pods=asked["pods"], objects=asked["dataObjects"], capabilities=asked["nodeCapabilities"]
    )


def decide_on(
    snap: snapshot.Snapshot, pod: Object, *, seed: int = 0, settings: config.Settings | None = None
) -> decision.Decision:
    asked = request.prepare(core.convert(pod, core.Pod, "pod"))
    return decide.Engine(settings or config.Settings()).decide(snap, asked, seed)
