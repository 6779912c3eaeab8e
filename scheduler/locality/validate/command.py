"""The command `validate`: reads, and tells what was found. Exit codes: 0 nothing wrong, 1 problems, 2 unreadable."""

from __future__ import annotations

import sys
from typing import Final

import click
import msgspec

from scheduler.locality import show
from scheduler.locality.validate import findings, reading

PROBLEMS: Final = 1
UNREADABLE: Final = 2


@click.command()
@click.option(
    "-f",
    "--filename",
    "given",
    multiple=True,
    required=True,
    help="A file, a folder with all below it, or - for standard input; may be given several times.",
)
@show.output_option
def validate(*, given: tuple[str, ...], output: str) -> None:
    """Tell what is wrong with manifests and configuration files, and what in them has no effect; asks no cluster.

    Exit codes: 0 nothing is wrong, 1 there are problems, 2 something could not be read.
    """
    report = findings.Report()
    with show.progress("reading"):
        reading.read(given, report)
    if output in {show.JSON, show.YAML}:
        show.say(show.document(_plain(report), output))
    else:
        show.say([*_lines(report), _summary(report)])
    if report.count(findings.UNREADABLE):
        sys.exit(UNREADABLE)
    sys.exit(PROBLEMS if report.count(findings.PROBLEM) else 0)


def _plain(report: findings.Report) -> dict[str, object]:
    return {
        "files": report.files,
        "objects": report.objects,
        "problems": report.count(findings.PROBLEM),
        "unreadable": report.count(findings.UNREADABLE),
        "ignored": report.count(findings.IGNORED),
        "findings": msgspec.to_builtins(report.in_order()),
    }


def _lines(report: findings.Report) -> list[str]:
    style = {findings.PROBLEM: show.bad, findings.UNREADABLE: show.bad, findings.IGNORED: show.faint}
    return [
        f"{show.strong(f'{one.file}:{one.line}:{one.column}')}: {style[one.kind](one.kind)}: "
        f"{f'{one.object}: ' if one.object else ''}{one.text}"
        for one in report.in_order()
    ]


def _summary(report: findings.Report) -> str:
    parts = [show.count(report.count(findings.PROBLEM), "problem")]
    if unreadable := report.count(findings.UNREADABLE):
        parts.append(f"{unreadable:,} unreadable")
    parts.append(f"{report.count(findings.IGNORED):,} ignored")
    return f"{show.count(report.files, 'file')}, {show.count(report.objects, 'object')}: {', '.join(parts)}"
