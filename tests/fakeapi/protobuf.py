"""The messages in protobuf that the scheduler sends, as a JSON body would have them, and the refusals that it is sent.

Names of fields by number are those of generated.proto in k8s.io/api and k8s.io/apimachinery.
"""

from __future__ import annotations

import datetime
from typing import Any, Final

from scheduler.kube import protobuf

MEDIA_TYPE: Final = protobuf.MEDIA_TYPE

_META: Final = {1: "name", 3: "namespace", 5: "uid"}
_REFERENCE: Final = dict(enumerate(("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion"), 1))
_TIME: Final = {1: "seconds", 2: "nanos"}
_MESSAGES: Final[dict[str, dict[int, Any]]] = {
    "Binding": {1: ("metadata", _META), 2: ("target", _REFERENCE)},
    "Event": {
        1: ("metadata", _META),
        2: ("eventTime", _TIME),
        3: ("series", {1: "count", 2: ("lastObservedTime", _TIME)}),
        4: "reportingController",
        5: "reportingInstance",
        6: "action",
        7: "reason",
        8: ("regarding", _REFERENCE),
        9: ("related", _REFERENCE),
        10: "note",
        11: "type",
    },
}


def decode(body: bytes) -> dict[str, Any]:
    """A Binding or an Event."""
    held = protobuf.contents(body)
    about = _named(protobuf.fields(body[len(protobuf.MAGIC) :])[1], {1: "apiVersion", 2: "kind"})
    found: dict[str, Any] = about | _named(held, _MESSAGES[about["kind"]])
    return found


def status(code: int, reason: str, message: str) -> bytes:
    """A Status that says no."""
    pieces = protobuf.text(2, "Failure"), protobuf.text(3, message), protobuf.text(4, reason)
    return protobuf.obj("v1", "Status", *pieces, protobuf.whole(6, code))


def _named(data: int | bytes, names: dict[int, Any]) -> Any:
    assert isinstance(data, bytes)
    found: dict[str, Any] = {}
    for number, value in protobuf.fields(data).items():
        name = names[number]
        if isinstance(name, tuple):
            found[name[0]] = _named(value, name[1])
        else:
            found[name] = value.decode() if isinstance(value, bytes) else value
    if names is _TIME:
        moment = datetime.datetime.fromtimestamp(found.get("seconds", 0), datetime.UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{found.get('nanos', 0) // 1000:06d}Z"
    return found
