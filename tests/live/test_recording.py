"""A live run that is recorded is decided again to the bit, from the file, by another process."""

import asyncio
import pathlib
import subprocess
import sys

import msgspec
import pytest

from scheduler.live import app
from tests import eventloop
from tests.fakeapi import faults, objects, server
from tests.live import running

REPLAY = (sys.executable, "-m", "scheduler", "decide", "--replay")


def replay(file: pathlib.Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*REPLAY, file], capture_output=True, text=True, check=False)


@pytest.fixture
def recorded(tmp_path: pathlib.Path) -> pathlib.Path:
    file = tmp_path / "run.jsonl"
    with asyncio.Runner(loop_factory=eventloop.Loop) as runner:
        runner.run(record(file))
    return file


async def record(file: pathlib.Path) -> None:
    """A run in which a bit of everything happens."""
    async with server.running() as fake:
        for number in range(4):
            fake.store.create("nodes", objects.node(f"n{number}", cpu="2", labels={"zone": f"z{number % 2}"}))
        fake.store.create("dataobjects", objects.data_object("o", "bucket/key", nodes=("n2",)))
        fake.faults.append(faults.Fault(method="POST", path="/binding", status=500, times=2))
        async with running.scheduler(fake, file.parent, record=file) as world:
            for number in range(12):
                annotations = {"data.scheduler.thesis/input-1": "bucket/key,5000000000"} if number % 3 == 0 else {}
                world.create(f"p{number}", cpu="1", metadata={"annotations": annotations})
            await world.until(lambda: sum(bool(world.node_of(f"p{number}")) for number in range(12)) == 8)
            waits = [f"p{number}" for number in range(12) if not world.node_of(f"p{number}")]
            await world.until(lambda: all(world.condition(name) for name in waits))
            fake.store.create("nodes", objects.node("late", cpu="8"))
            await world.placed(*waits)


def test_a_recorded_run_replays_to_the_bit(recorded: pathlib.Path) -> None:
    done = replay(recorded)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the same commands followed" in done.stdout
    assert recorded.stat().st_mode & 0o077 == 0, "it holds what others may not read"


def test_the_first_difference_is_named(recorded: pathlib.Path) -> None:
    lines = recorded.read_bytes().splitlines(keepends=True)
    number = next(at for at, line in enumerate(lines) if b'"what":"Bind"' in line)
    lines[number] = lines[number].replace(b'"node":"n', b'"node":"m', 1)
    recorded.write_bytes(b"".join(lines))
    done = replay(recorded)
    assert done.returncode == 1
    assert f"input {msgspec.json.decode(lines[number])['sequence']} (Turn)" in done.stdout
    assert '"node":"m' in done.stdout


def test_a_run_that_was_cut_is_the_recording_of_a_shorter_one(recorded: pathlib.Path) -> None:
    data = recorded.read_bytes()
    recorded.write_bytes(data[: len(data) // 2])
    done = replay(recorded)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_no_recording_is_refused(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "other"
    file.write_bytes(b"{}\n")
    done = replay(file)
    assert done.returncode == app.CANNOT_START
    assert "line 1" in done.stderr
