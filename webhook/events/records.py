"""What one record of an S3 notification says of an object: written, gone, or one of its versions gone.

Stores put whatever happens into one list: objects, tags, retention, buckets, tests. A store repeats a delivery that
is refused, and holds back all that comes after it. So nothing in a record is a reason to refuse: what names no object,
or none that a urn can name, is passed over, and what is told of an object that cannot be read is unknown.

Deleting hides an object, or removes one of its versions for good, and the event is called the same on a bucket without
versions as for a version: ``ObjectRemoved:Delete``. What tells them apart is the version's id. Which version the object
is then, only those know who remember what was written: see ledger.

Names and shapes are those of AWS, MinIO, Ceph and versitygw; most put ``s3:`` before the name, some do not.
"""

from __future__ import annotations

import datetime
import re
import urllib.parse
from typing import Any, Final, Literal

import msgspec

from scheduler.api import urns

# Those that bring bytes. Others under ObjectCreated are about tags, retention and legal hold.
_WRITES: Final = frozenset({"Put", "Post", "Copy", "CompleteMultipartUpload"})
_WRITTEN: Final = frozenset({*(f"ObjectCreated:{what}" for what in _WRITES), "ObjectSynced:Create"})
# Whatever versions there are, nobody who asks for the key finds it.
_HIDDEN: Final = frozenset({
    "ObjectRemoved:DeleteMarkerCreated", "ObjectRemoved:DeleteAllVersions", "LifecycleExpiration:DeleteMarkerCreated",
    "ObjectLifecycle:Expiration:Current", "ObjectSynced:DeletionMarkerCreated",
})  # fmt: skip
# One version, or the object where there are none.
_DELETED: Final = frozenset({
    "ObjectRemoved:Delete", "LifecycleExpiration:Delete", "ObjectSynced:Delete", "ReducedRedundancyLostObject",
})  # fmt: skip
# One version, which need not be named and is never what is found.
_OLD: Final = frozenset({
    "ObjectLifecycle:Expiration:NonCurrent", "ObjectLifecycle:Expiration:DeleteMarker",
    "LifecycleDelMarkerExpiration:Delete",
})  # fmt: skip

NULL_VERSION: Final = "null"
"""The version of what was written while a bucket had none."""

_DIGITS: Final = re.compile(r"[0-9]{1,18}")
_SEQUENCER: Final = re.compile(r"[0-9A-Fa-f]{1,64}")
_NOT_ESCAPED: Final = re.compile(r"[^!-~]")  # what stands in no escaped key
_MAX_VERSION: Final = 1024


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of an object.

    Attributes:
        what: ``withdrawn`` is that this version, and no more than that, is gone.
        version: Of what was written or deleted; "" where the bucket has no versions.
        size_bytes: 0 where it is not told.
        order: Of two things that happened to one object in the same millisecond, the later has the greater.
    """

    what: Literal["written", "gone", "withdrawn"]
    urn: str
    version: str = ""
    size_bytes: int = 0
    time_s: float | None = None
    order: str = ""


def read(record: object) -> Record | str:
    """What a record says of an object, or why it says nothing."""
    if not isinstance(record, dict) or not isinstance(event := record.get("eventName"), str):
        return "not a record of S3"
    name = event.removeprefix("s3:")
    if name not in _WRITTEN and not _removes(name):
        return "not about what an object holds"
    s3 = record.get("s3")
    bucket, found = (s3.get("bucket"), s3.get("object")) if isinstance(s3, dict) else (None, None)
    if not isinstance(bucket, dict) or not isinstance(found, dict):
        return "names no object"
    urn = _urn(bucket.get("name"), found.get("key"), is_raw=_is_ceph(record))
    if not urn or (fault := urns.fault(urn)):
        return "names no object" if not urn else fault
    version = version if isinstance(version := found.get("versionId"), str) and len(version) <= _MAX_VERSION else ""
    size_bytes = _size_bytes(found.get("size"))
    if name in _WRITTEN:
        if urn.endswith("/") and not size_bytes:
            return "a folder"
        what: Literal["written", "gone", "withdrawn"] = "written"
    elif name in _HIDDEN or (name not in _OLD and version in ("", NULL_VERSION)):
        what = "gone"
    elif version:
        what = "withdrawn"
    else:
        return "an old version"
    time = _time(record.get("eventTime"))
    return Record(
        what=what,
        urn=urn,
        version=version,
        size_bytes=size_bytes,
        time_s=seconds(time),
        order=_order(record, found, time),
    )


def is_test(data: dict[str, Any]) -> bool:
    """Whether data is what a store sends to see whether anybody is there."""
    said = [data.get(key) for key in ("Event", "event", "EventName", "eventName")]
    return not data or any(
        isinstance(event, str) and event.removeprefix("s3:").lower() == "testevent" for event in said
    )


def seconds(time: object) -> float | None:
    """Seconds since 1970 of a time or of its RFC 3339 text, None where there is none or it cannot be told."""
    time = _time(time)
    try:
        return time.timestamp() if time else None
    except (ValueError, OverflowError):
        return None


def _removes(name: str) -> bool:
    if name in _HIDDEN or name in _DELETED or name in _OLD:
        return True
    # Stores have further words for it; NoOP is MinIO's for deleting what was not there.
    return name.startswith("ObjectRemoved:") and name != "ObjectRemoved:NoOP"


def _urn(bucket: object, key: object, *, is_raw: bool) -> str:
    """Most stores escape keys as in a form, with + for a space; "" where that gives no text."""
    if not isinstance(bucket, str) or not isinstance(key, str) or not bucket or not key:
        return ""
    if is_raw or _NOT_ESCAPED.search(key):
        return f"{bucket}/{key}"
    try:
        return f"{bucket}/{urllib.parse.unquote_plus(key, errors='strict')}"
    except UnicodeDecodeError:
        return ""


def _is_ceph(record: dict[str, Any]) -> bool:
    return str(record.get("eventSource", "")).startswith("ceph")


def _size_bytes(size: object) -> int:
    if isinstance(size, str) and _DIGITS.fullmatch(size):  # so Ceph writes it
        return int(size)
    return size if isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**63 else 0


def _time(time: object) -> datetime.datetime | None:
    try:
        if isinstance(time, str):
            time = datetime.datetime.fromisoformat(time)
    except ValueError:
        return None
    return time if isinstance(time, datetime.datetime) and time.tzinfo else None


def _order(record: dict[str, Any], found: dict[str, Any], time: datetime.datetime | None) -> str:
    """Within a millisecond: by the time itself, then by the sequencer, padded as AWS says that it be compared."""
    microseconds = time.microsecond % 1000 if time else 0
    sequencer = found.get("sequencer")
    if not isinstance(sequencer, str) or not _SEQUENCER.fullmatch(sequencer):
        sequencer = ""
    if _is_ceph(record):
        sequencer = ""  # its bytes run the other way round
    return f"{microseconds:03}{sequencer.upper():0<64}" if microseconds or sequencer else ""
