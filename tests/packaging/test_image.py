"""The image, really built and started. Run by `make image-test`, for it takes minutes."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest

from localcluster import topology
from tests.clusterfixture import ClusterFactory
from tests.e2e import process
from tests.packaging import building

pytestmark = [pytest.mark.image, pytest.mark.slow, pytest.mark.timeout(900)]

OBSTACLE = building.obstacle()
QUESTIONS = building.ROOT / "tests" / "cases" / "decide.jsonl"
INSTALLERS = re.compile(r"(pip[0-9.]*|setuptools|wheel|ensurepip|pkg_resources)(-.*)?")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[building.Images]:
    if OBSTACLE:
        pytest.skip(f"no image can be built here: {OBSTACLE}")
    images = building.Images(tmp_path_factory.mktemp("images"))
    images.make_base()
    images.build()
    yield images
    images.close()


def test_it_runs_as_nobody_in_particular_and_starts_our_program(image: building.Images) -> None:
    configuration = image.configuration
    assert configuration["User"] == "65532:65532"
    assert configuration["Entrypoint"] == ["data-locality-scheduler"]
    assert image.run("python", "-c", "import os; print(os.getuid(), os.getgid())").split() == ["65532", "65532"]
    version = re.search(r'^version = "(.+)"', (building.ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert version[1] in image.run(*configuration["Entrypoint"], "--version")
    assert "webhook-certificate" in image.run(*configuration["Entrypoint"], *configuration["Cmd"])


def test_nothing_in_it_installs_packages(image: building.Images) -> None:
    places = ("opt", "usr/bin", "usr/local", "usr/lib/python3", "usr/lib/python3.11", "usr/share/python-wheels")
    found = [
        pathlib.Path(folder, name)
        for place in places
        for folder, folders, files in os.walk(image.files / place)
        for name in [*folders, *files]
        if INSTALLERS.fullmatch(name)
    ]
    assert found == []


def test_nothing_of_the_machine_it_was_built_on_is_left_in_it(image: building.Images) -> None:
    for name in ("etc/pip.conf", "src", "root/.cache", "root/.config"):
        path = image.files / name
        assert not path.exists() or (path.is_file() and not path.read_bytes()), name


def test_what_is_ours_in_it_is_small(image: building.Images) -> None:
    ours = image.files / "opt" / "venv"
    size_bytes = sum(path.lstat().st_size for path in ours.rglob("*") if not path.is_symlink())
    assert size_bytes < 240_000_000, "what packages bring for their own tests is left out"


def test_it_decides_as_the_tree_does(image: building.Images) -> None:
    questions = [json.dumps(json.loads(line)["question"]) for line in QUESTIONS.read_text().splitlines()[:40]]
    arguments = ["decide", "--seed", "7"]
    answers = []
    tree: list[building.Word] = [process.PROGRAM, *arguments]
    for command in (tree, image.command(*image.configuration["Entrypoint"], *arguments)):
        with tempfile.TemporaryFile("w+") as file:
            file.write("\n".join(questions) + "\n")
            file.seek(0)
            done = subprocess.run(command, stdin=file, capture_output=True, check=True)
        answers.append([json.loads(line) for line in done.stdout.splitlines()])
    here, there = answers
    assert len(here) == len(questions)
    assert there == here


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["run"], "/nowhere", id="run"),
        pytest.param(["daemon", "--node", "x"], "/nowhere", id="daemon"),
        pytest.param(["webhook"], "--tls-dir", id="webhook"),
        pytest.param(["webhook-certificate"], "/nowhere", id="webhook-certificate"),
    ],
)
def test_each_process_imports_what_it_needs_and_says_what_it_lacks(
    image: building.Images, arguments: list[str], words: str
) -> None:
    """Started without a cluster and a certificate, it can complain of nothing else."""
    command = image.command(*image.configuration["Entrypoint"], *arguments, "--kubeconfig", "/nowhere")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert words in result.stderr


def test_the_scheduler_in_it_binds_a_pod(
    image: building.Images, cluster_factory: ClusterFactory, tmp_path: pathlib.Path
) -> None:
    with cluster_factory(topology.Topology((topology.Node("only"),)), crds=True) as running:
        kubeconfig = tmp_path / "mounted" / "kubeconfig"
        kubeconfig.parent.mkdir()
        kubeconfig.write_bytes(process.account(running).read_bytes())
        (tmp_path / "mounted" / "config.json").write_text(json.dumps(process.ALONE))
        for path in (tmp_path, kubeconfig.parent, kubeconfig, kubeconfig.parent / "config.json"):
            path.chmod(0o755)
        options: list[building.Word] = [
            "--kubeconfig",
            kubeconfig,
            "--config",
            kubeconfig.parent / "config.json",
            "--health-port",
            "0",
        ]
        command = image.command(*image.configuration["Entrypoint"], "run", *options, mounted=kubeconfig.parent)
        running.launch("image", command)
        body = {
            "metadata": {"name": "x"},
            "spec": {
                "schedulerName": "data-locality-scheduler",
                "containers": [{"name": "c", "image": "none"}],
            },
        }
        running.api.request("POST", "/api/v1/namespaces/default/pods", body)
        running.wait_until(
            lambda: running.api.request("GET", "/api/v1/namespaces/default/pods/x")["spec"].get("nodeName") == "only",
            what="the pod is bound",
            timeout_s=60,
            program="image",
        )
        running.end("image")


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="resolves for the Python that runs it")
def test_every_locked_package_can_be_had_for_both_processors() -> None:
    """As wheels, for nothing is compiled while the image is built."""
    for machine in ("x86_64", "aarch64"):
        platforms = [f"--platform=manylinux_{glibc}_{machine}" for glibc in ("2_17", "2_28", "2_34")]
        platforms.append(f"--platform=manylinux2014_{machine}")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--only-binary", ":all:", "--target"]
        command += ["/nowhere", "--require-hashes", *platforms, "-r", str(building.ROOT / "requirements" / "base.txt")]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr[-2000:]
