"""Reads JSON and plain dicts into typed structs; what cannot be read is refused with the field that holds it.

The decoder tells the fields on the way to a value and the places in lists, but not the keys of maps: which of them it
was is found by the type that it did not expect there.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

import msgspec

from scheduler import errors

_MESSAGE: Final = re.compile(r"(.*) - at `\$(.*)`", re.DOTALL)
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+)\]|(\[\.\.\.\])")
_GOT: Final = re.compile(r"got `([a-z]+)`")
_BOUND: Final = re.compile(r"Expected `int` ([<>])= (-?\d+)")
_JSON_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "str": str, "bool": bool, "int": int, "float": float, "array": list, "object": dict,
}  # fmt: skip
_MAX_KEY: Final = 80


T = TypeVar("T")


def decode(data: bytes | msgspec.Raw, kind: type[T], where: str) -> T:
    """Read JSON into a struct; a null counts as absent, as it does for the API server.

    Raises:
        InputError: the JSON is broken or a field has the wrong type; names ``where`` and the field.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        # Rare, so it may be slow: go's encoders write null for unset lists and times.
        return convert(decode_any(data, where), kind, where)


def decode_any(data: bytes | msgspec.Raw, where: str) -> object:
    """Read JSON into plain dicts and lists.

    Raises:
        InputError: it is not JSON, or nested too deeply to be read.
    """
    try:
        read: object = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise errors.InputError(where, bytes(data)[:80].decode("utf-8", "replace"), str(error)) from error
    return read


def convert(data: object, kind: type[T], where: str) -> T:
    """Turn plain dicts and lists (a Kopf body, a YAML file) into a struct; a null counts as absent.

    Raises:
        InputError: a field has the wrong type; names ``where`` and the field.
    """
    plain = data
    try:
        plain = _without_nulls(data)
        return msgspec.convert(plain, type=kind)
    except RecursionError as error:
        raise errors.InputError(where, "", "nested too deeply to be read") from error
    except UnicodeEncodeError as error:
        raise errors.InputError(where, error.object, "half of a surrogate pair; write whole characters") from error
    except msgspec.ValidationError as error:
        raise _located(error, plain, where) from error


def join(where: str, field: str) -> str:
    """A field of something, as messages name it: ``nodes[3] worker-7: spec.taints``."""
    return f"{where}: {field}" if where and field else where or field


def shown_key(key: object) -> str:
    """A key as part of a path: short and printable, whatever it is."""
    text = str(key)
    return text if len(text) <= _MAX_KEY and text.isprintable() else errors.shorten(text, _MAX_KEY)


def _located(error: msgspec.ValidationError, data: object, where: str) -> errors.InputError:
    """The refusal of a value within ``data``, which is called ``where``."""
    found = _MESSAGE.fullmatch(str(error))
    if found is None:
        return errors.InputError(where, _shown(data), str(error))
    remedy, path = found.groups()
    value: Any = data
    steps = ""
    for name, index, key in _STEP.findall(path):
        if key:
            entry = _refused_key(value, remedy)
            if entry is None:
                break
            steps += f"[{shown_key(entry)}]"
            value = value[entry]
        elif index:
            steps += f"[{index}]"
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
        else:
            steps += f".{name}"
            value = value.get(name) if isinstance(value, dict) else None
    return errors.InputError(join(where, steps.removeprefix(".")), _shown(value), remedy)


def _refused_key(value: object, remedy: str) -> str | None:
    if not isinstance(value, dict):
        return None
    if bound := _BOUND.match(remedy):
        sign, limit = (1 if bound.group(1) == "<" else -1), int(bound.group(2))
        return next((key for key, one in value.items() if type(one) is int and sign * (one - limit) > 0), None)
    got = _GOT.search(remedy)
    kind = _JSON_TYPES.get(got.group(1)) if got is not None else None
    return next((key for key, one in value.items() if type(one) is kind), None)


def _shown(value: object) -> object:
    """A value for a message: what is large is told by its place alone."""
    return "" if value is None or isinstance(value, dict | list) else value


def _without_nulls(data: object) -> object:
    if isinstance(data, dict):
        return {key: _without_nulls(value) for key, value in data.items() if value is not None}
    if isinstance(data, list):
        return [_without_nulls(value) for value in data if value is not None]
    return data
