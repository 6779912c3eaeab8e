"""Nothing is left behind, however a cluster ends: each test looks at all processes of this machine."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from localcluster import cluster, errors, keeping
from tests.clusterfixture import ClusterFactory
from tests.localcluster.conftest import SMALL

pytestmark = pytest.mark.e2e

TOPOLOGY = "nodes: [{name: only, minio: true}]"


@pytest.fixture(autouse=True)
def clusters(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, control_plane: cluster.Cluster) -> pathlib.Path:
    """A folder for the clusters of one test, so that all their processes can be recognised by it.

    The shared cluster is asked for, though not used, as it skips the test where there is no control plane to be had.
    """
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "topology.yaml").write_text(TOPOLOGY)
    return tmp_path


def localcluster(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "localcluster", *arguments]


def processes(folder: pathlib.Path) -> list[str]:
    """The command lines of all processes that have to do with the folder: by argument, directory or environment."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        if entry.name == str(os.getpid()):
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            context = (
                command + (entry / "environ").read_bytes().decode(errors="replace") + str((entry / "cwd").readlink())
            )
        except OSError:
            continue
        if str(folder) in context and command:
            found.append(command)
    return found


def assert_nothing_left(folder: pathlib.Path) -> None:
    deadline_s = time.monotonic() + 60
    while (left := processes(folder)) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert left == []
    assert list(folder.glob("localcluster-*/*")) == []


def start_run(folder: pathlib.Path, script: str) -> subprocess.Popen[str]:
    arguments = localcluster("run", "--topology", str(folder / "topology.yaml"), "--", "sh", "-c", script)
    return subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_ended_leaves_nothing(clusters: pathlib.Path, number: signal.Signals) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:  # under nohup; children inherit that, and are meant to
        pytest.skip(f"{number.name} is ignored in this session")
    running = start_run(clusters, "sleep 900 & echo started; sleep 901; true")
    assert running.stdout is not None
    assert running.stdout.readline() == "started\n"
    assert len(processes(clusters)) > 6
    os.kill(running.pid, number)
    running.communicate()
    assert_nothing_left(clusters)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_start_leaves_nothing(clusters: pathlib.Path, number: signal.Signals) -> None:
    # The command goes on until it is ended: on a machine that stands still here, the cluster may be up by then.
    running = start_run(clusters, "sleep 900")
    deadline_s = time.monotonic() + 60
    while not any("kube-apiserver" in command for command in processes(clusters)):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    os.kill(running.pid, number)
    running.communicate()
    assert running.returncode != 0
    assert_nothing_left(clusters)


def test_run_gives_the_commands_exit_code_and_ends_what_the_command_left(clusters: pathlib.Path) -> None:
    running = start_run(clusters, "kubectl get nodes -o name; sleep 900 > /dev/null & exit 3")
    output, _ = running.communicate()
    assert (output, running.returncode) == ("node/only\n", 3)
    assert_nothing_left(clusters)


def test_up_outlives_its_command_and_down_ends_it(clusters: pathlib.Path) -> None:
    arguments = ["--topology", str(clusters / "topology.yaml"), "--name", "kept"]
    subprocess.run(localcluster("up", *arguments), check=True, capture_output=True)
    again = subprocess.run(localcluster("up", *arguments), check=False, capture_output=True, text=True)
    assert again.returncode == 1
    assert "a cluster named 'kept' is running" in again.stderr
    printed = subprocess.run(localcluster("kubeconfig", "--name", "kept"), check=True, capture_output=True, text=True)
    command = ["kubectl", "--kubeconfig", printed.stdout.strip(), "get", "nodes", "-o", "name"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "node/only\n"
    subprocess.run(localcluster("down", "--name", "kept"), check=True)
    assert_nothing_left(clusters)
    gone = subprocess.run(localcluster("kubeconfig", "--name", "kept"), check=False, capture_output=True, text=True)
    assert (gone.returncode, gone.stdout) == (1, "")
    subprocess.run(localcluster("down", "--name", "kept"), check=True)


def test_a_killed_keeper_takes_its_processes_along_and_the_next_start_removes_the_directory(
    clusters: pathlib.Path, cluster_factory: ClusterFactory
) -> None:
    running = cluster_factory(SMALL)
    directory = running.directory
    os.killpg(keeper_pid(directory), signal.SIGKILL)
    deadline_s = time.monotonic() + 60
    while processes(clusters) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert processes(clusters) == []
    assert directory.exists()
    keeping.sweep()
    assert_nothing_left(clusters)
    with pytest.raises(errors.ClusterError, match="is not running"):
        running.pids()


def keeper_pid(directory: pathlib.Path) -> int:
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # others may end just now
            parts = entry.read_bytes().split(b"\0")
            if str(directory).encode() in parts and any(part.endswith(b"keeper.py") for part in parts):
                return int(entry.parent.name)
    raise AssertionError("no keeper")


def test_a_folder_that_others_can_write_to_is_refused(clusters: pathlib.Path) -> None:
    (clusters / f"localcluster-{os.getuid()}").mkdir(mode=0o777)
    (clusters / f"localcluster-{os.getuid()}").chmod(0o777)
    with pytest.raises(errors.ClusterError, match="not a private folder"):
        keeping.base_directory()
