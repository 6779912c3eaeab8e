"""The command line: what it refuses, and in which words."""

import pathlib
import subprocess
import sys

import pytest


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scheduler", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        pytest.param("schedulerNam: x", "schedulerName", id="unknown-key"),
        pytest.param("healthServerPort: lots", "healthServerPort", id="bad-value"),
        pytest.param("- a", "mapping", id="no-mapping"),
    ],
)
def test_a_configuration_that_cannot_be_used_ends_it_at_once(tmp_path: pathlib.Path, config: str, words: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(config)
    result = run("run", "--config", str(path))
    assert result.returncode == 2
    assert result.stdout == ""
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_a_kubeconfig_that_is_not_there_ends_it_at_once(tmp_path: pathlib.Path) -> None:
    result = run("run", "--verbose=true", "--kubeconfig", str(tmp_path / "absent"))
    assert result.returncode == 2
    assert "absent" in result.stderr
    assert "Traceback" not in result.stderr
