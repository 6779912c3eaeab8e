"""Asks hostile stores as a daemon does, and measures how it bears that: ``make hostile`` does it at length.

The server (see hostile_server) is a process of its own, so that only what the asking side does counts: how often it
failed, how its memory grew, and for how long its loop did nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import functools
import json
import pathlib
import random
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Final

import structlog

from daemon import app, metrics
from daemon.cluster import watches
from daemon.stores import asker, contents, credentials, model, named, notices, sources
from scheduler.api import core, crd

REQUEST_MIB: Final = 128  # of the daemon's container, manifests/base/daemon.yaml
LIMITS: Final = contents.Limits(timeout_s=0.3, budget_s=2.0, max_keys=3000)

_TASKS: Final = 10


@dataclasses.dataclass
class Report:
    """How a run went."""

    answers: int = 0
    notices: int = 0
    outcomes: dict[str, int] = dataclasses.field(default_factory=dict)
    defects: list[str] = dataclasses.field(default_factory=list)
    growth_mib: float = 0.0
    peak_mib: float = 0.0
    stall_s: float = 0.0
    stall_cpu_s: float = 0.0
    took_s: float = 0.0

    def __str__(self) -> str:
        worst = sorted(self.outcomes.items(), key=lambda item: -item[1])
        return (
            f"{self.answers} hostile answers and {self.notices} hostile notices in {self.took_s:.0f} s: "
            f"{len(self.defects)} defects; memory grew by {self.growth_mib:.1f} MiB after warming up, at most "
            f"{self.peak_mib:.0f} MiB in all; the loop did nothing else for {self.stall_s * 1000:.0f} ms at worst "
            f"({self.stall_cpu_s * 1000:.0f} ms of its own CPU time)\noutcomes: "
            + ", ".join(f"{reason} {count}" for reason, count in worst)
        )


def memory_mib(what: str = "VmRSS") -> float:
    status = pathlib.Path("/proc/self/status").read_text()
    found = re.search(rf"^{what}:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


@contextlib.asynccontextmanager
async def serving(seed: int) -> AsyncIterator[str]:
    """The hostile server as a process; yields its endpoint."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.daemon.hostile_server", str(seed), stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.kill()
        await process.wait()


async def _watch_loop(report: Report) -> None:
    """Notice for how long the loop was kept from its other tasks."""
    pause_s = 0.005
    while True:
        began_s, began_cpu_s = time.monotonic(), time.thread_time()
        await asyncio.sleep(pause_s)
        report.stall_s = max(report.stall_s, time.monotonic() - began_s - pause_s)
        report.stall_cpu_s = max(report.stall_cpu_s, time.thread_time() - began_cpu_s)


def wanted() -> watches.Objects:
    """What somebody has named: keys and prefixes in the buckets that the server speaks of."""
    objects = watches.Objects()
    for number, urn in enumerate(f"bucket-{n % 50}/{key}" for n in range(50) for key in ("raw/a.bin", "raw/", "k")):
        metadata = core.ObjectMeta(namespace="default", name=f"o{number}")
        objects.put(crd.DataObject(metadata=metadata, spec=crd.DataObjectSpec(urn=urn)), "test")
    return objects


async def _ask_on(endpoint: str, report: Report, rng: random.Random) -> None:
    """Ask for what a daemon asks for, again and again."""
    while True:
        store = model.Store("storage", "store", "uid", endpoint, rng.choice(["", "secret"]))
        source = sources.open_source(store, LIMITS)
        try:
            await source.use(credentials.Access(contents.Credentials("a", "b") if store.secret else None))
            for _ in range(20):
                urns = [f"bucket-{rng.randrange(9)}/{key}" for key in ("k", "raw/", "/" * 1000, "..", "é", "k" * 2000)]
                draw = rng.random()
                if draw < 0.4:
                    outcome = await source.list_store(urns=urns, named=functools.partial(tuple, urns))
                elif draw < 0.8:
                    outcome = await source.look_up(urns)
                else:
                    outcome = await source.count(["bucket-1", "bucket-2"])
                check(outcome)
                kind = outcome.reason if isinstance(outcome, contents.Failure) else "Listing"
                report.outcomes[kind] = report.outcomes.get(kind, 0) + 1
        except Exception as error:  # noqa: BLE001 - to be counted
            report.defects.append(f"{type(error).__name__}: {error}")
        finally:
            await source.close()


async def _hear_on(endpoint: str, one: asker.Asker) -> None:
    """Hear notices one stream after the other; an Asker alone would pause between them."""
    store = model.Store("storage", "store", "uid", endpoint, "")
    while True:
        await notices.listen(
            store,
            credentials.Access(),
            opened=lambda: None,
            changed=one._hear,
            dropped=one._dropped,
            timeout_s=LIMITS.timeout_s,
        )


def check(outcome: contents.Listing | contents.Failure) -> None:
    """What holds for every outcome, as it goes on into statuses."""
    if isinstance(outcome, contents.Failure):
        assert len(outcome.message) < 400, outcome
        assert outcome.message.isprintable(), outcome
        return
    for content in [*outcome.found.values(), *filter(None, outcome.buckets.values())]:
        assert 0 <= content.size_bytes < 2**63, content
        assert len(content.etag) <= 256, content
        assert len(content.version_id) <= 1024, content
        assert content.last_modified == "" or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", content.last_modified)


async def run(*, answers: int, lines: int, seed: int) -> Report:
    """Ask the hostile servers until they have said so much, in several tasks and by whole Askers."""
    report = Report()
    began_s = time.monotonic()
    # What announces is another process, lest the asking wait for it.
    with structlog.testing.capture_logs() as logs:
        async with serving(seed) as endpoint, serving(seed + 1) as speaker:
            askers = [_asker(endpoint) for _ in range(3)]
            tasks = [asyncio.create_task(_watch_loop(report))]
            tasks += [asyncio.create_task(one.run()) for one in askers]
            tasks += [asyncio.create_task(_hear_on(speaker, one)) for one in askers]
            tasks += [asyncio.create_task(_ask_on(endpoint, report, random.Random(seed + n))) for n in range(_TASKS)]
            warm_mib = 0.0
            while report.answers < answers or report.notices < lines:
                await asyncio.sleep(0.3)
                with contextlib.suppress(OSError, ValueError):
                    counts = await _counts(endpoint), await _counts(speaker)
                    report.answers, report.notices = (sum(both) for both in zip(*counts, strict=True))
                for task in tasks:
                    assert not task.done(), task
                askers[0].ask()
                if not warm_mib and report.answers > answers / 10:
                    warm_mib, report.stall_s, report.stall_cpu_s = memory_mib(), 0.0, 0.0
                logs[:] = [line for line in logs if line["log_level"] == "error"][:10]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    report.defects += [str(line) for line in logs if line["log_level"] == "error"]
    report.growth_mib, report.peak_mib = memory_mib() - warm_mib, memory_mib("VmHWM")
    report.took_s = time.monotonic() - began_s
    return report


def _asker(endpoint: str) -> asker.Asker:
    store = model.Store("storage", "store", "uid", endpoint, "", technology="minio")
    return asker.Asker(
        None,  # type: ignore[arg-type] # it reads no Secret, as the store has none
        store,
        limits=LIMITS,
        wanted=named.Named(wanted(), store),
        changed=lambda _: None,
        figures=metrics.Metrics(),
    )


async def _counts(endpoint: str) -> tuple[int, int]:
    host, port = endpoint.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"GET /counts-of-hostile HTTP/1.1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        found: list[int] = json.loads(await reader.readuntil(b"]"))
    finally:
        writer.close()
    return found[0], found[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--answers", type=int, default=100_000)
    parser.add_argument("--notices", type=int, default=100_000)
    options = parser.parse_args()
    app.settle()
    report = asyncio.run(run(answers=options.answers, lines=options.notices, seed=options.seed))
    print(f"{report}\nthe daemon's container requests {REQUEST_MIB} MiB")  # noqa: T201
    for defect in report.defects[:20]:
        print(defect)  # noqa: T201
    sys.exit(bool(report.defects) or report.peak_mib >= REQUEST_MIB)


if __name__ == "__main__":
    main()
