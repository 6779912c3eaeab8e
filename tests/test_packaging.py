"""What is shipped: the wheel, the image's ingredients and the locked dependencies."""

import configparser
import pathlib
import re
import subprocess
import sys
import tomllib
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SHIPPED = {name for name in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] if (ROOT / name).is_dir()}
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.iterdir()
    return zipfile.ZipFile(path)


def metadata(wheel: zipfile.ZipFile, name: str) -> str:
    (path,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def test_wheel_holds_the_shipped_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    folders = {path.split("/")[0] for path in wheel.namelist()}
    assert {folder for folder in folders if not folder.endswith(".dist-info")} == SHIPPED
    assert "scheduler" in SHIPPED


def test_wheel_holds_every_module(wheel: zipfile.ZipFile) -> None:
    in_tree = {str(path.relative_to(ROOT)) for package in SHIPPED for path in (ROOT / package).rglob("*.py")}
    assert in_tree <= set(wheel.namelist())


def test_wheel_is_typed_licensed_and_has_its_commands(wheel: zipfile.ZipFile) -> None:
    assert "scheduler/py.typed" in wheel.namelist()
    assert "Apache License" in metadata(wheel, "licenses/LICENSE")
    scripts = configparser.ConfigParser()
    scripts.read_string(metadata(wheel, "entry_points.txt"))
    assert dict(scripts["console_scripts"]) == {
        "data-locality-scheduler": "scheduler.cli:main",
        "kubectl-locality": "scheduler.locality.cli:run",
        "kubectl_complete-locality": "scheduler.locality.cli:complete",  # kubectl asks for completions by this name
    }


def test_image_is_made_of_the_shipped_packages() -> None:
    copied = set(re.findall(r"^COPY (\w+) \1$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    let_through = set(re.findall(r"^!(\w+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)) - {"LICENSE"}
    assert copied == SHIPPED
    assert let_through == SHIPPED


def test_image_runs_as_the_user_that_the_manifests_name() -> None:
    assert "\nUSER 65532:65532\n" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locked_dependencies_are_pinned_with_hashes_and_name_no_index(lock: pathlib.Path) -> None:
    text = re.sub(r"^\s*#.*$", "", lock.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip()]
    assert lines
    for line in lines:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+ ", line), line
        assert "--hash=sha256:" in line, line
    assert "://" not in lock.read_text()


def test_the_image_gets_the_versions_that_were_tested() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9._-]+==[^\\\n]+", (ROOT / "requirements" / name).read_text(), re.MULTILINE))

    assert pins("base.txt") <= pins("dev.txt")
    assert pins("build.txt") <= pins("dev.txt")
