"""Real bytes over shaped links: two network namespaces joined by a pair of interfaces, each with a rate of its own.

The rates are those of the shapers (tbf), which count every byte on the wire; what arrives is some 4% less, the headers.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import msgspec
import pytest

from daemon.links import measurer, paths, prober

ROOT = pathlib.Path(__file__).parents[2]
SETTINGS = measurer.Settings(node="here")
HERE, THERE, PORT = "10.99.17.1", "10.99.17.2", 7007
TOLERANCE = 0.15
TRIES = 5


class Link:
    """Two namespaces and the link between them."""

    def __init__(self) -> None:
        self.spaces = (f"dl-a-{os.getpid()}", f"dl-b-{os.getpid()}")
        self.spent_bytes = 0
        self.probes = 0
        self._server: subprocess.Popen[str] | None = None

    def build(self) -> None:
        """Raises CalledProcessError, with what the tool said, where it is not allowed."""
        for space in self.spaces:
            _run("ip", "netns", "add", space)
        here, there = self.spaces
        _run("ip", "-n", here, "link", "add", "ve", "type", "veth", "peer", "name", "ve", "netns", there)
        for space, address in zip(self.spaces, (HERE, THERE), strict=True):
            _run("ip", "-n", space, "address", "add", f"{address}/24", "dev", "ve")
            _run("ip", "-n", space, "link", "set", "ve", "up")
        self.shape(10, 10)

    def serve(self) -> None:
        self._server = subprocess.Popen(
            self._command(self.spaces[1], "serve"), stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == "ready\n"

    def shape(self, onward_mbit: int, back_mbit: int) -> None:
        for space, mbit in zip(self.spaces, (onward_mbit, back_mbit), strict=True):
            shaper = ("tbf", "rate", f"{mbit}mbit", "burst", "32kb", "latency", "50ms")
            _run("tc", "-n", space, "qdisc", "replace", "dev", "ve", "root", *shaper)

    def probe(self) -> prober.Outcome:
        """What a daemon would rely on: on a machine that stands still for a while, the other end may not have noticed
        that a transfer is over, or the rate does not settle, and the outcome says so itself.
        """
        complaints: list[prober.Outcome] = []
        while len(complaints) < TRIES:
            found = self._probe_once()
            self.spent_bytes += found.spent_bytes
            self.probes += 1
            if found.refusal is None and all(rate is not None and rate.steady for rate in (found.onward, found.back)):
                return found
            assert found.refusal is None or found.refusal.busy, found.refusal
            complaints.append(found)
            time.sleep(1.0)  # for the other end to notice
        raise AssertionError(f"always busy or unsteady: {complaints}")

    def _probe_once(self) -> prober.Outcome:
        done = subprocess.run(
            self._command(self.spaces[0], "probe"), capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
        )
        return msgspec.json.decode(done.stdout, type=prober.Outcome)

    def close(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.communicate()
        for space in self.spaces:
            subprocess.run(["ip", "netns", "delete", space], capture_output=True, check=False)

    def _command(self, space: str, what: str) -> list[str]:
        python = [sys.executable, "-m", "tests.links.probing", what, THERE, str(PORT), str(SETTINGS.transfer_bytes)]
        return ["ip", "netns", "exec", space, *python]


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def link() -> Iterator[Link]:
    missing = [tool for tool in ("ip", "tc") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} on this machine (package iproute2)")
    made = Link()
    try:
        try:
            made.build()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces with shaped links are not allowed here: {error.stderr.strip()}")
        made.serve()
        yield made
    finally:
        made.close()


def mbit(bytes_per_s: float) -> float:
    return bytes_per_s * 8e-6


@pytest.mark.parametrize(("onward", "back"), [(8, 100), (20, 50), (100, 8), (50, 20)])
def test_what_is_measured_is_what_the_link_does(link: Link, onward: int, back: int) -> None:
    link.shape(onward, back)
    spent_before, probes_before = link.spent_bytes, link.probes
    found = link.probe()
    assert found.onward is not None
    assert found.back is not None
    print(  # noqa: T201 - figures for who reads the log
        f"shaped {onward} and {back} Mbit/s: measured {mbit(found.onward.bytes_per_s):.1f} and "
        f"{mbit(found.back.bytes_per_s):.1f}, latency {found.latency_s}, {found.spent_bytes} bytes"
    )
    assert mbit(found.onward.bytes_per_s) == pytest.approx(onward, rel=TOLERANCE)
    assert mbit(found.back.bytes_per_s) == pytest.approx(back, rel=TOLERANCE)
    assert link.spent_bytes - spent_before <= 2 * SETTINGS.transfer_bytes * (link.probes - probes_before)


def test_a_rate_that_changes_is_followed_within_three_samples(link: Link) -> None:
    known, now_s = paths.Paths(), 1_767_322_800.0
    for onward, back in ((40, 20), (10, 60)):
        link.shape(onward, back)
        for _ in range(3):
            now_s += 300
            known.measured("zone:r/z", link.probe(), now_s)
        entries = {entry.direction: entry for entry in known.entries(now_s)}
        for direction, rate in (("To", onward), ("From", back)):
            average, low = (
                mbit(entries[direction].bandwidth_bytes_per_second),
                mbit(entries[direction].bandwidth_low_bytes_per_second),
            )
            print(f"shaped {rate} Mbit/s, {direction}: average {average:.1f}, lower {low:.1f}")  # noqa: T201
            assert average == pytest.approx(rate, rel=TOLERANCE)
            assert 0.7 * rate < low <= average * 1.001  # the worst of three, on a machine that may be busy


def test_the_bytes_spent_stay_within_the_hours(link: Link) -> None:
    """All the probes above, made within a minute, cost no more than an hour of probing may."""
    while link.probes < 4:
        link.probe()
    print(f"{link.probes} probes spent {link.spent_bytes} bytes of {SETTINGS.bytes_per_hour} an hour")  # noqa: T201
    assert link.spent_bytes <= SETTINGS.bytes_per_hour
