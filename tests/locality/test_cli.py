"""The command line of `kubectl locality`: what it lists, completes and refuses."""

import importlib
import subprocess
import sys

import click
import pytest
from click import testing

from scheduler import cli as whole
from scheduler.locality import cli


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_command_is_what_the_table_says(name: str) -> None:
    entry = cli.COMMANDS[name]
    command = getattr(importlib.import_module(entry.module), entry.attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    for program in (cli.main, whole.main):
        told = testing.CliRunner().invoke(program, [name, "--help"])
        assert (told.exit_code, "Usage: " in told.output) == (0, True)


def test_help_lists_all_commands_and_imports_none() -> None:
    code = "import sys; from scheduler.locality import cli\ntry: cli.main(['--help'])\nfinally: print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    listed, modules = told.stdout.split("Commands:")[1].split("\n", 1)
    assert listed == ""
    assert [line.split()[0] for line in modules.splitlines()[: len(cli.COMMANDS)]] == sorted(cli.COMMANDS)
    assert {"numpy", "aiohttp", "kopf", "msgspec", "yaml", "asyncio"}.isdisjoint(told.stdout.split())


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        pytest.param([""], set(cli.COMMANDS), id="commands"),
        pytest.param(["expl"], {"explain"}, id="the rest of one"),
        pytest.param(["explain", "--outp"], {"--output"}, id="an option"),
        pytest.param(["explain", "-o", ""], {"table", "wide", "json", "yaml"}, id="what an option takes"),
    ],
)
def test_kubectl_is_told_what_may_come_next(
    typed: list[str], expected: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-locality", *typed])
    cli.complete()
    *found, directive = capsys.readouterr().out.split()
    assert set(found) == expected
    assert directive == ":4"
