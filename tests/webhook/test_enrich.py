"""What a pod gets at its creation: from whom, what stays as it is, which scheduler, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from scheduler.api import annotations as intents
from scheduler.api import names
from scheduler.api.annotations import Transfer
from webhook import facts
from webhook.admission import enrich

OURS, DEFAULT = names.SCHEDULER_NAME, names.DEFAULT_SCHEDULER_NAME
IN, OUT, HINT = names.INPUT_PREFIX, names.OUTPUT_PREFIX, names.HINT_PREFIX
EVENT, NAMED = names.EVENT_DATA, names.SCHEDULER_NAME_ANNOTATION
SERVICE = "Knative Service default/fmask"
OWNER = "Deployment default/web"
NAMESPACE = "namespace default"
EVENTS = "events for default/fmask"


def pod(own: Mapping[str, str] | None = None, *, scheduler: str | None = DEFAULT, knative: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "p", "namespace": "default"}
    if own is not None:
        metadata["annotations"] = dict(own)
    if knative:
        metadata["labels"] = {names.KNATIVE_SERVICE_LABEL: knative}
    return {"metadata": metadata, "spec": {} if scheduler is None else {"schedulerName": scheduler}}


def enriched(
    asked: Mapping[str, Any], *sources: tuple[str, Mapping[str, str]], sizes: Mapping[str, int] | None = None
) -> enrich.Enrichment:
    found = [facts.Source(title, given) for title, given in sources]
    return enrich.enrich(asked, found, (sizes or {}).get)


def added(
    own: Mapping[str, str], *sources: tuple[str, Mapping[str, str]], sizes: Mapping[str, int] | None = None
) -> dict[str, str]:
    """What is added to a pod, without the note on it; nothing was wrong with any source."""
    result = enriched(pod(own), *sources, sizes=sizes)
    assert result.warnings == ()
    return {key: text for key, text in result.annotations.items() if key != names.ENRICHED}


def event(inputs: object = None, outputs: object = None, **options: object) -> dict[str, str]:
    """Annotations of a source that has event data."""
    said = {"dataInputs": inputs, "dataOutputs": outputs, "processingOptions": options}
    return {EVENT: json.dumps({key: value for key, value in said.items() if value})}


def items(*urns: str, size: int | None = 7) -> list[dict[str, object]]:
    return [{"urn": urn} if size is None else {"urn": urn, "size": size} for urn in urns]


# ------------------------------------------------------------------------------------------------- who is listened to


def test_a_pod_takes_what_its_sources_say_and_keeps_what_it_says_itself() -> None:
    found = added(
        {IN + "1": "raw/mine,5", HINT + "prefer-region": "r1"},
        (SERVICE, {IN + "1": "raw/theirs,6", IN + "2": "raw/two,6", HINT + "prefer-region": "r2"}),
        (NAMESPACE, {IN + "2": "raw/far,7", OUT + "1": "results/out,0", HINT + "prefer-zone": "z1"}),
    )
    assert found == {IN + "2": "raw/two,6", OUT + "1": "results/out,0", HINT + "prefer-zone": "z1"}


@pytest.mark.parametrize(
    ("key", "near", "far"),
    [
        pytest.param(IN + "1", "raw/near,1", "raw/far,1", id="input"),
        pytest.param(OUT + "7", "raw/near,1", "raw/far,1", id="output"),
        pytest.param(HINT + "prefer-region", "near", "far", id="region"),
        pytest.param(HINT + "requires-gpu", "true", "false", id="flag"),
        pytest.param(HINT + "requires-gpu", "false", "true", id="flag that is off"),
        pytest.param(HINT + "capability-tpu", "v3", "v2", id="capability"),
        pytest.param(HINT + "capability-requirements", "a,b=c", "d", id="required capabilities"),
        pytest.param(NAMED, "volcano", OURS, id="scheduler"),
    ],
)
def test_the_nearest_source_that_speaks_of_something_is_heard(key: str, near: str, far: str) -> None:
    assert added({}, (SERVICE, {}), (OWNER, {key: near}), (NAMESPACE, {key: far})) == {key: near}
    assert added({key: near}, (NAMESPACE, {key: far})) == {}


@pytest.mark.parametrize(
    ("near", "far"),
    [
        pytest.param("prefer-edge", "prefer-cloud", id="edge or cloud"),
        pytest.param("prefer-cloud", "prefer-edge", id="cloud or edge"),
        pytest.param("data-intensive", "compute-intensive", id="kind of work"),
        pytest.param("compute-intensive", "workload-type", id="kind of work as a type"),
        pytest.param("workload-type", "data-intensive", id="type of work as a kind"),
    ],
)
def test_hints_that_speak_of_one_thing_come_from_one_source(near: str, far: str) -> None:
    said = {"workload-type": "data-intensive"}
    near_said, far_said = ({HINT + key: said.get(key, "true")} for key in (near, far))
    assert added({}, (SERVICE, near_said), (NAMESPACE, far_said)) == near_said
    assert added(near_said, (NAMESPACE, far_said)) == {}


def test_both_kinds_of_work_of_one_source_are_taken_together() -> None:
    both = {HINT + "data-intensive": "true", HINT + "workload-type": "compute-intensive"}
    assert added({}, (SERVICE, both)) == both


def test_nothing_but_what_is_documented_is_taken_over() -> None:
    others = {
        "app.kubernetes.io/name": "x",
        HINT + "pipeline": "etl",
        HINT + "storage-service": "true",
        HINT + "enriched": "by hand",
        "serving.knative.dev/creator": "me",
    }
    assert enriched(pod({}), (SERVICE, others), (NAMESPACE, others)) == enrich.Enrichment()


def test_data_is_named_once_however_many_name_it() -> None:
    found = added(
        {IN + "4": "raw/a,5"},
        (SERVICE, {IN + "1": "raw/a,9", IN + "2": "raw/b,1", IN + "3": "raw/b,2"}),
        (NAMESPACE, {IN + "5": "raw/b,3", OUT + "1": "raw/a,4"}),
    )
    assert found == {IN + "2": "raw/b,1", OUT + "1": "raw/a,4"}


def test_a_number_is_the_same_with_zeros_before_it() -> None:
    assert added({IN + "07": "raw/a,5"}, (SERVICE, {IN + "7": "raw/b,1"})) == {}


# -------------------------------------------------------------------------------------------------------- event data


def test_event_data_becomes_inputs_outputs_and_hints() -> None:
    said = event(
        [
            {"urn": "raw/b1", "size": 9, "processingTime": 30, "priority": 5, "type": "tif"},
            {"urn": "raw/b2", "size": 8},
        ],
        items("results/out"),
        preferEdge=True,
        preferRegion="r1",
    )
    assert added({}, (SERVICE, said)) == {
        IN + "1": "raw/b1,9,30,5,tif",
        IN + "2": "raw/b2,8",
        OUT + "1": "results/out,7",
        HINT + "prefer-edge": "true",
        HINT + "prefer-region": "r1",
    }


def test_event_data_gets_the_numbers_that_nobody_has() -> None:
    found = added(
        {IN + "2": "raw/own,1", **event(items("raw/x", "raw/own", "raw/y"))},
        (SERVICE, {IN + "1": "raw/theirs,1"}),
        (EVENTS, event(items("raw/z", "raw/x"))),
    )
    assert found == {
        IN + "1": "raw/theirs,1",
        IN + "3": "raw/x,7",
        IN + "4": "raw/y,7",
        IN + "5": "raw/z,7",
    }


def test_of_one_source_its_annotations_go_before_its_event_data() -> None:
    said = {HINT + "prefer-cloud": "true", IN + "1": "raw/a,1", **event(items("raw/a"), preferEdge=True)}
    assert added({}, (SERVICE, said)) == {HINT + "prefer-cloud": "true", IN + "1": "raw/a,1"}


def test_a_pods_own_event_goes_before_what_others_annotate() -> None:
    said = {HINT + "prefer-cloud": "true", IN + "1": "raw/a,1"}
    assert added(event(items("raw/a"), preferEdge=True), (SERVICE, said)) == {
        HINT + "prefer-edge": "true",
        IN + "2": "raw/a,7",
    }


# ----------------------------------------------------------------------------------------------- buckets, sizes, room


def test_buckets_that_no_input_lies_in_become_inputs() -> None:
    found = added(
        {},
        (SERVICE, {HINT + "data-sources": "landsat-l1, landsat-l2,raw", IN + "1": "landsat-l1/B1.tif,5"}),
        (NAMESPACE, {HINT + "data-sources": "other"}),
        (EVENTS, event(items("raw/new.tif"))),
        sizes={"landsat-l2": 9_000},
    )
    assert found == {
        HINT + "data-sources": "landsat-l1, landsat-l2,raw",
        IN + "1": "landsat-l1/B1.tif,5",
        IN + "2": "raw/new.tif,7",
        IN + "3": "landsat-l2,9000",
    }


def test_a_pods_own_buckets_are_inputs_too() -> None:
    assert added({HINT + "data-sources": "one,two"}) == {IN + "1": "one,0", IN + "2": "two,0"}


@pytest.mark.parametrize(
    ("said", "text"),
    [
        pytest.param({IN + "1": "raw/k,5"}, "raw/k,5", id="given"),
        pytest.param({IN + "1": "raw/k,0,30"}, "raw/k,1000,30", id="zero"),
        pytest.param({IN + "1": "raw/k"}, "raw/k,1000", id="none"),
        pytest.param({IN + "1": "raw/k,,30"}, "raw/k,1000,30", id="left out"),
        pytest.param({IN + "1": "raw/other,0"}, "raw/other,0", id="unknown"),
        pytest.param(event(items("raw/k", size=None)), "raw/k,1000", id="none in an event"),
        pytest.param(event(items("raw/other", size=None)), "raw/other,0", id="unknown in an event"),
    ],
)
def test_a_size_that_nobody_gave_is_that_of_the_object_itself(said: dict[str, str], text: str) -> None:
    assert added({}, (SERVICE, said), sizes={"raw/k": 1000, "raw": 5}) == {IN + "1": text}


def test_a_pods_own_sizes_are_left_as_they_are() -> None:
    assert added({IN + "1": "raw/k,0"}, (SERVICE, {}), sizes={"raw/k": 1000}) == {}


@pytest.mark.parametrize("size", [-1, 2**63, 0])
def test_a_size_that_nothing_can_have_is_none(size: int) -> None:
    assert added({}, (SERVICE, {IN + "1": "raw/k,0"}), sizes={"raw/k": size}) == {IN + "1": "raw/k,0"}


def test_no_more_is_added_than_the_scheduler_reads_and_the_nearest_go_first() -> None:
    own = {f"{IN}{n}": f"own/{n},1" for n in range(100, 160)}
    found = added(
        own | event(items("raw/e1", "raw/e2")),
        (SERVICE, {f"{IN}{n}": f"near/{n},1" for n in range(5)}),
        (NAMESPACE, {IN + "9": "far/9,1", OUT + "9": "far/9,1", HINT + "data-sources": "bucket"}),
    )
    assert found == {
        IN + "0": "near/0,1",
        IN + "1": "near/1,1",
        IN + "5": "raw/e1,7",
        IN + "6": "raw/e2,7",
        OUT + "9": "far/9,1",
        HINT + "data-sources": "bucket",
    }


def test_annotations_that_would_be_too_large_leave_the_pod_as_it_is() -> None:
    filling = {"note": "x" * (enrich.MAX_ANNOTATIONS_BYTES - 200)}
    assert enriched(pod(filling), (SERVICE, {IN + "1": "raw/k,1"})).annotations
    result = enriched(pod(filling), (SERVICE, {IN + "1": f"raw/{'k' * 200},1"}))
    assert (result.annotations, result.scheduler_name) == ({}, None)
    (warning,) = result.warnings
    assert warning == (
        'what the pod would get: "262289 bytes of annotations": more than the 262144 that a pod can have, '
        "so nothing was added; name prefixes or buckets"
    )


# ------------------------------------------------------------------------------------------- what cannot be understood


@pytest.mark.parametrize(
    ("said", "rest", "warning"),
    [
        pytest.param(
            {IN + "1": "raw/k,12MB"}, {},
            f'{IN}1: "12MB": not a number of bytes; write 12000000', id="input",
        ),
        pytest.param(
            {IN + "1": "raw/k,5,30s,1"}, {IN + "1": "raw/k,5,,1"},
            f'{IN}1: "30s": not a number of processing seconds (third field), so 0 counts; write one such as 30 or 1.5',
            id="field of an input",
        ),
        pytest.param(
            {IN + "x": "raw/k,5"}, {},
            f'{IN}x: "raw/k,5": write a number after "data.scheduler.thesis/input-"', id="no number",
        ),
        pytest.param(
            {HINT + "workload-type": "fast"}, {},
            f'{HINT}workload-type: "fast": not a known type; write "data-intensive" or "compute-intensive"', id="type",
        ),
        pytest.param(
            {HINT + "capability-requirements": "gpu, -x ,b=c"}, {HINT + "capability-requirements": "gpu,b=c"},
            f'{HINT}capability-requirements: "-x": not a capability, so it is not required; write a name or name=value',
            id="one of a list",
        ),
        pytest.param(
            {HINT + "prefer-edge": "true", HINT + "prefer-cloud": "true"}, {},
            f'{HINT}prefer-edge: "true": '
            "prefer-edge and prefer-cloud exclude each other, so neither counts; remove one",
            id="both",
        ),
        pytest.param(
            {NAMED: "My Scheduler"}, {},
            f'{NAMED}: "My Scheduler": not the name of a scheduler; write "{OURS}" or "{DEFAULT}"', id="scheduler",
        ),
        pytest.param(
            {EVENT: "{"}, {},
            f'{EVENT}: "{{": not JSON: Input data was truncated', id="event",
        ),
        pytest.param(
            event([{"urn": "raw/k", "size": "12MB"}, *items("raw/good")]), {IN + "1": "raw/good,7"},
            f'{EVENT} dataInputs[0]: "12MB": not a number of bytes; write 12000000', id="item of an event",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_not_taken_and_told_and_the_rest_is(
    said: dict[str, str], rest: dict[str, str], warning: str
) -> None:
    result = enriched(pod(), (SERVICE, said | {HINT + "requires-gpu": "yes"}), (NAMESPACE, {OUT + "1": "raw/k,1"}))
    expected = rest | {HINT + "requires-gpu": "true", OUT + "1": "raw/k,1"}
    assert {key: text for key, text in result.annotations.items() if key != names.ENRICHED} == expected
    assert result.warnings == (f"{SERVICE}: {warning}",)


def test_who_speaks_of_something_is_the_one_to_be_corrected() -> None:
    # Falling back on the namespace would hide what is wrong at the Service.
    near = {IN + "1": "raw/k,12MB", HINT + "prefer-region": "a b"}
    far = {IN + "1": "raw/far,1", HINT + "prefer-region": "r1"}
    result = enriched(pod(), (SERVICE, near), (NAMESPACE, far))
    assert result.annotations == {}
    assert len(result.warnings) == 2
    own = {HINT + "prefer-region": "a b", IN + "1": "raw/k,12MB"}
    assert enriched(pod(own), (NAMESPACE, far)) == enrich.Enrichment()


def test_many_warnings_are_counted_and_long_ones_cut_before_the_remedy() -> None:
    said = {f"{IN}{n}": f"raw/{'k' * 300},12MB{'b' * 200}" for n in range(30)}
    warnings = enriched(pod(), ("Deployment " + "d" * 300, said)).warnings
    assert len(warnings) == 20
    assert warnings[-1] == "and 11 more"
    assert all(len(line) <= 256 for line in warnings)
    assert all(line.endswith("not a number of bytes; write digits only, such as 1048576") for line in warnings[:-1])


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"metadata": {"annotations": {}}}, id="no spec"),
        pytest.param({"spec": {}}, id="no metadata"),
        pytest.param({"metadata": None, "spec": {}}, id="null metadata"),
        pytest.param({"metadata": [], "spec": {}}, id="list for metadata"),
        pytest.param({"metadata": {"annotations": None}, "spec": {}}, id="null annotations"),
        pytest.param({"metadata": {"annotations": {"a": 1}}, "spec": {}}, id="number for a text"),
        pytest.param({"metadata": {"annotations": {HINT + "prefer-edge": True}}, "spec": {}}, id="truth for a text"),
        pytest.param({"metadata": {"annotations": {1: "a"}}, "spec": {}}, id="number for a key"),
        pytest.param({"metadata": {"labels": "x"}, "spec": {}}, id="text for labels"),
        pytest.param({"metadata": {}, "spec": {"schedulerName": {}}}, id="object for a scheduler"),
        pytest.param({"metadata": {}, "spec": [[[[]]]]}, id="lists for a spec"),
    ],
)
def test_what_is_no_pod_is_left_alone_with_a_warning(asked: dict[str, Any]) -> None:
    result = enriched(asked, (SERVICE, {IN + "1": "raw/k,1"}))
    assert (result.annotations, result.scheduler_name) == ({}, None)
    assert result.warnings == ("not a pod as the API server sends them, so no data annotations were added",)


# ----------------------------------------------------------------------------------------------------- which scheduler

DATA = {IN + "1": "raw/k,1"}


@pytest.mark.parametrize(
    ("asked", "sources", "scheduler"),
    [
        pytest.param(pod(), [(NAMESPACE, DATA)], OURS, id="told of data"),
        pytest.param(pod(scheduler=None), [(NAMESPACE, DATA)], OURS, id="of no scheduler yet"),
        pytest.param(pod(scheduler=""), [(NAMESPACE, {HINT + "prefer-edge": "true"})], OURS, id="told of a wish"),
        pytest.param(pod(), [(EVENTS, event(items("raw/k")))], OURS, id="told by an event"),
        pytest.param(pod(scheduler="volcano"), [(NAMESPACE, DATA)], None, id="of another scheduler"),
        pytest.param(pod(scheduler=OURS), [(NAMESPACE, DATA)], None, id="ours already"),
        pytest.param(pod(), [(NAMESPACE, {HINT + "prefer-edge": "false"})], None, id="told that nothing is wished"),
        pytest.param(pod(), [(NAMESPACE, {IN + "1": "raw/k,x"})], None, id="told nothing usable"),
        pytest.param(pod(DATA), [(NAMESPACE, {})], None, id="own data only"),
        pytest.param(pod(event(items("raw/k"))), [(NAMESPACE, {})], None, id="own event only"),
        pytest.param(pod({HINT + "data-sources": "raw"}), [], None, id="own buckets only"),
        pytest.param(pod(DATA, knative="s"), [], OURS, id="own data, Knative"),
        pytest.param(pod(event(items("raw/k", size=None)), knative="s"), [], OURS, id="own event, Knative"),
        pytest.param(pod({IN + "1": "raw/k,x"}, knative="s"), [], None, id="own data, unusable, Knative"),
        pytest.param(pod(knative="s"), [(SERVICE, {})], None, id="nothing, Knative"),
        pytest.param(pod(), [(SERVICE, {NAMED: OURS})], OURS, id="named"),
        pytest.param(pod(), [(SERVICE, {NAMED: " volcano "} | DATA)], "volcano", id="another named"),
        pytest.param(pod({NAMED: OURS}), [], OURS, id="named by itself"),
        pytest.param(pod(), [(SERVICE, {NAMED: DEFAULT} | DATA)], None, id="opted out"),
        pytest.param(pod(), [(SERVICE, {NAMED: ""} | DATA)], None, id="opted out by naming none"),
        pytest.param(pod(DATA | {NAMED: ""}, knative="s"), [(NAMESPACE, {NAMED: OURS})], None, id="opted out itself"),
        pytest.param(pod(), [(SERVICE, {NAMED: DEFAULT}), (NAMESPACE, {NAMED: OURS})], None, id="the nearest counts"),
        pytest.param(pod(scheduler="volcano"), [(SERVICE, {NAMED: OURS})], None, id="named, of another"),
        pytest.param(pod(), [(SERVICE, {NAMED: "No Name"} | DATA)], OURS, id="named badly, told of data"),
        pytest.param(pod({NAMED: "No Name"}), [], None, id="named badly by itself"),
    ],
)
def test_which_scheduler_is_set(
    asked: dict[str, Any], sources: list[tuple[str, dict[str, str]]], scheduler: str | None
) -> None:
    assert enriched(asked, *sources).scheduler_name == scheduler


# ------------------------------------------------------------------------------------------------------------ the note


def test_the_note_says_what_came_from_where() -> None:
    result = enriched(
        pod(event(items("raw/own"))),
        (SERVICE, {HINT + "prefer-region": "r1", IN + "1": "raw/k,1"}),
        (NAMESPACE, {OUT + "1": "raw/o,1", HINT + "requires-gpu": "true"}),
    )
    assert result.annotations[names.ENRICHED] == (
        f"prefer-region, input-1 from {SERVICE}; requires-gpu, output-1 from {NAMESPACE}; "
        f"input-2 from its event data; schedulerName {OURS}"
    )


def test_there_is_no_note_where_nothing_was_added() -> None:
    assert enriched(pod(DATA), (SERVICE, DATA)) == enrich.Enrichment()


def test_the_note_is_bounded() -> None:
    said = {f"{IN}{n}": f"raw/{n},1" for n in range(1, 65)}
    note = enriched(pod(), (SERVICE, said)).annotations[names.ENRICHED]
    assert "input-12 and 52 more from" in note
    long = enriched(pod(), ("namespace " + "日" * 2000, said)).annotations[names.ENRICHED]
    assert len(long.encode()) <= 1024
    assert long.endswith("...")


def test_a_second_note_follows_the_first() -> None:
    own = {names.ENRICHED: "input-1 from x", IN + "1": "raw/k,1"}
    result = enriched(pod(own), (NAMESPACE, {OUT + "1": "raw/o,1"}))
    assert result.annotations[names.ENRICHED] == (f"input-1 from x; output-1 from {NAMESPACE}; schedulerName {OURS}")
    own[names.ENRICHED] = "x" * 1000
    again = enriched(pod(own), (NAMESPACE, {OUT + "1": "raw/o,1"})).annotations[names.ENRICHED]
    assert again == f"output-1 from {NAMESPACE}; schedulerName {OURS}"


def test_asked_again_nothing_is_added() -> None:
    sources = [
        facts.Source(SERVICE, {HINT + "data-sources": "raw,other", NAMED: OURS, IN + "3": "raw/a"}),
        facts.Source(EVENTS, event(items("raw/b", "raw/c"), preferEdge=True)),
    ]
    asked = pod({IN + "1": "raw/own,0"}, knative="fmask")
    first = enrich.enrich(asked, sources, {"raw/b": 5}.get)
    asked["metadata"]["annotations"] |= first.annotations
    asked["spec"]["schedulerName"] = first.scheduler_name
    assert enrich.enrich(asked, sources, {"raw/b": 5}.get) == enrich.Enrichment()
    intent, problems = intents.parse(asked["metadata"]["annotations"])
    assert problems == ()
    assert intent.inputs == (
        Transfer("raw/own", 0), Transfer("raw/b", 7), Transfer("raw/a", 0), Transfer("raw/c", 7), Transfer("other", 0)
    )  # fmt: skip
