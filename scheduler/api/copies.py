"""Which of the copies that are reported of one urn have its content of today.

Stores tell contents apart by their ETag; the newest by its time is today's, and what has another one is out of date,
even where the newest cannot be had just now: a pod that read the older one would read something else than it asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.api import crd, units


def current(replicas: Sequence[crd.Replica]) -> list[crd.Replica]:
    """Those of ``replicas`` that are not older than another one, in the same order, available or not.

    One without an ETag (a bucket, a prefix, a declared location) is never out of date.
    """
    newest = max((one for one in replicas if one.etag), key=_written_s, default=None)
    return [one for one in replicas if newest is None or not one.etag or _is_same(one, newest)]


def _written_s(copy: crd.Replica) -> tuple[float, str]:
    written_s = units.time_s(copy.last_modified)
    return (float("-inf") if written_s is None else written_s, copy.etag)


def _is_same(one: crd.Replica, other: crd.Replica) -> bool:
    """Whether two copies have the same content, as far as can be told.

    The ETag of an object that was uploaded in parts, or of a file, has a hyphen and depends on how it came there.
    It may say that contents are alike, never that they differ, so that the size has to tell.
    """
    if one.etag == other.etag:
        return True
    return ("-" in one.etag or "-" in other.etag) and one.size_bytes == other.size_bytes
