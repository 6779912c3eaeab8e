"""How a command reaches the scheduler: directly, through kubectl's port-forward, and what is said where it does not."""

import http.server
import json
import pathlib
import stat
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from click import testing

from scheduler.locality import cli, door

TOLD = "ns/a: no decision of this scheduler is remembered.\n"


class Fake(http.server.BaseHTTPRequestHandler):
    """Answers as a replica does; the one that leads is on the port that is noted."""

    asked: list[str]
    leader = ""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status, told = 200, {"pod": "ns/a", "decisions": []}
        if self.leader:
            status, told = 404, {"error": f"ask {self.leader}", "leader": self.leader}
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class Replica:
    """Such a server."""

    def __init__(self, leader: str = "") -> None:
        self.asked: list[str] = []
        kind = type("Handler", (Fake,), {"asked": self.asked, "leader": leader})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def replicas() -> Iterator[dict[str, Replica]]:
    """Two, of which the first one follows."""
    both = {"old": Replica("new"), "new": Replica()}
    yield both
    for one in both.values():
        one.server.shutdown()
        one.server.server_close()


class Kubectl:
    """A kubectl on PATH that does as told, and notes what it was asked."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._program = folder / "kubectl"
        self.notes = folder / "notes"

    def does(self, cases: str) -> None:
        """``cases``: those of a shell's case statement, on its arguments."""
        self._program.write_text(f'#!/bin/sh\necho "$*" >> {self.notes}\ncase "$*" in\n{cases}\nesac\n')
        self._program.chmod(self._program.stat().st_mode | stat.S_IXUSR)

    def calls(self) -> list[str]:
        return self.notes.read_text().splitlines()


@pytest.fixture
def kubectl(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Kubectl(tmp_path)


def forwards(replicas: dict[str, Replica], name: str, target: str) -> str:
    port = replicas[name].port
    return f'*port-forward*" {target} :http") echo "Forwarding from 127.0.0.1:{port} -> 8080"; exec sleep 60;;\n'


def run(*arguments: str) -> testing.Result:
    return testing.CliRunner().invoke(cli.main, arguments)


def test_a_server_that_is_given_is_asked(replicas: dict[str, Replica]) -> None:
    url = f"http://127.0.0.1:{replicas['new'].port}"
    told = run("explain", "ns/a", "--server", url)
    assert (told.exit_code, told.output) == (0, TOLD)
    assert json.loads(run("explain", "ns/a", "--server", url, "-o", "json").output)["pod"] == "ns/a"


def test_the_pod_that_holds_the_lease_is_forwarded_to(kubectl: Kubectl, replicas: dict[str, Replica]) -> None:
    kubectl.does('*"get lease"*) echo new_uuid;;\n' + forwards(replicas, "new", "pod/new"))
    told = run("explain", "pod", "a", "-n", "ns", "--kubeconfig", "kc", "--context", "c")
    assert (told.exit_code, told.output) == (0, TOLD)
    assert replicas["new"].asked == ["/explain?pod=ns%2Fa&ranking=5"]
    assert all(call.startswith("--kubeconfig kc --context c ") for call in kubectl.calls())


def test_without_a_lease_the_replica_that_is_reached_names_the_leader(
    kubectl: Kubectl, replicas: dict[str, Replica]
) -> None:
    some = forwards(replicas, "old", "deployment/data-locality-scheduler")
    kubectl.does('*"get lease"*) exit 1;;\n' + some + forwards(replicas, "new", "pod/new"))
    told = run("explain", "ns/a")
    assert (told.exit_code, told.output) == (0, TOLD)
    assert len(replicas["old"].asked) == len(replicas["new"].asked) == 1


def test_the_namespace_is_that_of_the_context(kubectl: Kubectl, replicas: dict[str, Replica]) -> None:
    kubectl.does('*"config view"*) printf ns;;\n')
    run("explain", "pod/a", "--server", f"http://127.0.0.1:{replicas['new'].port}")
    assert replicas["new"].asked == ["/explain?pod=ns%2Fa&ranking=5"]


def test_a_right_that_is_missing_is_named_with_the_rule_that_gives_it(kubectl: Kubectl) -> None:
    words = 'User "alice" cannot create resource "pods/portforward" in API group ""'
    kubectl.does(f"*\"get lease\"*) echo p_u;;\n*port-forward*) echo 'Forbidden: {words}' >&2; exit 1;;\n")
    told = run("explain", "ns/a")
    assert told.exit_code == 2
    assert words in told.output
    assert "resources: [pods/portforward], verbs: [create]" in told.output


def test_a_scheduler_that_is_not_there_is_looked_for_elsewhere(kubectl: Kubectl) -> None:
    kubectl.does("*port-forward*) echo 'error: deployments.apps \"x\" not found' >&2; exit 1;;\n")
    told = run("explain", "ns/a")
    assert (told.exit_code, "--scheduler-namespace" in told.output) == (2, True)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "localhost:8080", "ftp://x"])
def test_an_address_where_nothing_answers_is_named(url: str) -> None:
    told = run("explain", "ns/a", "--server", url)
    assert (told.exit_code, url in told.output) == (2, True)


def test_what_is_not_known_is_no_failure_to_start(replicas: dict[str, Replica]) -> None:
    told = run("explain", "ns/a", "--server", f"http://127.0.0.1:{replicas['old'].port}")
    assert (told.exit_code, told.output) == (1, "error: ask new\n")


def test_without_kubectl_it_is_said_what_to_give(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told = run("explain", "ns/a")
    assert (told.exit_code, "--server URL" in told.output) == (2, True)


def test_names_are_read_as_kubectl_prints_them() -> None:
    where = door.Where(kubeconfig="", context="", given_namespace="ns", server="", scheduler_namespace="s")
    assert [where.key(name) for name in ("a", "pod/a", "other/a")] == ["ns/a", "ns/a", "other/a"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        pytest.param(["explain", "pod", "-n", "ns", "th"], ["thumbs"], id="a pod"),
        pytest.param(["why-not", "edge"], ["edge-1", "edge-2"], id="a node"),
        pytest.param(["why-not", "edge-1", "--pod", "w"], ["web"], id="the pod of an option"),
    ],
)
def test_names_are_completed(
    kubectl: Kubectl,
    typed: list[str],
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kubectl.does('*"get pods"*) echo pod/thumbs; echo pod/web;;\n*"get nodes"*) echo node/edge-1; echo node/edge-2;;')
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-locality", *typed])
    cli.complete()
    assert capsys.readouterr().out.split() == [*expected, ":4"]
