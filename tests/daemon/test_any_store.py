"""What the daemon makes of every S3 server, whoever wrote it: the same tests against MinIO and versitygw."""

import base64
import contextlib
import http.client
import http.server
import io
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from minio import deleteobjects
from minio import error as minio_errors

from daemon.stores import contents, credentials, model
from localcluster import certificates, cluster
from localcluster import stores as servers
from scheduler.kube import client
from tests.daemon import asked

LIMITS = contents.Limits(timeout_s=60.0, budget_s=60.0)
IMPATIENT = contents.Limits(timeout_s=2.0)  # for a server that hangs

# What S3 allows and people use: the key travels through a URL, an XML document and a DataObject.
ODD_KEYS = [
    pytest.param("with space.txt", id="space"),
    pytest.param("größe/日本語/Ω.raw", id="unicode"),
    pytest.param("a/b/c/d/e/f.bin", id="nested"),
    pytest.param("plus+and%2Fpercent&amp;?#.txt", id="what URLs and XML escape"),
    pytest.param("quote'\"<>.txt", id="quotes and brackets"),
    pytest.param("emoji-🛰️.tif", id="emoji"),
    pytest.param("/".join(["k" * 204] * 5), id="1,024 bytes"),
    pytest.param(".hidden", id="dot"),
]


def store_of(server: servers.Store, *, endpoint: str = "", secret: str = "") -> model.Store:
    return model.Store("storage", "store", "uid", endpoint or server.endpoint, secret)


def keys_of(server: servers.Store) -> contents.Credentials:
    return contents.Credentials(server.access_key, server.secret_key)


def ask(server: servers.Store, *urns: str, limits: contents.Limits = LIMITS) -> contents.Listing | contents.Failure:
    return asked.list_store(store_of(server), keys_of(server), server.ca_pem, urns=urns, limits=limits)


def listed(server: servers.Store, *urns: str, limits: contents.Limits = LIMITS) -> contents.Listing:
    outcome = ask(server, *urns, limits=limits)
    assert isinstance(outcome, contents.Listing), outcome
    return outcome


def put(server: servers.Store, bucket: str, *keys: str, size: int = 10) -> None:
    api = server.client()
    for key in keys:
        api.put_object(bucket, key, io.BytesIO(b"x" * size), size)


def empty(server: servers.Store, bucket: str) -> None:
    """Remove a bucket with all it holds; it may be gone."""
    api = server.client()
    with contextlib.suppress(minio_errors.S3Error):
        found = [deleteobjects.DeleteObject(o.object_name or "") for o in api.list_objects(bucket, recursive=True)]
        assert list(api.remove_objects(bucket, found)) == []
        api.remove_bucket(bucket)


@pytest.fixture
def bucket(any_server: servers.Store, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty bucket that is removed with all it holds."""
    name = f"b{abs(hash(request.node.name)) % 10**12}"
    any_server.client().make_bucket(name)
    yield name
    empty(any_server, name)


# ---- what is there ----


def test_buckets_are_counted(any_server: servers.Store, bucket: str) -> None:
    assert listed(any_server).buckets[bucket] == contents.Content(0, 0)
    put(any_server, bucket, "a", "b/c", "b/d", size=7)
    outcome = listed(any_server)
    content = outcome.buckets[bucket]
    assert content is not None
    assert (content.size_bytes, content.object_count, content.complete) == (21, 3, True)
    assert content.last_modified.endswith("Z")
    assert outcome.technology == ("minio" if any_server.kind == "minio" else "s3")


def test_more_than_a_page_is_counted(any_server: servers.Store, bucket: str) -> None:
    any_server.fill(bucket, (f"k{number}" for number in range(1001)), size_bytes=3)
    content = listed(any_server).buckets[bucket]
    assert content is not None
    assert (content.size_bytes, content.object_count, content.complete) == (3003, 1001, True)


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_are_looked_up(any_server: servers.Store, bucket: str, key: str) -> None:
    put(any_server, bucket, key, size=123)
    urn = f"{bucket}/{key}"
    missing = f"{bucket}/x{key[1:]}"
    outcome = listed(any_server, urn, missing)
    content = outcome.found[urn]
    assert (content.size_bytes, content.object_count, bool(content.etag), '"' in content.etag) == (123, 1, True, False)
    assert outcome.missing == {missing}
    counted = outcome.buckets[bucket]
    assert counted is not None
    assert (counted.object_count, counted.size_bytes) == (1, 123)


def test_a_key_that_is_overwritten_or_deleted(any_server: servers.Store, bucket: str) -> None:
    urn = f"{bucket}/a"
    put(any_server, bucket, "a", size=1)
    first = listed(any_server, urn).found[urn]
    put(any_server, bucket, "a", size=2)
    second = listed(any_server, urn).found[urn]
    assert (second.size_bytes, second.etag != first.etag) == (2, True)
    any_server.client().remove_object(bucket, "a")
    assert listed(any_server, urn).missing == {urn}


def test_keys_alone_can_be_looked_up(any_server: servers.Store, bucket: str) -> None:
    put(any_server, bucket, "a/b")
    urns = [f"{bucket}/a/b", f"{bucket}/a/", f"{bucket}/c", "no-such-bucket/a"]
    outcome = asked.look_up(store_of(any_server), keys_of(any_server), "", urns=urns, limits=LIMITS)
    assert isinstance(outcome, contents.Listing)
    assert sorted(outcome.found) == sorted(urns[:2])
    assert outcome.missing == set(urns[2:])


@pytest.mark.parametrize(
    "name", [pytest.param("a.b.c", id="dots"), pytest.param("3-x-" + "y" * 59, id="63 characters")]
)
def test_odd_bucket_names(any_server: servers.Store, name: str) -> None:
    any_server.client().make_bucket(name)
    try:
        assert listed(any_server, f"{name}/k").missing == {f"{name}/k"}
    finally:
        any_server.client().remove_bucket(name)


def test_prefixes_are_summed_and_an_empty_one_is_missing(any_server: servers.Store, bucket: str) -> None:
    put(any_server, bucket, "2024/a", "2024/b/c", "2025/a", size=5)
    outcome = listed(any_server, f"{bucket}/2024/", f"{bucket}/2026/", f"{bucket}/2024")
    assert (outcome.found[f"{bucket}/2024/"].object_count, outcome.found[f"{bucket}/2024/"].size_bytes) == (2, 10)
    assert outcome.missing == {f"{bucket}/2026/", f"{bucket}/2024"}


def test_keys_of_buckets_that_are_not_here_are_not_asked_for(any_server: servers.Store) -> None:
    outcome = listed(any_server, "elsewhere/key")
    assert (outcome.found, outcome.missing) == ({}, frozenset())


# ---- what changes while it is being listed ----


class Relay(http.server.BaseHTTPRequestHandler):
    """Passes every request on as it is, after the server's ``before`` was called with its path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.before(self.path)  # type: ignore[attr-defined]
        connection = http.client.HTTPConnection("127.0.0.1", self.server.target)  # type: ignore[attr-defined]
        connection.request(self.command, self.path, headers=dict(self.headers))  # the signed Host too
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.getheader("Content-Type") or "")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the standard library's name

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def relay(server: servers.Store, before: Callable[[str], None]) -> Iterator[model.Store]:
    """The server behind another port, where ``before`` may change what it holds between two requests."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay) as between:
        between.daemon_threads = True
        between.before, between.target = before, server.port  # type: ignore[attr-defined]
        thread = threading.Thread(target=between.serve_forever)
        thread.start()
        try:
            yield store_of(server, endpoint=f"http://127.0.0.1:{between.server_port}")
        finally:
            between.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("keys", "moment"),
    [
        pytest.param(1, "list-type=2", id="before its first page"),
        pytest.param(1001, "continuation-token", id="between two pages"),
    ],
)
def test_a_bucket_that_is_deleted_while_it_is_listed(
    any_server: servers.Store, bucket: str, keys: int, moment: str
) -> None:
    any_server.fill(bucket, (f"k{number}" for number in range(keys)), size_bytes=10)
    any_server.upload("other-bucket", "a", 5)
    deleted: list[str] = []

    def delete(path: str) -> None:
        if path.startswith(f"/{bucket}?") and moment in path and not deleted:
            deleted.append(path)
            empty(any_server, bucket)

    with relay(any_server, delete) as store:
        outcome = asked.list_store(store, keys_of(any_server), "", urns=[f"{bucket}/k0"], limits=LIMITS)
    assert deleted
    assert isinstance(outcome, contents.Listing)
    assert bucket not in outcome.buckets
    assert outcome.buckets["other-bucket"] is not None
    assert outcome.buckets["other-bucket"].size_bytes == 5


# ---- what goes wrong, and recovers ----


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(lambda server: contents.Credentials("nobody", "hush-hush-hush"), id="unknown key"),
        pytest.param(lambda server: contents.Credentials(server.access_key, "hush-hush-hush"), id="wrong secret"),
        pytest.param(lambda server: None, id="anonymous"),
    ],
)
def test_wrong_credentials_are_named_and_never_shown(
    any_server: servers.Store, given: Callable[[servers.Store], contents.Credentials | None]
) -> None:
    wrong = given(any_server)
    store = store_of(any_server, secret="reader" if wrong else "")
    failure = asked.list_store(store, wrong, "", urns=(), limits=LIMITS)
    assert isinstance(failure, contents.Failure)
    words = "refuses the credentials of Secret storage/reader" if wrong else "does not admit anonymous listing"
    assert (failure.reason, words in failure.message) == ("AccessDenied", True)
    assert "hush" not in failure.message + repr(wrong)
    assert any_server.access_key not in failure.message + repr(wrong)


def test_a_hanging_server_costs_one_timeout_and_recovers(any_server: servers.Store) -> None:
    any_server.pause()
    try:
        failure = ask(any_server, limits=IMPATIENT)
    finally:
        any_server.resume()
    assert failure == contents.Failure("Timeout", f"{any_server.endpoint} did not answer within 2 s")
    listed(any_server)


def test_a_killed_server_is_unreachable_and_recovers_on_its_port(any_server: servers.Store, bucket: str) -> None:
    put(any_server, bucket, "a")
    any_server.crash()
    try:
        failure = ask(any_server)
    finally:
        any_server.start()
    assert failure == contents.Failure("Unreachable", f"{any_server.endpoint} cannot be reached: Connection refused")
    assert f"{bucket}/a" in listed(any_server, f"{bucket}/a").found


# ---- TLS ----


def secured(server: servers.Store, ca_pem: str, *, endpoint: str = "") -> contents.Listing | contents.Failure:
    store = store_of(server, endpoint=endpoint)
    return asked.list_store(store, keys_of(server), ca_pem, urns=(), limits=LIMITS)


def test_a_store_with_tls_is_listed_with_its_ca(secure_server: servers.Store) -> None:
    secure_server.upload("photos", "a", 10)
    outcome = ask(secure_server, "photos/a")
    assert isinstance(outcome, contents.Listing), outcome
    assert outcome.found["photos/a"].size_bytes == 10
    assert outcome.technology == ("minio" if secure_server.kind == "minio" else "s3")


@pytest.mark.parametrize(
    "ca_pem", [pytest.param(certificates.Authority().pem, id="another"), pytest.param("", id="none")]
)
def test_a_store_whose_ca_is_not_known(secure_server: servers.Store, ca_pem: str) -> None:
    failure = secured(secure_server, ca_pem)
    assert isinstance(failure, contents.Failure)
    assert failure.reason == "TlsFailed"
    assert failure.message.startswith(f"{secure_server.endpoint}: its certificate is not signed by the system's CAs")


def test_a_name_that_the_certificate_lacks(secure_server: servers.Store) -> None:
    failure = secured(secure_server, secure_server.ca_pem, endpoint=f"https://127.0.0.2:{secure_server.port}")
    # Not everybody listens on 127.0.0.2, so either answer is right; a listing would not be.
    assert isinstance(failure, contents.Failure)
    assert failure.reason in {"TlsFailed", "Unreachable"}


def test_tls_where_plain_http_was_asked_for(secure_server: servers.Store) -> None:
    plain = secure_server.endpoint.replace("https:", "http:")
    failure = secured(secure_server, secure_server.ca_pem, endpoint=plain)
    assert isinstance(failure, contents.Failure)
    # MinIO says what it expects, versitygw just hangs up.
    assert failure.reason == ("TlsFailed" if secure_server.kind == "minio" else "Unreachable")
    assert failure.message.startswith(plain)
    assert failure.message.endswith("write https:// in place of http://")


def test_plain_http_where_tls_was_asked_for(any_server: servers.Store) -> None:
    endpoint = any_server.endpoint.replace("http:", "https:")
    failure = secured(any_server, "", endpoint=endpoint)
    words = "it does not speak TLS: write http:// in place of https://"
    assert failure == contents.Failure("TlsFailed", f"{endpoint}: {words}")


def test_an_expired_certificate_is_named_and_a_new_one_counts(secure_server: servers.Store) -> None:
    authority = certificates.Authority()
    secure_server.stop()
    secure_server.certify(authority, expired=True)
    secure_server.start()
    failure = ask(secure_server)
    assert failure == contents.Failure(
        "TlsFailed", f"{secure_server.endpoint}: its certificate has expired: renew it on the store"
    )
    secure_server.stop()
    secure_server.certify(authority)
    secure_server.start()
    assert isinstance(ask(secure_server), contents.Listing)


# ---- what it takes to ask, on a real API server ----


@pytest.fixture
async def api(bare_cluster: cluster.Cluster) -> AsyncIterator[client.Api]:
    connected = await client.Api.connect(str(bare_cluster.kubeconfig))
    yield connected
    await connected.close()


def write(running: cluster.Cluster, kind: str, name: str, fields: dict[str, Any]) -> None:
    """Create or replace a Secret or ConfigMap in the namespace default."""
    path = f"/api/v1/namespaces/default/{kind}"
    body = {"metadata": {"name": name}, **fields}
    existing = {item["metadata"]["name"] for item in running.api.request("GET", path)["items"]}
    if name in existing:
        running.api.request("PUT", f"{path}/{name}", body)
    else:
        running.api.request("POST", path, body)


@pytest.mark.e2e
async def test_secret_and_ca_are_rotated_without_a_restart(
    bare_cluster: cluster.Cluster, api: client.Api, secure_server: servers.Store
) -> None:
    name = f"rotating-{secure_server.kind}"
    bundle = model.Bundle("ConfigMap", "default", name)
    store = model.Store("default", "", "", secure_server.endpoint, name, alias="lake", ca=bundle)

    def publish() -> None:
        keys = {"accessKey": secure_server.access_key, "secretKey": secure_server.secret_key}
        write(bare_cluster, "secrets", name, {"stringData": keys})
        write(bare_cluster, "configmaps", name, {"data": {"ca.crt": secure_server.ca_pem}})

    async def outcome() -> str:
        found = await credentials.read(api, store)
        if isinstance(found, contents.Failure):
            return found.reason
        answer = await asked.once(store, found, LIMITS, lambda source: source.list_store())
        return answer.reason if isinstance(answer, contents.Failure) else "listed"

    assert await outcome() == "SecretMissing"
    publish()
    assert await outcome() == "listed"

    secure_server.stop()
    secure_server.rotate()
    secure_server.start()
    assert await outcome() == "AccessDenied"
    publish()
    assert await outcome() == "listed"

    secure_server.stop()
    secure_server.certify(certificates.Authority("the next one"))
    secure_server.start()
    assert await outcome() == "TlsFailed"
    publish()
    assert await outcome() == "listed"


NO_TEXT = base64.b64encode(b"\xff\xfe").decode()


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("kind", "fields", "reason", "words"),
    [
        pytest.param("secrets", {"data": {"accessKey": "YQ=="}}, "SecretUnusable", "secretKey", id="one key"),
        pytest.param(
            "secrets", {"data": {"accessKey": NO_TEXT, "secretKey": "YQ=="}}, "SecretUnusable", "as text", id="no text"
        ),
        pytest.param("configmaps", {"data": {"ca.pem": "x"}}, "CaUnusable", "under the key ca.crt", id="another key"),
        pytest.param("configmaps", {"data": {"ca.crt": "x"}}, "CaUnusable", "PEM certificates", id="no PEM"),
        pytest.param("configmaps", {"data": {"ca.crt": "ü"}}, "CaUnusable", "PEM certificates", id="no ASCII"),
        pytest.param("", {}, "CaUnusable", "does not exist", id="missing"),
    ],
)
async def test_what_cannot_be_used_is_named(
    bare_cluster: cluster.Cluster,
    api: client.Api,
    request: pytest.FixtureRequest,
    kind: str,
    fields: dict[str, Any],
    reason: str,
    words: str,
) -> None:
    name = f"unusable-{request.node.callspec.indices['words']}"
    if kind:
        write(bare_cluster, kind, name, fields)
    ca = None if kind == "secrets" else model.Bundle("ConfigMap", "default", name)
    store = model.Store("default", "s", "", "https://127.0.0.1:1", name if kind == "secrets" else "", ca=ca)
    failure = await credentials.read(api, store)
    assert isinstance(failure, contents.Failure)
    assert (failure.reason, words in failure.message, f"default/{name}" in failure.message) == (reason, True, True)


@pytest.mark.e2e
async def test_a_ca_bundle_may_be_in_a_secret_or_a_file(
    bare_cluster: cluster.Cluster, api: client.Api, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pem = certificates.Authority().pem
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    file.write_text(pem)
    write(bare_cluster, "secrets", "ca-in-secret", {"stringData": {"ca.crt": pem}})
    in_secret, in_file = (
        model.Store("default", "s", "", "https://127.0.0.1:1", "", ca=bundle)
        for bundle in (model.Bundle("Secret", "default", "ca-in-secret"), model.Bundle("File", "", str(file)))
    )
    for store in (in_secret, in_file):
        found = await credentials.read(api, store)
        assert isinstance(found, credentials.Access)
        assert found.ca_pem.strip() == pem.strip()
    file.unlink()
    gone = await credentials.read(api, in_file)
    assert isinstance(gone, contents.Failure)
    assert gone.message == f"the CA bundle {file} cannot be read: No such file or directory"
