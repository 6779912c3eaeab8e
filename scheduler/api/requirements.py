"""Why a label selector cannot be read, in kube-scheduler's words; the API server lets most of these through.

A label value in a selector is checked like one of a label (63 characters, letters and digits at both ends), so that
`Gt -1` cannot be read although -1 is a number. What follows from it differs: a required node term matches nothing, a
preferred one fails the scoring, a pod with an unreadable (anti-)affinity is refused, a configuration is not accepted.

Source: apimachinery labels.NewRequirement, component-helpers scheduling/corev1/nodeaffinity.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from scheduler.api import core

_MAX_PROBLEMS: Final = 10
# No label is longer. Of what is, nothing is kept, and no more than this is shown.
_MAX_KEPT: Final = 320

_INT64: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)
_LABEL_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")
_NODE_OPERATORS: Final = (*_LABEL_OPERATORS, "Gt", "Lt")
_FIELD_OPERATORS: Final = ("In", "NotIn")

_NAME: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_NAME_RULE: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_KEY_EXAMPLES: Final = f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME}')"
_VALUE_EXAMPLES: Final = f"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '({_NAME})?')"
_PART: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DOMAIN: Final = rf"{_PART}(\.{_PART})*"
_DOMAIN_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def parse_int64(text: str) -> int | None:
    """Read a base-10 int64 as Go's strconv.ParseInt does ("007" is 7); None when it is not one."""
    if not _INT64.fullmatch(text) or len(text) > 64:
        return None
    value = int(text)
    return value if -(2**63) <= value < 2**63 else None


def selector_problem(selector: core.LabelSelector | None) -> str:
    """Why a label selector cannot be read; "" if it can. Upstream names the first problem only."""
    if selector is None:
        return ""
    for key, value in selector.match_labels.items():
        if problem := aggregate((*_key_problems(key, "key"), *_value_problems(key, (value,), "values"))):
            return problem
    for requirement in selector.match_expressions:
        if requirement.operator not in _LABEL_OPERATORS:
            return f"{_quoted(requirement.operator)} is not a valid label selector operator"
        if problem := aggregate(_problems(requirement, "")):
            return problem
    return ""


def is_readable(term: core.NodeSelectorTerm) -> bool:
    """Whether a node selector term can be read."""
    return next(term_problems(term), None) is None


def term_problems(term: core.NodeSelectorTerm, path: str = "") -> Iterator[str]:
    """Why a node selector term cannot be read; nothing if it can."""
    yield from _expression_problems(term.match_expressions, f"{path}.matchExpressions".removeprefix("."))
    yield from _field_problems(term.match_fields, f"{path}.matchFields".removeprefix("."))


def preferred_problems(terms: Iterable[core.PreferredSchedulingTerm], path: str = "") -> Iterator[str]:
    """Why some preferred terms cannot be read; those without weight or content are not looked at, as upstream."""
    for number, term in enumerate(terms):
        if term.weight:
            yield from term_problems(term.preference, f"{path}[{number}]")


def aggregate(problems: Iterable[str]) -> str:
    """Several problems as Go's aggregate error writes them: each once; "" for none.

    Unlike Go's, no longer than somebody will read: a pod may hold a problem for every ten bytes of it.
    """
    found = list(dict.fromkeys(itertools.islice(problems, _MAX_PROBLEMS + 1)))
    if len(found) > _MAX_PROBLEMS:
        found[_MAX_PROBLEMS:] = ["and more"]
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]" if found else ""


def _expression_problems(requirements: Iterable[core.Requirement], path: str) -> Iterator[str]:
    for number, requirement in enumerate(requirements):
        place = f"{path}[{number}]"
        if requirement.operator in _NODE_OPERATORS:
            yield from _problems(requirement, f"{place}.")
        else:
            yield _unsupported(requirement.operator, _NODE_OPERATORS, place)


def _field_problems(requirements: Iterable[core.Requirement], path: str) -> Iterator[str]:
    for number, requirement in enumerate(requirements):
        place = f"{path}[{number}]"
        if requirement.operator not in _FIELD_OPERATORS:
            yield _unsupported(requirement.operator, _FIELD_OPERATORS, place)
        elif len(requirement.values) != 1:
            yield f"{place}.values: Invalid value: {_listed(requirement.values)}: must have one element"


def _problems(requirement: core.Requirement, prefix: str) -> Iterator[str]:
    """What labels.NewRequirement says of a requirement whose operator is known."""
    key, operator, values = requirement.key, requirement.operator, requirement.values
    yield from _key_problems(key, f"{prefix}key")
    path = f"{prefix}values"
    if operator in ("In", "NotIn"):
        if not values:
            yield f"{path}: Invalid value: null: for 'in', 'notin' operators, values set can't be empty"
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            yield f"{path}: Invalid value: {_listed(values)}: values set must be empty for exists and does not exist"
    else:
        if len(values) != 1:
            yield (f"{path}: Invalid value: {_listed(values)}: for 'Gt', 'Lt' operators, exactly one value is required")
        for number, value in enumerate(values):
            if parse_int64(value) is None:
                rule = "for 'Gt', 'Lt' operators, the value must be an integer"
                yield f"{path}[{number}]: Invalid value: {_quoted(value)}: {rule}"
    yield from _value_problems(key, values, path)


def _key_problems(key: str, path: str) -> Iterator[str]:
    if problem := label_key_problem(key):
        yield f"{path}: Invalid value: {_quoted(key)}: {problem}"


def _value_problems(key: str, values: Iterable[str], path: str) -> Iterator[str]:
    for number, value in enumerate(values):
        if problem := _value_problem(value):
            yield f"{path}[{number}][{_cut(key)}]: Invalid value: {_quoted(value)}: {problem}"


def _value_problem(value: str) -> str:
    return _kept_value_problem(value) if len(value) <= _MAX_KEPT else _kept_value_problem.__wrapped__(value)


def label_key_problem(key: str) -> str:
    """Why a text is no label key; "" if it is one."""
    return _kept_key_problem(key) if len(key) <= _MAX_KEPT else _kept_key_problem.__wrapped__(key)


@functools.lru_cache(maxsize=4096)
def _kept_value_problem(value: str) -> str:
    problems = []
    if len(value.encode()) > 63:
        problems.append("must be no more than 63 bytes")
    if not re.fullmatch(f"({_NAME})?", value):
        problems.append(
            f"a valid label must be an empty string or {_NAME_RULE.removeprefix('must ')} {_VALUE_EXAMPLES}"
        )
    return "; ".join(problems)


def is_subdomain(name: str) -> bool:
    """Whether an object may have this name. Source: IsDNS1123Subdomain."""
    return len(name) <= 253 and re.fullmatch(_DOMAIN, name) is not None


@functools.lru_cache(maxsize=4096)
def _kept_key_problem(key: str) -> str:
    prefix, slash, name = key.rpartition("/")
    if "/" in prefix:
        return (
            f"a valid label key {_NAME_RULE} {_KEY_EXAMPLES} with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')"
        )
    problems = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        if len(prefix.encode()) > 253:
            problems.append("prefix part must be no more than 253 bytes")
        if not re.fullmatch(_DOMAIN, prefix):
            problems.append(f"prefix part {_DOMAIN_RULE}")
    if not name:
        problems.append("name part must be non-empty")
    elif len(name.encode()) > 63:
        problems.append("name part must be no more than 63 bytes")
    if not re.fullmatch(_NAME, name):
        problems.append(f"name part {_NAME_RULE} {_KEY_EXAMPLES}")
    return "; ".join(problems)


def _unsupported(operator: str, known: tuple[str, ...], place: str) -> str:
    listed = ", ".join(f'"{one}"' for one in known)
    return f"{place}.operator: Unsupported value: {_quoted(operator)}: supported values: {listed}"


def _listed(values: tuple[str, ...]) -> str:
    return _cut(msgspec.json.encode(values).decode()) if values else "null"


def _quoted(text: str) -> str:
    return msgspec.json.encode(_cut(text)).decode()


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_KEPT else f"{text[:_MAX_KEPT]}..."
