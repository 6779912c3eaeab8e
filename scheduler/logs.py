"""Set up logging once per process: structlog for our lines, the standard library for those of Kopf, into one output.

Both kinds end in the same renderer on standard error, so that a line of Kopf's about an object and ours about the same
object look alike and can be searched alike. ``json`` gives one object a line (``timestamp``, ``level``, ``logger``,
``event`` and fields with their units in their names); ``text`` is for people.
"""

from __future__ import annotations

import datetime
import functools
import json
import logging
import sys
import time
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import msgspec
import structlog

FORMATS: Final = ("json", "text")
LEVELS: Final = ("debug", "info", "warning", "error")

# Chatty at INFO about every object or request; their warnings are wanted.
QUIET_LOGGERS: Final = ("kopf", "aiohttp.access", "asyncio", "kubernetes_asyncio")


def configure(log_format: str, level: str, stream: TextIO | None = None) -> None:
    """Route every line of this process to ``stream`` (standard error if None).

    Args:
        log_format: One of FORMATS.
        level: One of LEVELS; at ``debug`` the libraries' lines come too.
        stream: Where to write.
    """
    threshold = getattr(logging, level.upper())
    stream = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [structlog.stdlib.add_log_level, _add_time]
    finish: list[structlog.typing.Processor]
    if log_format == "json":
        # Without local variables: they may hold credentials, and pods by the thousand.
        frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        finish = [structlog.processors.ExceptionRenderer(frames), _as_json]
    else:
        finish = [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared, _object_of_kopf],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(threshold if level == "debug" else logging.WARNING)
    # Our own lines do not take the way through logging, which would cost each of them 48 us instead of 10.
    structlog.configure(
        processors=[_add_name, *shared, *finish],
        logger_factory=lambda *names: _Lines(stream, *names),
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        cache_logger_on_first_use=True,
    )


class _Lines(structlog.WriteLogger):
    """Writes lines for one of our modules, each at once, as whoever looks for the last words of a process needs it."""

    def __init__(self, stream: TextIO, name: str = "") -> None:
        super().__init__(stream)
        self.name = name


def _add_name(logger: _Lines, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["logger"] = logger.name
    return event


def _add_time(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    second, rest_us = divmod(time.time_ns() // 1000, 1_000_000)
    event["timestamp"] = f"{_second(second)}.{rest_us:06d}Z"
    return event


@functools.lru_cache(maxsize=2)
def _second(since_1970: int) -> str:
    """A second in words, which many lines share."""
    return datetime.datetime.fromtimestamp(since_1970, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=repr)


def _as_json(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    try:
        return _ENCODER.encode(event).decode()
    except (UnicodeEncodeError, TypeError):  # half a character, a key that is no text
        return json.dumps({str(key): value for key, value in event.items()}, default=repr)


def _object_of_kopf(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Kopf names the object that a line is about in an extra of its own; give it our fields."""
    record: logging.LogRecord | None = event.get("_record")
    ref = getattr(record, "k8s_ref", None)
    if isinstance(ref, dict):
        event["kind"] = ref.get("kind", "")
        event["object"] = "/".join(part for part in (ref.get("namespace"), ref.get("name")) if part)
    return event
