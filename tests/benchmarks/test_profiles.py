"""What a list of the longest says of stacks."""

from benchmarks.scheduling import profiles

STACKS = ["run (app.py:1);step (cycle.py:7);decide (decide.py:9) 6", "run (app.py:1);step (cycle.py:8) 4"]


def test_shares_by_itself_and_with_what_it_called() -> None:
    lines = profiles.top(STACKS)
    split = lines.index("with all that it called")
    assert lines[0] == "10 samples"
    assert [line.split(maxsplit=1) for line in lines[3 : split - 1]] == [
        ["60.0%", "decide (decide.py)"], ["40.0%", "step (cycle.py)"],
    ]  # fmt: skip
    assert ["100.0%", "step (cycle.py)"] in [line.split(maxsplit=1) for line in lines[split:]]


def test_a_function_that_calls_itself_counts_once() -> None:
    assert "100.0%  walk (a.py)" in [line.strip() for line in profiles.top(["walk (a.py:1);walk (a.py:2) 3"])]
