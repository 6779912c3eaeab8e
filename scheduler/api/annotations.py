"""The annotations with which a pod says what data it moves and what kind of node it wants: read, and written back.

    data.scheduler.thesis/input-N, output-N     urn,size_bytes[,processing_s[,priority[,kind]]]
    scheduler.thesis/data-intensive, compute-intensive, prefer-edge, prefer-cloud, requires-gpu, requires-fast-storage,
        requires-local-storage                  flags: on when present, whatever the value, unless it is "false"
    scheduler.thesis/prefer-region, prefer-zone the region or zone
    scheduler.thesis/required-capability        name[=value]
    scheduler.thesis/capability-requirements    name[=value],name[=value],...
    scheduler.thesis/capability-NAME            wanted, not required: the value, or "" for any
    scheduler.thesis/data-sources               bucket,bucket,...: read, how much is unknown
    scheduler.thesis/workload-type              data-intensive or compute-intensive
    knative.event-data                          the same as JSON (see scheduler.api.eventdata); what the others say wins

A urn is ``bucket`` or ``bucket/key``. Keys may be nested, hold spaces and any script, but no comma, as that ends the
field, and are no pattern (``*.raw``). N is a number; inputs count in its order. Other names under
``scheduler.thesis/`` are left alone, since users keep marks of their own there (``scheduler.thesis/pipeline``).

Reading never fails: whatever cannot be used is left out, with one InputError that says what to write instead, and the
rest counts. The pod is then placed by what is left, which is what its user sees in the Event.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from scheduler import errors
from scheduler.api import eventdata, names, units, urns

# More say nothing that a placement could use, and each costs a column in every decision.
MAX_TRANSFERS: Final = 64
# A billion seconds are 31 years; the bound keeps sums finite.
MAX_PROCESSING_S: Final = 1e9

# A pod is read when it is seen, when it is decided about, and with each attempt; others of its kind read the same. What
# is longer than most is read each time, so that what is kept has some 10 MB, and 50 MB at worst.
_KEPT: Final = 8192
_KEPT_LENGTH: Final = 1000

_INDEX: Final = re.compile(r"[0-9]{1,18}")
_DECIMAL: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,9}")
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_CAPABILITY_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_./-]{0,251}[A-Za-z0-9])?")
# Of a kind and of a capability's value; for the latter as in the schema of NodeCapability.
_MAX_TEXT: Final = 256

_PREFIXES: Final = (names.DATA_PREFIX, names.HINT_PREFIX, names.EVENT_DATA)
FLAGS: Final = {
    names.DATA_INTENSIVE: "data_intensive",
    names.COMPUTE_INTENSIVE: "compute_intensive",
    names.PREFER_EDGE: "prefer_edge",
    names.PREFER_CLOUD: "prefer_cloud",
    names.REQUIRES_GPU: "requires_gpu",
    names.REQUIRES_FAST_STORAGE: "requires_fast_storage",
    names.REQUIRES_LOCAL_STORAGE: "requires_local_storage",
}
# With FLAGS and names.CAPABILITY_PREFIX, all the hints there are.
VALUES: Final = (
    names.PREFER_REGION,
    names.PREFER_ZONE,
    names.REQUIRED_CAPABILITY,
    names.CAPABILITY_REQUIREMENTS,
    names.DATA_SOURCES,
    names.WORKLOAD_TYPE,
)


class Transfer(msgspec.Struct, frozen=True):
    """Data that a pod reads or writes: how big it is and, as declared, how long its processing takes."""

    urn: str
    size_bytes: int
    processing_s: float = 0.0
    priority: int | None = None
    kind: str = ""

    @property
    def bucket(self) -> str:
        """The part of the urn before the first slash."""
        return self.urn.partition("/")[0]


class Capability(msgspec.Struct, frozen=True):
    """A capability of a node, by name, with the value asked for; None is any value."""

    name: str
    value: str | None = None


class Intent(msgspec.Struct, frozen=True):
    """What a pod's annotations ask for, all of them understood."""

    inputs: tuple[Transfer, ...] = ()
    outputs: tuple[Transfer, ...] = ()
    data_intensive: bool = False
    compute_intensive: bool = False
    prefer_edge: bool = False
    prefer_cloud: bool = False
    prefer_region: str = ""
    prefer_zone: str = ""
    required: tuple[Capability, ...] = ()
    wanted: tuple[Capability, ...] = ()
    requires_gpu: bool = False
    requires_fast_storage: bool = False
    requires_local_storage: bool = False
    sources: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for, so that the pod is placed as kube-scheduler would."""
        return self == _PLAIN

    @property
    def processing_s(self) -> float:
        """The declared processing time of all inputs and outputs together."""
        return math.fsum(t.processing_s for t in (*self.inputs, *self.outputs))


_PLAIN: Final = Intent()
Problems = list[errors.InputError]


def parse(annotations: Mapping[str, str], *, sized: bool = True) -> tuple[Intent, tuple[errors.InputError, ...]]:
    """What the annotations ask for, and one problem for each value that cannot be used.

    Args:
        annotations: All of an object's; those of others are passed over.
        sized: Whether inputs and outputs must say how big they are. On a pod they must; what a pod takes over from
            elsewhere gets its size on the way.
    """
    # Most pods carry none of these, and every pod comes through here.
    ours = [key for key in annotations if key.startswith(_PREFIXES)]
    if not ours:
        return _PLAIN, ()
    told = tuple([(key, annotations[key]) for key in ours])
    if sum([len(key) + len(text) for key, text in told]) > _KEPT_LENGTH:
        return _read(told, sized=sized)
    return _read_lately(told, sized=sized)


def _read(told: tuple[tuple[str, str], ...], *, sized: bool) -> tuple[Intent, tuple[errors.InputError, ...]]:
    annotations = dict(told)
    ours = list(annotations)
    problems: Problems = [
        errors.InputError(key, annotations[key], f"not known; write {names.INPUT_PREFIX}N or {names.OUTPUT_PREFIX}N")
        for key in ours
        if key.startswith(names.DATA_PREFIX) and not key.startswith((names.INPUT_PREFIX, names.OUTPUT_PREFIX))
    ]
    hints = {key: annotations[key].strip() for key in ours if key.startswith(names.HINT_PREFIX)}
    event = eventdata.Event([], [], {})
    if names.EVENT_DATA in annotations:
        event = eventdata.read(annotations[names.EVENT_DATA], problems)
        hints = event.hints | hints
    flags = {field: key in hints and hints[key].lower() != "false" for key, field in FLAGS.items()}
    _read_workload_type(hints, flags, problems)
    if flags["prefer_edge"] and flags["prefer_cloud"]:
        flags["prefer_edge"] = flags["prefer_cloud"] = False
        both = "prefer-edge and prefer-cloud exclude each other, so neither counts; remove one"
        problems.append(errors.InputError(names.PREFER_EDGE, hints[names.PREFER_EDGE], both))
    intent = Intent(
        inputs=_read_transfers(annotations, ours, names.INPUT_PREFIX, event.inputs, problems, sized=sized),
        outputs=_read_transfers(annotations, ours, names.OUTPUT_PREFIX, event.outputs, problems, sized=sized),
        prefer_region=_read_place(hints, names.PREFER_REGION, problems),
        prefer_zone=_read_place(hints, names.PREFER_ZONE, problems),
        required=_read_required(hints, problems),
        wanted=_read_wanted(hints, problems),
        sources=_read_sources(hints, problems),
        **flags,
    )
    return intent, tuple(problems)


_read_lately: Final = functools.lru_cache(_KEPT)(_read)


def index(key: str, prefix: str) -> int | None:
    """The N of ``input-N`` or ``output-N``; None where no number follows the prefix."""
    number = key[len(prefix) :]
    return int(number) if key.startswith(prefix) and _INDEX.fullmatch(number) else None


def is_hint(key: str) -> bool:
    """Whether an annotation says what kind of work or node it is, or which buckets it reads."""
    return key in FLAGS or key in VALUES or key.startswith(names.CAPABILITY_PREFIX)


def format(intent: Intent) -> dict[str, str]:  # noqa: A001 (annotations.format reads as what it is)
    """The annotations that say the same: reading them gives an equal intent."""
    result = {key: "true" for key, field in FLAGS.items() if getattr(intent, field)}
    for prefix, transfers in ((names.INPUT_PREFIX, intent.inputs), (names.OUTPUT_PREFIX, intent.outputs)):
        result |= {f"{prefix}{n}": format_transfer(t) for n, t in enumerate(transfers, start=1)}
    if intent.prefer_region:
        result[names.PREFER_REGION] = intent.prefer_region
    if intent.prefer_zone:
        result[names.PREFER_ZONE] = intent.prefer_zone
    if intent.required:
        result[names.CAPABILITY_REQUIREMENTS] = ",".join(
            c.name if c.value is None else f"{c.name}={c.value}" for c in intent.required
        )
    result |= {f"{names.CAPABILITY_PREFIX}{c.name}": c.value or "" for c in intent.wanted}
    if intent.sources:
        result[names.DATA_SOURCES] = ",".join(intent.sources)
    return result


def parse_transfer(key: str, text: str) -> Transfer:
    """One input or output, strictly.

    Raises:
        InputError: for the first field that cannot be used.
    """
    problems: Problems = []
    transfer = read_transfer(key, text, problems)
    if problems or transfer is None:
        raise problems[0]
    return transfer


def read_transfer(key: str, text: str, problems: Problems, *, sized: bool = True) -> Transfer | None:
    """One input or output, as far as it can be used: a later field that cannot be is left at its default.

    None without a usable urn and size. Where it need not be ``sized``, no size is 0, which is none known.
    """
    urn, size, processing, priority, kind = (*(field.strip() for field in text.split(",", 4)), "", "", "", "", "")[:5]
    if fault := urns.fault(urn):
        problems.append(errors.InputError(key, urn, fault))
        return None
    if not size and sized:
        problems.append(errors.InputError(key, text, f"no size; write the bytes after the urn{_example(urn)}"))
        return None
    try:
        size_bytes = units.size_bytes(size) if size else 0
    except errors.InputError as error:
        problems.append(errors.InputError(key, size, error.remedy))
        return None
    processing_s = 0.0
    if processing:
        if _DECIMAL.fullmatch(processing) and (seconds := float(processing)) <= MAX_PROCESSING_S:
            processing_s = seconds
        else:
            fault = "not a number of processing seconds (third field), so 0 counts; write one such as 30 or 1.5"
            problems.append(errors.InputError(key, processing, fault))
    if priority and not _INTEGER.fullmatch(priority):
        fault = "not a whole number as priority (fourth field), so none counts; write one such as 5"
        problems.append(errors.InputError(key, priority, fault))
        priority = ""
    if len(kind) > _MAX_TEXT or not urns.is_printable(kind):
        fault = 'not a usable kind (fifth field), so none counts; write a short word such as "json"'
        problems.append(errors.InputError(key, kind, fault))
        kind = ""
    return Transfer(urn, size_bytes, processing_s, int(priority) if priority else None, kind)


def format_transfer(transfer: Transfer) -> str:
    """The shortest text that reads as an equal transfer."""
    seconds = repr(transfer.processing_s).removesuffix(".0")
    priority = "" if transfer.priority is None else str(transfer.priority)
    fields = [transfer.urn, str(transfer.size_bytes), "" if seconds == "0" else seconds, priority, transfer.kind]
    while not fields[-1]:
        fields.pop()
    return ",".join(fields)


def _read_transfers(
    annotations: Mapping[str, str],
    ours: list[str],
    prefix: str,
    more: list[tuple[str, str]],
    problems: Problems,
    *,
    sized: bool,
) -> tuple[Transfer, ...]:
    """Those numbered under ``prefix``, then those of ``more`` (pairs of where and text) with another urn."""
    numbered: list[tuple[int, str]] = []
    for key in ours:
        if key.startswith(prefix):
            number = index(key, prefix)
            if number is not None:
                numbered.append((number, key))
            else:
                problems.append(errors.InputError(key, annotations[key], f'write a number after "{prefix}"'))
    found = [(key, annotations[key]) for _, key in sorted(numbered)]
    # Once only: whoever turned an event into annotations may have left the event in place.
    named = {text.partition(",")[0].strip() for _, text in found}
    found += [(where, text) for where, text in more if text.partition(",")[0].strip() not in named]
    if len(found) > MAX_TRANSFERS:
        where, text = found[MAX_TRANSFERS]
        fault = (
            f"number {MAX_TRANSFERS + 1} of {len(found)}, of which only the first {MAX_TRANSFERS} count; "
            "name prefixes or buckets in place of single keys"
        )
        problems.append(errors.InputError(where, text, fault))
    read = (read_transfer(where, text, problems, sized=sized) for where, text in found[:MAX_TRANSFERS])
    return tuple(transfer for transfer in read if transfer is not None)


def _example(urn: str) -> str:
    return f', as in "{urn},1048576"' if len(urn) <= 80 else ", as in 1048576"


def _read_workload_type(hints: Mapping[str, str], flags: dict[str, bool], problems: Problems) -> None:
    kind = hints.get(names.WORKLOAD_TYPE)
    if kind in ("data-intensive", "compute-intensive"):
        flags[kind.replace("-", "_")] = True
    elif kind is not None:
        fault = 'not a known type; write "data-intensive" or "compute-intensive"'
        problems.append(errors.InputError(names.WORKLOAD_TYPE, kind, fault))


def _read_place(hints: Mapping[str, str], key: str, problems: Problems) -> str:
    place = hints.get(key)
    if place is None or _LABEL_VALUE.fullmatch(place):
        return place or ""
    label = names.REGION_LABEL if key == names.PREFER_REGION else names.ZONE_LABEL
    problems.append(errors.InputError(key, place, f"no node can have it; write a value of the node label {label}"))
    return ""


def _read_required(hints: Mapping[str, str], problems: Problems) -> tuple[Capability, ...]:
    # A dict for its order: the same capability named twice is required once.
    found: dict[Capability, None] = {}
    for key in (names.REQUIRED_CAPABILITY, names.CAPABILITY_REQUIREMENTS):
        for item in _items(hints, key, "name or name=value", problems):
            name, equals, value = (part.strip() for part in item.partition("="))
            if _is_capability(name, value) and bool(equals) == bool(value):
                found[Capability(name, value if equals else None)] = None
            else:
                fault = "not a capability, so it is not required; write a name or name=value"
                problems.append(errors.InputError(key, item, fault))
    return tuple(found)


def _read_wanted(hints: Mapping[str, str], problems: Problems) -> tuple[Capability, ...]:
    wanted = []
    for key in sorted(hints):
        if key.startswith(names.CAPABILITY_PREFIX) and key != names.CAPABILITY_REQUIREMENTS:
            name, value = key[len(names.CAPABILITY_PREFIX) :], hints[key]
            if _is_capability(name, value):
                wanted.append(Capability(name, value or None))
            else:
                fault = f"not a capability; write {names.CAPABILITY_PREFIX}NAME with a value of at most 256 characters"
                problems.append(errors.InputError(key, value, fault))
    return tuple(wanted)


def _is_capability(name: str, value: str) -> bool:
    return _CAPABILITY_NAME.fullmatch(name) is not None and len(value) <= _MAX_TEXT and urns.is_printable(value)


def _read_sources(hints: Mapping[str, str], problems: Problems) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for item in _items(hints, names.DATA_SOURCES, "bucket", problems):
        if fault := urns.bucket_fault(item):
            if (bucket := urns.bucket_meant(item)) and not urns.fault(item):
                fault = f'a data source is a bucket; write "{bucket}", or name this as an input with its bytes'
            problems.append(errors.InputError(names.DATA_SOURCES, item, fault))
        else:
            found[item] = None
    return tuple(found)


def _items(hints: Mapping[str, str], key: str, what: str, problems: Problems) -> Iterator[str]:
    """The parts of a comma-separated value, at most MAX_TRANSFERS of them; empty parts are skipped."""
    if key not in hints:
        return
    items = [item for part in hints[key].split(",") if (item := part.strip())]
    if not items:
        problems.append(errors.InputError(key, hints[key], f"empty; write {what}, or several with commas between"))
    if len(items) > MAX_TRANSFERS:
        fault = f"{len(items)} items, of which only the first {MAX_TRANSFERS} count; write fewer"
        problems.append(errors.InputError(key, hints[key], fault))
    yield from items[:MAX_TRANSFERS]
