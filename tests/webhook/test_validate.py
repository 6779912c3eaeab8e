"""Warnings on what people apply: each malformed annotation, where it stands, what to write instead; no false alarms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.api import names
from webhook.admission import validate

IN, HINT = names.INPUT_PREFIX, names.HINT_PREFIX
BAD = {IN + "1": "raw/k,12MB"}
REMEDY = '"12MB": not a number of bytes; write 12000000'


def obj(kind: str, own: object = None, **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "x", "annotations": own or {}}, "spec": spec}


def template(own: Mapping[str, str]) -> dict[str, Any]:
    return {"metadata": {"annotations": dict(own)}, "spec": {}}


@pytest.mark.parametrize(
    ("applied", "path"),
    [
        pytest.param(obj("Pod", BAD), "metadata", id="pod"),
        pytest.param(obj("Namespace", BAD), "metadata", id="namespace"),
        pytest.param(obj("Deployment", BAD), "metadata", id="deployment"),
        pytest.param(obj("Deployment", template=template(BAD)), "spec.template.metadata", id="its pods"),
        pytest.param(obj("StatefulSet", template=template(BAD)), "spec.template.metadata", id="stateful set"),
        pytest.param(obj("Job", template=template(BAD)), "spec.template.metadata", id="job"),
        pytest.param(obj("Service", BAD), "metadata", id="Knative service"),
        pytest.param(obj("Service", template=template(BAD)), "spec.template.metadata", id="its revisions"),
        pytest.param(obj("CronJob", BAD), "metadata", id="cron job"),
        pytest.param(obj("CronJob", jobTemplate=template(BAD)), "spec.jobTemplate.metadata", id="its jobs"),
        pytest.param(
            obj("CronJob", jobTemplate={"spec": {"template": template(BAD)}}),
            "spec.jobTemplate.spec.template.metadata",
            id="the pods of its jobs",
        ),
    ],
)
def test_a_malformed_annotation_is_told_with_its_place(applied: dict[str, Any], path: str) -> None:
    expected = [f"{path}.annotations[{IN}1]: {REMEDY}"]
    assert validate.warnings(applied) == expected
    assert validate.malformed(applied) == expected


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        pytest.param(IN + "x", "raw,5", f'[{IN}x]: "raw,5": write a number after "{IN}"', id="number"),
        pytest.param(
            "data.scheduler.thesis/inputs-1",
            "raw,5",
            '[data.scheduler.thesis/inputs-1]: "raw,5": not known; write data.scheduler.thesis/input-N or '
            "data.scheduler.thesis/output-N",
            id="misspelt input",
        ),
        pytest.param(
            HINT + "prefer-zone",
            "a b",
            f'[{HINT}prefer-zone]: "a b": no node can have it; write a value of the node label '
            "topology.kubernetes.io/zone",
            id="zone",
        ),
        pytest.param(
            names.EVENT_DATA,
            '{"dataInputs": [{"urn": "raw/k", "size": true}]}',
            '[knative.event-data] dataInputs[0] size: "True": write a number, or a text without commas',
            id="inside an event",
        ),
        pytest.param(
            names.SCHEDULER_NAME_ANNOTATION,
            "My Scheduler",
            f'[{names.SCHEDULER_NAME_ANNOTATION}]: "My Scheduler": not the name of a scheduler; write '
            '"data-locality-scheduler" or "default-scheduler"',
            id="scheduler",
        ),
    ],
)
def test_each_kind_of_malformed_value_is_told(key: str, value: str, line: str) -> None:
    applied = obj("Pod", {key: value})
    assert validate.warnings(applied) == validate.malformed(applied) == [f"metadata.annotations{line}"]


def test_a_size_may_be_left_out_where_the_webhook_finds_it_out() -> None:
    unsized = {IN + "1": "raw/k"}
    for applied in (obj("Service", unsized), obj("Namespace", unsized), obj("CronJob", jobTemplate=template(unsized))):
        assert validate.warnings(applied) == []
    for applied in (obj("Pod", unsized), obj("Deployment", template=template(unsized))):
        (line,) = validate.warnings(applied)
        assert line.endswith('no size; write the bytes after the urn, as in "raw/k,1048576"')


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        pytest.param("data-intense", HINT + "data-intensive", id="data-intense"),
        pytest.param("data-intensiv", HINT + "data-intensive", id="letter missing"),
        pytest.param("Data-Intensive", HINT + "data-intensive", id="capitals"),
        pytest.param("data_sources", HINT + "data-sources", id="underscore"),
        pytest.param("data-source", HINT + "data-sources", id="singular"),
        pytest.param("compute-intensive-", HINT + "compute-intensive", id="letter more"),
        pytest.param("preferEdge", HINT + "prefer-edge", id="camel"),
        pytest.param("prefered-region", HINT + "prefer-region", id="region"),
        pytest.param("workloadType", HINT + "workload-type", id="type"),
        pytest.param("require-gpu", HINT + "requires-gpu", id="gpu"),
        pytest.param("required-capabilities", HINT + "required-capability", id="plural"),
        pytest.param("input-1", IN + "1", id="input under the wrong prefix"),
        pytest.param("output-12", names.OUTPUT_PREFIX + "12", id="output under the wrong prefix"),
    ],
)
def test_a_name_that_is_nearly_one_of_ours_is_told_but_not_certain(name: str, meant: str) -> None:
    applied = obj("Deployment", template=template({HINT + name: "true"}))
    (line,) = validate.warnings(applied)
    assert line == (
        f'spec.template.metadata.annotations[{HINT}{name}]: "true": not known, so it has no effect; '
        f'write "{meant}" if you mean that'
    )
    assert validate.malformed(applied) == []


@pytest.mark.parametrize(
    "key",
    [
        *(HINT + name for name in ("pipeline", "stage", "team", "owner", "experiment", "run", "region", "zone", "gpu")),
        *(HINT + name for name in ("storage-service", "storage-type", "storage-region", "storage-bucket", "enriched")),
        HINT + "capability-anything",
        HINT + "x" * 63,
        HINT + "input-",
        HINT,
        "app.kubernetes.io/name",
        "prefer-egde",
        "example.org/data-intense",
    ],
)
def test_marks_of_users_are_none_of_our_business(key: str) -> None:
    assert validate.warnings(obj("Pod", {key: "true"})) == []


def test_what_is_right_is_not_told() -> None:
    own = {
        names.SCHEDULER_NAME_ANNOTATION: "data-locality-scheduler",
        HINT + "data-intensive": "true",
        HINT + "workload-type": "compute-intensive",
        HINT + "data-sources": "landsat-l1,landsat-l2",
        HINT + "prefer-region": "region-1",
        IN + "1": "region1-specific-data/test-file.txt,1024000000,30",
        names.EVENT_DATA: '{"dataInputs": [{"urn": "raw/k", "size": 5}]}',
    }
    assert validate.warnings(obj("Service", own, template=template(own))) == []


def test_of_many_problems_the_first_are_told_and_the_rest_counted() -> None:
    lines = validate.warnings(obj("Pod", {f"{IN}{n}": "raw/k,12MB" for n in range(50)}))
    assert len(lines) == 20
    assert lines[0] == f"metadata.annotations[{IN}0]: {REMEDY}"
    assert lines[-1] == "and 31 more"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("Bad_Bucket/" + "k" * 500 + ",5", id="long"),
        pytest.param("Bad_Bucket/" + "\n\U0001f600" * 50 + ",5", id="escaped"),
        pytest.param("Bad_Bucket/\ud800,5", id="surrogate"),
    ],
)
def test_a_long_value_is_cut_and_what_to_write_is_not(value: str) -> None:
    key = names.OUTPUT_PREFIX + "9" * 18
    applied = obj("CronJob", jobTemplate={"spec": {"template": template({key: value})}})
    (line,) = validate.warnings(applied)
    assert len(line) <= 256
    assert f"[{key}]" in line
    assert line.endswith("with a letter or digit at both ends")
    assert line.isprintable()


@pytest.mark.parametrize(
    "applied",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"metadata": None, "spec": None}, id="nulls"),
        pytest.param({"metadata": [], "spec": "x"}, id="other types"),
        pytest.param({"metadata": {"annotations": [1]}, "spec": {"template": {"metadata": 5}}}, id="deeper"),
        pytest.param({"metadata": {"annotations": {1: 2, HINT + "prefer-edge": True}}}, id="no texts"),
        pytest.param({"kind": {}, "metadata": {"annotations": {}}}, id="kind"),
    ],
)
def test_what_the_api_server_would_not_take_is_left_to_it(applied: dict[str, Any]) -> None:
    assert validate.warnings(applied) == validate.malformed(applied) == []


KEYS = st.sampled_from(["metadata", "spec", "template", "jobTemplate", "annotations", "kind", IN + "1", HINT + "pre"])
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.dictionaries(KEYS | st.text(max_size=20), inner, max_size=5) | st.lists(inner, max_size=3),
    max_leaves=30,
)
NAMES = st.builds(str.__add__, st.sampled_from([HINT, names.DATA_PREFIX, IN, ""]), st.text(max_size=80))


@given(st.dictionaries(KEYS, TREES, max_size=5), st.dictionaries(NAMES, st.text(max_size=300), max_size=30))
def test_whatever_is_applied_is_answered_with_few_short_lines(tree: dict[str, Any], own: dict[str, str]) -> None:
    for applied in (tree, obj("Pod", own), obj("CronJob", own, jobTemplate={"spec": {"template": template(own)}})):
        told = validate.warnings(applied)
        assert len(told) <= 20
        assert all(0 < len(line) <= 256 and line.isprintable() for line in told)
        assert len(validate.malformed(applied)) <= len(told)
