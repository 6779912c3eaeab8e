"""What an HTTP request says of data to come: CloudEvents of several forms, and what S3 stores post by themselves.

A request holds CloudEvents (structured, binary or a batch of structured ones) or, without any sign of CloudEvents,
plain JSON. What the data of an event looks like decides, not its type, since brokers and adapters rename those:

- ``dataInputs``, ``dataOutputs`` or ``processingOptions``: the grammar of ``knative.event-data``. The data may be
  wrapped in a second envelope (``{"specversion": ..., "data": {...}}``), as users of the earlier implementation do.
- ``Records`` of S3, or one such record by itself, as the CloudEvents adapter for S3 sends it: objects that were written
  are data to come, objects that were removed no longer are.
- Anything else names no data. It is no error: a Trigger without a filter delivers whatever passes through its broker.

What people and programs write as event data is taken as a whole or refused as a whole, with a message for whoever wrote
it. What a store sends it cannot send in another way, and would send again for ever: there each record is taken or
passed over by itself, and an event by which a store tries whether anybody is there is welcome.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import msgspec
import structlog
from cloudevents.core import base as cloudevents
from cloudevents.core import exceptions as cloudevents_errors
from cloudevents.core.bindings import http

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.api import eventdata, names
from webhook.events import records

log = structlog.get_logger(__name__)

# More than any broker sends at once. It bounds what one request can cost the event loop.
MAX_EVENTS: Final = 256

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
JSON: Final = "application/json"

_EVENT_KEYS: Final = ("dataInputs", "dataOutputs", "processingOptions")
_OPTIONS: Final = frozenset({"dataIntensive", "computeIntensive", "preferEdge", "preferCloud", "preferRegion"})
_BROKEN: Final = (msgspec.MsgspecError, ValueError, RecursionError)
# What the SDK lets through of input that it does not expect.
_REFUSED: Final = (
    cloudevents_errors.BaseCloudEventException, ValueError, TypeError, AttributeError, KeyError, OverflowError,
    RecursionError,
)  # fmt: skip


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one event says.

    Attributes:
        identity: The same whenever the same event is delivered again.
        time_s: When it happened, in seconds since 1970; None where it does not say.
        removed: Urns that are gone.
        withdrawn: Urns of which one version is gone, and no more is known than that.
        version: Which one was written, is gone or withdrawn; "" where there are none.
        order: Of two things that happened to one object in the same millisecond, the later has the greater.
        place: In what was sent at once; what stands later happened later, if nothing else tells.
        options: Of ``processingOptions``, those that mean something.
    """

    identity: str
    time_s: float | None = None
    inputs: tuple[intents.Transfer, ...] = ()
    outputs: tuple[intents.Transfer, ...] = ()
    removed: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    version: str = ""
    order: str = ""
    place: int = 0
    options: Mapping[str, bool | str] = {}

    @property
    def says_something(self) -> bool:
        return bool(self.inputs or self.outputs or self.removed or self.withdrawn or self.options)


def understands(headers: Mapping[str, str]) -> bool:
    """Whether a body with these headers (names in lower case) is of a kind that can be read at all."""
    return _media_type(headers) in {STRUCTURED, BATCH, JSON} or _is_binary(headers)


def read(headers: Mapping[str, str], body: bytes) -> list[Message]:
    """Read a request whose headers are understood; their names are in lower case.

    Raises:
        InputError: something in it cannot be used.
    """
    media_type = _media_type(headers)
    if media_type == BATCH:
        return _batch(body)
    if media_type == STRUCTURED:
        return _structured("event", body)
    if _is_binary(headers):
        given = {name.removeprefix("ce-") for name in headers}
        return _of_event("event", given, _parsed("event", headers, body, http.from_binary_event))
    fields = _decoded("body", body)
    if isinstance(fields, dict) and "specversion" in fields:
        return _structured("event", body)
    found = _of_data("body", fields, _digest(body), None)
    if found is None:
        remedy = (
            'neither a CloudEvent nor an S3 notification; send the Ce-* headers, or {"specversion": "1.0", ...} '
            f"as {STRUCTURED}"
        )
        raise errors.InputError("body", _text(body), remedy)
    return found


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_binary(headers: Mapping[str, str]) -> bool:
    return "ce-specversion" in headers and not _media_type(headers).startswith("application/cloudevents")


def _batch(body: bytes) -> list[Message]:
    try:
        parts = msgspec.json.decode(body, type=list[msgspec.Raw])
    except _BROKEN as error:
        raise errors.InputError("batch", _text(body), f"not a JSON list of CloudEvents: {error}") from error
    if len(parts) > MAX_EVENTS:
        raise errors.InputError("batch", f"{len(parts)} events", f"send at most {MAX_EVENTS} at once")
    return [message for n, part in enumerate(parts) for message in _structured(f"event[{n}]", bytes(part))]


def _structured(where: str, body: bytes) -> list[Message]:
    fields = _decoded(where, body)
    if not isinstance(fields, dict):
        raise errors.InputError(where, _text(body), 'write an object, as in {"specversion": "1.0", ...}')
    return _of_event(where, fields, _parsed(where, {}, body, http.from_structured_event))


def _parsed(
    where: str,
    headers: Mapping[str, str],
    body: bytes,
    parse: Callable[[http.HTTPMessage], cloudevents.BaseCloudEvent],
) -> cloudevents.BaseCloudEvent:
    try:
        return parse(http.HTTPMessage(headers=dict(headers), body=body))
    except _REFUSED as error:
        raise errors.InputError(where, _text(body), f"not a CloudEvent: {_plain(error)}") from error


def _plain(error: Exception) -> str:
    """The words of the SDK's error, and only its: the values in it may be long."""
    if isinstance(error, cloudevents_errors.CloudEventValidationError):
        return "; ".join(str(fault) for faults in error.errors.values() for fault in faults)[:300]
    return str(error)[:300]


def _of_event(where: str, given: Collection[str], event: cloudevents.BaseCloudEvent) -> list[Message]:
    """``given`` has the attributes that were sent: the SDK makes up an id and a time where there is none."""
    if "id" not in given:
        raise errors.InputError(f"{where} id", "", "required, as a second delivery is told by it")
    data: Any = event.get_data()
    identity = _digest(f"{event.get_source()}\0{event.get_id()}".encode("utf-8", "surrogatepass"))
    time_s = records.seconds(event.get_time()) if "time" in given else None
    kind = (event.get_datacontenttype() or JSON).partition(";")[0].strip().lower()
    if isinstance(data, str | bytes) and data and (kind == JSON or kind.endswith("+json")):
        # Text in place of an object is either what the SDK could not read or what a sender encoded twice.
        data = _decoded(f"{where} data", data)
    if isinstance(data, dict) and "specversion" in data and isinstance(data.get("data"), dict):
        data = data["data"]
    return _of_data(f"{where} data", data, identity, time_s) or [Message(identity=identity, time_s=time_s)]


def _of_data(where: str, data: Any, identity: str, time_s: float | None) -> list[Message] | None:  # noqa: ANN401 - JSON
    """None where it is of no form that names data."""
    if not isinstance(data, dict):
        return None
    if any(key in data for key in _EVENT_KEYS):
        return [_of_event_data(where, data, identity, time_s)]
    if "Records" in data:
        listed = data["Records"] if isinstance(data["Records"], list) else []
        if len(listed) > MAX_EVENTS:
            raise errors.InputError(f"{where} Records", f"{len(listed)} records", f"send at most {MAX_EVENTS} at once")
        return [_of_record(record, f"{identity}{n}", time_s, n) for n, record in enumerate(listed)]
    if "s3" in data:
        return [_of_record(data, identity, time_s, 0)]
    return [] if records.is_test(data) else None


def _of_event_data(where: str, data: dict[str, Any], identity: str, time_s: float | None) -> Message:
    # As many as a pod can name; of thousands of further ones nobody needs to know what is wrong with them.
    wanted: dict[str, Any] = {
        key: value[: intents.MAX_TRANSFERS] if isinstance(value, list) else value
        for key in _EVENT_KEYS
        if (value := data.get(key)) is not None
    }
    try:
        text = msgspec.json.encode(wanted).decode()
    except (*_BROKEN, TypeError, OverflowError) as error:
        raise errors.InputError(where, "", f"holds what no annotation can: {error}") from error
    problems: list[errors.InputError] = []
    said = eventdata.read(text, problems)
    problems += intents.parse(said.hints)[1]
    if problems:
        raise _inside(where, problems[0])
    return Message(
        identity=identity,
        time_s=time_s,
        inputs=_transfers(where, said.inputs),
        outputs=_transfers(where, said.outputs),
        options={key: value for key, value in wanted.get("processingOptions", {}).items() if _is_option(key, value)},
    )


def _is_option(key: str, value: object) -> bool:
    return key in _OPTIONS and isinstance(value, bool | str)


def _transfers(where: str, found: list[tuple[str, str]]) -> tuple[intents.Transfer, ...]:
    """A size that is not given is 0, as others may know it."""
    transfers = []
    for place, text in found:
        urn, size, *rest = text.split(",")
        try:
            transfers.append(intents.parse_transfer(place, ",".join([urn, size or "0", *rest])))
        except errors.InputError as error:
            raise _inside(where, error) from error
    return tuple(transfers)


def _inside(where: str, error: errors.InputError) -> errors.InputError:
    """The error without the annotation's name, which means nothing to a sender."""
    place = error.where.removeprefix(names.EVENT_DATA).removeprefix(names.HINT_PREFIX).strip()
    found = errors.InputError(f"{where} {place}".strip(), "", error.remedy)
    found.value = error.value
    found.args = (f"{found.where}: {error.value}: {error.remedy}",)
    return found


def _of_record(record: object, identity: str, time_s: float | None, place: int) -> Message:
    said = records.read(record)
    if isinstance(said, str):
        log.debug("record passed over", place=place, reason=said)
        return Message(identity=identity, time_s=time_s)
    return Message(
        identity=identity,
        time_s=time_s if said.time_s is None else said.time_s,
        inputs=(intents.Transfer(said.urn, said.size_bytes),) if said.what == "written" else (),
        removed=(said.urn,) if said.what == "gone" else (),
        withdrawn=(said.urn,) if said.what == "withdrawn" else (),
        version=said.version,
        order=said.order,
        place=place,
    )


def _decoded(where: str, text: str | bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return msgspec.json.decode(text)
    except _BROKEN as error:
        raise errors.InputError(where, _text(text), f"not JSON: {error}") from error


def _text(body: str | bytes) -> str:
    return body[:200].decode("utf-8", "replace") if isinstance(body, bytes) else body[:200]


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=12).hexdigest()
