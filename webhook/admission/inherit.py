"""What a pod can take over from one source: its inputs, outputs and hints, as far as they can be used.

A source is a Knative Service, the pod's owner, its namespace, or what events said. The pod itself is one too, for the
event data it may carry. Whatever cannot be used is left out with a problem, as the scheduler leaves it out of a pod's
own annotations, and what is left is written so that the scheduler has nothing to say against it: a pod must not be
told off for what others wrote. That the source spoke of it is kept, since then no source farther away does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.api import eventdata, names

_PREFIXES: Final = (names.DATA_PREFIX, names.HINT_PREFIX, names.EVENT_DATA, names.SCHEDULER_NAME_ANNOTATION)
# Say one thing together, so a pod takes all of them from one source or none: a pod that prefers the edge must not get
# its namespace's preference for the cloud as well.
_TOGETHER: Final = {
    names.PREFER_CLOUD: names.PREFER_EDGE,
    names.COMPUTE_INTENSIVE: names.DATA_INTENSIVE,
    names.WORKLOAD_TYPE: names.DATA_INTENSIVE,
}
_DNS_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
# Of what follows the slash of an annotation's key.
_MAX_NAME: Final = 63


class Moves(NamedTuple):
    """What a source says of inputs, or of outputs."""

    numbered: dict[int, intents.Transfer | None]
    """Those that have a number, by it; None where it cannot be used."""

    others: list[intents.Transfer]
    """Those of event data, which have none."""


class Offer(NamedTuple):
    """What a source has to give."""

    inputs: Moves
    outputs: Moves
    hints: dict[str, str | None]
    """By annotation, the scheduler's name among them; None where it cannot be used."""


def topic(key: str) -> str:
    """What a hint speaks of: annotations of one topic come from one source."""
    return _TOGETHER.get(key, key)


def is_ours(found: Mapping[str, str]) -> bool:
    """Whether any of these annotations could be of use."""
    return any(key.startswith(_PREFIXES) for key in found)


def read(found: Mapping[str, str], problems: list[errors.InputError]) -> Offer:
    """What the annotations of a source offer; each value that cannot be used is added to ``problems``."""
    if not is_ours(found):
        return Offer(Moves({}, []), Moves({}, []), {})
    event = eventdata.Event([], [], {})
    if names.EVENT_DATA in found:
        event = eventdata.read(found[names.EVENT_DATA], problems)
    hints = _hints(found, problems)
    spoken_of = {topic(key) for key in hints}
    # Where both speak of something, the annotation goes before the event.
    more = {key: value for key, value in event.hints.items() if topic(key) not in spoken_of}
    return Offer(
        Moves(_numbered(found, names.INPUT_PREFIX, problems), _usable(event.inputs, problems)),
        Moves(_numbered(found, names.OUTPUT_PREFIX, problems), _usable(event.outputs, problems)),
        hints | _hints(more, problems),
    )


def scheduler_name(text: str) -> str:
    """The scheduler that an annotation names; to name none is to name the API server's default.

    Raises:
        InputError: no scheduler can have that name.
    """
    name = text.strip()
    if not name:
        return names.DEFAULT_SCHEDULER_NAME
    if not _DNS_NAME.fullmatch(name):
        remedy = f'not the name of a scheduler; write "{names.SCHEDULER_NAME}" or "{names.DEFAULT_SCHEDULER_NAME}"'
        raise errors.InputError(names.SCHEDULER_NAME_ANNOTATION, text, remedy)
    return name


def _numbered(
    found: Mapping[str, str], prefix: str, problems: list[errors.InputError]
) -> dict[int, intents.Transfer | None]:
    numbers = sorted((number, key) for key in found if (number := intents.index(key, prefix)) is not None)
    return {
        number: intents.read_transfer(key, found[key], problems, sized=False)
        for number, key in numbers[: intents.MAX_TRANSFERS]
    }


def _usable(items: Iterable[tuple[str, str]], problems: list[errors.InputError]) -> list[intents.Transfer]:
    read = (intents.read_transfer(where, text, problems, sized=False) for where, text in items)
    return [transfer for transfer in read if transfer is not None]


def _hints(found: Mapping[str, str], problems: list[errors.InputError]) -> dict[str, str | None]:
    """The hints, and a problem also for every other annotation that is meant to be one of ours."""
    hints: dict[str, str | None] = {key: _text(key, text) for key, text in found.items() if _may_be_hint(key)}
    bad = _faults(found, hints, problems)
    if names.PREFER_EDGE in bad:  # a flag is always right by itself: it is both that cannot be
        hints[names.PREFER_EDGE] = hints[names.PREFER_CLOUD] = None
    for key in bad:
        if hints.get(key) is not None:
            # A list of several loses those of its items that cannot be used, anything else is lost.
            left = intents.format(intents.parse({key: found[key]})[0])
            hints[key] = next(iter(left.values()), None)
    if names.SCHEDULER_NAME_ANNOTATION in found:
        name = None
        try:
            name = scheduler_name(found[names.SCHEDULER_NAME_ANNOTATION])
        except errors.InputError as problem:
            problems.append(problem)
        hints[names.SCHEDULER_NAME_ANNOTATION] = name
    return hints


def _faults(found: Mapping[str, str], hints: Iterable[str], problems: list[errors.InputError]) -> set[str]:
    """The annotations that the grammar refuses, of these hints and of those that are no input, output or hint."""
    others = {
        key: text
        for key, text in found.items()
        if key.startswith(names.DATA_PREFIX)
        and intents.index(key, names.INPUT_PREFIX) is None
        and intents.index(key, names.OUTPUT_PREFIX) is None
    }
    others |= {key: found[key] for key in hints}
    faults = intents.parse(others)[1]
    problems += faults
    return {fault.where for fault in faults}


def _may_be_hint(key: str) -> bool:
    if not key.startswith(names.CAPABILITY_PREFIX):
        return intents.is_hint(key)
    # A capability's name may be longer, or hold a slash, where it does not have to be part of a key.
    name = key.removeprefix(names.HINT_PREFIX)
    return len(name) <= _MAX_NAME and "/" not in name


def _text(key: str, text: str) -> str:
    if key in intents.FLAGS:
        # Any text turns a flag on, also one that cannot be sent on.
        return "false" if text.strip().lower() == "false" else "true"
    return text.strip()
