"""The annotation ``knative.event-data``: what an event says of the data it concerns, as JSON.

    {"dataInputs":  [{"urn": "bucket/key", "size": 1048576, "processingTime": 30, "priority": 5, "type": "json"}, ...],
     "dataOutputs": [...],
     "processingOptions": {"dataIntensive": true, "computeIntensive": false, "preferEdge": false, "preferCloud": false,
                           "preferRegion": "region-1"}}

It is turned into what the other annotations would say, so that there is one grammar with one set of limits. Every part
but an item's urn and size may be missing, and names that are not above are left alone: events carry more than this.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from scheduler import errors
from scheduler.api import names, urns

_FLAGS: Final = {
    "dataIntensive": names.DATA_INTENSIVE,
    "computeIntensive": names.COMPUTE_INTENSIVE,
    "preferEdge": names.PREFER_EDGE,
    "preferCloud": names.PREFER_CLOUD,
}
# More than count (see annotations.MAX_TRANSFERS), as some may be named elsewhere; a quarter of a megabyte holds 80,000.
MAX_ITEMS: Final = 1_000
_FIELDS: Final = ("size", "processingTime", "priority", "type")


class Event(NamedTuple):
    """What an event says, in the words of the other annotations."""

    inputs: list[tuple[str, str]]
    """Where each input stands (for messages) and its text, as the annotation input-N would have it."""

    outputs: list[tuple[str, str]]
    """Likewise the outputs."""

    hints: dict[str, str]
    """Annotations other than inputs and outputs."""


def read(text: str, problems: list[errors.InputError]) -> Event:
    """What can be used of an event's data; whatever cannot is left out and added to ``problems``."""
    try:
        data = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        problems.append(errors.InputError(names.EVENT_DATA, text, f"not JSON: {error}"))
        data = {}
    if not isinstance(data, dict):
        problems.append(errors.InputError(names.EVENT_DATA, text, 'write an object, as in {"dataInputs": [...]}'))
        data = {}
    return Event(
        list(_items(data, "dataInputs", problems)), list(_items(data, "dataOutputs", problems)), _hints(data, problems)
    )


def _items(data: dict[str, Any], key: str, problems: list[errors.InputError]) -> Iterator[tuple[str, str]]:
    items = data.get(key)
    if items is None:
        return
    if not isinstance(items, list):
        problems.append(errors.InputError(f"{names.EVENT_DATA} {key}", items, "write a list"))
        return
    if len(items) > MAX_ITEMS:
        fault = f"only the first {MAX_ITEMS} are read; name prefixes or buckets instead"
        problems.append(errors.InputError(f"{names.EVENT_DATA} {key}", f"{len(items)} items", fault))
    for index, item in enumerate(items[:MAX_ITEMS]):
        where = f"{names.EVENT_DATA} {key}[{index}]"
        try:
            yield where, _transfer_text(where, item)
        except errors.InputError as error:
            problems.append(error)


def _transfer_text(where: str, item: object) -> str:
    if not isinstance(item, dict) or not isinstance(item.get("urn", ""), str):
        raise errors.InputError(where, item, 'write an object, as in {"urn": "bucket/key", "size": 1048576}')
    urn = item.get("urn", "")
    if fault := urns.fault(urn):
        raise errors.InputError(where, urn, fault)
    fields = [urn]
    for name in _FIELDS:
        value = item.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int | float | None) or "," in str(value):
            raise errors.InputError(f"{where} {name}", value, "write a number, or a text without commas")
        fields.append("" if value is None else str(value))
    return ",".join(fields)


def _hints(data: dict[str, Any], problems: list[errors.InputError]) -> dict[str, str]:
    where = f"{names.EVENT_DATA} processingOptions"
    options = {} if data.get("processingOptions") is None else data["processingOptions"]
    if not isinstance(options, dict):
        problems.append(errors.InputError(where, options, 'write an object, as in {"dataIntensive": true}'))
        options = {}
    hints = {}
    for key, annotation in _FLAGS.items():
        value = options.get(key, False)
        if value is True:
            hints[annotation] = "true"
        elif value is not False and value is not None:
            problems.append(errors.InputError(f"{where} {key}", value, "write true or false"))
    region = options.get("preferRegion")
    if isinstance(region, str):
        hints[names.PREFER_REGION] = region
    elif region is not None:
        problems.append(errors.InputError(f"{where} preferRegion", region, "write a region's name"))
    return hints
