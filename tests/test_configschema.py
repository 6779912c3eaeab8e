"""The configuration file's schema says what its reader does, and the documents say what the schema does."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from scheduler import cli, config, configschema, errors, sections

DOCS = Path(__file__).parent.parent / "docs"
MANIFESTS = Path(__file__).parent.parent / "manifests"
SCHEMA = configschema.schema()
OURS = SCHEMA["definitions"]["configuration"]["properties"]
TYPES = {"string": str, "boolean": bool, "object": dict, "array": list, "integer": int, "number": (int, float)}


def holds(schema: dict[str, Any], value: Any) -> bool:
    """Whether a value is as a schema has it, as far as ours say anything."""
    if "$ref" in schema:
        return holds(SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]], value)
    if "if" in schema:
        rest = {key: one for key, one in schema.items() if key not in {"if", "then", "else"}}
        return holds(rest, value) and holds(schema["then" if holds(schema["if"], value) else "else"], value)
    if "anyOf" in schema:
        return any(holds(one, value) for one in schema["anyOf"])
    if any(not holds(one | {"else": {}}, value) for one in schema.get("allOf", [])):
        return False
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(kind, value) for kind in kinds):
        return False
    if ("enum" in schema and value not in schema["enum"]) or ("const" in schema and value != schema["const"]):
        return False
    if isinstance(value, str):
        return len(value) >= schema.get("minLength", 0) and bool(re.search(schema.get("pattern", ""), value))
    if isinstance(value, int | float):
        return bool(schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf))
    if isinstance(value, list):
        return all(holds(schema.get("items", {}), one) for one in value)
    inner = schema.get("properties", {})
    if not set(schema.get("required", [])) <= set(value):
        return False
    if schema.get("additionalProperties") is False and not set(value) <= set(inner):
        return False
    return all(holds(inner[key], one) for key, one in value.items() if key in inner)


def _is(kind: str, value: Any) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))  # type: ignore[arg-type]


def is_read(data: dict[str, Any]) -> bool:
    try:
        config.parse(data, "x")
    except errors.InputError:
        return False
    return True


def every(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of a schema, at whatever depth."""
    for key, one in schema.get("properties", {}).items():
        yield f"{path}{key}", one
        yield from every(one, f"{path}{key}.")
        yield from every(one.get("items", {}), f"{path}{key}[].")
    for one in schema.get("allOf", []):
        yield from every(one["then"], path)


EVERY = [pair for definition in SCHEMA["definitions"].values() for pair in every(definition)]


def test_every_key_has_words_that_are_a_sentence() -> None:
    assert len(EVERY) > 150
    for path, one in EVERY:
        if "$ref" not in one:
            assert "description" in one, path
            words = one["description"]
            assert re.fullmatch(r"[A-Z`\"].*\.|.*\.\"?", words, re.DOTALL), (path, words)
            assert "``" not in words, path


def test_units_bounds_and_defaults_are_told() -> None:
    assert OURS["tau"]["default"] == "5s"
    assert OURS["sameZoneBandwidth"] == {
        "type": "number",
        "minimum": 1,
        "maximum": 1e15,
        "x-unit": "bytes/s",
        "default": 500_000_000,
        "description": "How quick a link is until it has been measured. Two nodes of one zone.",
    }
    assert OURS["leaderElection"]["properties"]["leaderElect"]["default"] is True
    assert "default" not in OURS["seed"]  # without it something else happens than with any number
    assert OURS["percentageOfNodesToScore"]["deprecated"]


@pytest.mark.parametrize("key", [key for key, one in OURS.items() if "default" in one])
def test_a_key_that_says_its_default_changes_nothing(key: str) -> None:
    assert config.parse({key: OURS[key]["default"]}, "x") == config.Settings()


@pytest.mark.parametrize("key", sorted(OURS))
def test_the_schema_takes_what_the_reader_takes_and_refuses_what_it_refuses(key: str) -> None:
    one = OURS[key]
    tried: list[Any] = ["text", "5m", "", True, [], {}, -1, 0, 1, 0.5, 7]
    for bound in (one.get("minimum"), one.get("maximum")):
        if bound is not None and abs(bound) < 2**53:
            tried += [bound, bound - 1, bound + 1]
    tried += one.get("enum", [])
    if key.endswith(("IntensiveRatio", "BackoffSeconds")):
        tried = [value for value in tried if not isinstance(value, int | float)]  # which must suit another key, too
    for value in tried:
        assert holds(SCHEMA, {key: value}) or not is_read({key: value}), value
        if one.get("type") in ["string", "boolean", "integer", "number"]:
            assert holds(SCHEMA, {key: value}) == is_read({key: value}), value


def kube(**keys: Any) -> dict[str, Any]:
    return {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration", **keys}


def args(name: str, **arguments: Any) -> dict[str, Any]:
    return kube(profiles=[{"pluginConfig": [{"name": name, "args": arguments}]}])


@pytest.mark.parametrize(
    "data",
    [
        kube(),
        kube(podMaxBackoffSeconds=20, leaderElection={"leaderElect": True, "leaseDuration": "20s"}),
        args("InterPodAffinity", hardPodAffinityWeight=5),
        args(
            "NodeResourcesFit", scoringStrategy={"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 3}]}
        ),
        args("DynamicResources", bindingTimeout="1m30s"),
        kube(profiles=[{"plugins": {"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "ImageLocality"}]}}}]),
        {"profiles": [{"schedulerName": "b", "plugins": {"multiPoint": {"disabled": [{"name": "ImageLocality"}]}}}]},
        {"registries": [{"host": "docker.io"}], "scheduler": {"weights": {"default": {"dataLocality": 1}}}},
    ],
)
def test_what_is_nested_is_told_from_what_is_wrong(data: dict[str, Any]) -> None:
    assert is_read(data)
    assert holds(SCHEMA, data)


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "KubeSchedulerConfiguration"},
        kube(tau="5s"),
        kube(leaderElection={"leaseDuration": 15}),
        args("InterPodAffinity", hardPodAffinityWeight=101),
        args("InterPodAffinity", bindTimeoutSeconds=10),
        args("NodeResourcesFit", scoringStrategy={"type": "Most"}),
        args("NoSuchPlugin"),
        {"profiles": [{"schedulerName": "b", "plugins": {"noSuchPoint": {}}}]},
        {"registries": [{"host": "docker.io", "where": "west"}]},
        {"scheduler": {"weights": {"default": {"data": 1}}}},
        {"leaderElection": {"leaseDuration": 0.5}},
        {"tua": "5s"},
    ],
)
def test_what_the_reader_refuses_the_schema_refuses_at_any_depth(data: dict[str, Any]) -> None:
    assert not is_read(data)
    assert not holds(SCHEMA, data)


def test_the_configuration_in_the_manifests_is_as_the_schema_has_it() -> None:
    file = MANIFESTS / "base" / "scheduler-config.yaml"
    assert holds(SCHEMA, dict(sections.load(file)))
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", file.read_text())  # where editors look for it
    assert named is not None
    assert (file.parent / named[1]).resolve() == (DOCS / "config-schema.json").resolve()


def test_the_schema_in_the_documents_is_what_the_command_prints() -> None:
    told = CliRunner().invoke(cli.main, ["config", "schema"], catch_exceptions=False)
    assert told.exit_code == 0
    assert (DOCS / "config-schema.json").read_text() == told.stdout
    assert json.loads(told.stdout) == SCHEMA


def test_the_table_in_the_documents_is_what_the_command_prints() -> None:
    told = CliRunner().invoke(cli.main, ["config", "keys"], catch_exceptions=False)
    assert told.exit_code == 0
    assert told.stdout in (DOCS / "configuration.md").read_text()
    keys = set(re.findall(r"^\| `([\w.\[\]]+)` \|", told.stdout, re.MULTILINE))
    assert set(OURS) <= keys
