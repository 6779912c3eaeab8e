"""Selectors of devices: expressions in CEL, compiled once and asked once of all devices that are alike.

The language is that of Google's own library, so that types, overloads and optional values are kube-scheduler's. Beside
it Kubernetes has quantities and versions, whose functions are here. A domain of which a device has no attributes or
capacities is looked up as one that is empty, as upstream has it.

Not had: Kubernetes' libraries of addresses (ip, cidr), URLs, formats, regular expressions (find), sums over lists and
comprehensions over two variables, and the limit of what an expression may cost. An expression that uses one of the
former does not compile here, so that no device is taken by it. Where an expression fails, the words are the library's.

Source: dynamic-resource-allocation/cel, apiserver/pkg/cel/library (quantity, semverlib).
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from scheduler import errors
from scheduler.api import devices, quantities
from scheduler.state.claims import pools

_MISSING_KEY: Final = re.compile(r'Key not found in map : "(.*)"')
_WORDS: Final = {"No matching overloads found": "no such overload", "divide by zero": "division by zero"}
_HINT: Final = (
    "consider using CEL optional chaining (.? followed by orValue()) or guarding the check with has() for "
    "optional fields"
)
_CODE: Final = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_INDEXED: Final = re.compile(r"\bdevice\s*\.\s*(attributes|capacity)(?=\s*\[)")
_KEY: Final = re.compile(r"""\[\s*\??\s*(?:"([^"\\]*)"|'([^'\\]*)')\s*\]""")
# All that an expression says of a device, where it says nothing else of it: some attribute or capacity by its name.
_INDEX: Final = r"""\[\s*\??\s*(?:"[^"\\]*"|'[^'\\]*')\s*\]"""
_ONE: Final = r"""\s*(?:\.\s*\??\s*[A-Za-z_]|\[\s*\??\s*["'])"""
_NAMED: Final = re.compile(
    rf"\bdevice\s*\.\s*(?:driver\b|allowMultipleAllocations\b|(?:attributes|capacity)\s*{_INDEX}{_ONE})"
)
_BY_DRIVER: Final = re.compile(r"(attributes|capacity)\s*\[\s*\??\s*device\s*\.\s*driver\s*\]")
_OF_ALL: Final = frozenset(
    {"exists", "exists_one", "existsOne", "all", "map", "filter", "size", "transformList", "transformMap"}
)
_DEVICE: Final = re.compile(r"\bdevice\b")
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_COMPILED: Final = 4096
_MAX_ANSWERS: Final = 65536


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """Why an expression gives no answer; ``compiles``: not of this device at least."""

    message: str
    compiles: bool

    @property
    def text(self) -> str:
        """With what upstream says before it."""
        return f"CEL {'runtime' if self.compiles else 'compile'} error: {self.message}"


def matches(expression: str, content: pools.Content) -> bool | Failure:
    """Whether a device is meant."""
    program = _compiled(expression)
    return program if isinstance(program, Failure) else program.ask(content)


class _Program:
    """An expression that compiles.

    Args:
        run: The compiled expression.
        domains: Those that it names.
        words: All that can be names of attributes that it reads; None where it may read any.
    """

    def __init__(self, run: Any, domains: Sequence[str], words: frozenset[str] | None) -> None:  # noqa: ANN401
        self._run = run
        self._domains = domains
        self._words = words
        self._answers: dict[object, bool | Failure] = {}  # by what it reads of a device

    def ask(self, content: pools.Content) -> bool | Failure:
        """Whether a device is meant."""
        if self._words is None:
            return self._ask(content)
        read = (content.driver, content.allows_many, *self._read(content, self._words))
        answer = self._answers.get(read)
        if answer is None:
            if len(self._answers) >= _MAX_ANSWERS:
                self._answers.clear()
            answer = self._answers[read] = self._ask(content)
        return answer

    @staticmethod
    def _read(content: pools.Content, words: frozenset[str]) -> Iterator[object]:
        """What it may read of a device; versions may fail to be read, whether they are asked for or not."""
        for name, attribute in content.attributes.items():
            if name.rpartition("/")[2] in words or attribute.version is not None:
                yield name, attribute
        for name, held in content.capacity.items():
            if name.rpartition("/")[2] in words:
                yield name, held.value

    def _ask(self, content: pools.Content) -> bool | Failure:
        try:
            device = self._device(content)
        except ValueError as error:
            return Failure(str(error), compiles=True)
        result = self._run.eval(data={"device": device})
        value, kind = result.value(), result.type().name()
        if isinstance(value, bool):
            return value
        if kind == "ERROR":
            return Failure(_runtime_words(str(value)), compiles=True)
        return Failure(f"CEL result of type {kind.lower()} could not be converted to bool", compiles=True)

    def _device(self, content: pools.Content) -> dict[str, Any]:
        attributes: dict[str, dict[str, Any]] = {}
        for name, attribute in content.attributes.items():
            domain, own = _split(name, content.driver)
            attributes.setdefault(domain, {})[own] = _value(name, attribute)
        capacity: dict[str, dict[str, Any]] = {}
        for name, held in content.capacity.items():
            domain, own = _split(name, content.driver)
            capacity.setdefault(domain, {})[own] = _library().quantity(quantities.nano(held.value))
        empty: dict[str, dict[str, Any]] = {domain: {} for domain in (*self._domains, content.driver)}
        return {
            "driver": content.driver,
            "allowMultipleAllocations": content.allows_many,
            "attributes": attributes,
            "capacity": capacity,
            "attributesOrNone": empty | attributes,
            "capacityOrNone": empty | capacity,
        }


@functools.lru_cache(maxsize=_MAX_COMPILED)
def _compiled(expression: str) -> _Program | Failure:
    environment = _library().environment
    try:
        kind = environment.compile(expression).return_type().name()
        run = environment.compile(_INDEXED.sub(r"device.\1OrNone", expression))
    except Exception as error:  # noqa: BLE001 (of whatever type, it says that this does not compile)
        return Failure(f"compilation failed: {_plain(str(error))}", compiles=False)
    if kind not in ("BOOL", "DYN"):
        return Failure(f"must evaluate to bool or the unknown type, not {kind.lower()}", compiles=False)
    domains = [first or second for first, second in _KEY.findall(expression)]
    return _Program(run, domains, _names_in(expression))


def _names_in(expression: str) -> frozenset[str] | None:
    """All words of an expression that reads attributes and capacities by their names alone; None where it may not."""
    plain, words = _BY_DRIVER.sub(r'\1["driver"]', expression), frozenset(_WORD.findall(expression))
    reads_names = len(_NAMED.findall(plain)) == len(_DEVICE.findall(plain))
    return words if reads_names and words.isdisjoint(_OF_ALL) else None


def _plain(text: str) -> str:
    return _CODE.sub("", text)


def _runtime_words(text: str) -> str:
    key = _MISSING_KEY.search(text)
    if key is not None:
        return f"no such key: {key.group(1)}. {_HINT}"
    return next((words for part, words in _WORDS.items() if part in text), _plain(text))


def _split(name: str, driver: str) -> tuple[str, str]:
    domain, slash, own = name.partition("/")
    return (domain, own) if slash else (driver, name)


def _value(name: str, attribute: devices.Attribute) -> object:
    """Raises: ValueError: it has none that is known."""
    if attribute.number is not None:
        return attribute.number
    if attribute.truth is not None:
        return attribute.truth
    if attribute.string is not None:
        return attribute.string
    if attribute.version is None:
        raise ValueError(f"attribute {name}: unsupported attribute value")
    try:
        return _library().version(_canonical(attribute.version))
    except ValueError as error:
        raise ValueError(f"attribute {name}: parse semantic version: {error}") from error


# --------------------------------------------------------------------------------- what Kubernetes adds to the language

_QUANTITY: Final = "quantity"
_VERSION: Final = "semver"
_NUMBER: Final = "(0|[1-9][0-9]*)"
_SEMVER: Final = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-((?:[0-9A-Za-z-]+)(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_LOOSE: Final = re.compile(r"v?0*(\d+)(?:\.0*(\d+))?(?:\.0*(\d+))?((?:[-+].*)?)", re.DOTALL)


class _Library:
    """The environment that expressions are compiled in. Quantities and versions are messages of one type there."""

    def __init__(self) -> None:
        # Loaded by whom somebody claims devices, for it takes 16 MB.
        from cel_expr_python import cel  # noqa: PLC0415
        from cel_expr_python.ext import ext_bindings, ext_optional, ext_strings  # noqa: PLC0415
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: PLC0415

        pool = descriptor_pool.DescriptorPool()
        file = descriptor_pb2.FileDescriptorProto(name="kubernetes.proto", package="kubernetes", syntax="proto3")
        message = file.message_type.add(name="Value")
        for number, name in enumerate(("kind", "value"), start=1):
            message.field.add(name=name, number=number, type=9, label=1)  # an optional string
        pool.Add(file)
        self._message = message_factory.GetMessageClass(pool.FindMessageTypeByName("kubernetes.Value"))
        value, kind = cel.Type("kubernetes.Value"), cel.Type
        one: list[tuple[str, Any, list[Any], bool, Callable[..., Any]]] = [
            ("quantity", value, [kind.STRING], False, self._read_quantity),
            ("isQuantity", kind.BOOL, [kind.STRING], False, _is_quantity),
            ("isInteger", kind.BOOL, [value], True, lambda q: _nano(q) % quantities.NANO == 0),
            ("asInteger", kind.INT, [value], True, _as_integer),
            ("asApproximateFloat", kind.DOUBLE, [value], True, lambda q: _nano(q) / quantities.NANO),
            ("sign", kind.INT, [value], True, lambda q: (_nano(q) > 0) - (_nano(q) < 0)),
            ("add", value, [value, value], True, lambda a, b: self.quantity(_nano(a) + _nano(b))),
            ("add", value, [value, kind.INT], True, lambda a, b: self.quantity(_nano(a) + b * quantities.NANO)),
            ("sub", value, [value, value], True, lambda a, b: self.quantity(_nano(a) - _nano(b))),
            ("sub", value, [value, kind.INT], True, lambda a, b: self.quantity(_nano(a) - b * quantities.NANO)),
            ("semver", value, [kind.STRING], False, lambda text: self.version(_canonical(text))),
            ("semver", value, [kind.STRING, kind.BOOL], False, lambda text, loose: self.version(_read(text, loose))),
            ("isSemver", kind.BOOL, [kind.STRING], False, _is_version),
            ("isSemver", kind.BOOL, [kind.STRING, kind.BOOL], False, _is_version),
            ("major", kind.INT, [value], True, lambda version: _numbers(version)[0]),
            ("minor", kind.INT, [value], True, lambda version: _numbers(version)[1]),
            ("patch", kind.INT, [value], True, lambda version: _numbers(version)[2]),
            ("compareTo", kind.INT, [value, value], True, _compare),
            ("isLessThan", kind.BOOL, [value, value], True, lambda a, b: _compare(a, b) < 0),
            ("isGreaterThan", kind.BOOL, [value, value], True, lambda a, b: _compare(a, b) > 0),
        ]
        overloads: dict[str, list[Any]] = {}
        for number, (name, gives, takes, is_member, act) in enumerate(one):
            overload = cel.Overload(f"{name}_{number}", gives, takes, is_member=is_member, impl=act)
            overloads.setdefault(name, []).append(overload)
        self.environment = cel.NewEnv(
            pool,
            variables={"device": kind.Map(kind.STRING, kind.DYN)},
            extensions=[ext_bindings.ExtBindings(), ext_optional.ExtOptional(), ext_strings.ExtStrings()],
            functions=[cel.FunctionDecl(name, listed) for name, listed in overloads.items()],
        )

    def quantity(self, amount_nano: int) -> object:
        """A quantity, as a value of the language."""
        return self._message(kind=_QUANTITY, value=str(amount_nano))

    def version(self, text: str) -> object:
        """A version in its canonical form, likewise."""
        return self._message(kind=_VERSION, value=text)

    def _read_quantity(self, text: str) -> object:
        try:
            return self.quantity(quantities.nano(text))
        except errors.InputError as error:
            raise ValueError("quantities must match the regular expression of quantities") from error


_library = functools.lru_cache(maxsize=1)(_Library)


def _is_quantity(text: str) -> bool:
    try:
        quantities.nano(text)
    except errors.InputError:
        return False
    return True


def _nano(quantity: Any) -> int:  # noqa: ANN401 (a message)
    if quantity.kind != _QUANTITY:
        raise ValueError("no such overload")
    return int(quantity.value)


def _as_integer(quantity: Any) -> int:  # noqa: ANN401
    whole, rest = divmod(_nano(quantity), quantities.NANO)
    if rest:
        raise ValueError("cannot convert value to integer")
    return whole


def _canonical(text: str) -> str:
    """A version without what is said of its build, which does not count.

    Raises:
        ValueError: it is none.
    """
    match = _SEMVER.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no semantic version")
    major, minor, patch, early = match.groups()
    if early is not None and any(one.isdecimal() and one != "0" and one.startswith("0") for one in early.split(".")):
        raise ValueError(f"Numeric PreRelease version must not contain leading zeroes {early!r}")
    return f"{major}.{minor}.{patch}" + (f"-{early}" if early is not None else "")


def _read(text: str, loose: bool) -> str:
    """A version; ``loose``: with a v before it, zeros before its numbers, or without some of these."""
    match = _LOOSE.fullmatch(text) if loose else None
    if match is None:
        return _canonical(text)
    major, minor, patch, rest = match.groups()
    return _canonical(f"{major}.{minor or 0}.{patch or 0}{rest}")


def _is_version(text: str, loose: bool = False) -> bool:
    try:
        _read(text, loose)
    except ValueError:
        return False
    return True


def _numbers(version: Any) -> list[int]:  # noqa: ANN401
    if version.kind != _VERSION:
        raise ValueError("no such overload")
    return [int(part) for part in version.value.partition("-")[0].split(".")]


def _compare(one: Any, other: Any) -> int:  # noqa: ANN401
    if one.kind != other.kind:
        raise ValueError("no such overload")
    if one.kind == _QUANTITY:
        return (_nano(one) > _nano(other)) - (_nano(one) < _nano(other))
    first, second = _order(one), _order(other)
    return (first > second) - (first < second)


def _order(version: Any) -> tuple[object, ...]:  # noqa: ANN401
    """Something by which versions are ordered: early ones first, numbers in them before words."""
    early = version.value.partition("-")[2]
    parts = [(0, int(one), "") if one.isdecimal() else (1, 0, one) for one in early.split(".")] if early else []
    return (*_numbers(version), not early, *parts)
