"""The benchmark measures: every contender does its work in every mode, and what was measured is written down."""

import json
import pathlib
import subprocess
import sys

import pytest

from localcluster import cluster

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

OWN = ("preemption", "csi", "claims")
FIGURES = {
    "backlog": {"pods_per_s", "scheduler_cpu_ms_per_pod", "apiserver_cpu_ms_per_pod", "peak_memory_mb"},
    "steady": {"p50_ms", "p99_ms"},
    "start": {"first_bind_s"},
}


def test_every_contender_is_measured_in_every_mode(control_plane: cluster.Cluster, tmp_path: pathlib.Path) -> None:
    # The shared cluster only tells that the programs are there; the benchmark has its own.
    options = ["--kinds", "churn", "--modes", *FIGURES, "--nodes", "20", "--pods", "40", "--rounds", "1"]
    command = [sys.executable, "-m", "benchmarks.scheduling", *options, "--seconds", "1", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    turns = json.loads((tmp_path / "results.json").read_text())["turns"]
    assert {(turn["kind"], turn["mode"], turn["contender"]) for turn in turns} == {
        (kind, mode, contender)
        for mode in FIGURES
        for kind in (["plain"] if mode == "start" else ["churn"])
        for contender in ("stock", "ours", "raw")
    }
    for turn in turns:
        assert not turn["fault"]
        assert FIGURES[turn["mode"]] <= set(turn["figures"])
        assert all(value >= 0 for value in turn["figures"].values())
    assert "ours / stock" in (tmp_path / "results.md").read_text()
    assert (tmp_path / "results.svg").read_text().startswith("<svg")


def test_each_turn_finds_what_its_pods_need(control_plane: cluster.Cluster, tmp_path: pathlib.Path) -> None:
    """Also the second one, once the pods of the first have evicted others and used what is theirs."""
    options = ["--modes", "backlog", "--nodes", "10", "--pods", "10", "--rounds", "2", "--contenders", "stock", "ours"]
    command = [sys.executable, "-m", "benchmarks.scheduling", "--kinds", *OWN, *options, "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    turns = json.loads((tmp_path / "results.json").read_text())["turns"]
    assert len(turns) == 2 * 2 * len(OWN)
    assert not any(turn["fault"] for turn in turns)
