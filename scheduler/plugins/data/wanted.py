"""What a pod moves, by its annotations: each urn once each way, however often it is named.

Data that is named twice is fetched once, and written once: the larger size counts, and the longer of the times that
its processing takes, so that to name it again changes nothing. A bucket that the pod names as a source is read like an
input without a size, unless an input lies in it, which says better what is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from scheduler.api import annotations as intents
from scheduler.api import names

# Of the note: what stands between the annotations that were added, and what stands for those that have no room in it.
_WORDS: Final = re.compile("[ ,;]+")
_CUT: Final = " more from "


class Wanted(NamedTuple):
    """Data that is read or written.

    Attributes:
        size_bytes: 0 where the pod does not say how much.
        is_filled_in: Whether the size is perhaps nobody's word: the webhook made an input of a bucket that is named as
            a source and, where nobody gave it a size, gave it the whole bucket's.
    """

    urn: str
    size_bytes: int
    processing_s: float
    is_output: bool
    is_filled_in: bool = False


def of(intent: intents.Intent, annotations: Mapping[str, str]) -> tuple[Wanted, ...]:
    """Inputs, sources and outputs, in this order.

    Args:
        intent: What the annotations ask for.
        annotations: The pod's, in which the webhook notes what it has added.
    """
    if not (intent.inputs or intent.outputs or intent.sources):
        return ()
    inputs = _once(intent.inputs, is_output=False)
    if intent.sources:
        told = {transfer.bucket for transfer in intent.inputs}
        filled_in = _filled_in(intent, annotations)
        inputs = [one._replace(is_filled_in=one.urn in filled_in) for one in inputs]
        inputs += [Wanted(bucket, 0, 0.0, is_output=False) for bucket in intent.sources if bucket not in told]
    return (*inputs, *_once(intent.outputs, is_output=True))


def _filled_in(intent: intents.Intent, annotations: Mapping[str, str]) -> frozenset[str]:
    """The sources that are inputs because the webhook made them such; what the pod said itself it never notes."""
    note = annotations.get(names.ENRICHED, "") if intent.sources else ""
    if not note:
        return frozenset()
    added = set(_WORDS.split(note))
    return frozenset(
        urn
        for key, text in annotations.items()
        if key.startswith(names.INPUT_PREFIX) and (key.removeprefix(names.DATA_PREFIX) in added or _CUT in note)
        if (urn := text.partition(",")[0].strip()) in intent.sources
    )


def _once(transfers: Iterable[intents.Transfer], *, is_output: bool) -> list[Wanted]:
    found: dict[str, Wanted] = {}
    for one in transfers:
        before = found.get(one.urn)
        size_bytes, processing_s = one.size_bytes, one.processing_s
        if before is not None:
            size_bytes, processing_s = max(size_bytes, before.size_bytes), max(processing_s, before.processing_s)
        found[one.urn] = Wanted(one.urn, size_bytes, processing_s, is_output)
    return list(found.values())
