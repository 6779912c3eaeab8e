"""YAML and JSON with the place of each value, of files that may be anything.

A file is cut at its lines of ``---``, as kubectl does, so that one broken document leaves the others readable. A
document is read as a stream of events, which needs no stack, and made into PyYAML's own nodes, which know where they
stand. What is nested too deeply, holds too much, or would when its aliases are followed, is refused before anybody
walks through it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import yaml

from scheduler import errors
from scheduler.locality.validate import findings

MAX_DEPTH: Final = 100  # the deepest schema of Kubernetes has some thirty
MAX_VALUES: Final = 500_000  # an API server takes 3 MiB, and a list of a thousand pods has 200,000

_PARSER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SEPARATOR: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_SURROGATES: Final = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = f"{_TAG}merge"
_NULL: Final = f"{_TAG}null"
_INT: Final = f"{_TAG}int"
_MAX_DIGITS: Final = 400
_INDEX: Final = re.compile(r"\[(\d+)\]")


class UnreadableError(errors.LocalityError):
    """A document cannot be read: where, and what is wrong and what to write instead."""

    def __init__(self, mark: findings.Mark, message: str) -> None:
        self.mark = mark
        super().__init__(message)


class Document:
    """What one document says, and where it says it.

    Attributes:
        value: As plain data; a key that is given twice counts as the last.
        twice: The keys that are given twice, with where the second stands.
    """

    def __init__(
        self, node: yaml.Node, lines: list[str], first_line: int, twice: list[tuple[str, findings.Mark]]
    ) -> None:
        self._node = node
        self._lines = lines
        self._first_line = first_line
        self.value: object = _Constructor().construct_document(node)
        self.twice = twice

    def mark(self, path: str, *, of_key: bool = False) -> findings.Mark:
        """Where the value (or the key) of a path such as ``spec.containers[0].image`` stands, or as near as can be."""
        node: yaml.Node = self._node
        mark = node.start_mark
        while path:
            step = _step(node, path)
            if step is None:
                break
            mark = step.key.start_mark if of_key and step.key is not None else step.node.start_mark
            node, path = step.node, path[step.taken :].removeprefix(".")
        return _mark(mark, self._first_line)

    def block(self, path: str) -> tuple[findings.Mark, bool]:
        """Where the text at a path begins, and whether its lines stand in the file as they are (``|``).

        Of such a text the mark is that of its first character; a place within it is as far from there.
        """
        node: yaml.Node = self._node
        while path and (step := _step(node, path)) is not None:
            node, path = step.node, path[step.taken :].removeprefix(".")
        line = node.start_mark.line
        if not isinstance(node, yaml.ScalarNode) or node.style != "|":
            return _mark(node.start_mark, self._first_line), False
        for written, text in zip(self._lines[line + 1 :], node.value.split("\n"), strict=False):
            if text.strip() and written.rstrip().endswith(text.rstrip()):
                indentation = len(written.rstrip()) - len(text.rstrip())
                return findings.Mark(self._first_line + line + 1, indentation + 1), True
        return _mark(node.start_mark, self._first_line), False


def read(text: str) -> Iterator[Document | UnreadableError]:
    """The documents of a text in their order; empty ones are passed over."""
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith(("{", "[")):  # JSON may have what YAML has not
        text = _SURROGATES.sub(_whole, text.replace("\t", " "))
    starts = [0, *(found.start() for found in _SEPARATOR.finditer(text) if found.start())]
    line = 1
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        part = text[start:end]
        blank = part.replace("---", "   ", 1) if _SEPARATOR.match(part) else part
        if any(told and told[0] not in "%#" for told in map(str.strip, blank.split("\n"))):
            yield from _documents(blank, line)
        line += part.count("\n")


def _whole(pair: re.Match[str]) -> str:
    high, low = (int(half, 16) for half in pair.groups())
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def _documents(text: str, first_line: int) -> Iterator[Document | UnreadableError]:
    try:
        for node, twice in _Composer(first_line).nodes(text):
            yield Document(node, text.split("\n"), first_line, twice)
    except UnreadableError as error:
        yield error
    except yaml.MarkedYAMLError as error:
        mark = _mark(error.problem_mark, first_line) if error.problem_mark else findings.Mark(first_line)
        yield UnreadableError(mark, _words(error, text))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a character or a number that cannot be, long merges
        yield UnreadableError(findings.Mark(first_line), f"not YAML: {' '.join(str(error).split())[:200]}")


def _words(error: yaml.MarkedYAMLError, text: str) -> str:
    problem = f"{error.context}: {error.problem}" if error.context else str(error.problem)
    if error.problem_mark is not None:
        line = text.split("\n")[error.problem_mark.line : error.problem_mark.line + 1]
        if line and line[0][: error.problem_mark.column + 1].endswith("\t"):
            return "not YAML: a tab; indent with spaces"
    if "{{" in text:
        return f"not YAML ({problem}); if it is a template, give what it renders, as helm template does"
    return f"not YAML: {problem}"


@dataclasses.dataclass
class _Open:
    """A list or mapping whose end has not come yet.

    Attributes:
        anchor: What it is called, for aliases.
        size: How many values it holds, itself and those of its aliases included.
        key: Of a mapping, that whose value comes next.
    """

    node: yaml.CollectionNode
    anchor: str | None
    size: int = 1
    key: yaml.Node | None = None


class _Composer:
    """Makes nodes of events, within bounds."""

    def __init__(self, first_line: int) -> None:
        self._first_line = first_line
        self._resolver = yaml.resolver.Resolver()

    def nodes(self, text: str) -> Iterator[tuple[yaml.Node, list[tuple[str, findings.Mark]]]]:
        for event in yaml.parse(text, Loader=_PARSER):
            if isinstance(event, yaml.DocumentStartEvent):
                self._open: list[_Open] = []
                self._named: dict[str, tuple[yaml.Node, int]] = {}
                self._twice: list[tuple[str, findings.Mark]] = []
                self._root: yaml.Node | None = None
            elif isinstance(event, yaml.DocumentEndEvent):
                if self._root is not None and self._root.tag != _NULL:
                    yield self._root, self._twice
            elif isinstance(event, yaml.NodeEvent):
                self._begin(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                done = self._open.pop()
                if isinstance(done.node, yaml.MappingNode):
                    self._look_for_twins(done.node)
                self._put(done.node, done.size, done.anchor)

    def _begin(self, event: yaml.NodeEvent) -> None:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._named:
                within = any(one.anchor == event.anchor for one in self._open)
                fault = "holds itself" if within else "is not defined before"
                raise UnreadableError(self._mark(event), f"the alias *{errors.shorten(event.anchor)[1:-1]} {fault}")
            node, size = self._named[event.anchor]
            self._put(node, size, None)
            return
        start: Any = event.start_mark  # the parser's own kind of mark, in the place of PyYAML's
        end: Any = event.end_mark
        if isinstance(event, yaml.ScalarEvent):
            tag = self._tag(event, yaml.ScalarNode, event.value)
            self._put(yaml.ScalarNode(tag, event.value, start, end, style=event.style), 1, event.anchor)
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(self._open) >= MAX_DEPTH:
                raise UnreadableError(self._mark(event), f"nested more than {MAX_DEPTH} deep; nothing of Kubernetes is")
            kind = yaml.MappingNode if isinstance(event, yaml.MappingStartEvent) else yaml.SequenceNode
            self._open.append(_Open(kind(self._tag(event, kind, None), [], start, end), event.anchor))

    def _tag(self, event: Any, kind: type[yaml.Node], value: str | None) -> str:  # noqa: ANN401 (two kinds of event)
        tag = self._resolver.resolve(kind, value, event.implicit) if event.tag in {None, "!"} else event.tag  # type: ignore[no-untyped-call]
        return str(tag)

    def _put(self, node: yaml.Node, size: int, anchor: str | None) -> None:
        """Put what is complete where it belongs."""
        if anchor is not None:
            self._named[anchor] = node, size
        if not self._open:
            self._root = node
            return
        holder = self._open[-1]
        holder.size += size
        if holder.size > MAX_VALUES:
            raise UnreadableError(self._mark(node), f"more than {MAX_VALUES:,} values in one document; split it")
        if isinstance(holder.node, yaml.SequenceNode):
            holder.node.value.append(node)
        elif holder.key is not None:
            holder.node.value.append((holder.key, node))
            holder.key = None
        else:
            holder.key = node

    def _look_for_twins(self, node: yaml.MappingNode) -> None:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                if key.value in seen:
                    self._twice.append((key.value, self._mark(key)))
                seen.add(key.value)

    def _mark(self, at: yaml.Event | yaml.Node) -> findings.Mark:
        start: Any = at.start_mark
        return _mark(start, self._first_line)


class _Constructor(yaml.constructor.SafeConstructor):
    """Plain data as an API server gets it: keys are texts, as is what only YAML 1.1 takes for a time or a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)
        found = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key that is no text", key.start_mark)
            found[key.value] = self.construct_object(value, deep=deep)
        return found

    def as_text(self, node: yaml.ScalarNode) -> str:
        return str(node.value)

    def as_number(self, node: yaml.ScalarNode) -> float | str:
        if ":" in node.value or len(node.value) > _MAX_DIGITS:  # base 60, or more than anybody reads
            return str(node.value)
        return self.construct_yaml_int(node) if node.tag == _INT else self.construct_yaml_float(node)


_Constructor.yaml_constructors = yaml.constructor.SafeConstructor.yaml_constructors | {
    f"{_TAG}timestamp": _Constructor.as_text,
    _INT: _Constructor.as_number,
    f"{_TAG}float": _Constructor.as_number,
}


class _Step(NamedTuple):
    """Where a path leads from a node: the value, its key where it has one, how much of the path that was."""

    key: yaml.Node | None
    node: yaml.Node
    taken: int


def _step(node: yaml.Node, path: str) -> _Step | None:
    if isinstance(node, yaml.SequenceNode):
        found = _INDEX.match(path)
        if found is None or int(found[1]) >= len(node.value):
            return None
        return _Step(None, node.value[int(found[1])], found.end())
    best: _Step | None = None
    if isinstance(node, yaml.MappingNode):  # a key may hold dots: of those that would do, the longest
        for key, value in node.value:
            for written in (str(key.value), f"[{key.value}]"):
                is_whole = path.startswith(written) and path[len(written) : len(written) + 1] in {"", ".", "[", " "}
                if written and is_whole and (best is None or len(written) >= best.taken):
                    best = _Step(key, value, len(written))
    return best


def _mark(mark: yaml.Mark, first_line: int) -> findings.Mark:
    return findings.Mark(mark.line + first_line, mark.column + 1)
