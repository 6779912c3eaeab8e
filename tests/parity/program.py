"""Upstream's side of the comparison: the Go program of ``upstream/``, built once into the per-user cache, and asked."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any, Final

from localcluster import building

SOURCE: Final = pathlib.Path(__file__).parent / "upstream"


class UnavailableError(Exception):
    """The program cannot be had on this machine; the message says why."""


def path() -> pathlib.Path:
    """Where the program is for exactly these sources, built or not."""
    digest = hashlib.sha256()
    for file in sorted(SOURCE.iterdir()):
        digest.update(file.read_bytes())
    return building.cache_root() / "parity" / digest.hexdigest()[:16]


def build() -> pathlib.Path:
    """Build the program unless it is there; minutes the first time, seconds after a change.

    Raises:
        UnavailableError: there is no Go, or the build failed; the message carries the end of its output.
    """
    final = path()
    final.parent.mkdir(parents=True, exist_ok=True)
    with (final.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if final.exists():
            return final
        go = shutil.which("go")
        if go is None:
            raise UnavailableError("there is no go on PATH, and upstream's plugins are built from source")
        temporary = final.with_name(f".building-{final.name}")
        command = [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(temporary), "."]
        environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": ""}
        done = subprocess.run(command, cwd=SOURCE, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UnavailableError(f"go build failed; the end of its output:\n{done.stderr[-2000:]}")
        building.publish(temporary, final, ("--version",))
        return final


class Upstream:
    """The running program: one question, one answer.

    Args:
        program: Where it is.
        task: What else than decisions is asked of it: "validate".
    """

    def __init__(self, program: pathlib.Path, *task: str) -> None:
        self._command = [str(program), *task]
        self.start()

    def start(self) -> None:
        """Run the program, once more where it has ended."""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the stacks of questions that make it panic; the answer names them
            env={**os.environ, "GOMAXPROCS": "1", "GOGC": "400"},
        )

    def put(self, line: bytes) -> None:
        """Ask; the program works on it while the caller does something else. One question at a time."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def get(self) -> dict[str, Any]:
        """The answer to what was asked last.

        Raises:
            EOFError: the program has ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise EOFError("upstream's program has ended")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, question: object) -> dict[str, Any]:
        self.put(json.dumps(question).encode())
        return self.get()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def answers(questions: Sequence[object]) -> list[dict[str, Any]]:
    """What upstream says to each question.

    Raises:
        UnavailableError: see ``build``.
    """
    upstream = Upstream(build())
    try:
        return [upstream.ask(question) for question in questions]
    finally:
        upstream.close()
