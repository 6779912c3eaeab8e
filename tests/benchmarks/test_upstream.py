"""kube-scheduler's own cycles are timed about the pods that were named, in their order; where its program is built."""

import argparse

import pytest

from benchmarks.engine import kinds, upstream, worlds
from tests.parity import program

NODES, PLACED, ASKED = 5, 50, 3

pytestmark = pytest.mark.skipif(not program.path().exists(), reason="upstream's program is built by `make parity`")


@pytest.mark.parametrize("name", [name for name, kind in worlds.KINDS.items() if not kind.is_ours])
def test_every_kind_is_placed_by_every_setting(name: str) -> None:
    kind = worlds.KINDS[name]
    objects = {collection: list(each) for collection, each in worlds.WORLDS[kind.world](NODES, PLACED).items()}
    if kind.beside is not None:
        for number in range(ASKED):
            for collection, more in kind.beside(number).items():
                objects.setdefault(collection, []).extend(more)
    others, asked = kinds.pods("other", worlds.KINDS["plain-known"], 2, 1), kinds.pods(name, kind, ASKED, 1)
    nodes = {node["metadata"]["name"] for node in objects["nodes"]}
    with upstream.Upstream(objects, [*others, *asked]) as theirs:
        for setting in upstream.SETTINGS:
            taken = theirs.take(setting, f"{name}-", ASKED)
            assert not taken.fault
            assert list(taken.pods) == [pod["metadata"]["name"] for pod in asked]
            assert set(taken.nodes) <= nodes
            assert len(taken.wall_ns) == len(taken.cpu_ns) == ASKED
            assert min(taken.wall_ns) > 0


def test_decisions_are_told_beside_those_of_kube_scheduler(capsys: pytest.CaptureFixture[str]) -> None:
    asked = argparse.Namespace(nodes=NODES, placed=PLACED, decisions=20, kinds=["plain-known", "data"], seed=1)
    asked.no_upstream = False
    found = kinds.measure(asked)
    assert found["kinds"].keys() == {"plain-known", "data"}
    assert all(each["decisions"] == 20 for each in found["kinds"].values())
    (told,) = found["upstream"].values()
    assert told["upstream_ratio"] == told["all_ms"] / told["ours-wall_ms"]
    assert told["upstream_cpu_ratio"] == told["all-cpu_ms"] / told["ours_ms"]
    printed = capsys.readouterr().out
    assert all(f"| {name} |" in printed for name in found["kinds"])
    assert "v1.37.2" in printed
