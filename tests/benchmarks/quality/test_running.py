"""Cases are run once, kept at once, and none of them can hold up the others."""

from pathlib import Path

import pytest

from benchmarks.quality import __main__ as quality
from benchmarks.quality import cases, chain, results, running

WANTED = list(cases.all_of(["pipelines"], ["cluster"], ["ours", "random"], [1]))


def test_what_belongs_together_follows_each_other_and_own_nodes_are_not_varied() -> None:
    found = list(cases.all_of(["chain", "pipelines"], ["cluster", "edge"], ["ours", "random"], [1, 2]))
    assert [(one.work, one.topology, one.arm) for one in found if one.seed == 1] == [
        ("chain", "cluster", "ours"),
        ("chain", "cluster", "random"),
        ("chain", "edge", "ours"),
        ("chain", "edge", "random"),
        ("pipelines", "own", "ours"),
        ("pipelines", "own", "random"),
    ]
    assert len(found) == 12


def test_a_run_that_ended_early_goes_on_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    first = running.run(WANTED[:1], results.Book(file))
    with file.open("ab") as cut:
        cut.write(b'{"case":["pipel')
    both = running.run(WANTED, results.Book(file))
    assert both[0] == first[0], "its CPU time too: it was not run again"
    assert [one.case for one in both] == WANTED
    assert results.read(file) == both
    assert all(one.figures is not None and one.figures.done == 22 for one in both)


def test_what_no_time_is_left_for_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = list(cases.all_of(["pipelines"], ["cluster"], ["ours"], range(20)))
    found = running.run(wanted, results.Book(tmp_path / "results.jsonl"), minutes=0)
    assert 1 <= len(found) < len(wanted)
    assert "run it again for the rest" in capsys.readouterr().err


def test_the_parts_of_the_chain_add_up_to_the_makespan() -> None:
    for case in WANTED:
        given, done = running.outcome_of(case)
        found = chain.parts(given, done)
        whole_s = found.arriving_s + found.waiting_s + found.fetching_s + found.working_s + found.writing_s
        assert whole_s == pytest.approx(done.makespan_s)
        ran = chain.links(given, done)
        assert ran[-1].done_s == max(one.done_s for one in done.pods if one.done_s is not None)
        assert found.working_s > 0


def test_a_case_that_takes_too_long_is_noted_as_such() -> None:
    for limit_s in (0.001, 0.3):  # while the work is made, and while ours places it
        found = running.measure(cases.Case("bursts", "edge", "ours", 1), limit_s)
        assert found.figures is None
        assert found.fault == f"TooLongError: more than {limit_s:g} s of CPU time"
    assert running.measure(WANTED[0], 60).fault == "", "the next one has its own time"


def test_the_command_compares_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quality.main(["--works", "pipelines", "--arms", "ours", "random", "--out", str(tmp_path)])
    told = capsys.readouterr()
    assert "| pipelines | own |" in told.out
    assert "2 cases, 0 of them kept" in told.err
    assert (tmp_path / "results.md").read_text() == told.out.removesuffix("\n")
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_work_that_nobody_knows_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        quality.main(["--works", "nothing-like-this"])
    assert "montage-120-1" in capsys.readouterr().err
