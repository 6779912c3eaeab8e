"""What it means that an S3 server refused, or could not be asked: a reason, what to do, and what follows from it.

S3's error codes are a hundred, and servers send them in several ways: in XML, in headers (MinIO, to a HEAD, whose
answer has no body), or as a bare status. What matters is how far a refusal reaches (``Effect``): a wrong clock holds
for all that one could ask, a closed bucket for that bucket alone, and who asks too much is not to conclude anything.

What people get to read are sentences of our own, with the server's region or clock in them where it names those. Of an
answer that is not known here only the code is shown, cleaned: a store's own text may be anything, and would stand in
Events and statuses.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import errno
import os
import socket
import ssl
from collections.abc import Callable
from typing import Final

import aiohttp

from daemon.stores import addresses, contents, model
from daemon.stores.s3 import answers
from scheduler.api import names

SKEW_S: Final = 300.0  # S3 refuses at 15 minutes; before, it is worth a word

# OpenSSL's numbers and words (x509_vfy.h, sslerr.h), and what Go's HTTP servers answer where they expect TLS.
_EXPIRED: Final = 10
_UNKNOWN_ISSUER: Final = frozenset({2, 18, 19, 20, 21})
_NO_KEY_IDENTIFIER: Final = frozenset({85, 86})
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNEXPECTED_MESSAGE"})
_TLS_WANTED: Final = b"HTTP request to an HTTPS server"


class Effect(enum.Enum):
    """How far a fault reaches."""

    STORE = "nothing can be had of the store until somebody changes something"
    BUCKET = "nothing is known of this bucket or key; the others may well be had"
    GONE = "what was asked for is not there, or cannot be"
    LATER = "the store is busy: what is known of it stays, and it is asked again later"


class Subject(enum.Enum):
    """What was asked for."""

    BUCKETS = "its buckets"
    BUCKET = "a bucket"
    KEY = "a key"


@dataclasses.dataclass(frozen=True)
class Fault:
    """Why something could not be had: ``words`` follow the store's endpoint in a sentence.

    ``is_lasting`` says that the name itself is at fault, so that asking for it again is of no use; ``hides_buckets``
    that a server does not tell its buckets, and may well tell what is in them.
    """

    effect: Effect
    reason: str
    words: str
    retry_after_s: float = 0.0
    is_lasting: bool = False
    hides_buckets: bool = False

    def failure(self, store: model.Store) -> contents.Failure:
        is_passing = self.effect is Effect.LATER
        gap = "" if self.words.startswith(":") else " "
        return contents.Failure(self.reason, f"{store.endpoint}{gap}{self.words}", is_passing, self.retry_after_s)


@dataclasses.dataclass(frozen=True)
class Refusal:
    """An answer that is not what was asked for.

    Attributes:
        code: S3's error code, cleaned; "" where the answer has none.
        region: The region that the server names.
        ahead_s: By how much the server's clock is ahead of ours, None where it does not say.
        head: The beginning of a body that is no XML.
        is_deleted: Whether it says that the key's newest version is a deletion.
        is_bare: Whether it answers a HEAD, so that it could not say more.
    """

    status: int
    code: str = ""
    region: str = ""
    ahead_s: float | None = None
    retry_after_s: float = 0.0
    head: bytes = b""
    is_deleted: bool = False
    is_bare: bool = False


_GONE: Final = frozenset({"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NoSuchObject", "NotFound"})
# What no key or bucket of this server can be called; it says so however often it is asked.
_IMPOSSIBLE: Final = frozenset({
    "XMinioInvalidObjectName", "XMinioInvalidResourceName", "InvalidObjectName", "KeyTooLongError", "InvalidURI",
    "InvalidBucketName",
})  # fmt: skip
# Servers on file systems: a file cannot be below another one.
_IN_THE_WAY: Final = frozenset({
    "ObjectParentIsFile", "XMinioParentIsObject", "XMinioObjectExistsAsDirectory", "ExistingObjectIsDirectory",
    "ObjectExistsAsDirectory", "FileParentIsFile", "DirectoryObjectContainsData",
})  # fmt: skip
_WRONG_KEYS: Final = {
    "InvalidAccessKeyId": "it does not know the access key",
    "XAdminUserNotFound": "it does not know the access key",
    "SignatureDoesNotMatch": "the secret key is not the one of this access key",
    "InvalidToken": "the session token is not valid",
    "InvalidSecurity": "",
    "AccountProblem": "the account has a problem, which its provider can name",
    "NotSignedUp": "the account is not signed up for S3",
    "AuthorizationQueryParametersError": "",
    "UnauthorizedAccess": "",
    "XMinioAdminUserDisabled": "the user is disabled",
    "XMinioUserDisabled": "the user is disabled",
}
_EXPIRED_KEYS: Final = frozenset({"ExpiredToken", "TokenRefreshRequired", "RequestExpired"})
_DENIED: Final = frozenset({"AccessDenied", "AllAccessDisabled", "AccessForbidden", "Forbidden"})
_SKEWED: Final = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture"})
_ELSEWHERE: Final = frozenset({
    "AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "Redirect", "InvalidRegion",
    "IllegalLocationConstraintException", "InvalidLocationConstraint", "IncorrectEndpoint", "XMinioInvalidRegion",
})  # fmt: skip
_BUSY: Final = frozenset({
    "SlowDown", "SlowDownRead", "SlowDownWrite", "TooManyRequests", "RequestLimitExceeded", "Throttling",
    "ThrottlingException", "BandwidthLimitExceeded", "ServiceUnavailable", "Busy", "OperationTimedOut",
    "RequestTimeout", "OperationAborted", "XMinioServerBusy",
})  # fmt: skip
_STARTING: Final = frozenset({"XMinioServerNotInitialized", "ServerNotInitialized", "XMinioIAMNotInitialized"})
_DEGRADED: Final = frozenset({
    "XMinioReadQuorum", "XMinioWriteQuorum", "InsufficientReadQuorum", "XMinioBackendDown", "XMinioStorageFull",
    "XMinioStorageInsufficientReadResources", "XMinioHealPartial", "DiskNotFound",
})  # fmt: skip
_UNBUILT: Final = frozenset({"NotImplemented", "MethodNotAllowed", "XNotImplemented", "UnsupportedOperation"})


def of_refusal(refusal: Refusal, subject: Subject, store: model.Store) -> Fault:
    """What an answer says about the store, the bucket or the key that was asked for."""
    told = _BY_CODE.get(refusal.code)
    if told is not None:
        return told(refusal, subject, store)
    if refusal.code:
        return Fault(_narrow(subject), "StoreError", f"answered {refusal.code}: its log says more")
    return _of_status(refusal, subject, store)


def _of_status(refusal: Refusal, subject: Subject, store: model.Store) -> Fault:
    """What an answer without a code says, as all are that have no body."""
    if (refusal.is_bare and refusal.status == 404) or (refusal.is_deleted and subject is Subject.KEY):
        return _gone(refusal, subject, store)
    if refusal.region and refusal.status in {301, 307, 308}:
        return _elsewhere(refusal, subject, store)
    if refusal.status == 429 or (refusal.is_bare and refusal.status == 503):
        return _busy(refusal, subject, store)
    if _TLS_WANTED in refusal.head:
        return Fault(Effect.STORE, "TlsFailed", "expects TLS: write https:// in place of http://")
    if subject is not Subject.BUCKETS and refusal.status in {401, 403}:
        return _denied(refusal, subject, store)
    if subject is not Subject.BUCKETS and refusal.status in {405, 501}:
        return _unbuilt(refusal, subject, store)
    words = f"does not answer as an S3 store does: {_shown(refusal)} and no S3 error with it"
    # AWS sends who asks it anonymously for its buckets to a page of its web site.
    hides_buckets = subject is Subject.BUCKETS and refusal.status in {301, 302, 307, 403, 405}
    return Fault(_narrow(subject), "NotS3", words, hides_buckets=hides_buckets)


def _narrow(subject: Subject) -> Effect:
    return Effect.STORE if subject is Subject.BUCKETS else Effect.BUCKET


def _shown(refusal: Refusal) -> str:
    return refusal.code or f"HTTP status {refusal.status}"


def _who(store: model.Store) -> str:
    return f"refuses the credentials of Secret {store.secret_name}" if store.secret else "refuses the request"


def _gone(refusal: Refusal, subject: Subject, _: model.Store) -> Fault:
    if subject is Subject.BUCKETS:
        return Fault(Effect.STORE, "NotS3", f"does not list buckets as an S3 store does ({_shown(refusal)})")
    is_lasting = refusal.code in _IMPOSSIBLE
    return Fault(Effect.GONE, "NotFound", f"does not have it ({_shown(refusal)})", is_lasting=is_lasting)


def _wrong_keys(refusal: Refusal, _: Subject, store: model.Store) -> Fault:
    hint = f": {_WRONG_KEYS[refusal.code]}" if _WRONG_KEYS[refusal.code] else ""
    return Fault(Effect.STORE, "AccessDenied", f"{_who(store)} ({refusal.code}){hint}")


def _expired(refusal: Refusal, _: Subject, store: model.Store) -> Fault:
    words = f"{_who(store)} ({refusal.code}): they have expired, put new ones into it"
    return Fault(Effect.STORE, "CredentialsExpired", words)


def _denied(refusal: Refusal, subject: Subject, store: model.Store) -> Fault:
    if subject is not Subject.BUCKETS:
        return Fault(Effect.BUCKET, "AccessDenied", "may not be listed with these credentials")
    if store.secret:
        words = f"{_who(store)} ({_shown(refusal)}): allow them s3:ListAllMyBuckets, if they are the right ones"
    else:
        words = f"does not admit anonymous listing ({_shown(refusal)}): name a Secret with {names.STORAGE_SECRET}"
    return Fault(Effect.STORE, "AccessDenied", words, hides_buckets=True)


def _elsewhere(refusal: Refusal, subject: Subject, store: model.Store) -> Fault:
    key = f"the annotation {names.STORAGE_REGION}" if store.service else "region in the configuration"
    shown = _shown(refusal)
    if refusal.region:
        words = f'serves the region "{refusal.region}" ({shown}): write that as {key}'
    else:
        words = f"serves another region than it was asked for ({shown}): name its region as {key}"
    return Fault(_narrow(subject), "WrongRegion", words)


def _skewed(refusal: Refusal, _: Subject, __: model.Store) -> Fault:
    remedy = "set the clock that is wrong, pods of this node are refused as well"
    how = skew_words(refusal.ahead_s) if refusal.ahead_s is not None else "too far from"
    return Fault(Effect.STORE, "ClockSkewed", f"has a clock that is {how} this node's ({refusal.code}): {remedy}")


def _busy(refusal: Refusal, _: Subject, __: model.Store) -> Fault:
    return Fault(Effect.LATER, "Busy", f"asks to be asked less often ({_shown(refusal)})", refusal.retry_after_s)


def _starting(refusal: Refusal, _: Subject, __: model.Store) -> Fault:
    return Fault(Effect.STORE, "Starting", f"is still starting ({refusal.code})", refusal.retry_after_s)


def _degraded(refusal: Refusal, subject: Subject, _: model.Store) -> Fault:
    words = f"cannot read its own data ({refusal.code}): too few of its drives or servers work, its log says which"
    return Fault(_narrow(subject), "Degraded", words)


def _unbuilt(refusal: Refusal, subject: Subject, _: model.Store) -> Fault:
    words = f"does not offer to list {subject.value} ({_shown(refusal)})"
    return Fault(_narrow(subject), "NotImplemented", words, hides_buckets=subject is Subject.BUCKETS)


_BY_CODE: Final[dict[str, Callable[[Refusal, Subject, model.Store], Fault]]] = {
    **dict.fromkeys(_GONE | _IMPOSSIBLE | _IN_THE_WAY, _gone),
    **dict.fromkeys(_WRONG_KEYS, _wrong_keys),
    **dict.fromkeys(_EXPIRED_KEYS, _expired),
    **dict.fromkeys(_DENIED, _denied),
    **dict.fromkeys(_ELSEWHERE, _elsewhere),
    **dict.fromkeys(_SKEWED, _skewed),
    **dict.fromkeys(_BUSY, _busy),
    **dict.fromkeys(_STARTING, _starting),
    **dict.fromkeys(_DEGRADED, _degraded),
    **dict.fromkeys(_UNBUILT, _unbuilt),
}


def skew_words(ahead_s: float) -> str:
    """How a clock differs, such as ``20 minutes ahead of``."""
    minutes = round(abs(ahead_s) / 60)
    amount = f"{minutes} minutes" if minutes < 180 else f"{round(minutes / 60)} hours"
    return f"{amount} {'ahead of' if ahead_s > 0 else 'behind'}"


def ahead_s(server_time: datetime.datetime | None, now: datetime.datetime) -> float | None:
    return None if server_time is None else (server_time - now).total_seconds()


def of_exception(error: BaseException, store: model.Store, limits: contents.Limits) -> Fault:
    """What an exception of the connection, or of reading the answer, says about the store."""
    if isinstance(error, answers.MalformedError):
        return Fault(Effect.STORE, "NotS3", f"does not answer as an S3 store does: {error}")
    if isinstance(error, TimeoutError):
        return Fault(Effect.STORE, "Timeout", f"did not answer within {limits.timeout_s:g} s")
    cause = _cause(error)
    if isinstance(cause, addresses.RefusedError):
        return Fault(Effect.STORE, "EndpointRefused", str(cause))
    if isinstance(cause, ssl.SSLError | ssl.CertificateError):
        return Fault(Effect.STORE, "TlsFailed", _tls_words(cause, store))
    if isinstance(error, aiohttp.ClientConnectorDNSError) or isinstance(cause, socket.gaierror):
        return Fault(Effect.STORE, "Unreachable", "cannot be reached: the host name is not known")
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError) or (
        isinstance(cause, ConnectionResetError | BrokenPipeError)
    ):
        return Fault(Effect.STORE, "Unreachable", f"broke off the connection{_tls_hint(store)}")
    if isinstance(cause, OSError):
        return Fault(Effect.STORE, "Unreachable", f"cannot be reached: {_os_words(cause)}")
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.http.HttpProcessingError):
        return Fault(
            Effect.STORE, "NotS3", f"does not answer as an S3 store does: its HTTP is broken{_tls_hint(store)}"
        )
    return Fault(Effect.STORE, "NotS3", f"does not answer as an S3 store does ({type(error).__name__})")


def _cause(error: BaseException) -> BaseException:
    """What lies under the client's exceptions."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error
    return error


def _tls_hint(store: model.Store) -> str:
    return "; if it speaks TLS, write https:// in place of http://" if store.endpoint.startswith("http:") else ""


def _os_words(cause: OSError) -> str:
    """The system's words for the number; what libraries write there has addresses of other things in it."""
    if cause.errno is not None and cause.errno in errno.errorcode:
        return os.strerror(cause.errno)
    return "the connection failed"


def _tls_words(cause: BaseException, store: model.Store) -> str:
    """What a person has to change; OpenSSL's own words name neither the remedy nor our bundle."""
    bundle = str(store.ca) if store.ca else f"the system's CAs (name others with {names.STORAGE_CA} or caBundle)"
    if isinstance(cause, ssl.SSLCertVerificationError):
        if cause.verify_code in _UNKNOWN_ISSUER:
            return f": its certificate is not signed by {bundle}: {cause.verify_message}"
        if cause.verify_code == _EXPIRED:
            return ": its certificate has expired: renew it on the store"
        if cause.verify_code in _NO_KEY_IDENTIFIER:
            return f": its certificate's CA lacks key identifiers, make both anew with them: {cause.verify_message}"
        return f": its certificate cannot be accepted: {cause.verify_message}"
    reason = getattr(cause, "reason", None) or type(cause).__name__
    if reason in _NO_TLS:
        return ": it does not speak TLS: write http:// in place of https://"
    return f": the TLS connection failed ({reason})"
