"""What is read: files, folders and standard input, and each document by what it is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from scheduler import errors
from scheduler.locality.validate import checks, configuration, documents, findings

STANDARD_INPUT: Final = "-"
MAX_BYTES: Final = 64 * 2**20
_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_PASSED_OVER: Final = "passed over: neither a manifest, which has a kind, nor a configuration of ours"
_AT_START: Final = findings.Mark()


def read(given: Iterable[str], report: findings.Report) -> None:
    """Check all that is given, folders with all below them."""
    for file in _files(given, report):
        report.files += 1
        try:
            text = _content(file).decode("utf-8")
        except OSError as error:
            report.add(file, _AT_START, findings.UNREADABLE, f"cannot be read: {error.strerror}")
        except UnicodeDecodeError as error:
            message = f"not UTF-8 (byte {error.start + 1:,}); save it as UTF-8"
            report.add(file, _AT_START, findings.UNREADABLE, message)
        except errors.InputError as error:
            report.add(file, _AT_START, findings.UNREADABLE, error.remedy)
        else:
            _check_text(file, text, report)


def _files(given: Iterable[str], report: findings.Report) -> Iterator[str]:
    for name in given:
        path = Path(name)
        if name == STANDARD_INPUT or not path.is_dir():
            yield name
            continue
        found = sorted(one for one in path.rglob("*") if one.suffix in _SUFFIXES and one.is_file())
        if not found:
            report.add(name, _AT_START, findings.UNREADABLE, "a folder without any .yaml, .yml or .json file")
        yield from map(str, found)


def _content(file: str) -> bytes:
    if file == STANDARD_INPUT:
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        with Path(file).open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise errors.InputError(file, "", f"larger than {MAX_BYTES // 2**20} MiB; give its parts")
    return content


def _check_text(file: str, text: str, report: findings.Report) -> None:
    for document in documents.read(text):
        if isinstance(document, documents.UnreadableError):
            report.add(file, document.mark, findings.UNREADABLE, str(document))
            continue
        for key, mark in document.twice:
            message = "the key is given twice; keep one of the two"
            report.add(file, mark, findings.PROBLEM, message, value=errors.shorten(key))
        value = document.value
        if not isinstance(value, Mapping):
            report.add(file, document.mark(""), findings.IGNORED, _PASSED_OVER)
        elif isinstance(value.get("kind"), str) and configuration.of_file(value) is None:
            _check_object(_Place(file, document, "", report), value)
        else:
            _check_configuration(file, document, value, report)


class _Place:
    """Where an object stands: a document, or an item of a list in it."""

    def __init__(self, file: str, document: documents.Document, path: str, report: findings.Report) -> None:
        self.file = file
        self.document = document
        self.path = path
        self.report = report

    def tell(self, kind: findings.Kind, path: str, message: str, obj: str, value: str, *, of_key: bool = False) -> None:
        whole = ".".join(part for part in (self.path, path) if part)
        mark = self.document.mark(whole, of_key=of_key)
        self.report.add(self.file, mark, kind, message, obj=obj, path=whole, value=value)


def _check_object(place: _Place, obj: Mapping[str, Any]) -> None:
    items = obj.get("items")
    if isinstance(items, list) and str(obj["kind"]).endswith("List"):
        for number, item in enumerate(items):
            inner = _Place(place.file, place.document, f"{place.path}items[{number}]", place.report)
            if isinstance(item, Mapping) and "items" not in item:
                _check_object(inner, {"kind": str(obj["kind"]).removesuffix("List"), **item})
            else:
                inner.tell(findings.PROBLEM, "", "write a manifest", "", "")
        return
    place.report.objects += 1
    name = _name(obj)
    checks.check(
        obj,
        checks.Teller(
            lambda error, of_key: place.tell(
                findings.PROBLEM, error.where, error.remedy, name, error.value, of_key=of_key
            ),
            lambda path, why: place.tell(findings.IGNORED, path, why, name, "", of_key=True),
        ),
    )
    if obj["kind"] == "ConfigMap":
        _check_config_map(place, obj, name)


def _name(obj: Mapping[str, Any]) -> str:
    metadata = obj.get("metadata")
    told = [metadata.get(key) for key in ("namespace", "name")] if isinstance(metadata, Mapping) else []
    return errors.shorten(f"{obj['kind']} {'/'.join(str(one) for one in told if one)}".strip())[1:-1]


def _check_config_map(place: _Place, obj: Mapping[str, Any], name: str) -> None:
    metadata, data = obj.get("metadata"), obj.get("data")
    called = metadata.get("name") if isinstance(metadata, Mapping) else None
    reader = configuration.of_config_map(called) if isinstance(called, str) else None
    for key, text in (data if isinstance(data, Mapping) else {}).items():
        if reader is None or not isinstance(text, str) or Path(str(key)).suffix not in _SUFFIXES:
            continue
        path = ".".join(part for part in (place.path, f"data[{key}]") if part)
        begin, is_verbatim = place.document.block(path)
        inner = findings.Report()
        for document in documents.read(text):
            if isinstance(document, documents.UnreadableError):
                inner.add("", document.mark, findings.UNREADABLE, str(document))
            elif isinstance(document.value, Mapping):
                _read_configuration("", document, document.value, reader, inner)
        for one in inner.found:
            mark = begin
            where = f"{path}: {one.path}" if one.path else path
            if is_verbatim:
                mark = findings.Mark(begin.line + one.line - 1, begin.column + one.column - 1)
            else:
                where = f"{path}, line {one.line}: {one.path}" if one.path else f"{path}, line {one.line}"
            place.report.add(place.file, mark, one.kind, one.message, obj=name, path=where, value=one.value)


def _check_configuration(
    file: str, document: documents.Document, data: Mapping[str, Any], report: findings.Report
) -> None:
    reader = configuration.of_file(data)
    if reader is None:
        report.add(file, document.mark(""), findings.IGNORED, _PASSED_OVER)
        return
    _read_configuration(file, document, data, reader, report)


def _read_configuration(
    file: str,
    document: documents.Document,
    data: Mapping[str, Any],
    reader: configuration.Reader,
    report: findings.Report,
) -> None:
    for error in configuration.problems(data, reader):
        mark = document.mark(error.where, of_key=error.remedy.startswith("unknown key"))
        report.add(file, mark, findings.PROBLEM, error.remedy, path=error.where, value=error.value)
    for key, why in configuration.ignored(data, reader).items():
        report.add(file, document.mark(key, of_key=True), findings.IGNORED, why, path=key)
