"""The image as it is built where there is no Docker: by buildah, over a base made from Debian's packages.

The base stands in for the official one of Python, which a build without a registry has to do without. It is made once
and kept; the image is built anew, in a storage of its own that goes with the test.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any

from localcluster import building

ROOT = pathlib.Path(__file__).parents[2]
SUITE = "bookworm"  # whose Python is 3.11
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
BASE, IMAGE = "localhost/python:3.11-slim", "localhost/data-locality-scheduler:dev"
NEEDED = ("buildah", "debootstrap", "crun")
TIMEOUT_S = 900

Word = str | pathlib.Path


def obstacle() -> str:
    """Why no image can be built here, or nothing."""
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        return f"{', '.join(missing)} not installed (Debian's packages of these names)"
    return "" if os.geteuid() == 0 else "to make a base image takes root"


class Images:
    """A storage of images, in a folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._options: list[Word] = ["--root", folder / "root", "--runroot", folder / "run"]
        self._options += ["--storage-driver", _driver(folder)]

    def buildah(self, *arguments: Word) -> str:
        """Run buildah, and return what it printed."""
        return _output(["buildah", *self._options, *arguments])

    def close(self) -> None:
        """Leave nothing mounted, so that the folder can be removed."""
        self.buildah("rm", "--all")
        for part in (self._folder / "root").iterdir():
            if part.is_mount():
                _output(["umount", part])

    def make_base(self) -> None:
        """Have the base image in this storage."""
        container = self.buildah("from", "scratch").strip()
        self.buildah("add", container, _base_archive(), "/")
        self.buildah("commit", "--rm", container, BASE)

    def build(self) -> None:
        """Build the image from the Dockerfile, by what pip is set up with on this machine."""
        options: list[Word] = ["--isolation", "chroot", "--network", "host", "--tag", IMAGE]
        options += ["--build-arg", f"PYTHON_IMAGE={BASE}"]
        for path in _pip_files(self._folder / "pip.conf"):
            options += ["--volume", f"{path[0]}:{path[1]}:ro"]
        self.buildah("build", *options, ROOT)

    @functools.cached_property
    def configuration(self) -> dict[str, Any]:
        """What a runtime reads: the user, the command, the environment."""
        found: dict[str, Any] = json.loads(self.buildah("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
        return found

    @functools.cached_property
    def container(self) -> str:
        """A container of the image."""
        return self.buildah("from", IMAGE).strip()

    @functools.cached_property
    def files(self) -> pathlib.Path:
        """The container's file system."""
        return pathlib.Path(self.buildah("mount", self.container).strip())

    def command(self, *arguments: Word, mounted: pathlib.Path | None = None) -> list[Word]:
        """The command line that runs something in the container, as the image's user and in this machine's network."""
        isolated = ["--isolation", "chroot", "--network", "host", "--user", self.configuration["User"]]
        mounts = ["--volume", f"{mounted}:{mounted}:ro"] if mounted else []
        return ["buildah", *self._options, "run", *isolated, *mounts, self.container, "--", *arguments]

    def run(self, *arguments: Word, mounted: pathlib.Path | None = None) -> str:
        """What a program in the container prints."""
        return _output(self.command(*arguments, mounted=mounted))


def _driver(folder: pathlib.Path) -> str:
    """How layers are kept: one over the other where that can be had, else each as a whole copy, which is slow."""
    tried: list[Word] = [
        "buildah",
        "--root",
        folder / "try",
        "--runroot",
        folder / "run",
        "--storage-driver",
        "overlay",
        "info",
    ]
    return "vfs" if subprocess.run(tried, capture_output=True, check=False).returncode else "overlay"


def _output(command: list[Word]) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert result.returncode == 0, f"{' '.join(map(str, command))}: {result.stderr[-3000:]}"
    return result.stdout


def _base_archive() -> pathlib.Path:
    archive = building.cache_root() / f"image-base-{SUITE}.tar"
    if archive.exists():
        return archive
    folder = archive.with_name(f".image-base-{os.getpid()}")
    try:
        _output(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, folder, *_mirror()])
        (folder / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        for marker in folder.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            marker.unlink()
        shutil.rmtree(folder / "var/cache/apt", ignore_errors=True)
        shutil.rmtree(folder / "var/lib/apt/lists", ignore_errors=True)
        _output(["tar", "--numeric-owner", "--one-file-system", "-C", folder, "-cf", folder.with_suffix(".tar"), "."])
        folder.with_suffix(".tar").replace(archive)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return archive


def _mirror() -> list[str]:
    """The mirror of Debian that this machine's apt takes its packages from, where it is told."""
    sources = [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*")]
    words = " ".join(path.read_text() for path in sources if path.is_file()).split()
    return next(([word] for word in words if word.startswith("http") and word.rstrip("/").endswith("/debian")), [])


def _pip_files(configuration: pathlib.Path) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """What pip is told here, as one file, and the files that this names: where they are, and where in the container."""
    told = _output([sys.executable, "-m", "pip", "config", "list"])
    lines, files = ["[global]"], []
    for line in told.splitlines():
        key, _, value = line.partition("=")
        value = value.strip("'\"")
        lines.append(f"{key.rpartition('.')[2]} = {value}")
        if value.startswith("/") and pathlib.Path(value).exists():
            files.append((pathlib.Path(value), pathlib.Path(value)))
    configuration.write_text("\n".join(dict.fromkeys(lines)) + "\n")
    return [(configuration, pathlib.Path("/etc/pip.conf")), *dict.fromkeys(files)]
