"""What requests are understood to say: the earlier form, S3's own posts, adapters' CloudEvents, and nonsense."""

import base64
import json
import random
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from scheduler import errors
from scheduler.api import annotations
from webhook.events import messages

Transfer = annotations.Transfer

DATA = {
    "dataInputs": [
        {"urn": "landsat-l1/B1.tif", "size": 45097156, "processingTime": 30},
        {"urn": "landsat-l1/B10.tif", "size": 22548578},
    ],
    "processingOptions": {"computeIntensive": True, "preferRegion": "region-1"},
}
INPUTS = (Transfer("landsat-l1/B1.tif", 45097156, 30.0), Transfer("landsat-l1/B10.tif", 22548578))
OPTIONS = {"computeIntensive": True, "preferRegion": "region-1"}
ATTRIBUTES = {"specversion": "1.0", "type": "eo.fmask.request", "source": "eo/landsat", "id": "LC08-1"}
HEADERS = {f"ce-{name}": value for name, value in ATTRIBUTES.items()}
JSON = {"content-type": "application/json"}


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def record(event: str = "s3:ObjectCreated:Put", key: str = "in%2Fa+b%2Bc.tif", **more: Any) -> dict[str, Any]:
    """As MinIO writes it, down to what does not matter here."""
    return {
        "eventVersion": "2.0", "eventSource": "minio:s3", "awsRegion": "", "eventTime": "2026-01-02T03:04:05.678Z",
        "eventName": event, "userIdentity": {"principalId": "x"},
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": "landsat-l1", "arn": "arn:aws:s3:::landsat-l1"},
               "object": {"key": key, "size": 5, "eTag": "d41d", "sequencer": "15CF"}},
        **more,
    }  # fmt: skip


def notification(*records: object) -> dict[str, Any]:
    return {"EventName": "s3:ObjectCreated:Put", "Key": "landsat-l1/in/a b+c.tif", "Records": list(records)}


ADAPTED = {**ATTRIBUTES, "type": "com.amazonaws.s3.ObjectCreated:Put", "source": "aws:s3.eu-central-1.landsat-l1",
           "subject": "in/a b+c.tif", "datacontenttype": "application/json"}  # fmt: skip
WRITTEN = (Transfer("landsat-l1/in/a b+c.tif", 5),)


@pytest.mark.parametrize(
    ("headers", "body", "inputs", "options"),
    [
        pytest.param(HEADERS | JSON, DATA, INPUTS, OPTIONS, id="binary, the data as it is"),
        pytest.param(HEADERS | JSON, ATTRIBUTES | {"data": DATA}, INPUTS, OPTIONS, id="binary around an envelope"),
        pytest.param(HEADERS, DATA, INPUTS, OPTIONS, id="binary without a content type"),
        pytest.param({"content-type": "application/cloudevents+json; charset=utf-8"}, ATTRIBUTES | {"data": DATA},
                     INPUTS, OPTIONS, id="structured"),
        pytest.param(JSON, ATTRIBUTES | {"data": DATA}, INPUTS, OPTIONS, id="structured, called plain JSON"),
        pytest.param({"content-type": "application/cloudevents+json"},
                     ATTRIBUTES | {"data_base64": base64.b64encode(encoded(DATA)).decode()}, INPUTS, OPTIONS,
                     id="structured, base64"),
        pytest.param({"content-type": "application/cloudevents+json"}, ATTRIBUTES | {"data": json.dumps(DATA)},
                     INPUTS, OPTIONS, id="structured, encoded twice"),
        pytest.param(HEADERS | JSON | {"ce-specversion": "0.3"}, DATA, INPUTS, OPTIONS, id="version 0.3"),
        pytest.param(JSON, DATA, INPUTS, OPTIONS, id="no CloudEvent at all"),
        pytest.param(JSON, notification(record()), WRITTEN, {}, id="MinIO"),
        pytest.param(HEADERS | JSON, notification(record("ObjectCreated:CompleteMultipartUpload")), WRITTEN, {},
                     id="S3 through a queue"),
        pytest.param({"content-type": "application/cloudevents+json"}, ADAPTED | {"data": record("ObjectCreated:Put")},
                     WRITTEN, {}, id="S3 adapter"),
        pytest.param(HEADERS | JSON, {"dataInputs": [{"urn": "bucket/a"}]}, (Transfer("bucket/a", 0),), {},
                     id="no size"),
        pytest.param(HEADERS | JSON, {"processingOptions": {"preferEdge": False, "other": 1}}, (),
                     {"preferEdge": False}, id="options alone"),
        pytest.param(HEADERS | JSON, {"dataInputs": [{"urn": f"bucket/{n}", "size": n} for n in range(5000)]},
                     tuple(Transfer(f"bucket/{n}", n) for n in range(64)), {}, id="no more than a pod can name"),
    ],
)  # fmt: skip
def test_what_is_to_be_read(
    headers: dict[str, str], body: object, inputs: tuple[Transfer, ...], options: dict[str, object]
) -> None:
    assert messages.understands(headers)
    (message,) = messages.read(headers, encoded(body))
    assert message.inputs == inputs
    assert message.options == options
    assert message.says_something


def test_outputs() -> None:
    (message,) = messages.read(HEADERS | JSON, encoded({"dataOutputs": [{"urn": "out/x", "size": 7, "type": "tif"}]}))
    assert message.outputs == (Transfer("out/x", 7, kind="tif"),)


@pytest.mark.parametrize(
    "event", ["s3:ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "s3:LifecycleExpiration:Delete"]
)
def test_what_is_gone(event: str) -> None:
    (message,) = messages.read(JSON, encoded(notification(record(event))))
    assert message.removed == ("landsat-l1/in/a b+c.tif",)
    assert not message.inputs


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(HEADERS | {"content-type": "image/png"}, b"\x89PNG\xff", id="an image"),
        pytest.param(HEADERS | {"content-type": "text/plain"}, b"{", id="text"),
        pytest.param(HEADERS | JSON, b"", id="no data"),
        pytest.param(HEADERS | JSON, b"[1, 2]", id="a list"),
        pytest.param(HEADERS | JSON, encoded({"order": 5}), id="other data"),
        pytest.param(HEADERS | JSON, encoded({"Service": "Amazon S3", "Event": "s3:TestEvent"}), id="S3's test"),
        pytest.param(HEADERS | JSON, encoded({"Records": [{"eventSource": "aws:kinesis"}, 7]}), id="other records"),
        pytest.param(JSON, encoded(notification(record("s3:ObjectAccessed:Get"))), id="an access"),
        pytest.param(JSON, encoded(notification(record("s3:ObjectCreated:PutTagging"))), id="tags"),
        pytest.param(JSON, encoded(notification(record(key="a%2Cb"))), id="a key that no urn can hold"),
        pytest.param(
            JSON, encoded(notification({**record(), "s3": {"bucket": {"name": "abc"}, "object": {"key": "dir%2F"}}})),
            id="a folder",
        ),
        pytest.param(JSON, b"{}", id="how MinIO tries its targets"),
        pytest.param(JSON, encoded({"Service": "Amazon S3", "Event": "s3:TestEvent"}), id="AWS's test, as it is"),
        pytest.param(JSON, encoded({"Service": "S3", "Event": "s3:TestEvent", "Time": "2026-11-30T00:00:00Z",
                                    "Bucket": "Test-Bucket", "RequestId": "1", "HostId": "2"}), id="versitygw's test"),
        pytest.param(JSON, encoded(notification(record("s3:TestEvent"))), id="a test among records"),
        pytest.param(JSON, encoded({"EventName": "s3:TestEvent", "Records": None}), id="no records"),
        pytest.param(JSON, encoded(notification({**record(), "s3": 5})), id="a record without s3"),
        pytest.param(JSON, encoded(notification({**record(), "s3": {"bucket": {"name": "X"}, "object": {}}})),
                     id="a record without a key"),
        pytest.param(JSON, encoded(notification(record(key="%ff"))), id="escapes that are not UTF-8"),
        pytest.param(JSON, encoded(notification(record(event=5))), id="a record without a name"),  # type: ignore[arg-type]
        pytest.param(JSON, encoded(notification(record("s3:ObjectRemoved:NoOP"))), id="deleting what is not there"),
        pytest.param(JSON, encoded(notification(record("s3:ObjectRestore:Completed"))), id="a restore"),
        pytest.param(JSON, encoded(notification(record("s3:Replication:OperationCompletedReplication"))),
                     id="a replication of what is here"),
        pytest.param(JSON, encoded(notification(record("ObjectLifecycle:Expiration:NonCurrent"))), id="Ceph's expiry"),
        pytest.param(JSON, encoded(notification(record("s3:BucketCreated:*", key=""))), id="a bucket"),
    ],
)  # fmt: skip
def test_events_that_name_no_data_are_no_error(headers: dict[str, str], body: bytes) -> None:
    assert messages.understands(headers)
    assert not any(message.says_something for message in messages.read(headers, body))


def test_a_batch_is_its_events() -> None:
    other = {**ATTRIBUTES, "id": "2", "data": {"dataInputs": [{"urn": "abc/d", "size": 1}]}}
    body = encoded([ATTRIBUTES | {"data": DATA}, other, ATTRIBUTES | {"id": "3"}])
    found = messages.read({"content-type": "application/cloudevents-batch+json"}, body)
    assert [message.inputs for message in found] == [INPUTS, (Transfer("abc/d", 1),), ()]
    assert len({message.identity for message in found}) == 3


def test_the_same_event_has_the_same_identity_in_every_mode() -> None:
    binary = messages.read(HEADERS | JSON, encoded(DATA))
    structured = messages.read(JSON, encoded(ATTRIBUTES | {"data": DATA}))
    other = messages.read(HEADERS | JSON | {"ce-id": "2"}, encoded(DATA))
    assert binary[0].identity == structured[0].identity != other[0].identity


def test_posts_of_a_store_have_an_identity_too() -> None:
    first, again, other = (
        messages.read(JSON, encoded(notification(record(key=key), record("s3:ObjectRemoved:Delete", key))))
        for key in ("a", "a", "b")
    )
    assert first == again
    assert len({message.identity for message in (*first, *other)}) == 4


@pytest.mark.parametrize(
    ("headers", "body", "time_s"),
    [
        pytest.param(HEADERS | JSON | {"ce-time": "1970-01-01T00:01:00.5Z"}, DATA, 60.5, id="the event's"),
        pytest.param(HEADERS | JSON, DATA, None, id="none"),
        pytest.param(JSON, notification(record(eventTime="1970-01-01T00:00:07Z")), 7.0, id="the record's"),
        pytest.param(JSON, notification(record(eventTime="yesterday")), None, id="no time"),
        pytest.param(HEADERS | JSON | {"ce-time": "1970-01-01T00:00:09+00:00"}, record(eventTime=5), 9.0,
                     id="the event's in place of the record's"),
    ],
)  # fmt: skip
def test_when_it_happened(headers: dict[str, str], body: object, time_s: float | None) -> None:
    (message,) = messages.read(headers, encoded(body))
    assert message.time_s == time_s


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        pytest.param(JSON, b"", "not JSON", id="nothing"),
        pytest.param(JSON, b"\xff\xfe{}", "not JSON", id="not UTF-8"),
        pytest.param(JSON, b"{", "not JSON", id="half a body"),
        pytest.param(JSON, nested(100_000), "not JSON", id="nested"),
        pytest.param(JSON, b"[]", "neither a CloudEvent nor an S3", id="a list"),
        pytest.param(JSON, encoded({**ATTRIBUTES, "specversion": 5}), "specversion", id="specversion a number"),
        pytest.param(JSON, encoded({"specversion": "1.0", "id": "1"}), "source", id="no source"),
        pytest.param(JSON, encoded({**ATTRIBUTES, "time": "soon"}), "not a CloudEvent", id="time is no time"),
        pytest.param(JSON, encoded({**ATTRIBUTES, "time": 5}), "not a CloudEvent", id="time a number"),
        pytest.param(JSON, encoded({**ATTRIBUTES, "time": "2026-01-01T00:00:00"}), "timezone", id="time without zone"),
        pytest.param(JSON, encoded({**ATTRIBUTES, "data_base64": "a"}), "not a CloudEvent", id="base64 is none"),
        pytest.param(JSON, encoded({**ATTRIBUTES, "data_base64": 5}), "not a CloudEvent", id="base64 a number"),
        pytest.param(JSON, encoded({**ATTRIBUTES, "UPPER": 5}), "lowercase", id="attribute in capitals"),
        pytest.param(HEADERS | {"ce-specversion": "7"}, b"{}", "specversion", id="version of the future"),
        pytest.param(HEADERS | {"ce-id": ""}, b"{}", "id", id="empty id"),
        pytest.param({"ce-specversion": "1.0", "ce-type": "a", "ce-source": "b"}, b"{}", "event id: ", id="no id"),
        pytest.param(JSON, encoded({"specversion": "1.0", "type": "a", "source": "b"}), "event id: ",
                     id="no id in an envelope"),
        pytest.param(HEADERS | JSON, b"{", "event data: ", id="data half a body"),
        pytest.param(HEADERS | JSON, nested(100_000), "recursion", id="data nested"),
        pytest.param(HEADERS | JSON, b'{"dataInputs": ' + b"[" * 100_000, "recursion", id="inputs nested"),
        pytest.param(HEADERS | JSON, b'{"dataInputs": [{"urn": "abc/\\ud800", "size": 1}]}', "event data",
                     id="half a surrogate pair"),
        pytest.param(HEADERS | JSON, encoded({"dataInputs": 5}), "event data dataInputs: ", id="inputs a number"),
        pytest.param(HEADERS | JSON, encoded({"dataInputs": [{"urn": "abc"}, {"urn": "A/b"}]}),
                     "event data dataInputs[1]: ", id="no bucket"),
        pytest.param(HEADERS | JSON, encoded({"dataInputs": [{"urn": "abc", "size": "big"}]}),
                     "event data dataInputs[0]: ", id="size a word"),
        pytest.param(HEADERS | JSON, encoded({"dataInputs": [{"urn": "abc", "size": -1}]}),
                     "event data dataInputs[0]: ", id="size negative"),
        pytest.param(HEADERS | JSON, encoded({"dataInputs": [{"urn": "abc", "size": 10**30}]}), "event data",
                     id="size beyond everything"),
        pytest.param(HEADERS | JSON, encoded({"processingOptions": {"preferEdge": "yes"}}),
                     "processingOptions preferEdge: ", id="flag a word"),
        pytest.param(HEADERS | JSON, encoded({"processingOptions": {"preferRegion": "a b"}}), "prefer-region: ",
                     id="no region"),
        pytest.param(JSON, encoded(notification(*[record()] * 257)), "at most 256", id="too many records"),
        pytest.param({"content-type": "application/cloudevents-batch+json"}, b"{}", "batch", id="batch not a list"),
        pytest.param({"content-type": "application/cloudevents-batch+json"}, encoded([ATTRIBUTES, 5]), "event[1]",
                     id="batch of numbers"),
        pytest.param({"content-type": "application/cloudevents-batch+json"}, b"[" + b"1," * 300 + b"1]",
                     "at most 256", id="batch too long"),
    ],
)  # fmt: skip
def test_refused_with_what_and_where(headers: dict[str, str], body: bytes, words: str) -> None:
    with pytest.raises(errors.InputError) as caught:
        messages.read(headers, body)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["text/html", "", "application/cloudevents+avro", "application/xml"])
def test_other_kinds_are_not_understood(kind: str) -> None:
    assert not messages.understands({"content-type": kind})
    assert not messages.understands({"content-type": "application/cloudevents+avro", "ce-specversion": "1.0"})


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["abc/d", "s3:x", "1.0"])
words = st.sampled_from([
    "specversion", "id", "type", "source", "time", "data", "data_base64", "datacontenttype", "dataInputs",
    "dataOutputs", "processingOptions", "urn", "size", "type", "priority", "Records", "s3", "bucket", "object", "name",
    "key", "eventName", "eventTime",
])  # fmt: skip
hostile = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(), inner, max_size=6),
    max_leaves=20,
)
envelopes = hostile | hostile.map(lambda data: ATTRIBUTES | {"data": data})
headers_of = st.sampled_from([
    JSON, HEADERS, HEADERS | JSON, {"content-type": "application/cloudevents+json"},
    {"content-type": "application/cloudevents-batch+json"},
])  # fmt: skip


def answer(headers: dict[str, str], body: bytes) -> list[messages.Message] | str:
    """What is understood, or the words of the refusal."""
    try:
        return messages.read(headers, body)
    except errors.InputError as error:
        return str(error)


@hypothesis.given(headers_of, envelopes | st.lists(envelopes, max_size=3), st.randoms())
def test_whatever_is_sent_is_understood_or_refused(
    headers: dict[str, str], value: object, chance: random.Random
) -> None:
    body = bytearray(encoded(value))
    if chance.random() < 0.2:
        body[chance.randrange(len(body))] = chance.randrange(256)
    found = answer(headers, bytes(body))
    if isinstance(found, str):
        assert len(found) < 1000
        return
    for message in found:
        for transfer in (*message.inputs, *message.outputs):
            text = annotations.format_transfer(transfer)
            assert annotations.parse_transfer("again", text) == transfer


@hypothesis.given(headers_of, st.binary(max_size=200))
def test_whatever_bytes_are_sent(headers: dict[str, str], body: bytes) -> None:
    assert len(answer(headers, body)) < 1000
