"""The annotations with which a pod says for how long it may wait, and with whom it is to be placed.

    scheduler.thesis/max-delay-seconds      seconds that it may wait for room where its data is; 0 for never
    scheduler.thesis/gang                   a name: pods of one namespace with the same one are placed together
    scheduler.thesis/gang-size              how many of them there must be room for at once
    scheduler.thesis/gang-timeout-seconds   after how long they are told that others are missing; 60 if not given

As with scheduler.api.annotations, what cannot be used is left out, with one InputError that says what to write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from scheduler import errors
from scheduler.api import names

KEYS: Final = (names.MAX_DELAY_SECONDS, names.GANG, names.GANG_SIZE, names.GANG_TIMEOUT_SECONDS)

_MAX_DELAY_S: Final = 3600.0
_MAX_SIZE: Final = 10_000
_MAX_TIMEOUT_S: Final = 86_400.0
# scheduler-plugins, coscheduling: the default of permitWaitingTimeSeconds.
_TIMEOUT_S: Final = 60.0
_DECIMAL: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,9})?")
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")  # as a label's value

Problems = list[errors.InputError]


class Gang(msgspec.Struct, frozen=True):
    """With whom a pod is placed."""

    name: str
    size: int
    timeout_s: float = _TIMEOUT_S


class Waits(msgspec.Struct, frozen=True):
    """What a pod says of waiting; None where it says nothing."""

    max_delay_s: float | None = None
    gang: Gang | None = None


_NOTHING: Final = Waits()


def parse(annotations: Mapping[str, str]) -> tuple[Waits, tuple[errors.InputError, ...]]:
    """What the annotations say, and one problem for each value that cannot be used."""
    if names.GANG not in annotations and names.MAX_DELAY_SECONDS not in annotations:
        return _NOTHING, ()
    problems: Problems = []
    delay_s = _seconds(annotations, names.MAX_DELAY_SECONDS, _MAX_DELAY_S, problems)
    return Waits(delay_s, _gang(annotations, problems)), tuple(problems)


def _gang(annotations: Mapping[str, str], problems: Problems) -> Gang | None:
    if (name := annotations.get(names.GANG)) is None:
        return None
    name, size = name.strip(), annotations.get(names.GANG_SIZE, "").strip()
    if not _NAME.fullmatch(name):
        fault = "not a name, so the pod is placed by itself; write letters, digits, hyphens, at most 63"
        problems.append(errors.InputError(names.GANG, name, fault))
    if not size.isdecimal() or not 1 <= int(size[:9]) <= _MAX_SIZE:
        fault = f"not a number of pods from 1 to {_MAX_SIZE}, so the pod is placed by itself; write one such as 4"
        problems.append(errors.InputError(names.GANG_SIZE, size, fault))
    elif _NAME.fullmatch(name):
        timeout_s = _seconds(annotations, names.GANG_TIMEOUT_SECONDS, _MAX_TIMEOUT_S, problems)
        return Gang(name, int(size), _TIMEOUT_S if timeout_s is None else timeout_s)
    return None


def _seconds(annotations: Mapping[str, str], key: str, most_s: float, problems: Problems) -> float | None:
    text = annotations.get(key)
    if text is None:
        return None
    if _DECIMAL.fullmatch(text.strip()) and float(text) <= most_s:
        return float(text)
    fault = f"not a number of seconds from 0 to {most_s:g}, so what is usual counts; write one such as 10"
    problems.append(errors.InputError(key, text, fault))
    return None
