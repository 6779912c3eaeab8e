"""Whether a node has other work, by what /proc says."""

from __future__ import annotations

import pathlib

import pytest

from daemon.links import load

DEVICES = """Inter-|   Receive                                                |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo: 999999999 1 0 0 0 0 0 0 999999999 1 0 0 0 0 0 0
  eth0: {received} 1 0 0 0 0 0 0 {sent} 1 0 0 0 0 0 0
"""


def write(proc: pathlib.Path, *, waiting: float = 0.1, received: int = 0, sent: int = 0) -> None:
    (proc / "net").mkdir(exist_ok=True)
    (proc / "loadavg").write_text(f"{waiting} 0.00 0.00 1/100 4242\n")
    (proc / "net/dev").write_text(DEVICES.format(received=received, sent=sent))


@pytest.mark.parametrize(("waiting", "high"), [(0.0, False), (7.9, False), (8.1, True)])
def test_processes_that_wait_for_processors(tmp_path: pathlib.Path, waiting: float, high: bool) -> None:
    write(tmp_path, waiting=waiting)
    assert load.Load(tmp_path, cpus=4).is_high(0.0, 1e9) is high


@pytest.mark.parametrize(
    ("moved", "own", "fastest", "high"),
    [
        pytest.param(5_000_000, 0, 1e6, False, id="little"),
        pytest.param(20_000_000, 0, 1e6, True, id="much"),
        pytest.param(20_000_000, 0, 1e8, False, id="little for a fast link"),
        pytest.param(250_000_000, 0, 1e8, True, id="much for a fast link"),
        pytest.param(20_000_000, 19_000_000, 1e6, False, id="its own probes"),
    ],
)
def test_bytes_since_the_last_look(tmp_path: pathlib.Path, moved: int, own: int, fastest: float, high: bool) -> None:
    seen = load.Load(tmp_path, cpus=4)
    write(tmp_path, received=10**9, sent=10**9)
    assert not seen.is_high(100.0, fastest)
    seen.spent(own)
    write(tmp_path, received=10**9 + moved // 2, sent=10**9 + moved // 2)
    assert seen.is_high(110.0, fastest) is high


def test_a_system_that_does_not_tell_is_calm(tmp_path: pathlib.Path) -> None:
    assert not load.Load(tmp_path).is_high(0.0, 1e9)
    write(tmp_path)
    (tmp_path / "loadavg").write_text("")
    assert not load.Load(tmp_path).is_high(0.0, 1e9)
