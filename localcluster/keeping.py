"""Directories of clusters, and the client side of the keeper.

Every cluster has a directory of its own, readable by its user only, under one base folder of that user; its name is the
cluster's name. A lock file beside it is held by the cluster's keeper (see there). What dead clusters left behind, which
happens only when a keeper was killed itself, is swept whenever a cluster is started.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import pathlib
import random
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from localcluster import errors, keeper
from scheduler import errors as scheduler_errors

NAME_PATTERN = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
START_TIMEOUT_S = 60  # thirty milliseconds on an idle machine
REQUEST_TIMEOUT_S = 60.0  # stopping a program takes its grace, and a busy machine its time
LOG_TAIL_LINES = 25
POLL_S = 0.05

# Below the range from which kernels take the local ports of outgoing connections (32768 on Linux), so that no client
# can sit on a port between its choice and its use, or while a store is stopped.
PORT_RANGE = range(20000, 32000)
_given: set[int] = set()


def base_directory() -> pathlib.Path:
    """The folder of this user's clusters: temporary by nature, and short enough for the path of a Unix socket.

    Raises:
        errors.ClusterError: Somebody else made the folder, or others may write to it.
    """
    base = pathlib.Path(tempfile.gettempdir()) / f"localcluster-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        base.mkdir(mode=0o700)
    info = base.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077:
        raise errors.ClusterError(
            f"{base} is not a private folder of this user; remove it or set TMPDIR to another one"
        )
    return base


def directory_of(name: str) -> pathlib.Path:
    """The directory of the cluster with this name, whether or not it exists."""
    if not NAME_PATTERN.fullmatch(name):
        raise scheduler_errors.InputError("cluster name", name, "use up to 40 lower-case letters, digits and hyphens")
    return base_directory() / name


def sweep() -> None:
    """Remove what dead clusters have left."""
    for lock_path in base_directory().glob("*.lock"):
        lock = _try_lock(lock_path)
        if lock is not None:
            shutil.rmtree(lock_path.with_suffix(""), ignore_errors=True)
            lock_path.unlink(missing_ok=True)
            os.close(lock)


def start_keeper(name: str) -> Keeper:
    """Make a cluster's directory and start its keeper, owned by the calling process."""
    directory = directory_of(name)
    sweep()
    lock = _try_lock(directory.with_suffix(".lock"))
    if lock is None:
        raise errors.ClusterError(
            f"a cluster named {name!r} is running; end it with `python -m localcluster down --name {name}`"
            " or choose another --name"
        )
    try:
        directory.mkdir(mode=0o700)
        (directory / keeper.LOG_FOLDER).mkdir()
        with (directory / keeper.LOG_FOLDER / "keeper.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, str(directory), str(lock), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock],
                start_new_session=True,
                cwd="/",
            )
    finally:
        os.close(lock)
    client = Keeper(directory, process)
    client.wait_until((directory / keeper.SOCKET_NAME).exists, what="the keeper", timeout_s=START_TIMEOUT_S)
    return client


def _try_lock(path: pathlib.Path) -> int | None:
    """Lock the file and return its descriptor, or None if a living cluster holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The file may have been unlinked, and made anew by somebody else, between opening and locking.
            if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except FileNotFoundError:
            pass
        except BlockingIOError:
            os.close(descriptor)
            return None
        os.close(descriptor)


class Keeper:
    """Client of the keeper of one cluster."""

    def __init__(self, directory: pathlib.Path, process: subprocess.Popen[bytes] | None = None) -> None:
        self.directory = directory
        self._process = process

    def start(self, name: str, argv: Sequence[object], environment: Mapping[str, str] | None = None) -> None:
        """Start a program under the given name.

        Its environment is what is given and a bare minimum: no KUBECONFIG, proxy or credential of the user leaks in.
        Credentials go through ``environment`` or files, never ``argv``, which every user of the machine can read.
        """
        minimum = {"PATH": os.defpath, "HOME": str(self.directory), "TMPDIR": str(self.directory)}
        self._request(
            do="start", name=name, argv=[str(part) for part in argv], environment={**minimum, **(environment or {})}
        )

    def stop(self, name: str, *, grace_s: float = 5.0) -> None:
        """End one program; without grace it is killed, as in a crash."""
        self._request(do="stop", name=name, grace_s=grace_s)

    def signal(self, name: str, number: int) -> None:
        """Send a signal to one program."""
        self._request(do="signal", name=name, number=number)

    def pids(self) -> Mapping[str, int]:
        """The process ids of the programs that run."""
        processes = self._request(do="status")["processes"]
        return {name: state["pid"] for name, state in processes.items() if state["exit"] is None}

    def disown(self) -> None:
        """Let the cluster stay when this process ends."""
        self._request(do="disown")
        if self._process is not None:
            self._process.returncode = 0  # else its destructor complains about a process that is meant to run on

    def shutdown(self) -> None:
        """End all programs and wait until they and the directory are gone. Does nothing if they are."""
        with contextlib.suppress(errors.ClusterError):
            self._request(do="shutdown")
        if self._process is not None:
            self._process.wait()
        lock_path = self.directory.with_suffix(".lock")
        deadline_s = time.monotonic() + REQUEST_TIMEOUT_S
        while lock_path.exists() and time.monotonic() < deadline_s:
            time.sleep(POLL_S)

    def wait_until(self, check: Callable[[], bool], *, what: str, timeout_s: float, program: str = "keeper") -> None:
        """Poll until the check holds.

        Raises:
            errors.ClusterError: The program ended or time is up; the message shows the end of its log.
        """
        deadline_s = time.monotonic() + timeout_s
        while not check():
            gone = program != "keeper" and program not in self.pids()
            if gone or time.monotonic() > deadline_s:
                raise errors.ClusterError(
                    f"{what}: {program} {'ended' if gone else f'was not ready after {timeout_s:g} s'};"
                    f" the end of its log:\n{self.log_tail(program)}"
                )
            time.sleep(POLL_S)

    def log_tail(self, program: str) -> str:
        """The last lines that a program wrote."""
        try:
            text = (self.directory / keeper.LOG_FOLDER / f"{program}.log").read_text(errors="replace")
        except FileNotFoundError:
            return "(no log)"
        return "\n".join(f"  {line[:400]}" for line in text.splitlines()[-LOG_TAIL_LINES:]) or "  (empty)"

    def _request(self, **request: Any) -> Mapping[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(REQUEST_TIMEOUT_S)
                connection.connect(str(self.directory / keeper.SOCKET_NAME))
                with connection.makefile("rwb") as stream:
                    stream.write(json.dumps(request).encode() + b"\n")
                    stream.flush()
                    answer: Mapping[str, Any] = json.loads(stream.readline() or b'{"error": "no answer"}')
        except OSError as error:
            raise errors.ClusterError(f"cluster {self.directory.name!r} is not running ({error})") from error
        if "error" in answer:
            raise errors.ClusterError(f"{request.get('name', request['do'])}: {answer['error']}")
        return answer


def free_port() -> int:
    """A loopback port that nobody listens on and that no process of ours was given that still runs.

    Seconds pass until its program listens, and a store that is stopped comes back to its own: to whoever only looks,
    both are free meanwhile. So a byte of one file is locked for each, which the system unlocks when this process ends.
    """
    file = _given_file()
    for port in random.sample(PORT_RANGE, 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
                _given.add(port)
                return port
    raise errors.ClusterError(f"no free loopback port between {PORT_RANGE.start} and {PORT_RANGE.stop}")


@functools.cache
def _given_file() -> int:
    """The file of which a byte is locked for each port that is given; closing it would unlock them all."""
    path = pathlib.Path(tempfile.gettempdir(), f"data-locality-scheduler-{os.getuid()}.ports")
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
