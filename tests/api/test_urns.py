"""What people write in place of a urn, and that each of them reads which urn to write, wherever they wrote it."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.api import annotations, names, urns
from webhook.admission import validate

BUCKET = st.from_regex(r"[a-z][a-z0-9-]{2,20}[a-z0-9]", fullmatch=True)
PART = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
KEY = st.lists(PART, min_size=1, max_size=4).map("/".join)

FORMS = [
    "s3://{}", "S3://{}", "s3a://{}", "s3n://{}", "gs://{}", "gcs://{}", "minio://{}", "oss://{}", "r2://{}",
    "http://minio:9000/{}", "https://s3.eu-central-1.amazonaws.com/{}", "https://storage.googleapis.com/{}",
    "https://store.example.org/{}?versionId=3#top", "arn:aws:s3:::{}", "arn:aws-cn:s3:::{}", "play:{}",
    "minio.stores.svc:9000/{}", "/{}", '"{}"', " {} ",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@given(bucket=BUCKET, key=KEY)
def test_other_forms_of_a_urn_are_answered_with_the_urn(form: str, bucket: str, key: str) -> None:
    fault = urns.fault(form.format(f"{bucket}/{key}"))
    assert fault.endswith(f'; write "{bucket}/{key}"')
    assert urns.fault(f"{bucket}/{key}") == ""


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("s3://archive", '"archive" for the whole bucket'),
        ("s3://archive/", '"archive" for the whole bucket'),
        ("gs://archive/2023/", '"archive/2023/" for all that begins so'),
        ("https://archive.s3.eu-west-1.amazonaws.com/2023/a.tif", '"archive/2023/a.tif"'),
        ("https://archive.s3.amazonaws.com/a%20b.tif", '"archive/a b.tif"'),
        ("https://archive.storage.googleapis.com/a.tif", '"archive/a.tif"'),
        ("https://account.blob.core.windows.net/archive/a.tif", '"archive/a.tif"'),
        ("abfss://archive@account.dfs.core.windows.net/a.tif", '"archive/a.tif"'),
        ("wasbs://archive@account.blob.core.windows.net/a.tif", '"archive/a.tif"'),
        ("oci://archive@tenancy/a.tif", '"archive/a.tif"'),
        ("archive/*.tif", '"archive" for the whole bucket'),
        ("archive/2023/*", '"archive/2023/" for all that begins so'),
        ("archive/2023/**/x-*.tif", '"archive/2023/" for all that begins so'),
        ("s3://archive/2023/scan-*.tif", '"archive/2023/" for all that begins so'),
        ("arn:aws:s3:::archive/*", '"archive" for the whole bucket'),
        ("archive\\2023\\a.tif", '"archive/2023/a.tif"'),
        ("C:\\archive\\a.tif", '"bucket/key"'),
        ("C:/archive/a.tif", '"bucket/key"'),
        ("file:///srv/archive/a.tif", '"bucket/key"'),
        ("hdfs://namenode/archive/a.tif", '"bucket/key"'),
        ("arn:aws:sqs:eu-west-1:1:queue", '"bucket/key"'),
        ("s3://Archive/a.tif", '"bucket/key"'),
        ("s3://archive/" + "x" * 500, '"bucket/key"'),
    ],
)
def test_what_each_form_means(written: str, instead: str) -> None:
    assert urns.fault(written).endswith(f"; write {instead}")


@pytest.mark.parametrize("urn", ["archive/a*b.tif", "archive/~'()*!;:@$.tif", "archive/2023/x*y/z"])
def test_an_asterisk_within_a_name_is_none_of_a_pattern(urn: str) -> None:
    assert urns.fault(urn) == ""


@pytest.mark.parametrize(
    ("written", "bucket"),
    [
        ("archive/2023/", "archive"),
        ("archive/", "archive"),
        ("archive/*", "archive"),
        ("s3://archive", "archive"),
        ("https://host/archive/2023/a.tif", "archive"),
        ("arn:aws:s3:::archive", "archive"),
    ],
)
def test_a_data_source_that_is_more_than_a_bucket_is_answered_with_the_bucket(written: str, bucket: str) -> None:
    intent, (problem,) = annotations.parse({names.DATA_SOURCES: f"photos,{written}"})
    assert intent.sources == ("photos",)
    assert f'write "{bucket}"' in problem.remedy


def test_a_data_source_that_is_a_prefix_may_be_an_input() -> None:
    _, (problem,) = annotations.parse({names.DATA_SOURCES: "archive/2023/"})
    assert problem.remedy == 'a data source is a bucket; write "archive", or name this as an input with its bytes'


def test_wherever_a_urn_is_written_the_answer_is_the_same() -> None:
    answer = 'a urn is no URL; write "archive/a.tif"'
    wrong = "s3://archive/a.tif"
    event = json.dumps({"dataInputs": [{"urn": wrong, "size": 5}], "dataOutputs": [{"urn": wrong}]})
    said = {"data.scheduler.thesis/input-1": f"{wrong},5", "data.scheduler.thesis/output-2": f"{wrong},5"}
    intent, problems = annotations.parse(said | {names.EVENT_DATA: event})
    assert intent.is_plain
    assert {problem.remedy for problem in problems} >= {answer}
    told = validate.warnings({"kind": "Pod", "metadata": {"annotations": said}})
    assert len(told) == 2
    assert all(line.endswith(answer) for line in told)


@given(
    st.text()
    | st.text(":/\\*.@?#%'\"as3gcx-_ ", max_size=40)
    | st.builds(str.format, st.sampled_from(FORMS), st.text())
)
def test_what_is_to_be_written_instead_is_a_urn(text: str) -> None:
    fault = urns.fault(text)
    if named := re.search(r'; write "([^"]*)"(?: for .*)?$', fault):
        assert urns.fault(named[1]) == ""
    assert "\n" not in fault
    assert len(fault) < 300
