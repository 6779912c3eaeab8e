"""`advise`: what it says a replica saves is what what-if says of it, and what is saved most comes first."""

from __future__ import annotations

import json
import pathlib

import hypothesis
import pytest
from click import testing
from hypothesis import strategies as st

from scheduler.locality import cli
from scheduler.locality.whatif import advising
from tests.kernel import runs
from tests.locality.whatif import made


@hypothesis.settings(max_examples=6, deadline=None)
@hypothesis.given(seed=st.sampled_from([1, 2, 3, 4]), place=st.integers(0, 9), last=st.sampled_from([30, 100]))
def test_a_replica_saves_what_what_if_says(seed: int, place: int, last: int) -> None:
    world = made.world(seed)
    done: list[tuple[int, int]] = []
    told = advising.advise(world, last=last, meant=lambda _: True, tell=lambda count, of: done.append((count, of)))
    assert told.pods == last
    assert told.tried == min(told.candidates, advising.TRIED)
    assert len(done) <= (advising.TRIED + 1) * last
    assert [one.saved_s for one in told.replicas] == sorted((one.saved_s for one in told.replicas), reverse=True)
    hypothesis.assume(told.replicas)
    one = told.replicas[place % len(told.replicas)]
    tried = made.compared(world, made.wanted(f"add-replica {one.urn}={one.node}"), last=last)
    saved_s = sum(row.before.data_s - row.after.data_s for row in tried.rows)
    assert one.saved_s == pytest.approx(saved_s, abs=1e-6)
    assert one.saved_bytes == sum(row.before.network_bytes - row.after.network_bytes for row in tried.rows)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_pod_is_to_move_where_it_would_go_now(seed: int) -> None:
    world = made.world(seed)
    told = advising.advise(world, last=100, meant=lambda _: True, tell=lambda _count, _of: None)
    rows = {row.pod: row for row in made.compared(world, []).rows}
    assert told.moves
    for move in told.moves:
        row = rows[move.pod]
        assert (move.source, move.target) == (row.node_now, row.before.node)
        assert move.source != move.target
        assert move.saved_s > 0


def test_the_best_replica_of_all_is_found_where_few_come_into_question(tmp_path: pathlib.Path) -> None:
    """Of every urn that is read and every node, by trying them all."""
    world = made.world(3)
    told = advising.advise(world, last=12, meant=lambda _: True, tell=lambda _count, _of: None)
    most_s = max(
        sum(row.before.data_s - row.after.data_s for row in made.compared(world, change, last=12).rows)
        for bucket in runs.BUCKETS
        for node in range(runs.NODES)
        if (change := made.wanted(f"add-replica {bucket}=n{node}"))
    )
    assert told.replicas[0].saved_s >= 0.9 * most_s
    file = tmp_path / "world.json"
    file.write_bytes(made.file(3))
    for output in ("table", "wide", "json"):
        said = testing.CliRunner().invoke(cli.main, ["advise", "--world", str(file), "--last", "12", "-o", output])
        assert said.exit_code == 0, said.output
        best = told.replicas[0]
        if output == "json":
            assert json.loads(said.stdout)["replicas"][0] == best._asdict()
        else:
            assert f"kubectl locality what-if --add-replica {best.urn}={best.node}" in said.stdout
