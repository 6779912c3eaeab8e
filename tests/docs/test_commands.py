"""Every command of ours that a page shows, in a console block or in a sentence, is there, with its options."""

import pathlib
import re
import shlex
from collections.abc import Iterator

import click
import pytest

from scheduler import cli
from scheduler.locality import cli as locality

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TARGETS = set(re.findall(r"^([a-z0-9.-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PROGRAMS = {
    ("kubectl", "locality"): locality.main,
    ("kubectl-locality",): locality.main,
    ("data-locality-scheduler",): cli.main,
}
# What ends a command within a line.
ENDS = {"|", "||", "&&", ";", ">", "<", "2>", ")"}


def shown(page: pathlib.Path) -> Iterator[str]:
    """What a page has somebody type."""
    text = page.read_text().replace("\\\n", " ")
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from re.findall(r"^\$ (.*)$", block, re.MULTILINE)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (found.replace("\n", " ") for found in re.findall(r"`([^`]+)`", prose))


def commands(line: str) -> Iterator[list[str]]:
    """The words of each command of a line, without what is before the program, such as ``NAME=value``."""
    words: list[str] = []
    try:
        told = [*shlex.split(line, comments=True), ";"]
    except ValueError:  # no command, but a fragment of something with a quotation mark
        return
    for word in told:
        if word not in ENDS:
            words.append(word)
        elif words:
            yield words
            words = []


def check(program: click.Command, words: list[str]) -> None:
    """Refuse a subcommand that there is not, and an option that it has not."""
    name = words[0]
    if isinstance(program, click.Group):
        with click.Context(program, info_name=name) as context:
            rest = program.make_parser(context).parse_args(words[1:])[1]
            if rest and re.fullmatch(r"[a-z-]+", rest[0]):
                command = program.get_command(context, rest[0])
                assert command is not None, f"no command {rest[0]}"
                check(command, rest)
        return
    with click.Context(program, info_name=name) as context:
        program.make_parser(context).parse_args([word for word in words[1:] if word != "..."])


def fault(words: list[str]) -> str:
    """What is wrong with a command; nothing with one that is not ours."""
    if words[0] == "make":
        named = [word for word in words[1:] if "=" not in word]
        return "" if set(named) <= TARGETS else f"no such target: {named}"
    for beginning, program in PROGRAMS.items():
        if tuple(words[: len(beginning)]) == beginning:
            try:
                check(program, words[len(beginning) - 1 :])
            except (click.UsageError, AssertionError) as error:
                return str(error)
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_shown_are_there(page: pathlib.Path) -> None:
    found = [(" ".join(words), fault(words)) for line in shown(page) for words in commands(line)]
    assert [(command, wrong) for command, wrong in found if wrong] == []


def test_what_is_wrong_is_found() -> None:
    assert fault(["kubectl", "locality", "expalin", "pod", "x"])
    assert fault(["kubectl", "locality", "explain", "pod", "x", "--outptu", "json"])
    assert fault(["data-locality-scheduler", "decide", "--sede", "7"])
    assert fault(["make", "demmo"])
    assert not fault(["kubectl", "locality", "explain", "pod", "x", "-o", "json"])
