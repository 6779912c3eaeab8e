"""What the report says of turns."""

from benchmarks.scheduling import report, turns

ABOUT = {
    "machine": "m", "cores": 2, "processor": "p", "python": "3", "kubernetes": "v1", "etcd": "v3",
    "versions": {"kopf": "1"}, "commit": "abc", "options": {"seed": 1},
}  # fmt: skip


def turn(contender: str, pods_per_s: float, number: int, fault: str = "") -> turns.Turn:
    made = turns.Turn(contender, "plain", "backlog", nodes=10, placed=0, pods=5, round=number, fault=fault)
    made.figures = {} if fault else {"pods_per_s": pods_per_s}
    return made


DONE = [
    turn("stock", 100, 0), turn("ours", 300, 0), turn("stock", 200, 1), turn("ours", 500, 1),
    turn("ours", 0, 2, "died"),
]  # fmt: skip


def test_the_table_has_medians_spreads_and_their_ratio() -> None:
    text = report.as_markdown(ABOUT, DONE)
    assert "| pods_per_s | 150 (100-200) | 400 (300-500) | 2.67 |" in text


def test_a_turn_that_failed_is_named_and_does_not_count() -> None:
    assert "ours, plain, backlog, round 3 does not count: died" in report.as_markdown(ABOUT, DONE)
    summaries = report.as_json(ABOUT, DONE)["summaries"]
    assert {each["contender"]: each["figures"]["pods_per_s"]["runs"] for each in summaries} == {"stock": 2, "ours": 2}


def test_everything_measured_is_kept() -> None:
    kept = report.as_json(ABOUT, DONE)["turns"]
    assert [each["figures"].get("pods_per_s") for each in kept] == [100, 300, 200, 500, None]
