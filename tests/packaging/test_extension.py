"""The example of a plugin from outside is installed like any package, found, and decides."""

import json
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import venv
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "plugin-quiet-nodes"
PIP = ("install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The interpreter of a fresh environment that has the example beside the scheduler and what both need."""
    folder = tmp_path_factory.mktemp("extension")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "env" / "lib" / version / "site-packages"
    (packages / "beside.pth").write_text(f"{ROOT}\n{sysconfig.get_paths()['purelib']}\n")
    source = shutil.copytree(EXAMPLE, folder / "source")
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *PIP, str(source)], check=True)
    return python


def decide(python: pathlib.Path, settings: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    question = {
        "nodes": [
            {
                "metadata": {"name": name, "labels": {"example.com/noise": noise}},
                "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}},
            }
            for name, noise, cpu in (("big-and-loud", "90", "64"), ("small-and-soft", "10", "2"))
        ],
        "pod": {
            "metadata": {"name": "p", "namespace": "default", "labels": labels},
            "spec": {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}]},
        },
        "config": settings,
    }
    done = subprocess.run(
        [python, "-m", "scheduler", "decide"], input=json.dumps(question), capture_output=True, text=True, check=True
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_it_decides_where_a_profile_names_it_and_nowhere_else(python: pathlib.Path) -> None:
    on = {"profiles": [{"extensions": [{"name": "QuietNodes", "weight": 20}]}]}
    assert decide(python, on, {"example.com/quiet": "required"})["chosen"] == "small-and-soft"
    assert decide(python, on, {"example.com/quiet": "preferred"})["chosen"] == "small-and-soft"
    assert decide(python, on, {})["chosen"] == "big-and-loud"
    assert decide(python, {}, {"example.com/quiet": "required"})["chosen"] == "big-and-loud"


def test_a_name_that_no_package_brings_is_told_with_those_that_there_are(python: pathlib.Path) -> None:
    told = decide(python, {"profiles": [{"extensions": [{"name": "QuietNode"}]}]}, {})
    assert "extensions[0].name" in told["fault"]
    assert "QuietNodes" in told["fault"]


def test_its_own_tests_pass(python: pathlib.Path) -> None:
    source = python.parent.parent.parent / "source"
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pyproject.toml", "tests"],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
