"""Which pods are meant, by a selector as kubectl takes it: `app=web,tier!=test,canary,!old,zone in (a, b)`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from scheduler import errors
from scheduler.api import core, requirements
from scheduler.state import podterms

_COMMA: Final = re.compile(r",(?![^(]*\))")
_AMONG: Final = re.compile(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)")
_EQUAL: Final = re.compile(r"([^=!\s]+)\s*(==?|!=)\s*(\S*)")
_THERE: Final = re.compile(r"(!?)\s*([^=!\s()]+)")


def meant(selector: str, namespace: str) -> Callable[[core.Pod], bool]:
    """Whether a pod has the labels, and is in the namespace, if one is given.

    Raises:
        InputError: it is no selector.
    """
    wanted = core.LabelSelector(match_expressions=tuple(_requirement(part.strip()) for part in _parts(selector)))
    if problem := requirements.selector_problem(wanted):
        raise errors.InputError("--pods", selector, problem)
    return lambda pod: namespace in {"", pod.metadata.namespace} and podterms.matches(wanted, pod.metadata.labels)


def _parts(selector: str) -> list[str]:
    return _COMMA.split(selector) if selector.strip() else []


def _requirement(text: str) -> core.Requirement:
    if found := _AMONG.fullmatch(text):
        values = tuple(value.strip() for value in found[3].split(","))
        return core.Requirement(found[1], "In" if found[2] == "in" else "NotIn", values)
    if found := _EQUAL.fullmatch(text):
        return core.Requirement(found[1], "NotIn" if found[2] == "!=" else "In", (found[3],))
    if found := _THERE.fullmatch(text):
        return core.Requirement(found[2], "DoesNotExist" if found[1] else "Exists")
    raise errors.InputError("--pods", text, "no selector; write one as for kubectl, such as app=web,tier!=test")
