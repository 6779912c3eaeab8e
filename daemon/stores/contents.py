"""What a store is asked, and what it answers, as values: within which limits, by whom, and what it holds or why not."""

from __future__ import annotations

import dataclasses
from typing import Final

POD_NOT_READY: Final = "PodNotReady"  # a Failure's reason: the store's pod does not take requests


@dataclasses.dataclass(frozen=True)
class Credentials:
    """An access key, its secret, and the token of a session where they are lent for some hours; none is ever shown."""

    access_key: str = dataclasses.field(repr=False)
    secret_key: str = dataclasses.field(repr=False)
    session_token: str = dataclasses.field(default="", repr=False)


@dataclasses.dataclass(frozen=True)
class Limits:
    """How long and how much a store is listened to."""

    timeout_s: float = 5.0
    """For connecting and for each read; a healthy store answers in milliseconds. A whole answer may take three times
    as long, however it trickles."""
    budget_s: float = 20.0
    """For a whole listing; then what is counted is reported as a lower bound."""
    max_keys: int = 10_000
    """Keys counted in each bucket or prefix: ten pages of S3's 1,000."""
    max_lookups: int = 1_000
    """Keys and prefixes looked up in one listing; the others keep what was known of them."""
    max_requests: int = 1_000
    """Requests of a listing, as ``budget_s``; a page of 1,000 keys is one."""
    max_bytes: int = 64 * 2**20
    """Bytes that a listing reads, as ``budget_s``: some 150 full pages, so 2 MB/s where it is listed every 30 s."""


@dataclasses.dataclass(frozen=True)
class Content:
    """What a bucket, prefix or key holds; not ``complete`` means that the figures are lower bounds.

    ``unreadable`` entries (of a directory) are one reason for that; the limits are the other.
    """

    size_bytes: int
    object_count: int
    complete: bool = True
    etag: str = ""
    last_modified: str = ""
    unreadable: int = 0
    version_id: str = ""


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a store could not be listed: ``reason`` in CamelCase, ``message`` a sentence.

    A ``passing`` one says nothing about what the store holds: it is only busy, and wants to be left alone for
    ``retry_after_s`` (0 where it did not say how long).
    """

    reason: str
    message: str
    passing: bool = False
    retry_after_s: float = 0.0


@dataclasses.dataclass(frozen=True)
class Listing:
    """What a store holds.

    ``buckets`` has None for one that may not be read, or that there was no time for (then it is ``uncounted`` too).
    ``missing`` urns are surely not there. ``unnameable`` are buckets, as the store names them, that no urn can name.
    ``closed`` says of buckets why they may not be read; ``note`` is what else is worth saying about the store.
    """

    technology: str = "s3"
    buckets: dict[str, Content | None] = dataclasses.field(default_factory=dict)
    uncounted: frozenset[str] = frozenset()
    found: dict[str, Content] = dataclasses.field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    unnameable: frozenset[str] = frozenset()
    closed: dict[str, str] = dataclasses.field(default_factory=dict)
    note: str = ""


def bucket_of(urn: str) -> str:
    return urn.partition("/")[0]
