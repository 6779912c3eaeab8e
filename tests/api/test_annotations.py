"""The annotation grammar: what each annotation means, the one message for each bad value, and the round trips."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import errors
from scheduler.api import annotations, names
from scheduler.api.annotations import Capability, Intent, Transfer

INPUT = "data.scheduler.thesis/input-1"
PREFIX = "scheduler.thesis/"


def intent_of(found: Mapping[str, str]) -> Intent:
    intent, problems = annotations.parse(found)
    assert problems == ()
    return intent


def problems_of(found: Mapping[str, str]) -> list[str]:
    return [str(problem) for problem in annotations.parse(found)[1]]


# ---------------------------------------------------------------------------------------------------- what it means


@pytest.mark.parametrize(
    ("text", "transfer"),
    [
        pytest.param("bucket/key,5", Transfer("bucket/key", 5), id="urn-and-size"),
        pytest.param("bucket/key,5,30", Transfer("bucket/key", 5, 30.0), id="processing"),
        pytest.param("bucket/key,5,1.5,7", Transfer("bucket/key", 5, 1.5, 7), id="priority"),
        pytest.param("bucket/key,5,0,7,json", Transfer("bucket/key", 5, 0.0, 7, "json"), id="all-fields"),
        pytest.param("bucket/key,5,,,json", Transfer("bucket/key", 5, kind="json"), id="empty-fields"),
        pytest.param("bucket/key,5,,-3", Transfer("bucket/key", 5, priority=-3), id="negative-priority"),
        pytest.param("bucket/key,5,1e-3", Transfer("bucket/key", 5, 0.001), id="exponent-in-seconds"),
        pytest.param(" bucket/key , 5 , 30 , 7 , json ", Transfer("bucket/key", 5, 30.0, 7, "json"), id="spaces"),
        pytest.param("bucket/key,0", Transfer("bucket/key", 0), id="nothing-in-it"),
        pytest.param("bucket,5", Transfer("bucket", 5), id="whole-bucket"),
        pytest.param("bucket/pre/fix/,5", Transfer("bucket/pre/fix/", 5), id="prefix"),
        pytest.param("b.u-3/a/b//c.tif,5", Transfer("b.u-3/a/b//c.tif", 5), id="nested-key"),
        pytest.param("bucket/scène 1/日本.tif,5", Transfer("bucket/scène 1/日本.tif", 5), id="unicode-key-with-spaces"),
        pytest.param("bucket/k,5,1,2,a,b", Transfer("bucket/k", 5, 1.0, 2, "a,b"), id="the-kind-is-the-rest"),
    ],
)
def test_a_transfer_is_read(text: str, transfer: Transfer) -> None:
    assert intent_of({INPUT: text}).inputs == (transfer,)
    assert annotations.parse_transfer(INPUT, text) == transfer
    assert annotations.parse_transfer(INPUT, annotations.format_transfer(transfer)) == transfer


def test_the_bucket_is_what_stands_before_the_first_slash() -> None:
    assert Transfer("bucket/a/b", 1).bucket == "bucket"
    assert Transfer("bucket", 1).bucket == "bucket"


@pytest.mark.parametrize(
    ("found", "intent"),
    [
        pytest.param({"data-intensive": "true"}, Intent(data_intensive=True), id="data-intensive"),
        pytest.param({"compute-intensive": ""}, Intent(compute_intensive=True), id="empty-flag-is-on"),
        pytest.param({"prefer-edge": "yes"}, Intent(prefer_edge=True), id="any-value-is-on"),
        pytest.param({"prefer-cloud": "False "}, Intent(), id="false-is-off"),
        pytest.param({"prefer-cloud": "1", "prefer-edge": "false"}, Intent(prefer_cloud=True), id="one-preference-off"),
        pytest.param({"requires-gpu": "true"}, Intent(requires_gpu=True), id="gpu"),
        pytest.param({"requires-fast-storage": "true"}, Intent(requires_fast_storage=True), id="fast-storage"),
        pytest.param({"requires-local-storage": "true"}, Intent(requires_local_storage=True), id="local-storage"),
        pytest.param({"prefer-region": "region-1"}, Intent(prefer_region="region-1"), id="region"),
        pytest.param({"prefer-zone": " eu_1.a "}, Intent(prefer_zone="eu_1.a"), id="zone"),
        pytest.param({"required-capability": "gpu"}, Intent(required=(Capability("gpu"),)), id="required"),
        pytest.param(
            {"required-capability": "gpu", "capability-requirements": "a, b=v w,gpu"},
            Intent(required=(Capability("gpu"), Capability("a"), Capability("b", "v w"))),
            id="requirements-add-up-once-each",
        ),
        pytest.param(
            {"capability-nvme": "true", "capability-avx2": ""},
            Intent(wanted=(Capability("avx2"), Capability("nvme", "true"))),
            id="wanted-by-name",
        ),
        pytest.param({"data-sources": "one1, two2,one1"}, Intent(sources=("one1", "two2")), id="sources-once-each"),
        pytest.param({"workload-type": "compute-intensive"}, Intent(compute_intensive=True), id="workload-type"),
        pytest.param({"pipeline": "etl", "storage-type": "object"}, Intent(), id="others-are-left-alone"),
    ],
)
def test_a_hint_is_read(found: dict[str, str], intent: Intent) -> None:
    assert intent_of({PREFIX + key: value for key, value in found.items()}) == intent


@pytest.mark.parametrize(
    ("found", "plain"),
    [
        pytest.param({}, True, id="none"),
        pytest.param({"prometheus.io/scrape": "true", "knative.dev/x": ""}, True, id="those-of-others"),
        pytest.param({PREFIX + "pipeline": "etl"}, True, id="marks-of-the-user"),
        pytest.param({PREFIX + "data-intensive": "false"}, True, id="off"),
        pytest.param({INPUT: "bucket/key,12MB"}, True, id="nothing-usable"),
        pytest.param({INPUT: "bucket/key,12"}, False, id="input"),
        pytest.param({PREFIX + "data-sources": "bucket"}, False, id="source"),
        pytest.param({PREFIX + "capability-x": ""}, False, id="wanted"),
        pytest.param({PREFIX + "prefer-zone": "a"}, False, id="zone"),
    ],
)
def test_plain_means_that_nothing_usable_was_asked(found: dict[str, str], plain: bool) -> None:
    assert annotations.parse(found)[0].is_plain is plain


def test_inputs_count_in_numeric_order_not_in_that_of_text() -> None:
    found = {f"data.scheduler.thesis/input-{n}": f"bucket/{n},1" for n in (10, 9, 0, 2)}
    assert [t.urn for t in intent_of(found).inputs] == ["bucket/0", "bucket/2", "bucket/9", "bucket/10"]


@pytest.mark.parametrize(
    ("found", "transfer"),
    [
        pytest.param({INPUT: "bucket/key"}, Transfer("bucket/key", 0), id="none"),
        pytest.param({INPUT: "bucket/key,,30"}, Transfer("bucket/key", 0, 30.0), id="left-out"),
        pytest.param({INPUT: "bucket/key,5"}, Transfer("bucket/key", 5), id="given"),
        pytest.param(
            {names.EVENT_DATA: '{"dataInputs": [{"urn": "bucket/key"}]}'}, Transfer("bucket/key", 0), id="event"
        ),
    ],
)
def test_a_size_may_be_missing_where_it_is_found_out_on_the_way_to_a_pod(
    found: dict[str, str], transfer: Transfer
) -> None:
    assert annotations.parse(found, sized=False) == (Intent(inputs=(transfer,)), ())


def test_a_size_that_is_none_is_refused_where_it_may_be_missing_too() -> None:
    intent, (problem,) = annotations.parse({INPUT: "bucket/key,12MB"}, sized=False)
    assert intent.is_plain
    assert problem.remedy == "not a number of bytes; write 12000000"


def test_processing_adds_up_over_inputs_and_outputs() -> None:
    found = {INPUT: "bucket/a,1,30", "data.scheduler.thesis/output-1": "bucket/b,1,1.5"}
    assert intent_of(found).processing_s == 31.5


# --------------------------------------------------------------------------------------- the message for a bad value

BAD_BUCKET = (
    "not an S3 bucket name; write 3 to 63 lower-case letters, digits, hyphens and single dots, with a letter or digit "
    "at both ends"
)
TOO_LONG = "a urn has at most 1100 bytes in UTF-8; name the prefix or the bucket instead"
BROKEN = "a urn holds no control characters and no broken Unicode; remove them"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("bucket/key,12MB", '"12MB": not a number of bytes; write 12000000', id="12MB"),
        pytest.param("bucket/key,1e6", '"1e6": not a number of bytes; write 1000000', id="exponent"),
        pytest.param(
            "bucket/key,-5",
            '"-5": a size cannot be negative; write the number of bytes, such as 1048576',
            id="negative",
        ),
        pytest.param(
            "bucket/key",
            '"bucket/key": no size; write the bytes after the urn, as in "bucket/key,1048576"',
            id="missing-size",
        ),
        pytest.param(
            "bucket/key,,30",
            '"bucket/key,,30": no size; write the bytes after the urn, as in "bucket/key,1048576"',
            id="empty-size",
        ),
        pytest.param("bucket/key,١٢", '"١٢": not a number of bytes; write 12', id="unicode-digits"),
        pytest.param(
            "bucket/key,nan", '"nan": not a number of bytes; write digits only, such as 1048576', id="nan-bytes"
        ),
        pytest.param("", '"": no urn; write "bucket/key"', id="empty"),
        pytest.param(",5", '"": no urn; write "bucket/key"', id="empty-urn"),
        pytest.param("/key,5", '"/key": a urn does not begin with a slash; write "bucket/key"', id="leading-slash"),
        pytest.param(
            "bucket/,5",
            '"bucket/": nothing follows the slash; write "bucket" for the whole bucket or "bucket/key"',
            id="empty-key",
        ),
        pytest.param("My/key,5", f'"My/key": what stands before the first slash is {BAD_BUCKET}', id="bad-bucket"),
        pytest.param(
            "日本/key,5", f'"日本/key": what stands before the first slash is {BAD_BUCKET}', id="unicode-bucket"
        ),
        pytest.param("a..b/key,5", f'"a..b/key": what stands before the first slash is {BAD_BUCKET}', id="two-dots"),
        pytest.param("ab,5", f'"ab": {BAD_BUCKET}', id="short-bucket"),
        pytest.param("b" * 64 + ",5", f'"{"b" * 64}": {BAD_BUCKET}', id="long-bucket"),
        pytest.param(
            "bucket/" + "k" * 10_240 + ",5",
            f'"bucket/{"k" * 73}... (10247 characters)": {TOO_LONG}',
            id="ten-kilobyte-urn",
        ),
        pytest.param(
            "bucket/" + "é" * 547 + ",5",
            f'"bucket/{"é" * 73}... (554 characters)": {TOO_LONG}',
            id="too-many-bytes-though-few-characters",
        ),
        pytest.param("bucket/a\tb,5", f'"bucket/a\\tb": {BROKEN}', id="control-character"),
        pytest.param("bucket/\ud800,5", f'"bucket/\\ud800": {BROKEN}', id="surrogate"),
    ],
)
def test_a_bad_input_is_left_out_with_one_message(text: str, message: str) -> None:
    found = {INPUT: text, "data.scheduler.thesis/input-2": "bucket/good,5", PREFIX + "prefer-edge": "true"}
    intent, problems = annotations.parse(found)
    assert [str(problem) for problem in problems] == [f"{INPUT}: {message}"]
    assert intent == Intent(inputs=(Transfer("bucket/good", 5),), prefer_edge=True)
    with pytest.raises(errors.InputError) as caught:
        annotations.parse_transfer(INPUT, text)
    assert str(caught.value) == f"{INPUT}: {message}"


NOT_SECONDS = "not a number of processing seconds (third field), so 0 counts; write one such as 30 or 1.5"
NOT_PRIORITY = "not a whole number as priority (fourth field), so none counts; write one such as 5"
NOT_KIND = 'not a usable kind (fifth field), so none counts; write a short word such as "json"'


@pytest.mark.parametrize(
    ("rest", "transfer", "message"),
    [
        pytest.param("30s,7,json", Transfer("bucket/k", 5, 0, 7, "json"), f'"30s": {NOT_SECONDS}', id="unit"),
        pytest.param("-1,7", Transfer("bucket/k", 5, 0, 7), f'"-1": {NOT_SECONDS}', id="negative-seconds"),
        pytest.param("nan", Transfer("bucket/k", 5), f'"nan": {NOT_SECONDS}', id="nan-seconds"),
        pytest.param("inf", Transfer("bucket/k", 5), f'"inf": {NOT_SECONDS}', id="infinite-seconds"),
        pytest.param("1e999", Transfer("bucket/k", 5), f'"1e999": {NOT_SECONDS}', id="overflowing-seconds"),
        pytest.param("٣", Transfer("bucket/k", 5), f'"٣": {NOT_SECONDS}', id="unicode-seconds"),
        pytest.param("30,high,json", Transfer("bucket/k", 5, 30, None, "json"), f'"high": {NOT_PRIORITY}', id="word"),
        pytest.param("30,7.5", Transfer("bucket/k", 5, 30), f'"7.5": {NOT_PRIORITY}', id="fractional-priority"),
        pytest.param("30,7,a\nb", Transfer("bucket/k", 5, 30, 7), f'"a\\nb": {NOT_KIND}', id="line-break-in-kind"),
    ],
)
def test_a_bad_later_field_keeps_the_transfer(rest: str, transfer: Transfer, message: str) -> None:
    intent, problems = annotations.parse({INPUT: f"bucket/k,5,{rest}"})
    assert [str(problem) for problem in problems] == [f"{INPUT}: {message}"]
    assert intent.inputs == (transfer,)


NUMBER_INPUT = 'write a number after "data.scheduler.thesis/input-"'
NUMBER_OUTPUT = 'write a number after "data.scheduler.thesis/output-"'
NOT_KNOWN = "not known; write data.scheduler.thesis/input-N or data.scheduler.thesis/output-N"
NO_REGION = "no node can have it; write a value of the node label topology.kubernetes.io/region"
NO_ZONE = "no node can have it; write a value of the node label topology.kubernetes.io/zone"
NO_CAPABILITY = "empty; write name or name=value, or several with commas between"
NOT_REQUIRED = "not a capability, so it is not required; write a name or name=value"
NOT_WANTED = "not a capability; write scheduler.thesis/capability-NAME with a value of at most 256 characters"
NOT_A_TYPE = 'not a known type; write "data-intensive" or "compute-intensive"'


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        pytest.param("data.scheduler.thesis/input-x", "bucket,5", NUMBER_INPUT, id="word-for-a-number"),
        pytest.param("data.scheduler.thesis/input-", "bucket,5", NUMBER_INPUT, id="no-number"),
        pytest.param("data.scheduler.thesis/input-٣", "bucket,5", NUMBER_INPUT, id="digit-of-another-script"),
        pytest.param("data.scheduler.thesis/output--1", "bucket,5", NUMBER_OUTPUT, id="negative-number"),
        pytest.param("data.scheduler.thesis/input-" + "9" * 5000, "bucket,5", NUMBER_INPUT, id="endless-number"),
        pytest.param("data.scheduler.thesis/input1", "bucket,5", NOT_KNOWN, id="misspelt-input"),
        pytest.param("scheduler.thesis/workload-type", "io", NOT_A_TYPE, id="workload-type"),
        pytest.param("scheduler.thesis/prefer-region", "a b", NO_REGION, id="region"),
        pytest.param("scheduler.thesis/prefer-zone", "", NO_ZONE, id="empty-zone"),
        pytest.param("scheduler.thesis/required-capability", " , ", NO_CAPABILITY, id="no-capability"),
        pytest.param("scheduler.thesis/required-capability", "-gpu", NOT_REQUIRED, id="bad-capability"),
        pytest.param("scheduler.thesis/capability-requirements", "gpu=", NOT_REQUIRED, id="capability-without-value"),
        pytest.param("scheduler.thesis/capability-", "true", NOT_WANTED, id="wanted-without-name"),
        pytest.param("scheduler.thesis/capability-x", "v" * 257, NOT_WANTED, id="wanted-with-too-long-a-value"),
        pytest.param("scheduler.thesis/data-sources", "No", BAD_BUCKET, id="source"),
    ],
)
def test_a_bad_hint_is_left_out_with_one_message(key: str, value: str, remedy: str) -> None:
    intent, problems = annotations.parse({key: value})
    assert intent.is_plain
    assert [(problem.where, problem.remedy) for problem in problems] == [(key, remedy)]


def test_edge_and_cloud_exclude_each_other() -> None:
    intent, problems = annotations.parse({PREFIX + "prefer-edge": "true", PREFIX + "prefer-cloud": "true"})
    assert intent.is_plain
    (problem,) = problems
    assert str(problem) == (
        'scheduler.thesis/prefer-edge: "true": prefer-edge and prefer-cloud exclude each other, so neither counts; '
        "remove one"
    )


def test_of_300_inputs_the_first_64_count_and_one_message_speaks_of_the_rest() -> None:
    found = {f"data.scheduler.thesis/input-{n}": f"bucket/{n},1" for n in range(1, 301)}
    intent, problems = annotations.parse(found)
    assert [t.urn for t in intent.inputs] == [f"bucket/{n}" for n in range(1, 65)]
    (problem,) = problems
    assert str(problem) == (
        'data.scheduler.thesis/input-65: "bucket/65,1": number 65 of 300, of which only the first 64 count; '
        "name prefixes or buckets in place of single keys"
    )


def test_of_300_sources_the_first_64_count_with_one_message() -> None:
    intent, problems = annotations.parse({PREFIX + "data-sources": ",".join(f"bucket-{n}" for n in range(300))})
    assert intent.sources == tuple(f"bucket-{n}" for n in range(64))
    assert [problem.remedy for problem in problems] == ["300 items, of which only the first 64 count; write fewer"]


# ------------------------------------------------------------------------------------------------------- event data


def event(**data: object) -> dict[str, str]:
    return {names.EVENT_DATA: json.dumps(data)}


def test_an_event_says_what_annotations_would() -> None:
    found = event(
        dataInputs=[
            {"urn": "landsat-l1/B1.tif", "size": 45_097_156, "processingTime": 30, "priority": 5, "type": "tif"},
            {"urn": "landsat-l1/B10.tif", "size": "22548578", "etag": "not ours"},
        ],
        dataOutputs=[{"urn": "results/x", "size": 7}],
        processingOptions={"computeIntensive": True, "dataIntensive": False, "preferRegion": "region-1"},
        specversion="1.0",
    )
    assert intent_of(found) == Intent(
        inputs=(Transfer("landsat-l1/B1.tif", 45_097_156, 30.0, 5, "tif"), Transfer("landsat-l1/B10.tif", 22_548_578)),
        outputs=(Transfer("results/x", 7),),
        compute_intensive=True,
        prefer_region="region-1",
    )


def test_annotations_win_over_the_event_and_nothing_counts_twice() -> None:
    found = event(
        dataInputs=[{"urn": "bucket/a", "size": 1}, {"urn": "bucket/b", "size": 2}],
        processingOptions={"preferRegion": "region-1", "preferEdge": True},
    )
    found |= {INPUT: "bucket/a,9", PREFIX + "prefer-region": "region-2", PREFIX + "prefer-edge": "false"}
    assert intent_of(found) == Intent(
        inputs=(Transfer("bucket/a", 9), Transfer("bucket/b", 2)), prefer_region="region-2"
    )


def test_of_an_event_with_countless_items_the_first_are_read_and_one_message_speaks_of_the_rest() -> None:
    intent, problems = annotations.parse(event(dataInputs=[None] * 999 + [{"urn": "bucket/k", "size": 1}] * 9_001))
    assert intent.inputs == (Transfer("bucket/k", 1),)
    assert len(problems) == 1_000
    assert str(problems[0]) == (
        'knative.event-data dataInputs: "10000 items": only the first 1000 are read; name prefixes or buckets instead'
    )


def test_spaces_around_a_urn_do_not_make_it_another() -> None:
    found = event(dataInputs=[{"urn": "bucket/a ", "size": 1}, {"urn": "bucket/b", "size": 2}])
    assert intent_of(found | {INPUT: " bucket/a,9"}).inputs == (Transfer("bucket/a", 9), Transfer("bucket/b", 2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[]", 'knative.event-data: "[]": write an object, as in {"dataInputs": [...]}', id="no-object"),
        pytest.param(
            '{"dataInputs": {}}', 'knative.event-data dataInputs: "{}": write a list', id="inputs-no-list"
        ),
        pytest.param(
            '{"dataInputs": ["x"]}',
            'knative.event-data dataInputs[0]: "x": write an object, as in {"urn": "bucket/key", "size": 1048576}',
            id="input-no-object",
        ),
        pytest.param(
            '{"dataInputs": [{"urn": "bucket/key", "size": "12MB"}]}',
            'knative.event-data dataInputs[0]: "12MB": not a number of bytes; write 12000000',
            id="size",
        ),
        pytest.param(
            '{"dataInputs": [{"urn": "bucket/a,5", "size": 1}]}',
            'knative.event-data dataInputs[0]: "bucket/a,5": a urn holds no comma, as that ends it; name the prefix or '
            "the bucket instead",
            id="comma",
        ),
        pytest.param(
            '{"dataOutputs": [{"urn": "bucket/a", "size": [1]}]}',
            'knative.event-data dataOutputs[0] size: "[1]": write a number, or a text without commas',
            id="size-no-number",
        ),
        pytest.param(
            '{"dataInputs": [{"urn": "bucket/a", "size": "5,30"}]}',
            'knative.event-data dataInputs[0] size: "5,30": write a number, or a text without commas',
            id="comma-in-a-field",
        ),
        pytest.param(
            '{"processingOptions": {"preferEdge": "yes"}}',
            'knative.event-data processingOptions preferEdge: "yes": write true or false',
            id="flag",
        ),
        pytest.param(
            '{"processingOptions": {"preferRegion": 1}}',
            'knative.event-data processingOptions preferRegion: "1": write a region\'s name',
            id="region",
        ),
    ],
)  # fmt: skip
def test_a_bad_event_is_left_out_with_one_message(text: str, message: str) -> None:
    assert problems_of({names.EVENT_DATA: text}) == [message]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut"),
        pytest.param("\ud800", id="surrogate"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param('{"dataInputs": NaN}', id="nan"),
    ],
)
def test_an_event_that_is_not_json_is_one_problem(text: str) -> None:
    _, (problem,) = annotations.parse({names.EVENT_DATA: text, INPUT: "bucket/key,1"})
    assert problem.where == names.EVENT_DATA
    assert problem.remedy.startswith("not JSON: ")


# ------------------------------------------------------------------------------------------------------------- laws

BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}[a-z0-9]", fullmatch=True)
# What a key may hold: any script and spaces, nested; spaces at its ends would be taken for those around the comma, and
# an asterisk at an end for a pattern.
KEYS = (
    st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=","), max_size=60)
    .map(str.strip)
    .map(lambda key: key.replace("*", "x*x"))
)
URNS = st.builds(lambda bucket, key: f"{bucket}/{key}" if key else bucket, BUCKETS, KEYS)
TRANSFERS = st.builds(
    Transfer,
    URNS,
    st.integers(0, 2**63 - 1),
    st.floats(0, 1e9),
    st.none() | st.integers(-999_999_999, 999_999_999),
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20).map(str.strip),
)
LABELS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,20}[A-Za-z0-9])?", fullmatch=True)
CAPABILITIES = st.builds(Capability, LABELS, st.none() | LABELS)
INTENTS = st.builds(
    Intent,
    st.lists(TRANSFERS, max_size=12).map(tuple),
    st.lists(TRANSFERS, max_size=12).map(tuple),
    st.booleans(),
    st.booleans(),
    prefer_edge=st.booleans(),
    prefer_region=st.just("") | LABELS,
    prefer_zone=st.just("") | LABELS,
    required=st.lists(CAPABILITIES, unique=True, max_size=5).map(tuple),
    wanted=st.lists(CAPABILITIES, unique_by=lambda c: c.name, max_size=5).map(
        lambda found: tuple(sorted((c for c in found if c.name != "requirements"), key=lambda c: c.name))
    ),
    requires_gpu=st.booleans(),
    requires_fast_storage=st.booleans(),
    requires_local_storage=st.booleans(),
    sources=st.lists(BUCKETS, unique=True, max_size=5).map(tuple),
)


@given(INTENTS)
def test_what_is_written_reads_as_the_same_intent(intent: Intent) -> None:
    assert annotations.parse(annotations.format(intent)) == (intent, ())


@given(TRANSFERS)
def test_a_transfer_written_reads_as_the_same_and_is_as_short_as_can_be(transfer: Transfer) -> None:
    text = annotations.format_transfer(transfer)
    assert annotations.parse_transfer(INPUT, text) == transfer
    assert not text.endswith(",") or transfer.kind.endswith(",")


TEXTS = st.text() | st.text("bucket/k,0159.eE-+ =\ud800\n", max_size=40) | st.builds(str, st.floats() | st.integers())
FIELDS = st.lists(URNS | TEXTS, max_size=7).map(",".join)
KNOWN_KEYS = st.sampled_from(
    [
        *(value for name, value in vars(names).items() if isinstance(value, str) and value.startswith(PREFIX)),
        *(f"{prefix}{n}" for prefix in (names.INPUT_PREFIX, names.OUTPUT_PREFIX) for n in ("0", "1", "07", "x", "")),
        "scheduler.thesis/capability-gpu",
        names.EVENT_DATA,
    ]
)
STARTS = st.sampled_from(["", names.DATA_PREFIX, names.INPUT_PREFIX, names.HINT_PREFIX, names.CAPABILITY_PREFIX])
ARBITRARY = st.dictionaries(
    KNOWN_KEYS | st.builds(str.__add__, STARTS, st.text(max_size=12)), TEXTS | FIELDS, max_size=8
)


@given(ARBITRARY)
def test_reading_never_fails_and_what_was_read_is_canonical(found: dict[str, str]) -> None:
    intent, problems = annotations.parse(found)
    again, none = annotations.parse(annotations.format(intent))
    assert again == intent
    assert none == ()
    for problem in problems:
        assert problem.remedy
        str(problem).encode("utf-8", "surrogatepass")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["urn", "size", "processingTime", "type", "preferEdge", "preferRegion"]), inner
    ),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["dataInputs", "dataOutputs", "processingOptions"]), JSON | st.lists(JSON)))
def test_reading_an_event_never_fails(data: dict[str, object]) -> None:
    intent, _ = annotations.parse({names.EVENT_DATA: json.dumps(data)})
    assert annotations.parse(annotations.format(intent)) == (intent, ())


@given(FIELDS | TEXTS)
def test_a_transfer_is_read_or_refused(text: str) -> None:
    try:
        transfer = annotations.parse_transfer(INPUT, text)
    except errors.InputError:
        return
    assert annotations.parse_transfer(INPUT, annotations.format_transfer(transfer)) == transfer
