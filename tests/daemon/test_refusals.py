"""What real servers refuse, and how: each refusal has its own reason, and reaches as far as it should."""

import datetime
import io
import json
from collections.abc import Iterator

import pytest

from daemon.stores import contents, credentials, model
from daemon.stores.s3 import client, listing
from localcluster import stores as servers
from tests import eventloop
from tests.daemon import asked

LIMITS = contents.Limits(timeout_s=60.0, budget_s=60.0)
OURS, THEIRS = "us-east-1", "eu-west-1"


def store_of(server: servers.Store, *, region: str = "", is_public: bool = False) -> model.Store:
    return model.Store("storage", "store", "uid", server.endpoint, "" if is_public else "reader", region=region)


def keys_of(server: servers.Store) -> contents.Credentials:
    return contents.Credentials(server.access_key, server.secret_key)


def put(server: servers.Store, bucket: str, *keys: str) -> None:
    api = server.client()
    if not api.bucket_exists(bucket):
        api.make_bucket(bucket)
    for key in keys:
        api.put_object(bucket, key, io.BytesIO(b"x"), 1)


def allow_everybody(server: servers.Store, bucket: str, action: str, resource: str) -> None:
    rule = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": [action],
        "Resource": [f"arn:aws:s3:::{resource}"],
    }
    server.client().set_bucket_policy(bucket, json.dumps({"Version": "2012-10-17", "Statement": [rule]}))


@pytest.fixture
def elsewhere(any_server: servers.Store) -> Iterator[servers.Store]:
    """A server of each kind that has a region and insists on it."""
    put(any_server, "region-bucket", "a")
    any_server.stop()
    any_server.environment = {"MINIO_SITE_REGION": THEIRS, "VGW_REGION": THEIRS}
    any_server.start()
    yield any_server
    any_server.stop()
    any_server.environment = {}
    any_server.start()


def test_2_1_another_region_is_named_with_what_to_write(elsewhere: servers.Store) -> None:
    """MinIO lists its buckets for any region, and refuses all that is in them; versitygw refuses everything."""
    for given in ("", OURS):
        store = store_of(elsewhere, region=given)
        failure = asked.list_store(store, keys_of(elsewhere), "", urns=(), limits=LIMITS)
        assert isinstance(failure, contents.Failure)
        assert failure.reason == "WrongRegion"
        assert f'serves the region "{THEIRS}"' in failure.message
        assert failure.message.endswith("write that as the annotation scheduler.thesis/storage-region")
    right = store_of(elsewhere, region=THEIRS)
    outcome = asked.list_store(right, keys_of(elsewhere), "", urns=["region-bucket/a"], limits=LIMITS)
    assert isinstance(outcome, contents.Listing)
    assert outcome.found["region-bucket/a"].size_bytes == 1


def test_2_1_a_key_asked_for_in_another_region_is_unknown_and_not_missing(elsewhere: servers.Store) -> None:
    outcome = asked.look_up(
        store_of(elsewhere, region=OURS), keys_of(elsewhere), "", urns=["region-bucket/a"], limits=LIMITS
    )
    assert outcome == contents.Listing() or (isinstance(outcome, contents.Failure) and outcome.reason == "WrongRegion")


@pytest.mark.parametrize("minutes", [pytest.param(20, id="behind"), pytest.param(-20, id="ahead")])
def test_2_1_a_clock_that_differs_is_named_with_the_difference(any_server: servers.Store, minutes: int) -> None:
    """Signed with a clock that is so far off, which is what a server with another clock sees."""

    async def ask() -> contents.Listing | contents.Failure:
        now = lambda: datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes)  # noqa: E731
        access = credentials.Access(keys_of(any_server))
        async with client.Client(store_of(any_server), LIMITS, access, now=now) as s3:
            return await listing.Server(s3).list_store()

    failure = eventloop.run(ask())
    assert isinstance(failure, contents.Failure)
    assert failure.reason == "ClockSkewed"
    how = "20 minutes behind" if minutes > 0 else "20 minutes ahead of"
    assert f"has a clock that is {how} this node's (RequestTimeTooSkewed)" in failure.message


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("k" * 1025, id="too long for S3"),
        pytest.param("k" * 900, id="a part too long for a file system"),
        pytest.param("a//b", id="two slashes"),
        pytest.param("a/../b", id="the parent"),
        pytest.param("./a", id="the folder itself"),
        pytest.param("a\\b\x7f", id="a control character"),
        pytest.param("there/below", id="below another key"),
    ],
)
def test_2_1_a_key_that_the_server_cannot_hold_is_missing_and_spoils_nothing(
    any_server: servers.Store, key: str
) -> None:
    put(any_server, "odd-keys", "there")
    urns = [f"odd-keys/{key}", "odd-keys/there"]
    outcome = asked.look_up(store_of(any_server), keys_of(any_server), "", urns=urns, limits=LIMITS)
    assert isinstance(outcome, contents.Listing), outcome
    assert (list(outcome.found), list(outcome.missing)) == (["odd-keys/there"], [f"odd-keys/{key}"])


def test_2_2_a_bucket_that_may_be_read_and_not_listed_answers_for_its_keys(server: servers.Store) -> None:
    """Anonymously, where not even the buckets may be listed: what somebody named is found all the same."""
    put(server, "public", "open/a", "b")
    put(server, "private", "a")
    allow_everybody(server, "public", "s3:GetObject", "public/*")
