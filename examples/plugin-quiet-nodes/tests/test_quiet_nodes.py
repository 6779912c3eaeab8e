"""What the plugin decides, through the door that answers questions without a cluster, and that its two forms agree."""

import json
from typing import Any

import pytest
import quiet_nodes

from scheduler import config
from scheduler.api import core
from scheduler.offline import door
from scheduler.plugins import contract
from scheduler.state import cluster

CONFIG = {"profiles": [{"extensions": [{"name": "QuietNodes", "weight": 50}]}]}


def node(name: str, noise: str | None) -> dict[str, Any]:
    labels = {} if noise is None else {"example.com/noise": noise}
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}},
    }


def answer(noises: dict[str, str | None], quiet: str) -> dict[str, Any]:
    """Where a pod goes that has this label."""
    question = {
        "nodes": [node(name, noise) for name, noise in noises.items()],
        "pod": {
            "metadata": {"name": "p", "namespace": "default", "labels": {"example.com/quiet": quiet}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        },
        "config": CONFIG,
    }
    told: dict[str, Any] = json.loads(door.answer_line(json.dumps(question).encode()))
    assert "fault" not in told, told
    return told


@pytest.mark.parametrize("quiet", ["required", "preferred"])
def test_the_quieter_node_is_taken(quiet: str) -> None:
    assert answer({"loud": "90", "soft": "20", "softer": "10"}, quiet)["chosen"] == "softer"


def test_a_pod_that_requires_quiet_waits_rather_than_take_a_noisy_node() -> None:
    assert answer({"loud": "90"}, "preferred")["chosen"] == "loud"
    told = answer({"loud": "90"}, "required")
    assert "chosen" not in told
    assert "1 node(s) were too noisy" in json.dumps(told)


def test_rows_and_cells_agree() -> None:
    state = cluster.Cluster(config.Network(), "home")
    for number, noise in enumerate((None, "0", "50", "51", "100", "500", "-1", "much", "")):
        state.apply_node(core.convert(node(f"n{number}", noise), core.Node, "node"))
    state.remove_node("n3")
    view = state.freeze()
    rule, score = quiet_nodes.PLUGIN
    verdict, raws = rule.rows(True, view), score.raws(True, view)
    assert verdict is not None
    for slot in range(view.size):
        cell = rule.cell(True, view, slot, contract.NOTHING)
        assert bool(verdict.code[slot]) == (cell is not None)
        assert raws[slot] == score.raw(True, view, slot)
