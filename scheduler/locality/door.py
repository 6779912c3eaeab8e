"""How a person's command reaches the running scheduler: at an address that is given, or through kubectl's port-forward.

    --server URL    asked directly; it lets in whoever comes from its own machine
    else            `kubectl port-forward` to the pod that holds the Lease, with the user's own kubeconfig and rights;
                    it ends with the command

Only the replica that leads has decisions to tell of. One that does not says which does, and that one is asked then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import http.client
import os
import re
import select
import shutil
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import click

from scheduler import errors
from scheduler.api import names

FAILED: Final = 1
CANNOT_START: Final = 2
ANSWERED_WITHIN_S: Final = 60.0
_FORWARDED_WITHIN_S: Final = 15.0
_PIECE_BYTES: Final = 1 << 16
_FORWARDING: Final = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ")

_RIGHTS: Final = """\
Ask an administrator for this Role in namespace {namespace}, bound to you, or give --server URL:
  rules:
    - {{apiGroups: [""], resources: [pods], verbs: [get, list]}}
    - {{apiGroups: [""], resources: [pods/portforward], verbs: [create]}}
    - {{apiGroups: [apps], resources: [deployments], verbs: [get]}}
    - {{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get]}}"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Where:
    """Which cluster, which namespace and which scheduler a command is about.

    Attributes:
        given_namespace: "" for that of the kubeconfig's context.
        server: The address of a scheduler; "" to find one with kubectl.
    """

    kubeconfig: str
    context: str
    given_namespace: str
    server: str
    scheduler_namespace: str

    @functools.cached_property
    def namespace(self) -> str:
        """That of the pods that are meant."""
        if self.given_namespace:
            return self.given_namespace
        try:
            found = self.kubectl("config", "view", "--minify", "--output", "jsonpath={..namespace}")
        except errors.DoorError:  # no kubectl or no kubeconfig is needed with --server
            found = ""
        return found.strip() or "default"

    def key(self, pod: str) -> str:
        """``namespace/name`` of a pod that is given by either; ``pod/name``, as kubectl prints it, is a name."""
        first, slash, rest = pod.partition("/")
        if not slash:
            return f"{self.namespace}/{first}"
        return f"{self.namespace}/{rest}" if first in {"pod", "pods", "po"} else pod

    def command(self, *arguments: str) -> list[str]:
        """A call of kubectl for the same cluster.

        Raises:
            DoorError: there is no kubectl.
        """
        program = shutil.which("kubectl")
        if program is None:
            raise errors.DoorError("no kubectl on PATH to reach the cluster with; install it, or give --server URL")
        options = {"--kubeconfig": self.kubeconfig, "--context": self.context}
        return [program, *(part for name, value in options.items() if value for part in (name, value)), *arguments]

    def kubectl(self, *arguments: str, given: bytes | None = None) -> str:
        """What a call of kubectl prints.

        Args:
            given: Its standard input.

        Raises:
            DoorError: it failed; in its words.
        """
        done = subprocess.run(self.command(*arguments), capture_output=True, input=given, check=False)  # noqa: S603
        if done.returncode:
            raise errors.DoorError(_last_words(done.stderr))
        return done.stdout.decode()


class Door:
    """A scheduler that can be asked.

    Args:
        address: Its URL.
        elsewhere: The address of the replica of a name, which leads; None where that cannot be had.
    """

    def __init__(self, address: str, elsewhere: Callable[[str], str] | None = None) -> None:
        self.address = address
        self._elsewhere = elsewhere

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401 (JSON)
        """The JSON at a path.

        Raises:
            DoorError: there is no answer, or one that says why not.
        """
        return self._asked("GET", path, query, None)

    def post(self, path: str, body: bytes, **query: str) -> Any:  # noqa: ANN401 (JSON)
        """The JSON that answers JSON. Raises as ``get`` does."""
        return self._asked("POST", path, query, body)

    def pieces(self, path: str, **query: str) -> Iterator[bytes]:
        """The bytes of a long answer. Raises as ``get`` does."""
        with self._answer("GET", path, query, None) as answer:
            while piece := self._read(answer, _PIECE_BYTES):
                yield piece

    def _asked(self, method: str, path: str, query: Mapping[str, str], body: bytes | None) -> Any:  # noqa: ANN401
        import json  # noqa: PLC0415 (only answers need it)

        try:
            with self._answer(method, path, query, body) as answer:
                return json.loads(self._read(answer))
        except errors.DoorError as error:
            if not error.leader or self._elsewhere is None:
                raise
            self.address, self._elsewhere = self._elsewhere(error.leader), None
        with self._answer(method, path, query, body) as answer:
            return json.loads(self._read(answer))

    @contextlib.contextmanager
    def _answer(
        self, method: str, path: str, query: Mapping[str, str], body: bytes | None
    ) -> Iterator[http.client.HTTPResponse]:
        parts = urllib.parse.urlsplit(self.address)
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        if parts.scheme not in kinds or not parts.hostname:
            raise errors.DoorError(f"--server {self.address}: no address; write it like http://127.0.0.1:8080")
        connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=ANSWERED_WITHIN_S)
        target = parts.path.rstrip("/") + path + (f"?{urllib.parse.urlencode(query)}" if query else "")
        try:
            try:
                connection.request(method, target, body, {"Content-Type": "application/json"} if body else {})
                answer = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                raise errors.DoorError(f"no scheduler answers at {self.address}: {error}") from error
            if answer.status != http.client.OK:
                raise _refusal(answer.status, self._read(answer), self.address)
            yield answer
        finally:
            connection.close()

    def _read(self, answer: http.client.HTTPResponse, at_most: int | None = None) -> bytes:
        try:
            return answer.read(at_most)
        except (OSError, http.client.HTTPException) as error:
            raise errors.DoorError(f"{self.address} stopped in the middle of its answer: {error}") from error


@contextlib.contextmanager
def opened(where: Where) -> Iterator[Door]:
    """A scheduler to ask, as long as the block runs.

    Raises:
        DoorError: none can be reached; says what to do.
    """
    if where.server:
        yield Door(where.server)
        return
    with contextlib.ExitStack() as held:

        def forward(target: str) -> str:
            return held.enter_context(_forwarded(where, target))

        yield Door(forward(_target(where)), lambda pod: forward(f"pod/{pod}"))


def options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of every command that asks a scheduler: it gets them as ``where``, and its errors end it in order."""

    @functools.wraps(command)
    def run(
        *args: Any,
        kubeconfig: str,
        context: str,
        namespace: str,
        server: str,
        scheduler_namespace: str,
        **others: Any,
    ) -> None:
        where = Where(
            kubeconfig=kubeconfig,
            context=context,
            given_namespace=namespace,
            server=server,
            scheduler_namespace=scheduler_namespace,
        )
        try:
            command(*args, where=where, **others)
        except errors.InputError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(CANNOT_START)
        except errors.DoorError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(FAILED if error.status == http.client.NOT_FOUND else CANNOT_START)

    given = (
        click.option("--kubeconfig", default="", help="As kubectl's."),
        click.option("--context", default="", help="As kubectl's."),
        click.option("-n", "--namespace", default="", help="Of the pods; default: the context's."),
        click.option("--server", default="", help="A scheduler's address, instead of finding one with kubectl."),
        click.option(
            "--scheduler-namespace", default=names.HOME_NAMESPACE, show_default=True, help="Where the scheduler runs."
        ),
    )
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(given), run)


def known(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Completes the names of objects of a kind, as far as kubectl knows them at once."""

    def find(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        given = {name: context.params.get(name) or "" for name in ("kubeconfig", "context", "namespace")}
        where = Where(
            kubeconfig=given["kubeconfig"],
            context=given["context"],
            given_namespace=given["namespace"],
            server="",
            scheduler_namespace="",
        )
        namespace = ["--namespace", given["namespace"]] if given["namespace"] else []
        try:
            told = where.kubectl("get", kind, "--output", "name", "--request-timeout", "2s", *namespace)
        except errors.DoorError:
            return []
        names = [line.partition("/")[2] for line in told.splitlines()]
        return [name for name in names if name.startswith(incomplete)]

    return find


def _target(where: Where) -> str:
    """What to forward to: the pod that holds the Lease, or some replica where that cannot be told."""
    arguments = ("get", "lease", names.SCHEDULER_NAME, "--namespace", where.scheduler_namespace)
    try:
        holder = where.kubectl(*arguments, "--output", "jsonpath={.spec.holderIdentity}")
    except errors.DoorError:
        holder = ""
    pod = holder.rpartition("_")[0]
    return f"pod/{pod}" if pod else f"deployment/{names.SCHEDULER_NAME}"


@contextlib.contextmanager
def _forwarded(where: Where, target: str) -> Iterator[str]:
    """The address at which a pod's port can be reached while the block runs."""
    command = where.command(
        "port-forward", "--namespace", where.scheduler_namespace, "--address", "127.0.0.1", target, ":http"
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603
        try:
            yield f"http://127.0.0.1:{_port(process, where, target)}"
        finally:
            process.terminate()


def _port(process: subprocess.Popen[bytes], where: Where, target: str) -> int:
    """The local port that kubectl took."""
    told = b""
    until_s = time.monotonic() + _FORWARDED_WITHIN_S
    while (left_s := until_s - time.monotonic()) > 0 and process.stdout is not None:
        if not select.select([process.stdout], [], [], left_s)[0]:
            break
        piece = os.read(process.stdout.fileno(), _PIECE_BYTES)
        told += piece
        if found := _FORWARDING.search(told.decode(errors="replace")):
            return int(found[1])
        if not piece:
            break
    process.terminate()
    words = _last_words(process.stderr.read() if process.stderr is not None else b"")
    message = f"the scheduler ({target} in {where.scheduler_namespace}) cannot be reached: {words}"
    if "forbidden" in words.lower():
        message += f"\n{_RIGHTS.format(namespace=where.scheduler_namespace)}"
    elif "not found" in words.lower():
        message += "\nGive --scheduler-namespace if it runs in another one, or --server URL."
    raise errors.DoorError(message)


def _refusal(status: int, body: bytes, address: str) -> errors.DoorError:
    import json  # noqa: PLC0415 (only answers need it)

    try:
        told = json.loads(body)
    except ValueError:
        told = None
    said = told if isinstance(told, dict) else {}
    return errors.DoorError(str(said.get("error") or f"{address} answers {status}"), status, said.get("leader", ""))


def _last_words(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("error: ") if lines else "kubectl failed and did not say why"
