"""Where the time goes in one turn: a profile of our process by py-spy, and the API server's own.

py-spy samples the stacks a hundred times a second from outside; its raw file is one line a stack and can be opened at
speedscope.app. The API server profiles itself at /debug/pprof; `go tool pprof FILE` opens that. Beside each stands a
list of what took the most. Figures of a turn that is profiled are not for comparison.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import pathlib
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterable

from benchmarks import tools
from benchmarks.scheduling import api

PY_SPY = "0.4.3"
SAMPLES_PER_S = 100
APISERVER_S = 5  # of its profile; it has to be told before
SHOWN = 40


def install() -> pathlib.Path:
    """Where py-spy is; raises RuntimeError where it cannot be had."""
    return tools.environment("py-spy", PY_SPY) / "py-spy"


@contextlib.asynccontextmanager
async def of_process(pid: int, path: pathlib.Path) -> AsyncIterator[None]:
    """Profile a Python process that ends within."""
    command = [str(install()), "record", "--nonblocking", "--pid", str(pid)]
    command += ["--rate", str(SAMPLES_PER_S), "--format", "raw", "--output", str(path)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    yield
    _, words = await process.communicate()
    _list_stacks(path, words.decode(errors="replace"))


async def of_apiserver(client: api.Api, path: pathlib.Path) -> None:
    """Profile the API server for the next seconds."""
    found = await client.text("/debug/pprof/profile", seconds=str(APISERVER_S))
    await asyncio.to_thread(_list_functions, path, found)


def _list_stacks(path: pathlib.Path, words: str) -> None:
    lines = top(path.read_text().splitlines()) if path.exists() else [f"there is no profile: {words}"]
    path.with_suffix(".txt").write_text("\n".join(lines) + "\n")


def _list_functions(path: pathlib.Path, profile: bytes) -> None:
    path.write_bytes(profile)
    go = shutil.which("go")
    text = f"there is no Go here to read it; where there is: go tool pprof -top {path.name}\n"
    if go is not None:
        commands = [
            [go, "tool", "pprof", "-top", f"-nodecount={SHOWN}", order, str(path)] for order in ("-flat", "-cum")
        ]
        done = [subprocess.run(command, capture_output=True, text=True, check=False) for command in commands]
        text = "\n".join(each.stdout or each.stderr for each in done)
    path.with_suffix(".txt").write_text(text)


def top(stacks: Iterable[str]) -> list[str]:
    """From py-spy's raw lines to what took the most, by itself and with all that it called, as shares of all."""
    alone: collections.Counter[str] = collections.Counter()
    whole: collections.Counter[str] = collections.Counter()
    total = 0
    for line in stacks:
        frames, _, count = line.rpartition(" ")
        names = [_without_line(frame) for frame in frames.split(";")]
        total += int(count)
        alone[names[-1]] += int(count)
        for name in set(names):
            whole[name] += int(count)
    lines = [f"{total} samples"]
    for title, counter in (("by itself", alone), ("with all that it called", whole)):
        lines += ["", title, *(f"{count / total:7.1%}  {name}" for name, count in counter.most_common(SHOWN))]
    return lines


def _without_line(frame: str) -> str:
    """``name (file.py:12)`` as ``name (file.py)``: the line would tear one function into many."""
    head, colon, rest = frame.rpartition(":")
    return f"{head})" if colon and rest.rstrip(")").isdigit() else frame
