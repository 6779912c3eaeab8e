"""What is known of a store, put together from answers that each say a part of it; pure.

What could not be read stays as it was: an answer that leaves a bucket or key out says nothing about it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from daemon.stores import contents, named


def listed(
    known: contents.Listing, new: contents.Listing, newer: Collection[str], wanted: named.Named
) -> contents.Listing:
    """A new listing, with what is known of keys and prefixes that count, and of buckets that it did not count.

    Those are buckets that it left out, and the ``newer`` ones, which were counted since it began.
    """
    kept = {name for name in new.uncounted if known.buckets.get(name) is not None}.union(newer)
    buckets = {name: content for name, content in new.buckets.items() if name not in kept}
    buckets |= {name: known.buckets[name] for name in kept if name in known.buckets}

    def counts(urn: str) -> bool:
        return contents.bucket_of(urn) in buckets and wanted.has(urn)

    return dataclasses.replace(
        new,
        buckets=buckets,
        uncounted=new.uncounted.difference(kept),
        found={urn: content for urn, content in known.found.items() if counts(urn)},
        missing=frozenset(filter(counts, known.missing)),
    )


def counted(known: contents.Listing, bucket: str, new: contents.Listing) -> contents.Listing:
    """With one bucket counted anew; it may be new, or gone."""
    closed = {name: words for name, words in known.closed.items() if name != bucket} | new.closed
    if bucket in new.uncounted and known.buckets.get(bucket) is not None:
        return dataclasses.replace(known, closed=closed)
    buckets = {name: content for name, content in known.buckets.items() if name != bucket} | new.buckets
    return dataclasses.replace(
        known, buckets=buckets, uncounted=known.uncounted - {bucket} | new.uncounted, closed=closed
    )


def looked_up(known: contents.Listing, new: contents.Listing) -> contents.Listing:
    """With some keys and prefixes looked up anew."""
    found = {urn: content for urn, content in known.found.items() if urn not in new.missing}
    missing = (known.missing - new.found.keys()) | new.missing
    return dataclasses.replace(known, found=found | new.found, missing=missing)
