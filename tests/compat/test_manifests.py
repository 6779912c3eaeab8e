"""Manifests written for the earlier implementation are read without a problem, its configuration to the same values.

They are their users' own, so they are not kept here; where a copy of them lies beside the repository, this holds.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from scheduler import config
from scheduler.api import annotations, names
from scheduler.config import Link, Weights

SEED = Path(__file__).parents[3] / "shared" / "seed"

pytestmark = pytest.mark.skipif(not SEED.is_dir(), reason=f"no manifests of the earlier implementation at {SEED}")


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of every manifest, with a name for it."""
    for path in sorted(SEED.rglob("*.yaml")):
        for number, document in enumerate(yaml.safe_load_all(path.read_text("utf-8"))):
            if isinstance(document, dict) and "kind" in document:
                yield f"{path.relative_to(SEED)}#{number}", document


def annotated(value: object) -> Iterator[dict[str, str]]:
    """The annotations of the object and of every template within it."""
    if isinstance(value, Mapping):
        metadata = value.get("metadata")
        if isinstance(metadata, Mapping) and metadata.get("annotations"):
            yield dict(metadata["annotations"])
        for inner in value.values():
            yield from annotated(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from annotated(inner)


def ours() -> list[Any]:
    prefixes = (names.DATA_PREFIX, names.HINT_PREFIX, names.EVENT_DATA)
    return [
        pytest.param(found, id=f"{name}-{index}")
        for name, document in documents()
        for index, found in enumerate(annotated(document))
        if any(key.startswith(prefixes) for key in found)
    ]


@pytest.mark.parametrize("found", ours())
def test_every_annotation_is_read_without_a_problem_and_survives_a_round_trip(found: dict[str, str]) -> None:
    intent, problems = annotations.parse(found)
    assert [str(problem) for problem in problems] == []
    assert annotations.parse(annotations.format(intent)) == (intent, ())


def test_no_input_or_output_is_lost() -> None:
    every = [found for _, document in documents() for found in annotated(document)]
    read = [annotations.parse(found)[0] for found in every]
    for prefix, count in (
        (names.INPUT_PREFIX, sum(len(intent.inputs) for intent in read)),
        (names.OUTPUT_PREFIX, sum(len(intent.outputs) for intent in read)),
    ):
        assert count == sum(key.startswith(prefix) for found in every for key in found) > 0


def test_a_pod_with_every_field_means_what_it_says() -> None:
    (found,) = (
        found
        for _, document in documents()
        for found in annotated(document)
        if document["kind"] == "Service" and "serving.knative.dev" in document["apiVersion"] and "input" in str(found)
    )
    assert annotations.parse(found)[0] == annotations.Intent(
        inputs=(annotations.Transfer("region1-specific-data/test-file.txt", 1_024_000_000, 30.0),),
        data_intensive=True,
        prefer_region="region-1",
    )


def configurations() -> dict[str, config.Settings]:
    found = {"file": config.load(SEED / "config" / "scheduler-config.yaml")}
    for name, document in documents():
        if document["kind"] == "ConfigMap" and "scheduler-config.yaml" in document.get("data", {}):
            found[name] = config.parse(yaml.safe_load(document["data"]["scheduler-config.yaml"]), name)
    return found


def test_its_flat_configuration_loads_to_its_values() -> None:
    found = configurations()
    assert len(found) >= 2
    for settings in found.values():
        assert settings.scheduler_name == "data-locality-scheduler"
        assert settings.health_port == 8080
        assert settings.refresh_interval_s == 300.0
        assert settings.weights == config.Profiles(
            default=Weights(0.15, 0.10, 0.15, 0.10, 0.50),
            data_intensive=Weights(0.10, 0.05, 0.10, 0.05, 0.70),
            compute_intensive=Weights(0.40, 0.15, 0.10, 0.15, 0.20),
        )
        assert settings.network == config.Network(
            local=Link(1_000_000_000, 0.0001),
            same_zone=Link(600_000_000, 0.001),
            same_region=Link(200_000_000, 0.005),
            cross_region=Link(50_000_000, 0.030),
            edge_cloud=Link(25_000_000, 0.040),
        )
        assert "podQueueSize" in settings.ignored
        assert "healthServerPort" not in settings.ignored


def test_its_nested_configuration_loads_to_its_values() -> None:
    """The form stands in its README, as an indented block."""
    lines = (SEED / "README.txt").read_text("utf-8").splitlines()
    start = lines.index("scheduler:") if "scheduler:" in lines else lines.index("  scheduler:")
    block = [lines[start]]
    for line in lines[start + 1 :]:
        if line.strip() and not line.startswith("  "):
            break
        block.append(line)
    settings = config.parse(yaml.safe_load("\n".join(block)), "README")
    assert settings.weights == config.Profiles(
        default=Weights(0.20, 0.10, 0.15, 0.15, 0.40),
        data_intensive=Weights(0.10, 0.05, 0.05, 0.05, 0.70),
    )
