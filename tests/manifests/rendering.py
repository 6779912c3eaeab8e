"""What kustomize and Helm make of the manifests, object by object."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Mapping
from typing import Any

import yaml

from localcluster import binaries

ROOT = pathlib.Path(__file__).parents[2]
CHART = ROOT / "manifests" / "chart"
NAMESPACE = "data-locality-scheduler"
# Both append what the file says, each in its own way, to the name of the scheduler's ConfigMap.
GENERATED = re.compile(r"^(data-locality-scheduler-config)-[0-9a-z]{10}$")
# Of no namespace, which kustomize does not know.
GLOBAL = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}

Object = dict[str, Any]
Key = tuple[str, str, str]


def kustomize(folder: pathlib.Path) -> dict[Key, Object]:
    """The objects of a folder, by kind, namespace and name."""
    kubectl = binaries.resolve(["kubectl"], report=binaries.report_to_stderr)["kubectl"]
    return _by_name(_output(kubectl, "kustomize", folder))


def helm(*arguments: str | os.PathLike[str], environment: Mapping[str, str] | None = None) -> str:
    """What Helm prints.

    Raises:
        subprocess.CalledProcessError: It failed; ``stderr`` has its words.
    """
    return _output(_helm(), *arguments, environment=environment)


def chart(values: Object | None = None, *, namespace: str = NAMESPACE) -> dict[Key, Object]:
    """The objects that the chart renders to with these values, by kind, namespace and name."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values or {}, file)
        file.flush()
        return _by_name(helm("template", "release", CHART, "--namespace", namespace, "--values", file.name))


def workload(objects: Mapping[Key, Object], kind: str, name: str, namespace: str = NAMESPACE) -> Object:
    """The spec of the pods of a workload."""
    spec = objects[kind, namespace, name]["spec"]
    found: Object = (spec["jobTemplate"]["spec"] if kind == "CronJob" else spec)["template"]["spec"]
    return found


@functools.cache
def _helm() -> pathlib.Path:
    return binaries.resolve(["helm"], report=binaries.report_to_stderr)["helm"]


def _output(
    program: pathlib.Path, *arguments: str | os.PathLike[str], environment: Mapping[str, str] | None = None
) -> str:
    return subprocess.run(
        [program, *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout


def _by_name(text: str) -> dict[Key, Object]:
    objects = [item for item in yaml.safe_load_all(text) if item]
    for item in objects:
        _even_out(item)
        if item["kind"] in GLOBAL:
            item["metadata"].pop("namespace", None)
        elif item["kind"] == "ConfigMap":
            item["metadata"]["name"] = GENERATED.sub(r"\1", item["metadata"]["name"])
        elif item["kind"] == "Deployment":
            for volume in item["spec"]["template"]["spec"].get("volumes", []):
                if "configMap" in volume:
                    volume["configMap"]["name"] = GENERATED.sub(r"\1", volume["configMap"]["name"])
    keys = [(item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in objects]
    assert len(set(keys)) == len(keys), "an object is there twice"
    return dict(zip(keys, objects, strict=True))


def _even_out(value: Any) -> None:
    """Spaces within expressions mean nothing, and each reader of YAML folds lines in its own way."""
    if isinstance(value, list):
        for part in value:
            _even_out(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            if key == "expression":
                value[key] = " ".join(part.split())
            else:
                _even_out(part)
