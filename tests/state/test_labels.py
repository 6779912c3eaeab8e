"""Label columns against a naive reading node by node: conditions, integers, labels that come, change and go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.api import requirements
from scheduler.plugins.common import selectors
from tests.state import build

VALUES = ["", "a", "A", "7", "007", "+7", "-7", "0", "-0", "9223372036854775807", "9223372036854775808", "4.0", "1_0",
          "0x1f", "-9223372036854775808", "-9223372036854775809", "٣", "1e3", "true"]  # fmt: skip
KEYS = ["disk", "tier"]

rows = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))


def as_int64(text: str) -> int | None:
    """What Go's strconv.ParseInt(text, 10, 64) gives; None for an error."""
    digits = text[1:] if text[:1] in {"+", "-"} else text
    if not digits or any(digit not in "0123456789" for digit in digits):
        return None
    value = int(text)
    return value if -(2**63) <= value <= 2**63 - 1 else None


def is_label_value(text: str) -> bool:
    inner = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    return len(text) <= 63 and set(text) <= inner and not (set("-_.") & {text[:1], text[-1:]})


def holds(operator: str, values: list[str], value: str | None) -> bool | None:
    """The meaning of one requirement for one node; None where it cannot be read at all."""
    if not all(map(is_label_value, values)):
        return None
    if operator == "In":
        return value in values if values else None
    if operator == "NotIn":
        return value not in values if values else None
    if operator in {"Exists", "DoesNotExist"}:
        return None if values else (value is not None) == (operator == "Exists")
    bound = as_int64(values[0]) if len(values) == 1 else None
    if operator not in {"Gt", "Lt"} or bound is None:
        return None
    number = as_int64(value) if value is not None else None
    return number is not None and (number > bound if operator == "Gt" else number < bound)


@given(
    history=st.lists(st.lists(rows, min_size=5, max_size=5), min_size=1, max_size=3),
    gone=st.sets(st.integers(0, 4)),
    key=st.sampled_from([*KEYS, "nobody-has-it"]),
    operator=st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "", "Near"]),
    values=st.lists(st.sampled_from(VALUES), max_size=3),
)
def test_a_requirement_means_the_same_as_node_by_node(
    history: list[list[dict[str, str]]], gone: set[int], key: str, operator: str, values: list[str]
) -> None:
    made = build.state(capacity=1)
    for moment in history:
        for number, row in enumerate(moment):
            made.apply_node(build.as_node(build.node(f"n{number}", labels=row)))
        for number in gone:  # its slot is taken by another
            made.remove_node(f"n{number}")
    snap = made.freeze()
    term = {"matchExpressions": [{"key": key, "operator": operator, "values": values}]}
    pod = build.as_pod(build.pod(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [term]}}}))  # fmt: skip
    assert pod.spec.affinity is not None
    assert pod.spec.affinity.node_affinity is not None
    assert pod.spec.affinity.node_affinity.required is not None
    (read,) = pod.spec.affinity.node_affinity.required.node_selector_terms
    found = selectors.match_term(read, snap)
    meant = {
        f"n{number}": holds(operator, values, row.get(key))
        for number, row in enumerate(history[-1])
        if number not in gone
    }
    readable = holds(operator, values, None) is not None
    assert requirements.is_readable(read) == readable
    assert {name: bool(found[index]) for name, index in snap.index_of.items()} == {
        name: readable and bool(one) for name, one in meant.items()
    }


@given(row=rows, pairs=rows)
def test_pairs_hold_where_every_one_of_them_does(row: dict[str, str], pairs: dict[str, str]) -> None:
    snap = build.state([build.node("a", labels=row), build.node("b")]).freeze()
    found = selectors.match_pairs(pairs.items(), snap)
    assert found[snap.index_of["a"]] == (pairs.items() <= row.items())
    assert found[snap.index_of["b"]] == (not pairs)


@pytest.mark.parametrize("text", [*VALUES, " 7", "7 ", "--7", "+", "-", "7\n", "1" * 63])
def test_numbers_are_read_as_go_reads_them(text: str) -> None:
    assert requirements.parse_int64(text) == as_int64(text)


def test_a_column_outlives_growth() -> None:
    made = build.state([build.node(f"n{number}", labels={"k": str(number)}) for number in range(40)], capacity=1)
    snap = made.freeze()
    column = snap.node_labels.column("k")
    assert column is not None
    above = column.compare(30, above=True, size=snap.size)
    assert sorted(snap.names[index] for index in above.nonzero()[0]) == [f"n{number}" for number in range(31, 40)]
    assert snap.node_labels.column("nobody-has-it") is None


def test_taints_that_changed_are_forgotten_and_those_that_stand_still_count() -> None:
    state = build.state([], capacity=4)
    steady = {"key": "steady", "value": "1", "effect": "NoSchedule"}
    state.apply_node(build.as_node(build.node("steady", taints=[steady])))
    for second in range(1000):  # somebody writes a time into a taint's value
        changing = {"key": "at", "value": str(second), "effect": "NoSchedule"}
        state.apply_node(build.as_node(build.node("changing", taints=[changing])))
    snap = state.freeze()
    assert len(snap.taint_sets) < 20
    for name, key, value in [("steady", "steady", "1"), ("changing", "at", "999")]:
        [taint] = snap.taint_sets[int(snap.taint_set[snap.index_of[name]])]
        assert (taint.key, taint.value) == (key, value)
