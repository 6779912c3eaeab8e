"""docs/how-it-decides.md: its question, asked, has the numbers of its tables as its answer."""

import json
import pathlib
from typing import Any

import pytest

from tests.engine import asking

PAGE = (pathlib.Path(__file__).parents[2] / "docs/how-it-decides.md").read_text()


def table(heading: str) -> dict[str, list[str]]:
    """The cells of the table under a heading, by node."""
    lines = PAGE.split(heading)[1].split("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in rows}


@pytest.fixture(scope="module")
def answer() -> Any:
    return asking.ask(json.loads(PAGE.split("```json")[1].split("```")[0]))


def test_which_nodes_fit(answer: Any) -> None:
    refused = asking.reasons(answer)
    told = {name: ["no", *refused[name]] if name in refused else ["yes", ""] for name in answer["nodes"]}
    assert table("Which nodes fit") == told


def test_what_the_transfers_take(answer: Any) -> None:
    told = {}
    for name, of_node in answer["criteria"].items():
        cells = []
        for move in of_node["data"]["transfers"]:
            cells += [f"{move['bandwidthBytesPerSecond'] / 1e6:.0f} MB/s", f"{move['seconds']:.3f}"]
        told[name] = [*cells, f"{of_node['data']['seconds']:.3f}"]
    assert table("What the transfers take") == told


def test_which_weights(answer: Any) -> None:
    assert answer["profile"]["name"] == "default"
    assert answer["profile"]["why"].startswith("transfers take 3.04 s (median over nodes) for 10 s of processing")
    assert "take 3.04 s (the median over the nodes that fit) for 10 s of processing" in PAGE


def test_what_each_node_costs(answer: Any) -> None:
    told = {}
    for name, of_node in answer["criteria"].items():
        data = of_node["data"]["weight"] * of_node["data"]["seconds"] / 5
        rest = [of_node[part]["weight"] * (1 - of_node[part]["u"]) for part in ("resources", "affinity")]
        told[name] = [f"{cost:.4f}" for cost in (data, *rest, of_node["cost"])] + [f"{of_node['costSeconds']:.2f}"]
        assert of_node["nodeType"]["u"] == of_node["capability"]["u"] == 1
    assert table("What each node costs") == told
    assert (answer["chosen"], answer["deciding"]) == ("near-1", "data")


def test_what_kube_scheduler_would_do(answer: Any) -> None:
    assert table("What kube-scheduler would do") == {name: [str(total)] for name, total in answer["totals"].items()}
    best = max(answer["totals"].values())
    assert {name for name, total in answer["totals"].items() if total == best} == {"west-2", "east-1"}
    assert {name: round(seconds, 1) for name, seconds in asking.seconds(answer).items()} == {
        "near-1": 1.8, "west-2": 3.0, "east-1": 8.1,
    }  # fmt: skip
