"""The grammar of a urn, the name of data: ``bucket`` or ``bucket/key``, as S3 has them.

Keys may be nested, hold spaces and any script; a closing slash makes a key a prefix. The same rules stand in the schema
of DataObject, except for the comma: a urn in an annotation ends at it. S3 allows an asterisk anywhere in a key; where
people put it who mean several keys, at the beginning or end of a part or before its suffix, it is none here.

People name data as the tools do that they know: by URLs, ARNs, paths and patterns. None of them is a urn, as no store's
address belongs into one, but most say which is meant, and then the answer is that urn.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Final, NamedTuple

# S3's bounds are 63 for the bucket and 1024 bytes for the key; a little room, as in the schema of DataObject.
MAX_BYTES: Final = 1100

_BUCKET: Final = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_NO_BUCKET: Final = (
    "not an S3 bucket name; write 3 to 63 lower-case letters, digits, hyphens and single dots, with a letter or digit "
    "at both ends"
)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

_PATTERN: Final = re.compile(r"(?:^|/)\*|\*(?:[./]|$)")
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HTTP: Final = frozenset({"http", "https"})
# After these stands the bucket; after others (file, hdfs, nfs) a host or nothing.
_STORE_SCHEMES: Final = frozenset({
    "s3", "s3a", "s3n", "gs", "gcs", "minio", "oss", "oci", "obs", "cos", "cosn", "tos", "bos", "ks3", "r2", "b2",
    "swift", "abfs", "abfss", "wasb", "wasbs",
})  # fmt: skip
# BUCKET.s3.REGION.amazonaws.com and the like: the bucket stands in the host's name.
_IN_HOST: Final = re.compile(
    r"([a-z0-9][a-z0-9.-]*?)\.(?:s3[.-]|storage\.googleapis\.com|oss-|cos\.|obs\.|r2\.|blob\.)", re.IGNORECASE
)
_ARN: Final = re.compile(r"arn:[a-z0-9-]*:s3:::(.*)", re.DOTALL | re.IGNORECASE)
_REMOTE: Final = re.compile(r"[A-Za-z0-9_-]{2,}:([^:/\\].*)", re.DOTALL)  # rclone's REMOTE:BUCKET/KEY
_HOST: Final = re.compile(r"[^/:]+:[0-9]{1,5}/(.*)", re.DOTALL)
_LOCAL: Final = re.compile(r"[A-Za-z]:[/\\]|\\")
_SHOWN: Final = 120  # characters of a urn that a message repeats


class _Meant(NamedTuple):
    """What a text that is no urn is, and which urn it means; "" where that cannot be told."""

    what: str
    urn: str


def fault(urn: str) -> str:
    """What is wrong with a urn and what to write instead; "" if nothing is."""
    problem = _fault(urn)
    if not problem or len(urn) > 2 * MAX_BYTES:
        return problem
    found = _meant(urn)
    if found is None:
        return problem
    return f"{found.what}; write {_shown(found.urn)}"


def bucket_fault(bucket: str) -> str:
    """What is wrong with a bucket's name and what to write instead; "" if nothing is."""
    if _BUCKET.fullmatch(bucket):
        return ""
    if name := bucket_meant(bucket):
        return f'not the name of a bucket alone; write "{name}"'
    if _PATTERN.search(bucket):
        return "a bucket's name is no pattern; name each bucket"
    return _NO_BUCKET


def bucket_meant(text: str) -> str:
    """The bucket of the urn, URL, ARN or path that stands where a bucket should; "" where there is none."""
    if len(text) > 2 * MAX_BYTES:
        return ""
    found = _meant(text)
    return (found.urn if found else _urn(text)).partition("/")[0]


def is_key(urn: str) -> bool:
    """Whether a urn names one object, and not a prefix or a bucket with whatever lies in it."""
    return "/" in urn and not urn.endswith("/")


def is_printable(text: str) -> bool:
    """Whether text has no control character and no half of a surrogate pair, so that it can be shown and sent."""
    return not _UNPRINTABLE.search(text)


def _fault(urn: str) -> str:
    bucket, slash, key = urn.partition("/")
    if not bucket:
        return 'a urn does not begin with a slash; write "bucket/key"' if slash else 'no urn; write "bucket/key"'
    # The first test spares encoding a huge one.
    if len(urn) > MAX_BYTES or len(urn.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return f"a urn has at most {MAX_BYTES} bytes in UTF-8; name the prefix or the bucket instead"
    if not _BUCKET.fullmatch(bucket):
        return f"what stands before the first slash is {_NO_BUCKET}" if slash else _NO_BUCKET
    if slash and not key:
        return f'nothing follows the slash; write "{bucket}" for the whole bucket or "{bucket}/key"'
    return _key_fault(key)


def _key_fault(key: str) -> str:
    if not is_printable(key):
        return "a urn holds no control characters and no broken Unicode; remove them"
    if "," in key:
        return "a urn holds no comma, as that ends it; name the prefix or the bucket instead"
    if _PATTERN.search(key):
        return "a urn is no pattern; name the prefix or the bucket instead"
    return ""


def _meant(text: str) -> _Meant | None:
    """None where a text has the form of a urn, whatever else is wrong with it."""
    bare = text.strip().strip("\"'")
    what, urn = _without_address(bare)
    if _PATTERN.search(urn):
        # The prefix, as far as it is one for sure; the bucket where that is all.
        urn = urn.partition("*")[0].rpartition("/")[0]
        return _Meant("a urn is no pattern", _urn(f"{urn}/" if "/" in urn else urn))
    if not what and bare != text and _urn(bare):
        what = "a urn stands without quotes or spaces around it"
    return _Meant(what, _urn(urn)) if what else None


def _without_address(text: str) -> tuple[str, str]:
    """What form a text has, "" if a urn's, and what is left without all that says where the bucket is."""
    if url := _URL.fullmatch(text):
        return "a urn is no URL", _of_url(url[1].lower(), url[2])
    if arn := _ARN.fullmatch(text):
        return "a urn is no ARN", arn[1]
    if text[:4].lower() == "arn:":
        return "a urn is no ARN", ""
    if _LOCAL.match(text):
        return "a urn is no path", ""
    if host := _HOST.fullmatch(text):
        return "a urn names no host", host[1]
    if remote := _REMOTE.fullmatch(text):
        return "a urn names no remote", remote[1]
    if "\\" in text.partition("/")[0]:
        return "a urn has slashes, not backslashes", text.replace("\\", "/").strip("/")
    if text.startswith("/") and "/" in text.strip("/"):
        return "a urn does not begin with a slash", text.lstrip("/")
    return "", text


def _of_url(scheme: str, rest: str) -> str:
    """The urn in a URL, as far as it can be told."""
    if scheme in _STORE_SCHEMES:
        place, slash, key = rest.partition("/")
        return f"{place.partition('@')[0]}{slash}{key}"  # container@account, bucket@namespace
    if scheme not in _HTTP:
        return ""
    host, _, path = rest.partition("/")
    path = urllib.parse.unquote(path.partition("?")[0].partition("#")[0], errors="replace")
    in_host = _IN_HOST.match(host)
    if in_host and "blob." not in in_host[0].lower():
        return f"{in_host[1]}/{path}"
    return path


def _urn(text: str) -> str:
    """A urn, or "" where a text is none; of a bucket with an empty key, the bucket."""
    bucket, _, key = text.partition("/")
    urn = text if key else bucket
    return urn if not _fault(urn) else ""


def _shown(urn: str) -> str:
    if not 0 < len(urn) <= _SHOWN:
        return '"bucket/key"'
    bucket, slash, key = urn.partition("/")
    if not slash:
        return f'"{bucket}" for the whole bucket'
    return f'"{urn}" for all that begins so' if key.endswith("/") else f'"{urn}"'
