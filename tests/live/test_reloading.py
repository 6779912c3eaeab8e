"""The configuration file of a running scheduler: what changes counts for the next pod, what cannot be used does not."""

import asyncio
import dataclasses
import datetime
import os
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import prometheus_client
import pytest

from scheduler import config, kubeconfiguration, sections, watchedfile
from scheduler.api import names
from scheduler.kernel import recording
from scheduler.live import reloading
from tests.fakeapi import objects, server
from tests.live import running

PACKING = """
profiles:
  - schedulerName: data-locality-scheduler
    plugins: {score: {enabled: [{name: NodeResourcesFit, weight: 1000}]}}
    pluginConfig:
      - {name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated, resources: [{name: cpu}]}}}
"""
SPREADING = PACKING.replace("MostAllocated", "LeastAllocated")
WRONG = "lookahead: 7\ntua: 5s\n"


def write(folder: pathlib.Path, text: str) -> None:
    """Set the file as the kubelet sets a ConfigMap's: by a link that changes all at once."""
    data = folder / f"..{len(list(folder.iterdir()))}"
    data.mkdir()
    (data / "config.yaml").write_text(text)
    (folder / "..new").symlink_to(data.name)
    os.replace(folder / "..new", folder / "..data")  # noqa: PTH105 (a Path would follow the link)
    if not (folder / "config.yaml").is_symlink():
        (folder / "config.yaml").symlink_to("..data/config.yaml")


@pytest.fixture
def mounted(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "mounted"
    folder.mkdir()
    write(folder, SPREADING)
    return folder


def quick(path: str) -> config.Settings:
    """What the file says, and else what tests run with."""
    return config.parse(sections.load(path), path, running.QUICK)


def source_of(folder: pathlib.Path) -> watchedfile.Source[config.Settings]:
    return watchedfile.Source(str(folder / "config.yaml"), quick, running.QUICK)


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    async with server.running() as fake:
        for name in ("n1", "n2"):
            fake.store.create("nodes", objects.node(name, cpu="16"))
        resident = objects.pod("resident", node="n1")
        resident["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "4"}}
        fake.store.create("pods", resident)
        yield fake


async def test_the_next_pod_goes_by_the_new_file_and_a_bad_one_changes_nothing(
    fake: server.FakeApi,
    tmp_path: pathlib.Path,
    mounted: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(reloading, "LOOK_EVERY_S", 0.02)
    source, record = source_of(mounted), tmp_path / "run.jsonl"
    async with running.scheduler(fake, tmp_path, source.settings, record=record, source=source) as world:
        world.create("spread", cpu="100m")
        await world.placed("spread")
        assert world.node_of("spread") == "n2"

        write(mounted, PACKING)
        await world.until(lambda: source.again == 1 and source.settings.plugins.fit_strategy == "MostAllocated")
        world.create("packed", cpu="100m")
        await world.placed("packed")
        assert world.node_of("packed") == "n1"

        write(mounted, WRONG)
        await world.until(lambda: source.again == 2)
        world.create("packed-still", cpu="100m")
        await world.placed("packed-still")
        assert world.node_of("packed-still") == "n1"
    said = [line for line in capsys.readouterr().out.splitlines() if "the last good one stays" in line]
    assert len(said) == 1
    assert "lookahead" in said[0]
    assert "did you mean tau?" in said[0]
    with record.open("rb") as lines:
        replayed = recording.replay(lines)
    assert replayed.difference is None
    assert replayed.kernel.settings.plugins.fit_strategy == "MostAllocated"


@dataclasses.dataclass
class Looking:
    """What looks at a file, by itself."""

    folder: pathlib.Path
    source: watchedfile.Source[config.Settings]
    registry: prometheus_client.CollectorRegistry
    applied: list[config.Settings]

    async def after(self, text: str) -> None:
        """Have it seen that the file says so now."""
        reads = self.reads()
        write(self.folder, text)
        await server.until(lambda: self.reads() > reads)

    def reads(self) -> float:
        return sum(self.figure("reloads_total", result=result) or 0 for result in ("success", "failure"))

    def figure(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"data_locality_scheduler_config_{name}", labels)


@pytest.fixture
async def looking(mounted: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Looking]:
    monkeypatch.setattr(reloading, "LOOK_EVERY_S", 0.01)
    looking = Looking(mounted, source_of(mounted), prometheus_client.CollectorRegistry(), [])
    task = asyncio.create_task(reloading.Reloading(looking.source, looking.applied.append, looking.registry).run())
    yield looking
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_figures_tell_how_the_last_file_fared(looking: Looking) -> None:
    assert looking.figure("last_reload_success") == 1
    assert looking.figure("reloads_total", result="failure") == 0
    await looking.after(WRONG)
    assert looking.figure("last_reload_success") == 0
    assert looking.figure("reloads_total", result="failure") == 1
    assert looking.applied == []
    await looking.after("tau: 3s")
    assert looking.figure("last_reload_success") == 1
    assert looking.figure("reloads_total", result="success") == 1
    assert [one.tau_s for one in looking.applied] == [3.0]


async def test_what_waits_for_a_restart_is_named_and_the_rest_counts(
    looking: Looking, capsys: pytest.CaptureFixture[str]
) -> None:
    await looking.after("tau: 3s\nhealthServerPort: 9999\nleaderElection: {leaseDuration: 30s}")
    assert looking.figure("keys_waiting_for_restart") == 2
    [line] = [line for line in capsys.readouterr().out.splitlines() if "at the next start" in line]
    assert "healthServerPort" in line
    assert "leaderElection" in line
    [settings] = looking.applied
    assert (settings.tau_s, settings.health_port) == (3.0, running.QUICK.health_port)
    await looking.after("tau: 3s")
    assert looking.figure("keys_waiting_for_restart") == 0
    assert len(looking.applied) == 1  # as nothing else is different


async def test_a_file_with_the_same_words_is_read_and_nothing_follows(looking: Looking) -> None:
    await looking.after(f"# nothing new\n{SPREADING}")
    assert looking.figure("reloads_total", result="success") == 1
    assert looking.applied == []


def profile(name: str, **plugins: Any) -> kubeconfiguration.Profile:
    return kubeconfiguration.Profile(name, config.Plugins(**plugins))


def test_profiles_change_where_their_names_stay() -> None:
    old = config.Settings(further=(profile("a"), profile("b")))
    new = config.Settings(further=(profile("b", preempts=False), profile("a")))
    settings, waiting = reloading.taken(old, new)
    assert waiting == ()
    assert settings.further == (profile("a"), profile("b", preempts=False))


def test_a_new_name_waits_for_a_restart_and_known_ones_change() -> None:
    old = config.Settings(further=(profile("a"),))
    new = config.Settings(further=(profile("b"), profile("a", preempts=False)), scheduler_name="mine", seed=3)
    settings, waiting = reloading.taken(old, new)
    assert set(waiting) == {"profiles", "schedulerName", "seed"}
    assert settings.further == (profile("a", preempts=False),)
    assert settings.scheduler_names == old.scheduler_names
    assert settings.seed is None


LEASE = "data-locality-scheduler"


def lease(holder: str) -> dict[str, Any]:
    """A lease that its holder, if there is one, keeps for longer than a test takes."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "metadata": {"name": LEASE, "namespace": names.HOME_NAMESPACE},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 3600, "acquireTime": now, "renewTime": now},
    }


async def test_who_follows_takes_it_over_as_well_and_leads_by_it(
    fake: server.FakeApi, tmp_path: pathlib.Path, mounted: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reloading, "LOOK_EVERY_S", 0.02)
    fake.store.create("leases", lease("another_1"))
    terms = config.LeaderElection(duration_s=10.0, renew_within_s=5.0, retry_s=0.1)
    follows = dataclasses.replace(running.QUICK, leader_election=terms)

    def load(path: str) -> config.Settings:
        return dataclasses.replace(quick(path), leader_election=terms)

    source, record = watchedfile.Source(str(mounted / "config.yaml"), load, follows), tmp_path / "run.jsonl"
    async with running.scheduler(fake, tmp_path, source.settings, record=record, source=source) as world:
        world.create("packed", cpu="100m")
        write(mounted, PACKING)
        await world.until(lambda: source.again == 1 and b'"SettingsSeen"' in record.read_bytes())
        assert b'"Turn"' not in record.read_bytes()
        assert world.node_of("packed") == ""
        fake.store.patch("leases", LEASE, {"spec": {"holderIdentity": ""}}, names.HOME_NAMESPACE)
        await world.placed("packed")
        assert world.node_of("packed") == "n1"
