"""Warnings for whoever applies an object whose data annotations say something else than they mean.

Looked at are the annotations of the object itself (which pods take over, see webhook.admission.inherit, or which are a
pod's own) and of the pods and jobs that it makes. Where the grammar refuses a value, that is certain. A name that only
looks like one of ours is a guess, since users keep marks of their own beside ours, so it is told and never a reason to
refuse.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.api import names, waits
from webhook.admission import inherit, lines

# Where annotations stand, and whether a pod bears them as they are: then inputs must say how big they are.
_PLACES: Final = (
    (("metadata",), False),
    (("spec", "template", "metadata"), True),
    (("spec", "jobTemplate", "metadata"), False),
    (("spec", "jobTemplate", "spec", "template", "metadata"), True),
)
_HINTS: Final = tuple(key.removeprefix(names.HINT_PREFIX) for key in (*intents.FLAGS, *intents.VALUES, *waits.KEYS))
_TRANSFER: Final = re.compile(r"(?:input|output)-[0-9]{1,18}")
# Ours as well, but not what a pod says.
_NOT_HINTS: Final = ("storage-", names.ENRICHED.removeprefix(names.HINT_PREFIX))
# "data-intense" is 0.85 of "data-intensive", "pipeline" 0.57 of "prefer-zone".
_LIKENESS: Final = 0.8
# Longer than any name of ours, and comparing takes time.
_MAX_NAME: Final = 63


Told = tuple[str, errors.InputError]


class _Found(NamedTuple):
    """Annotations that an object holds."""

    path: str
    annotations: dict[str, str]
    is_pods_own: bool


def warnings(obj: Mapping[str, Any]) -> list[str]:
    """What is wrong with an object's annotations, or probably is, and what to write instead; fit for admission."""
    return lines.told(problems(obj))


def problems(obj: Mapping[str, Any]) -> list[Told]:
    """The same, each as the place of the annotation (``metadata.annotations[KEY]``) and what is to be said of it."""
    found = list(_annotations(obj))
    return [*_malformed(found), *(told for one in found for told in _likely_mistakes(one))]


def malformed(obj: Mapping[str, Any]) -> list[str]:
    """Those of the warnings that are certain, for an operator who wants such objects refused."""
    return lines.told(_malformed(list(_annotations(obj))))


def _annotations(obj: Mapping[str, Any]) -> Iterator[_Found]:
    for place, is_pods_own in _PLACES:
        held: object = obj
        for name in (*place, "annotations"):
            held = held.get(name) if isinstance(held, Mapping) else None
        if isinstance(held, Mapping):
            # Only texts: the API server takes nothing else, and says so itself.
            texts = {key: text for key, text in held.items() if isinstance(key, str) and isinstance(text, str)}
            own = is_pods_own or (place == ("metadata",) and obj.get("kind") == "Pod")
            yield _Found(".".join((*place, "annotations")), texts, own)


def _malformed(found: list[_Found]) -> list[Told]:
    result: list[Told] = []
    for one in found:
        problems = list(intents.parse(one.annotations, sized=one.is_pods_own)[1])
        if one.is_pods_own:  # as nobody takes them over
            problems += waits.parse(one.annotations)[1]
        if names.SCHEDULER_NAME_ANNOTATION in one.annotations:
            try:
                inherit.scheduler_name(one.annotations[names.SCHEDULER_NAME_ANNOTATION])
            except errors.InputError as problem:
                problems.append(problem)
        result += [(_place(one.path, problem), problem) for problem in problems]
    return result


def _likely_mistakes(one: _Found) -> Iterator[Told]:
    for key, text in one.annotations.items():
        name = key.removeprefix(names.HINT_PREFIX)
        if name == key or intents.is_hint(key) or key in waits.KEYS or name.startswith(_NOT_HINTS):
            continue
        if meant := _meant(name):
            problem = errors.InputError(key, text, f'not known, so it has no effect; write "{meant}" if you mean that')
            yield _place(one.path, problem), problem


def _meant(name: str) -> str:
    """The annotation that somebody who wrote this under our prefix probably means; "" for a mark of their own."""
    if _TRANSFER.fullmatch(name):
        return f"{names.DATA_PREFIX}{name}"
    if len(name) > _MAX_NAME:
        return ""
    like = difflib.get_close_matches(name.lower().replace("_", "-"), _HINTS, n=1, cutoff=_LIKENESS)
    return f"{names.HINT_PREFIX}{like[0]}" if like else ""


def _place(path: str, problem: errors.InputError) -> str:
    """The annotation as part of the path: ``metadata.annotations[KEY]``, then where in its value."""
    key, space, inside = problem.where.partition(" ")
    return f"{path}[{key}]{space}{inside}"
