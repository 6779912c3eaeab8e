"""Whatever pods, sources and sizes there are: what is added is valid, once, and takes nothing from what the pod says.

10,000 pods in all. The laws are those of the API server (names of annotations, 256 KiB of them, a patch may be
asked for twice) and the promise to users (what they wrote stays, and is not made worse).
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import kopf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.api import annotations as intents
from scheduler.api import names
from tests import exploring
from webhook import facts
from webhook.admission import enrich

MAX_ANNOTATIONS_BYTES = 262_144
# As the API server checks an annotation's key: an optional DNS subdomain, and a name of at most 63 characters.
QUALIFIED = re.compile(r"(?:[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# ------------------------------------------------------------------------------------------------ what may come our way

FIXED = [
    value
    for value in vars(names).values()
    if isinstance(value, str) and value.startswith((names.HINT_PREFIX, names.DATA_PREFIX, "knative.", "scheduler.kna"))
]
NUMBERS = st.sampled_from(["0", "1", "2", "3", "01", "63", "64", "9" * 18, "9" * 19, "x", "", "-1", "٣"])
# Capabilities whose names are too long for a key, or hold a slash: no object of the API server has such, others may.
WRONG = [f"{names.CAPABILITY_PREFIX}{name}" for name in ("a/b", "x" * 53, "ä", "")]
KEYS = st.one_of(
    st.sampled_from(FIXED + WRONG),
    st.tuples(st.sampled_from([names.INPUT_PREFIX, names.OUTPUT_PREFIX]), NUMBERS).map("".join),
    st.tuples(st.sampled_from([*FIXED, names.CAPABILITY_PREFIX, ""]), st.text(max_size=4)).map("".join),
)
URNS = st.sampled_from(
    ["raw", "raw/a", "raw/b", "raw/a/", "raw/ä b", "two", "two/c", "No", "raw/", "/x", "", "raw/\n", "s3://raw/a",
     "https://h/raw/b", "arn:aws:s3:::two", "raw/*.tif", "raw/*", "*", "C:\\raw", "s3://" + "x" * 3000]
)  # fmt: skip
FIELDS = st.sampled_from(
    ["", "0", "5", "-1", "12MB", "1e9", "nan", " 7 ", str(2**63 - 1), str(2**63), "json", "\ud800"]
)
TRANSFERS = st.tuples(URNS, FIELDS, FIELDS).map(",".join) | st.lists(FIELDS | URNS, max_size=6).map(",".join)
WORDS = st.sampled_from(
    ["true", "false", "", "False ", "r1", "a b", "raw,two", "raw, No,,two\n", "gpu=1,-x", "data-intensive", "\ud800",
     "default-scheduler", "data-locality-scheduler", "volcano", "{", "x" * 300, "\x00", "日本"]
)  # fmt: skip
ITEMS = st.lists(
    st.one_of(
        st.fixed_dictionaries({"urn": URNS}, optional={"size": FIELDS | st.integers() | st.none(), "type": FIELDS}),
        st.none() | st.integers() | WORDS,
    ),
    max_size=3,
)
OPTIONS = st.dictionaries(
    st.sampled_from(["dataIntensive", "computeIntensive", "preferEdge", "preferCloud", "preferRegion"]),
    st.sampled_from([True, False, None, "r1", "a b", 5]),
    max_size=3,
)
EVENTS = st.fixed_dictionaries(
    {}, optional={"dataInputs": ITEMS, "dataOutputs": ITEMS | WORDS, "processingOptions": OPTIONS | ITEMS}
).map(json.dumps)
VALUES = TRANSFERS | WORDS | EVENTS | st.text(max_size=8)
SAID = st.one_of(
    st.dictionaries(KEYS, VALUES, max_size=5),
    st.dictionaries(st.just(names.EVENT_DATA), EVENTS, max_size=1),
)


def many(prefix: str, count: int, first: int, text: str) -> dict[str, str]:
    return {f"{prefix}{number}": f"raw/{number}{text}" for number in range(first, first + count)}


# Few bytes to draw, many to handle: hundreds of inputs, long texts, up to and beyond what the API server takes.
BULK = st.one_of(
    st.builds(
        many,
        st.sampled_from([names.INPUT_PREFIX, names.OUTPUT_PREFIX, names.CAPABILITY_PREFIX, "example.org/note-"]),
        st.integers(0, 300),
        st.sampled_from([0, 1, 40, 10**17]),
        st.sampled_from([",5", ",0", ",12MB", "", "k" * 900 + ",1"]),
    ),
    st.builds(
        lambda key, unit, times: {key: unit * times},
        KEYS,
        st.sampled_from(["x", "日", "raw,", '{"dataInputs":[', "[", "raw/k,5 "]),
        st.sampled_from([1, 1_000, 30_000, 65_000]),
    ),
    st.builds(
        lambda count, size: {
            names.EVENT_DATA: json.dumps({"dataInputs": [{"urn": f"raw/e{n}", "size": size} for n in range(count)]})
        },
        st.integers(0, 200),
        st.sampled_from([0, 5, "x", None]),
    ),
)
# Bulk is one in four: it is what takes the time.
SOURCE = st.builds(lambda said, bulk: said | bulk, SAID, st.one_of(st.just({}), st.just({}), st.just({}), BULK))
TITLES = st.sampled_from(["Knative Service default/s", "namespace default", "日" * 400]) | st.text(max_size=3)
SOURCES = st.lists(st.builds(facts.Source, TITLES, SOURCE), max_size=3)
SIZES = st.dictionaries(URNS, st.sampled_from([0, 5, -1, 2**63 - 1, 2**63, 10**30]), max_size=2)
SCHEDULERS = st.sampled_from(["default-scheduler", "", "data-locality-scheduler", "volcano"])


def pod_of(own: dict[str, str] | None, scheduler: str | None, *, knative: bool) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "p", "namespace": "default", "creationTimestamp": None}
    if own is not None:
        metadata["annotations"] = own
    if knative:
        metadata["labels"] = {names.KNATIVE_SERVICE_LABEL: "s"}
    spec: dict[str, Any] = {"containers": [{"name": "c", "image": "i"}]}
    return {"metadata": metadata, "spec": spec if scheduler is None else spec | {"schedulerName": scheduler}}


PODS = st.builds(pod_of, st.none() | SOURCE, st.none() | SCHEDULERS, knative=st.booleans())


def applied(pod: dict[str, Any], result: enrich.Enrichment) -> dict[str, Any]:
    """The pod as the API server would have it."""
    merged = copy.deepcopy(pod)
    if result.annotations:
        merged["metadata"]["annotations"] = merged["metadata"].get("annotations", {}) | result.annotations
    if result.scheduler_name is not None:
        merged["spec"]["schedulerName"] = result.scheduler_name
    return merged


def bytes_of(annotations: dict[str, str]) -> int:
    return sum(len(text.encode("utf-8", "surrogatepass")) for pair in annotations.items() for text in pair)


def nothing_known(_: str) -> int | None:
    return None


# -------------------------------------------------------------------------------------------------------- the laws


@settings(max_examples=exploring.examples(5_000))
@given(pod=PODS, sources=SOURCES, sizes=SIZES)
def test_what_is_added_is_valid_and_takes_nothing_away(
    pod: dict[str, Any], sources: list[facts.Source], sizes: dict[str, int]
) -> None:
    before = copy.deepcopy(pod)
    own = pod["metadata"].get("annotations", {})
    result = enrich.enrich(pod, sources, sizes.get)
    assert pod == before

    # Nothing of the pod's own is touched, and what it says is read as before or better.
    assert not (result.annotations.keys() - {names.ENRICHED}) & own.keys()
    merged = own | result.annotations
    assert len(intents.parse(merged)[1]) <= len(intents.parse(own)[1])
    heard = intents.parse(own)[0]
    after = intents.parse(merged)[0]
    assert {one.urn for one in heard.inputs} <= {one.urn for one in after.inputs}
    assert {one.urn for one in heard.outputs} <= {one.urn for one in after.outputs}

    # The API server takes it.
    for key, text in result.annotations.items():
        assert QUALIFIED.fullmatch(key)
        text.encode()
    if result.annotations:
        assert bytes_of(merged) <= MAX_ANNOTATIONS_BYTES
        assert len(result.annotations[names.ENRICHED].encode()) <= 1024
    assert len(result.warnings) <= 20
    assert all(0 < len(line) <= 256 and line.isprintable() for line in result.warnings)

    # The scheduler is set only where none was chosen.
    if result.scheduler_name is not None:
        assert pod["spec"].get("schedulerName", "") in {"", names.DEFAULT_SCHEDULER_NAME}
        assert re.fullmatch(r"[a-z0-9.-]{1,253}", result.scheduler_name)
        assert result.scheduler_name != names.DEFAULT_SCHEDULER_NAME
        assert names.ENRICHED in result.annotations

    # Asked again, there is nothing left to add.
    again = enrich.enrich(applied(pod, result), sources, sizes.get)
    assert (again.annotations, again.scheduler_name) == ({}, None)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | WORDS, inner, max_size=3),
    max_leaves=8,
)
FULL = facts.Source(
    "namespace default", {names.INPUT_PREFIX + "1": "raw/k", names.PREFER_EDGE: "yes", names.DATA_SOURCES: "raw,two"}
)
PARTS = st.sampled_from(["metadata", "spec", "annotations", "labels", "schedulerName", "status"])


def replaced(pod: dict[str, Any], path: list[str], tree: object) -> dict[str, Any]:
    """The pod with something else at one place."""
    held = pod
    for part in path[:-1]:
        held = held.setdefault(part, {})
        if not isinstance(held, dict):
            return pod
    held[path[-1]] = tree
    return pod


@settings(max_examples=exploring.examples(4_800))
@given(pod=PODS, path=st.lists(PARTS, min_size=1, max_size=2), tree=TREES)
def test_what_is_no_pod_is_left_alone(pod: dict[str, Any], path: list[str], tree: object) -> None:
    strange = replaced(pod, path, tree)
    result = enrich.enrich(strange, [FULL], nothing_known)
    metadata, spec = strange.get("metadata"), strange.get("spec")
    if not isinstance(metadata, dict) or not isinstance(spec, dict):
        assert (result.annotations, result.scheduler_name) == ({}, None)
        assert len(result.warnings) == 1
    elif result.annotations or result.scheduler_name:
        again = enrich.enrich(applied(strange, result), [FULL], nothing_known)
        assert (again.annotations, again.scheduler_name) == ({}, None)


@settings(max_examples=exploring.examples(200))
@given(pod=PODS, sources=SOURCES)
def test_as_a_patch_it_gives_the_same_pod(pod: dict[str, Any], sources: list[facts.Source]) -> None:
    """Also where the pod has no annotations yet, and for keys that a patch must escape."""
    jsonpatch = pytest.importorskip("jsonpatch")
    result = enrich.enrich(pod, sources, nothing_known)
    patch = kopf.Patch(body=kopf.Body(copy.deepcopy(pod)))  # type: ignore[arg-type]
    for key, text in result.annotations.items():
        patch.metadata.annotations[key] = text
    if result.scheduler_name is not None:
        patch.spec["schedulerName"] = result.scheduler_name
    operations = json.loads(json.dumps(patch.as_json_patch()))
    assert all(one["op"] in {"add", "replace"} for one in operations)
    assert jsonpatch.apply_patch(pod, operations) == applied(pod, result)


@pytest.mark.parametrize(
    "deep",
    [
        pytest.param('{"dataInputs":' * 18_000, id="objects"),
        pytest.param("[" * 262_000, id="lists"),
        pytest.param('{"dataInputs":[' + "[]," * 80_000 + "[]]}", id="items"),
        pytest.param('{"dataInputs":["' + "\\ud800" * 40_000 + '"]}', id="escapes"),
    ],
)
def test_event_data_that_is_meant_to_hurt_is_one_more_that_cannot_be_used(deep: str) -> None:
    said = {names.EVENT_DATA: deep, names.OUTPUT_PREFIX + "1": "raw/k,1"}
    result = enrich.enrich(pod_of(None, None, knative=False), [facts.Source("namespace default", said)], nothing_known)
    assert result.annotations[names.OUTPUT_PREFIX + "1"] == "raw/k,1"
    assert result.warnings
