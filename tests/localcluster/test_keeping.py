"""What clusters on one machine must not get in each other's way with: sockets that are not ready, ports given twice."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

from localcluster import keeper, keeping

# A keeper on a machine that stands still between two of its steps.
SLOW = """
import runpy, socket, sys, time
listen = socket.socket.listen
socket.socket.listen = lambda self, *rest: (time.sleep(0.5), listen(self, *rest))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_keeper_that_can_be_found_can_be_asked(tmp_path: pathlib.Path) -> None:
    directory = tmp_path / "c"
    (directory / keeper.LOG_FOLDER).mkdir(parents=True)
    command = [sys.executable, "-c", SLOW, keeper.__file__, str(directory), "0", str(os.getpid())]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            ends_s = time.monotonic() + 60
            while not (directory / keeper.SOCKET_NAME).exists():
                assert time.monotonic() < ends_s
                time.sleep(0.001)
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(directory / keeper.SOCKET_NAME))
        finally:
            process.terminate()


def test_no_port_is_given_twice() -> None:
    """Of twelve thousand, three hundred that are drawn by chance alone are hardly ever all different."""
    assert len({keeping.free_port() for _ in range(300)}) == 300


def test_no_port_is_given_by_two_processes() -> None:
    program = (
        "import random, sys\nfrom localcluster import keeping\nrandom.seed(1)\n"
        "print([keeping.free_port() for _ in range(20)], flush=True)\nsys.stdin.read()"
    )
    with contextlib.ExitStack() as stack:
        given = []
        for _ in range(2):
            command = [sys.executable, "-c", program]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            assert process.stdout is not None
            given += json.loads(process.stdout.readline())
    assert len(set(given)) == 40
