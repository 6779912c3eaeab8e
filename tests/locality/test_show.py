"""How answers look: what aligns, what is rounded how."""

import click
import pytest

from scheduler.locality import show


def test_columns_align_whatever_their_colour() -> None:
    lines = show.table(["NODE", "COST"], [[show.bad("a"), "1.5 s"], ["long-name", "12 s"]], right={1})
    assert [click.unstyle(line) for line in lines] == [
        "NODE         COST",
        "a           1.5 s",
        "long-name    12 s",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value_s", "text"),
    [
        (0.0, "0 s"), (0.0004, "0 s"), (0.0123, "12.3 ms"), (0.9996, "1.00 s"), (1.254, "1.25 s"), (-1.254, "-1.25 s"),
        (0.84, "840 ms"), (99.94, "99.9 s"), (99.96, "1 min 40 s"), (3599.7, "1 h 0 min"), (-7260.0, "-2 h 1 min"),
    ],
)  # fmt: skip
def test_seconds_have_three_digits(value_s: float, text: str) -> None:
    assert show.seconds(value_s) == text


@pytest.mark.parametrize(
    ("age_s", "text"), [(-1.0, "0s"), (119.0, "119s"), (600.0, "10m"), (7300.0, "2h"), (400_000.0, "5d")]
)
def test_ages_are_as_kubectl_shows_them(age_s: float, text: str) -> None:
    assert show.age(age_s) == text


def test_documents_keep_their_order_and_letters() -> None:
    data = {"b": [1], "a": "ü"}
    assert show.document(data, show.JSON) == '{\n  "b": [\n    1\n  ],\n  "a": "ü"\n}'
    assert show.document(data, show.YAML) == "b:\n- 1\na: ü"
