"""A run of the kernel as lines of JSON, and the run again from them: the same inputs must give the same commands.

The first line says what the run began with: version, settings, namespace, seed. Each further one is an input: its
number, the event with its time, and the commands that followed, brief (a pod is its uid, how long a decision took is
left out). A run that is cut after any line is the recording of a shorter run, which ends in the state as it was then.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final

import msgspec

from scheduler import config, errors
from scheduler.api import core
from scheduler.kernel import commands, events, journal, kernel

FORMAT: Final = 1

_encode = msgspec.json.Encoder().encode
_NOT_TOLD: Final = frozenset({"decide_s"})  # a stopwatch's, not the kernel's


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a run began with."""

    format: int = FORMAT
    version: str
    settings: config.Settings
    home: str
    seed: Annotated[int, msgspec.Meta(ge=0)]


class _Line(msgspec.Struct, frozen=True):
    sequence: int
    event: events.Any
    commands: msgspec.Raw


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """The first input after which a replay asks for something else than the recorded run."""

    sequence: int
    event: str
    recorded: str
    replayed: str


@dataclasses.dataclass(frozen=True, slots=True)
class Replayed:
    """How a replay went.

    Attributes:
        inputs, decisions: How many there were.
        difference: None where all commands were the same.
        kernel: As it was in the end.
    """

    inputs: int
    decisions: int
    difference: Difference | None
    kernel: kernel.Kernel


def first_line(header: Header) -> bytes:
    return _encode(header) + b"\n"


def line(sequence: int, event: events.Event, followed: Iterable[commands.Command] | None) -> bytes:
    """One input; ``followed`` None where it met a defect."""
    return b'{"sequence":%d,"event":%b,"commands":%b}\n' % (sequence, _encode(event), _brief(followed))


def perform(subject: kernel.Kernel, event: events.Event) -> list[commands.Command]:
    """Take in any input, a Turn by its own door."""
    if isinstance(event, events.Turn):
        return subject.step(event.now_s, event.wall_s, event.budget)
    return subject.handle(event)


def replay(lines: Iterable[bytes]) -> Replayed:
    """Run a recording again, up to its end or to the first difference.

    Raises:
        InputError: it is no recording, or of another format; names the line.
    """
    given = iter(lines)
    header = _read(next(given, b""), Header, 1)
    if header.format != FORMAT:
        raise errors.InputError("line 1: format", header.format, f"this version reads format {FORMAT}")
    subject = kernel.Kernel(header.settings, header.home, header.seed)
    inputs = 0
    difference = None
    for one in _inputs(given):
        inputs += 1
        followed: list[commands.Command] | None
        try:
            followed = perform(subject, one.event)
        except Exception:  # noqa: BLE001 (a defect is replayed as well as anything else)
            followed = None
        told = _brief(followed)
        if told != bytes(one.commands) or subject.sequence != one.sequence:
            difference = Difference(one.sequence, type(one.event).__name__, bytes(one.commands).decode(), told.decode())
            break
    return Replayed(inputs, subject.journal.added, difference, subject)


def _inputs(lines: Iterator[bytes]) -> Iterator[_Line]:
    for number, data in enumerate(lines, 2):
        if not data.endswith(b"\n"):
            return  # the process ended while it wrote
        yield _read(data, _Line, number)


def _read(data: bytes, kind: type[Any], number: int) -> Any:  # noqa: ANN401 (what ``kind`` says)
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        remedy = f"no line of a recording ({error}); give a file that `run --record` wrote"
        raise errors.InputError(f"line {number}", data[:60].decode("utf-8", "replace"), remedy) from error


def _brief(followed: Iterable[commands.Command] | None) -> bytes:
    if followed is None:
        return b"null"
    return _encode([{"what": type(one).__name__} | _fields(one) for one in followed])


def _fields(command: commands.Command) -> dict[str, object]:
    return {name: _value(getattr(command, name)) for name in command.__struct_fields__}


def _value(value: object) -> object:
    if isinstance(value, core.Pod):
        return value.metadata.uid
    if isinstance(value, journal.Record):
        return {
            field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.name not in _NOT_TOLD
        }
    if isinstance(value, Exception):
        return type(value).__name__
    if isinstance(value, tuple):
        return [one.metadata.uid if isinstance(one, core.Pod) else str(one) for one in value]
    return value
