"""The keeper: one small process that holds all processes of a cluster, so that none of them is ever left behind.

It knows nothing about Kubernetes. It starts programs, each in its own process group, answers a few requests on a Unix
socket in the cluster's directory (one JSON object a line), and ends everything, directory included, when it is told to,
or when its owner is gone, however the owner ended: with SIGKILL too, where no clean-up code of the owner can run.

Why a process of its own, rather than a thread of the caller:
- `up` returns while the cluster stays, so somebody else must hold the children.
- PR_SET_PDEATHSIG, which ends the children should the keeper itself be killed, fires when the *thread* that started
  them ends. Callers start clusters from all kinds of threads; the keeper has a single one.
- Code between fork and exec is safe only in a process without threads, for the same reason.

The lock file beside the cluster's directory is open and locked in the keeper for as long as it lives. The kernel
releases it in any case, so whoever can lock it knows that the cluster is dead and may remove its rest (keeping.sweep).

Only the standard library is used: it is started as ``python -I -S keeper.py DIRECTORY LOCK_FD OWNER_PID`` and is up in
about 30 ms.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pathlib
import selectors
import shutil
import signal
import socket
import subprocess
import sys
from typing import Any

SOCKET_NAME = "keeper.sock"
LOG_FOLDER = "logs"
MARKER = "LOCALCLUSTER_DIRECTORY"
"""Environment variable by which the keeper knows what a `run` command has started, to end it with the cluster."""
TICK_S = 0.2
REQUEST_TIMEOUT_S = 30.0  # for who has connected and may be slow on a busy machine; who is gone is noticed at once
_PR_SET_PDEATHSIG = 1  # linux/prctl.h

# Looked up before any fork: the child between fork and exec should do as little as possible.
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Ask the kernel to kill the calling process as soon as the thread that started it ends (``preexec_fn``)."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Keeper:
    """The processes of one cluster."""

    def __init__(self, directory: pathlib.Path, owner_pid: int) -> None:
        self.directory = directory
        self.owner_pid = owner_pid  # 0: nobody in particular, the cluster stays until it is told to end
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ending = False

    def serve(self) -> None:
        """Answer requests until the cluster is to end."""
        path = self.directory / SOCKET_NAME
        with socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as selector:
            # Under its name only once it listens: until then whoever finds it would be refused.
            unfinished = path.with_suffix(".new")
            server.bind(str(unfinished))
            server.listen()
            server.setblocking(False)
            unfinished.rename(path)
            selector.register(server, selectors.EVENT_READ)
            while not self.ending:
                if selector.select(TICK_S):
                    with contextlib.suppress(OSError):
                        connection, _ = server.accept()
                        self._answer(connection)
                for process in self.processes.values():
                    process.poll()  # reap at once: a zombie would look alive to others
                if self.owner_pid and os.getppid() != self.owner_pid:
                    self.ending = True

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            connection.settimeout(REQUEST_TIMEOUT_S)
            try:
                request = json.loads(stream.readline())
                answer = getattr(self, f"do_{request.pop('do')}")(**request)
            except Exception as error:  # noqa: BLE001 - the requester gets to know, and the keeper must live on
                answer = {"error": f"{type(error).__name__}: {error}"}
            stream.write(json.dumps(answer).encode() + b"\n")

    def do_start(self, name: str, argv: list[str], environment: dict[str, str]) -> dict[str, Any]:
        """Start a program; its output is appended to ``logs/NAME.log``."""
        running = self.processes.get(name)
        if running is not None and running.poll() is None:
            raise ValueError(f"{name} is running already")
        with (self.directory / LOG_FOLDER / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                argv,
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - there are no threads here
                process_group=0,
            )
        return {"pid": self.processes[name].pid}

    def do_signal(self, name: str, number: int) -> dict[str, Any]:
        """Send a signal to a program's process group."""
        if self.processes[name].poll() is not None:
            raise ValueError(f"{name} is not running")
        os.killpg(self.processes[name].pid, number)
        return {}

    def do_stop(self, name: str, grace_s: float) -> dict[str, Any]:
        """End one program, politely at first; with no grace at once."""
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM if grace_s else signal.SIGKILL)
            os.killpg(process.pid, signal.SIGCONT)  # a stopped process does not see SIGTERM
        try:
            process.wait(grace_s or None)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return {}

    def do_status(self) -> dict[str, Any]:
        """Each program's process id and, where it has ended, its exit code."""
        return {"processes": {name: {"pid": p.pid, "exit": p.poll()} for name, p in self.processes.items()}}

    def do_disown(self) -> dict[str, Any]:
        """Stay when the owner ends: the last step of `up`."""
        self.owner_pid = 0
        return {}

    def do_shutdown(self) -> dict[str, Any]:
        """End everything."""
        self.ending = True
        return {}

    def end_everything(self) -> None:
        """Kill all programs and remove the directory. The data is thrown away anyway, so nobody is asked politely."""
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for pid in _marked(f"{MARKER}={self.directory}".encode()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self.processes.values():
            process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            self.directory.with_name(f"{self.directory.name}.lock").unlink()


def _marked(variable: bytes) -> list[int]:
    """Processes of this user with the given environment variable: what a `run` command started and did not end."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if variable in entry.read_bytes().split(b"\0"):
                found.append(int(entry.parent.name))
    return found


def main(directory: str, owner_pid: int) -> None:
    # Ctrl-C in a terminal and its closing are the owner's business: the owner ends, and that is noticed here.
    # (Handlers rather than SIG_IGN, which the programs started here would inherit.)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    keeper = Keeper(pathlib.Path(directory), owner_pid)
    signal.signal(signal.SIGTERM, lambda *_: setattr(keeper, "ending", True))
    try:
        keeper.serve()
    finally:
        keeper.end_everything()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[3]))  # argv[2], the lock's descriptor, is inherited and only has to stay open
