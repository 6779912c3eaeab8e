"""Messages in protobuf: what was written is what is read, and what was cut is refused."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from scheduler.kube import failures, protobuf

# Encoded by k8s.io/apimachinery v0.36 for a pod that is not there, with a pause of 7 s.
STATUS = bytes.fromhex(
    "6b3873000a0c0a027631120653746174757312430a060a0012001a0012074661696c7572651a12706f6473"
    "20227022206e6f7420666f756e6422084e6f74466f756e642a0f0a017012001a04706f6473280732003094031a002200"
)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [  # the examples of protobuf.dev/programming-guides/encoding
        pytest.param(protobuf.whole(1, 150), "089601", id="number"),
        pytest.param(protobuf.text(2, "testing"), "120774657374696e67", id="string"),
        pytest.param(protobuf.message(3, protobuf.whole(1, 150)), "1a03089601", id="message"),
        pytest.param(protobuf.text(16, "x"), "82010178", id="a field beyond 15"),
        pytest.param(protobuf.text(1, "") + protobuf.whole(2, 0), "", id="empty"),
        pytest.param(protobuf.micro_time(2, 1_000_001), "1205080110e807", id="time"),
        pytest.param(
            protobuf.obj("v1", "Binding", protobuf.text(1, "x")),
            "6b387300" + "0a0d" + "0a027631" + "120742696e64696e67" + "1203" + "0a0178",
            id="object",
        ),
    ],
)
def test_fields_are_written_as_others_read_them(written: bytes, wanted: str) -> None:
    assert written.hex() == wanted


@hypothesis.given(
    found=st.dictionaries(st.integers(1, 2**20), st.integers(1, 2**63 - 1) | st.text(min_size=1), max_size=8)
)
def test_what_was_written_is_read(found: dict[int, int | str]) -> None:
    data = b"".join(
        protobuf.text(number, value) if isinstance(value, str) else protobuf.whole(number, value)
        for number, value in found.items()
    )
    assert protobuf.fields(data) == {
        number: value.encode() if isinstance(value, str) else value for number, value in found.items()
    }


@hypothesis.given(data=st.binary(max_size=40))
def test_nothing_that_comes_in_does_more_than_be_refused(data: bytes) -> None:
    for read in (protobuf.fields, protobuf.contents):
        try:
            read(data)
        except ValueError:
            continue
    failures.of(500, "", protobuf.MAGIC + data)


def test_a_refusal_is_read_in_the_server_s_words() -> None:
    error = failures.of(404, "", STATUS)
    assert (error.reason, error.message, error.retry_after_s) == ("NotFound", 'pods "p" not found', 7)


@pytest.mark.parametrize("length", range(5, len(STATUS) - 4, 7))
def test_a_refusal_that_was_cut_is_quoted_as_far_as_it_came(length: int) -> None:
    error = failures.of(404, "", STATUS[:length])
    assert (error.status, error.reason) == (404, "HTTP")
