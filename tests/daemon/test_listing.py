"""Listing a real MinIO server within limits, and servers that refuse, hang, talk nonsense or are not there.

What holds for every kind of S3 server is tested in test_any_store.
"""

import http.server
import io
import socket
import threading
from collections.abc import Iterator

import pytest
from minio import deleteobjects

from daemon.stores import contents, model
from localcluster import stores as servers
from tests.daemon import asked

LIMITS = contents.Limits(timeout_s=60.0, budget_s=60.0)
IMPATIENT = contents.Limits(timeout_s=2.0)  # for a server that hangs


def credentials(server: servers.Store) -> contents.Credentials:
    return contents.Credentials(server.access_key, server.secret_key)


def at(endpoint: str) -> model.Store:
    """A store at an endpoint, as discovery would name it."""
    return model.Store("storage", "store", "uid", endpoint, "")


def listed(server: servers.Store, *urns: str, limits: contents.Limits = LIMITS) -> contents.Listing:
    outcome = asked.list_store(at(server.endpoint), credentials(server), "", urns=urns, limits=limits)
    assert isinstance(outcome, contents.Listing), outcome
    return outcome


def refused(endpoint: str, limits: contents.Limits = LIMITS) -> contents.Failure:
    outcome = asked.list_store(at(endpoint), None, "", urns=(), limits=limits)
    assert isinstance(outcome, contents.Failure), outcome
    return outcome


@pytest.fixture
def bucket(server: servers.Store, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty bucket that is removed with all it holds."""
    client = server.client()
    name = f"b{abs(hash(request.node.name)) % 10**12}"
    client.make_bucket(name)
    yield name
    found = [deleteobjects.DeleteObject(o.object_name or "") for o in client.list_objects(name, recursive=True)]
    assert list(client.remove_objects(name, found)) == []
    client.remove_bucket(name)


def put(server: servers.Store, bucket: str, *keys: str, size: int = 10) -> None:
    client = server.client()
    for key in keys:
        client.put_object(bucket, key, io.BytesIO(b"x" * size), size)


def test_counting_stops_at_the_limit_and_says_so(server: servers.Store, bucket: str) -> None:
    put(server, bucket, *(f"k{i:02}" for i in range(12)))
    exact = listed(server, f"{bucket}/k/", limits=contents.Limits(60.0, max_keys=12)).buckets[bucket]
    bounded = listed(server, limits=contents.Limits(60.0, max_keys=11)).buckets[bucket]
    assert exact is not None
    assert bounded is not None
    assert (exact.object_count, exact.complete) == (12, True)
    assert (bounded.object_count, bounded.size_bytes, bounded.complete) == (11, 110, False)


def test_without_time_nothing_is_guessed(server: servers.Store, bucket: str) -> None:
    put(server, bucket, "a")
    outcome = listed(server, f"{bucket}/a", limits=contents.Limits(60.0, budget_s=0.0))
    assert (outcome.buckets[bucket], bucket in outcome.uncounted) == (None, True)
    assert (outcome.found, outcome.missing) == ({}, frozenset())


def test_what_exceeds_the_lookups_stays_unknown(server: servers.Store, bucket: str) -> None:
    urns = [f"{bucket}/k{i}" for i in range(5)]
    assert len(listed(server, *urns, limits=contents.Limits(60.0, max_lookups=3)).missing) == 3


def test_one_key_that_the_server_cannot_even_name_spoils_nothing(server: servers.Store, bucket: str) -> None:
    put(server, bucket, "good")
    outcome = listed(server, f"{bucket}/good", f"{bucket}//twice", f"{bucket}/../up", f"{bucket}/{'k' * 1024}")
    assert set(outcome.found) == {f"{bucket}/good"}


def test_a_bucket_that_a_policy_closes_does_not_hide_the_others(server: servers.Store, bucket: str) -> None:
    put(server, bucket, "a")
    root = server.admin()
    everywhere = {"Effect": "Allow", "Action": ["s3:ListAllMyBuckets"], "Resource": ["arn:aws:s3:::*"]}
    closed = {"Effect": "Allow", "Action": ["s3:GetBucketLocation"], "Resource": [f"arn:aws:s3:::{bucket}"]}
    policy = {"Version": "2012-10-17", "Statement": [everywhere, closed]}
    root.policy_add("seer", policy=policy)
    root.user_add("visitor", "visitor-secret")
    root.policy_set("seer", user="visitor")
    given = contents.Credentials("visitor", "visitor-secret")
    outcome = asked.list_store(at(server.endpoint), given, "", urns=[f"{bucket}/a"], limits=LIMITS)
    assert isinstance(outcome, contents.Listing)
    assert outcome.buckets[bucket] is None
    assert (outcome.found, outcome.missing) == ({}, frozenset())
    assert outcome.uncounted == frozenset()


def test_a_port_that_accepts_and_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert refused(f"http://127.0.0.1:{silent.getsockname()[1]}", IMPATIENT).reason == "Timeout"


def test_an_unknown_host() -> None:
    assert refused("http://store.invalid:9000").message.endswith("the host name is not known")


class Odd(http.server.BaseHTTPRequestHandler):
    """Answers every request with the server's ``answer``."""

    def do_GET(self) -> None:
        status, body = self.server.answer  # type: ignore[attr-defined]
        if status == 0:
            self.connection.close()
            return
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the standard library's name

    def log_message(self, *_: object) -> None:
        pass


ERROR = b"<Error><Code>InternalError</Code><Message>out of order</Message></Error>"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        pytest.param(200, b"<html><p>hello</html>", "NotS3", id="broken XML"),
        pytest.param(200, b"<html/>", "NotS3", id="other XML"),
        pytest.param(200, b"\xff\xfe", "NotS3", id="no text"),
        pytest.param(404, b"not found", "NotS3", id="another web server"),
        pytest.param(301, b"", "NotS3", id="redirect"),
        pytest.param(500, ERROR, "StoreError", id="S3 error"),
        pytest.param(503, b"", "NotS3", id="bare 503"),
        pytest.param(0, b"", "Unreachable", id="connection closed"),
    ],
)
def test_odd_answers_are_one_message(status: int, body: bytes, reason: str) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd) as odd:
        odd.answer = (status, body)  # type: ignore[attr-defined]
        thread = threading.Thread(target=odd.serve_forever)
        thread.start()
        try:
            failure = refused(f"http://127.0.0.1:{odd.server_port}")
        finally:
            odd.shutdown()
            thread.join()
    assert failure.reason == reason
    assert failure.message.startswith(f"http://127.0.0.1:{odd.server_port}")
    assert "\n" not in failure.message
