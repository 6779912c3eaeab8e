"""What a pod moves, by its annotations: each urn once each way, however often it is named.

Data that is named twice is fetched once, and written once: the larger size counts, and the longer of the times that
its processing takes, so that to name it again changes nothing. A bucket that the pod names as a source is read like an
input without a size, unless an input lies in it, which says better what is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.api import annotations as intents


@dataclass(frozen=True, slots=True)
class Wanted:
    """Data that is read or written; ``size_bytes`` is 0 where the pod does not say how much."""

    urn: str
    size_bytes: int
    processing_s: float
    is_output: bool

    @property
    def is_key(self) -> bool:
        """Whether it is one object, not a prefix or a bucket with whatever lies in it."""
        return "/" in self.urn and not self.urn.endswith("/")


def of(intent: intents.Intent) -> tuple[Wanted, ...]:
    """Inputs, sources and outputs, in this order."""
    told = {transfer.bucket for transfer in intent.inputs}
    sources = (Wanted(bucket, 0, 0.0, is_output=False) for bucket in intent.sources if bucket not in told)
    return (*_once(intent.inputs, is_output=False), *sources, *_once(intent.outputs, is_output=True))


def _once(transfers: Iterable[intents.Transfer], *, is_output: bool) -> Iterable[Wanted]:
    found: dict[str, Wanted] = {}
    for one in transfers:
        before = found.get(one.urn)
        size_bytes, processing_s = one.size_bytes, one.processing_s
        if before is not None:
            size_bytes, processing_s = max(size_bytes, before.size_bytes), max(processing_s, before.processing_s)
        found[one.urn] = Wanted(one.urn, size_bytes, processing_s, is_output)
    return found.values()
