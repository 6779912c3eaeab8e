"""Turns answers that are no success into errors, with the server's own words where it gives any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from scheduler import errors
from scheduler.kube import protobuf


class _Details(msgspec.Struct, rename="camel"):
    retry_after_seconds: float = 0.0


class _Status(msgspec.Struct):
    """metav1.Status, as far as it is read."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: _Details | None = None


_CLASSES: Final[Mapping[int, type[errors.ApiError]]] = {
    401: errors.DeniedError,
    403: errors.DeniedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    410: errors.GoneError,
    429: errors.ThrottledError,
}


def of(status: int, retry_after: str, body: bytes) -> errors.ApiError:
    """The error for an answer with that status, that header and that body."""
    try:
        found = _read(body)
    except (msgspec.MsgspecError, ValueError):  # a proxy or load balancer answered, not the API server
        found = _Status(message=body[:200].decode("utf-8", "replace").strip())
    retry_after_s = found.details.retry_after_seconds if found.details else 0.0
    if retry_after:
        seconds = float(retry_after) if retry_after.isascii() and retry_after.isdecimal() else 1.0
        retry_after_s = max(retry_after_s, seconds)
    kind = _CLASSES.get(status, errors.ThrottledError if retry_after and status >= 500 else errors.ApiError)
    return kind(status, found.reason or "HTTP", found.message or f"status {status}", retry_after_s)


def in_stream(status: bytes | msgspec.Raw) -> errors.ApiError:
    """The error that the Status object of a watch's ERROR event stands for."""
    try:
        code = msgspec.json.decode(status, type=_Status).code
    except msgspec.MsgspecError:
        code = 0
    return of(code or 500, "", bytes(status))


def _read(body: bytes) -> _Status:
    if not body.startswith(protobuf.MAGIC):
        return msgspec.json.decode(body, type=_Status)
    status = protobuf.fields(protobuf.contents(body))
    message, reason, details = (_bytes(status.get(field, b"")) for field in (3, 4, 5))
    retry_after_s = protobuf.fields(details).get(5, 0)
    return _Status(
        reason=reason.decode("utf-8", "replace"),
        message=message.decode("utf-8", "replace"),
        details=_Details(retry_after_s if isinstance(retry_after_s, int) else 0.0),
    )


def _bytes(value: int | bytes) -> bytes:
    return b"" if isinstance(value, int) else value
