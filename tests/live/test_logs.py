"""One shape of line for ours and for the libraries'."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from scheduler import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    quiet = {name: logging.getLogger(name).level for name in logs.QUIET_LOGGERS}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in quiet.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_ours_and_theirs_look_alike() -> None:
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    structlog.get_logger("scheduler.x").info("pod bound", pod="ns/a", cost_s=1.5)
    ref = {"kind": "Pod", "namespace": "ns", "name": "a"}
    logging.getLogger("kopf.objects").warning("something %s", "odd", extra={"k8s_ref": ref})
    ours, theirs = lines(stream)
    assert (ours["event"], ours["pod"], ours["cost_s"], ours["logger"]) == ("pod bound", "ns/a", 1.5, "scheduler.x")
    assert (theirs["event"], theirs["level"], theirs["object"]) == ("something odd", "warning", "ns/a")
    assert set(ours) & set(theirs) >= {"event", "level", "logger", "timestamp"}


@pytest.mark.parametrize(("level", "count"), [("debug", 3), ("info", 1), ("error", 0)])
def test_the_level_holds_for_all_and_libraries_are_quiet_below_debug(level: str, count: int) -> None:
    stream = io.StringIO()
    logs.configure("json", level, stream)
    structlog.get_logger("scheduler.x").debug("details")
    structlog.get_logger("scheduler.x").info("facts")
    logging.getLogger("kopf.activities").info("chatter")
    assert len(lines(stream)) == count


@pytest.mark.parametrize("log_format", logs.FORMATS)
def test_a_traceback_shows_no_local_variables(log_format: str) -> None:
    stream = io.StringIO()
    logs.configure(log_format, "info", stream)

    def fail(password: str) -> None:
        raise ValueError(len(password))

    try:
        fail("hunter" + "2")
    except ValueError:
        structlog.get_logger("scheduler.x").exception("it failed")
    text = stream.getvalue()
    assert "ValueError" in text
    assert "it failed" in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param("half a character: \ud800", id="half a character"),
        pytest.param({("a", 1): "b"}, id="a key that is no text"),
        pytest.param(object, id="no value of JSON"),
        pytest.param(float("nan"), id="no number of JSON"),
    ],
)
def test_whatever_is_logged_is_one_line_of_json(odd: object) -> None:
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    structlog.get_logger("scheduler.x").info("odd", odd=odd)
    structlog.get_logger("scheduler.x").info("even")
    assert [line["event"] for line in lines(stream)] == ["odd", "even"]
