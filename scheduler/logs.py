"""Set up logging once per process: structlog for our lines, the standard library for those of Kopf, into one output.

Both kinds end in the same renderer on standard error, so that a line of Kopf's about an object and ours about the same
object look alike and can be searched alike. ``json`` gives one object a line (``timestamp``, ``level``, ``logger``,
``event`` and fields with their units in their names); ``text`` is for people.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

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
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    finish: list[structlog.typing.Processor]
    if log_format == "json":
        # Without local variables: they may hold credentials, and pods by the thousand.
        frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        finish = [structlog.processors.ExceptionRenderer(frames), structlog.processors.JSONRenderer(sort_keys=False)]
    else:
        finish = [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _object_of_kopf],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(threshold if level == "debug" else logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _object_of_kopf(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Kopf names the object that a line is about in an extra of its own; give it our fields."""
    record: logging.LogRecord | None = event.get("_record")
    ref = getattr(record, "k8s_ref", None)
    if isinstance(ref, dict):
        event["kind"] = ref.get("kind", "")
        event["object"] = "/".join(part for part in (ref.get("namespace"), ref.get("name")) if part)
    return event
