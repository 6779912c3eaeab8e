"""Asks one store what it holds: its buckets, how much is in each, and the keys that somebody named.

The minio package is synchronous, so everything here runs in a worker thread and must end by itself: connecting and
each read have a timeout, nothing is retried (the next round is the retry), and the whole listing has a budget, past
which the counts are marked as lower bounds. A bucket is paged through up to ``max_keys``; a bucket with 10^8 keys
costs no more than one with ten thousand.

What went wrong is a value, not an exception: a ``Failure`` with a reason for programs and one sentence for people,
which names the store's endpoint or Secret but never a credential. A directory of the node is asked likewise, with one
bucket (see daemon.stores.directories).
"""

from __future__ import annotations

import contextlib
import datetime
import pathlib
import random
import ssl
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import minio
import urllib3
from minio import datatypes
from minio import error as minio_errors
from urllib3 import exceptions as http_errors

from daemon.stores import contents, directories, model
from scheduler.api import names
from scheduler.api import urns as grammar

# The region is only a word in the signature here; giving one saves a GetBucketLocation request for each bucket.
_REGION: Final = "us-east-1"
# OpenSSL's numbers and words (x509_vfy.h, sslerr.h), and what Go's HTTP servers answer where they expect TLS.
_EXPIRED: Final = 10
_UNKNOWN_ISSUER: Final = frozenset({2, 18, 19, 20, 21})
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
_TLS_WANTED: Final = "HTTP request to an HTTPS server"
_PAGE_KEYS: Final = 1000  # S3's
_BUCKET_GONE: Final = frozenset({"NoSuchBucket"})
_NOT_THERE: Final = frozenset({"NoSuchKey", "NoSuchBucket", "XMinioInvalidObjectName"})
_REFUSED: Final = frozenset({
    "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AccountProblem",
    "AllAccessDisabled", "RequestTimeTooSkewed", "XAdminUserNotFound",
})  # fmt: skip


def list_store(
    store: model.Store,
    credentials: contents.Credentials | None,
    ca_pem: str,
    *,
    urns: Iterable[str],
    limits: contents.Limits,
) -> contents.Listing | contents.Failure:
    """List ``store`` and look up ``urns`` (keys and prefixes) of the buckets that it holds.

    Blocks; ends within the budget plus one timeout.
    """
    if store.directory:
        return _list_directory(store, urns, limits, count=True)
    ends = time.monotonic() + limits.budget_s
    try:
        with open_client(store, credentials, ca_pem, limits) as client:
            # No urn can name a bucket that breaks S3's rules, which only very old ones do.
            listed = [bucket.name for bucket in client.list_buckets() if not grammar.bucket_fault(bucket.name)]
            found, missing = _look_up(client, [urn for urn in urns if contents.bucket_of(urn) in listed], limits, ends)
            technology = store.technology or _technology(store, ca_pem, limits)
            buckets, uncounted = _count_buckets(client, listed, limits, ends)
            return contents.Listing(technology, buckets, uncounted, found, missing)
    except Exception as error:  # noqa: BLE001 - the client raises whatever an odd answer makes of its parsers
        return failure(error, store, limits)


def look_up(
    store: model.Store,
    credentials: contents.Credentials | None,
    ca_pem: str,
    *,
    urns: Iterable[str],
    limits: contents.Limits,
) -> contents.Listing | contents.Failure:
    """Look up ``urns`` alone: of the answer only ``found`` and ``missing`` are filled.

    One request for each key; a urn whose bucket is not there is missing.
    """
    if store.directory:
        return _list_directory(store, urns, limits, count=False)
    ends = time.monotonic() + limits.budget_s
    try:
        with open_client(store, credentials, ca_pem, limits) as client:
            found, missing = _look_up(client, list(urns), limits, ends)
            return contents.Listing(found=found, missing=missing)
    except Exception as error:  # noqa: BLE001 - as above
        return failure(error, store, limits)


def count(
    store: model.Store,
    credentials: contents.Credentials | None,
    ca_pem: str,
    *,
    buckets: Iterable[str],
    limits: contents.Limits,
) -> contents.Listing | contents.Failure:
    """Count ``buckets`` alone: those of them that are there are in the answer, which says nothing else."""
    if store.directory:
        return _list_directory(store, (), limits, count=True)
    ends = time.monotonic() + limits.budget_s
    try:
        with open_client(store, credentials, ca_pem, limits) as client:
            counted, uncounted = _count_buckets(client, list(buckets), limits, ends)
            return contents.Listing(buckets=counted, uncounted=uncounted)
    except Exception as error:  # noqa: BLE001 - as above
        return failure(error, store, limits)


@contextlib.contextmanager
def open_client(
    store: model.Store, credentials: contents.Credentials | None, ca_pem: str, limits: contents.Limits
) -> Iterator[minio.Minio]:
    """A client of ``store`` whose connections are closed at the end; what it raises, ``failure`` explains."""
    parts = urllib.parse.urlsplit(store.endpoint)
    with _pool(ca_pem, limits) as pool:
        yield minio.Minio(
            parts.netloc,
            access_key=credentials.access_key if credentials else None,
            secret_key=credentials.secret_key if credentials else None,
            secure=parts.scheme == "https",
            region=store.region or _REGION,
            http_client=pool,
        )


def _pool(ca_pem: str, limits: contents.Limits) -> urllib3.PoolManager:
    # No proxy: stores are neighbours. No retries: a round comes every few seconds anyway.
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=limits.timeout_s, read=limits.timeout_s),
        retries=urllib3.Retry(total=0, redirect=0),
        # Without a bundle the system's CAs count, or those that SSL_CERT_FILE names; with one it alone.
        ssl_context=ssl.create_default_context(cadata=ca_pem or None),
    )


def _count_buckets(
    client: minio.Minio, listed: list[str], limits: contents.Limits, ends: float
) -> tuple[dict[str, contents.Content | None], frozenset[str]]:
    """What each bucket holds, and which of them the budget did not suffice for."""
    buckets: dict[str, contents.Content | None] = {}
    uncounted: set[str] = set()
    for bucket in _shuffled(listed):
        if time.monotonic() > ends:
            buckets[bucket] = None
            uncounted.add(bucket)
            continue
        try:
            content = _count(client.list_objects(bucket, recursive=True), limits.max_keys, ends)
            # MinIO ends the listing of a bucket that was deleted between two pages as if that were all.
            if content.object_count < _PAGE_KEYS or client.bucket_exists(bucket):
                buckets[bucket] = content
        except minio_errors.S3Error as error:  # the store answered: the other buckets may well be readable
            if error.code not in _BUCKET_GONE:  # else it was deleted since it was listed: it is not there
                buckets[bucket] = None
    return buckets, frozenset(uncounted)


def _count(objects: Iterator[datatypes.Object], max_keys: int, ends: float) -> contents.Content:
    size_bytes = count = 0
    newest: datetime.datetime | None = None
    for found in objects:
        if count >= max_keys or (count % _PAGE_KEYS == 0 and count and time.monotonic() > ends):
            return contents.Content(size_bytes, count, complete=False, last_modified=_rfc3339(newest))
        count += 1
        size_bytes += found.size or 0
        if found.last_modified is not None and (newest is None or found.last_modified > newest):
            newest = found.last_modified
    return contents.Content(size_bytes, count, last_modified=_rfc3339(newest))


def _look_up(
    client: minio.Minio, urns: list[str], limits: contents.Limits, ends: float
) -> tuple[dict[str, contents.Content], frozenset[str]]:
    """What the urns hold, and which of them are not there; a urn in neither is unknown."""
    found: dict[str, contents.Content] = {}
    missing: set[str] = set()
    for urn in _shuffled(urns)[: limits.max_lookups]:
        if time.monotonic() > ends:
            break
        bucket, _, key = urn.partition("/")
        look: Callable[..., contents.Content | None] = _prefix if key.endswith("/") else _key
        try:
            content = look(client, bucket, key, limits=limits, ends=ends)
        except minio_errors.S3Error as error:  # the store answered: the other urns may well be known
            if error.code in _NOT_THERE:
                missing.add(urn)
        except ValueError:  # a key that S3 cannot hold, such as one with a segment ".."
            missing.add(urn)
        else:
            if content is None:
                missing.add(urn)
            else:
                found[urn] = content
    return found, frozenset(missing)


def _shuffled(names: Iterable[str]) -> list[str]:
    """In another order each time, so that what a limit leaves out is not always the same."""
    mixed = list(names)
    random.shuffle(mixed)
    return mixed


def _key(client: minio.Minio, bucket: str, key: str, **_: object) -> contents.Content | None:
    stat = client.stat_object(bucket, key)
    return contents.Content(
        stat.size or 0,
        1,
        etag=(stat.etag or "").strip('"'),
        last_modified=_rfc3339(stat.last_modified),
        version_id=stat.version_id or "",
    )


def _prefix(
    client: minio.Minio, bucket: str, key: str, *, limits: contents.Limits, ends: float
) -> contents.Content | None:
    content = _count(client.list_objects(bucket, prefix=key, recursive=True), limits.max_keys, ends)
    return content if content.object_count else None


def _list_directory(
    store: model.Store, urns: Iterable[str], limits: contents.Limits, *, count: bool
) -> contents.Listing | contents.Failure:
    """What a directory holds of ``urns``, and with ``count`` how much there is in all."""
    ends = time.monotonic() + limits.budget_s
    buckets: dict[str, contents.Content | None] = {}
    found: dict[str, contents.Content] = {}
    missing: set[str] = set()
    try:
        pathlib.Path(store.directory).stat()
        if count:
            buckets[store.bucket] = _in_directory(store.directory, "", limits, ends)
    except OSError as error:
        return contents.Failure("DirectoryUnreadable", f"{store.directory} cannot be read: {error.strerror}")
    for urn in _shuffled(urns)[: limits.max_lookups]:
        bucket, _, key = urn.partition("/")
        try:
            content = _in_directory(store.directory, key, limits, ends) if bucket == store.bucket else None
        except OSError:  # closed to us: unknown
            continue
        if content is None:
            missing.add(urn)
        else:
            found[urn] = content
    return contents.Listing("local", buckets, frozenset(), found, frozenset(missing))


def _in_directory(directory: str, key: str, limits: contents.Limits, ends: float) -> contents.Content | None:
    if key and not key.endswith("/"):
        stat = directories.look(directory, key)
        if stat is None:
            return None
        return contents.Content(stat.st_size, 1, etag=directories.etag(stat), last_modified=_rfc3339_of(stat.st_mtime))
    total = directories.add_up(directory, key, max_keys=limits.max_keys, ends_s=ends)
    if key and not total.count:
        return None
    newest = _rfc3339_of(total.newest_s) if total.count else ""
    return contents.Content(total.size_bytes, total.count, total.complete, "", newest, total.unreadable)


def _technology(store: model.Store, ca_pem: str, limits: contents.Limits) -> str:
    """``minio`` for a store that can announce changes; its health address is what no other server answers."""
    try:
        with _pool(ca_pem, limits) as pool:
            return "minio" if pool.request("GET", f"{store.endpoint}/minio/health/live").status == 200 else "s3"
    except http_errors.HTTPError:
        return "s3"


def failure(error: Exception, store: model.Store, limits: contents.Limits) -> contents.Failure:
    """What an exception of the client says about the store."""
    endpoint, secret = store.endpoint, store.secret_name
    cause = error.reason if isinstance(error, http_errors.MaxRetryError) and error.reason else error
    if isinstance(cause, http_errors.SSLError | ssl.SSLError):
        return contents.Failure("TlsFailed", f"{endpoint}: {_tls_words(cause, store)}")
    if isinstance(cause, minio_errors.InvalidResponseError) and _TLS_WANTED in str(cause):
        return contents.Failure("TlsFailed", f"{endpoint} expects TLS: write https:// in place of http://")
    if isinstance(cause, http_errors.NameResolutionError):
        return contents.Failure("Unreachable", f"{endpoint}: the host name is not known")
    if isinstance(cause, http_errors.NewConnectionError | OSError):
        return contents.Failure("Unreachable", f"{endpoint} cannot be reached: {_words(cause)}")
    if isinstance(cause, http_errors.TimeoutError):
        return contents.Failure("Timeout", f"{endpoint} did not answer within {limits.timeout_s:g} s")
    if isinstance(cause, minio_errors.S3Error) and cause.code in _REFUSED:
        who = f"refuses the credentials of Secret {secret}" if secret else "does not admit anonymous listing"
        return contents.Failure("AccessDenied", f"{endpoint} {who} ({cause.code})")
    if isinstance(cause, minio_errors.S3Error):
        return contents.Failure("StoreError", f"{endpoint} answered {cause.code}: {_words(cause.message)}")
    if isinstance(cause, http_errors.ProtocolError):
        hint = "; if it speaks TLS, write https:// in place of http://" if endpoint.startswith("http:") else ""
        return contents.Failure("Unreachable", f"{endpoint} broke off the connection{hint}")
    return contents.Failure("NotS3", f"{endpoint} does not answer as an S3 store does: {_words(cause)}")


def _tls_words(cause: Exception, store: model.Store) -> str:
    """What a person has to change; OpenSSL's own words name neither the remedy nor our bundle."""
    inner = next((each for each in cause.args if isinstance(each, ssl.SSLError)), cause)
    if isinstance(inner, ssl.SSLCertVerificationError):
        bundle = str(store.ca) if store.ca else f"the system's CAs (name others with {names.STORAGE_CA} or caBundle)"
        if inner.verify_code in _UNKNOWN_ISSUER:
            return f"its certificate is not signed by {bundle}: {inner.verify_message}"
        if inner.verify_code == _EXPIRED:
            return "its certificate has expired: renew it on the store"
        return f"its certificate cannot be accepted: {inner.verify_message}"
    if isinstance(inner, ssl.SSLError) and inner.reason in _NO_TLS:
        return "it does not speak TLS: write http:// in place of https://"
    return f"the TLS connection failed: {_words(cause)}"


def _words(cause: object) -> str:
    """The end of an error's text (urllib3 puts object addresses before it), short enough for a status."""
    text = " ".join(str(cause).split())
    return text.rsplit(">: ", 1)[-1].rsplit(": [Errno", 1)[-1].lstrip("0123456789] ")[:200]


def _rfc3339_of(seconds: float) -> str:
    return _rfc3339(datetime.datetime.fromtimestamp(seconds, datetime.UTC))


def _rfc3339(when: datetime.datetime | None) -> str:
    return when.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if when else ""
