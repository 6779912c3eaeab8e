"""The grammar of a urn, the name of data: ``bucket`` or ``bucket/key``, as S3 has them.

Keys may be nested, hold spaces and any script; a closing slash makes a key a prefix. The same rules stand in the schema
of DataObject, except for the comma: a urn in an annotation ends at it.
"""

from __future__ import annotations

import re
from typing import Final

# S3's bounds are 63 for the bucket and 1024 bytes for the key; a little room, as in the schema of DataObject.
MAX_BYTES: Final = 1100

_BUCKET: Final = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def fault(urn: str) -> str:
    """What is wrong with a urn and what to write instead; "" if nothing is."""
    bucket, slash, key = urn.partition("/")
    if not bucket:
        return 'a urn does not begin with a slash; write "bucket/key"' if slash else 'no urn; write "bucket/key"'
    # The first test spares encoding a huge one.
    if len(urn) > MAX_BYTES or len(urn.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return f"a urn has at most {MAX_BYTES} bytes in UTF-8; name the prefix or the bucket instead"
    if problem := bucket_fault(bucket):
        return f"what stands before the first slash is {problem}" if slash else problem
    if slash and not key:
        return f'nothing follows the slash; write "{bucket}" for the whole bucket or "{bucket}/key"'
    return _key_fault(key)


def bucket_fault(bucket: str) -> str:
    """What is wrong with a bucket's name and what to write instead; "" if nothing is."""
    if _BUCKET.fullmatch(bucket):
        return ""
    return (
        "not an S3 bucket name; write 3 to 63 lower-case letters, digits, hyphens and single dots, with a letter or "
        "digit at both ends"
    )


def is_printable(text: str) -> bool:
    """Whether text has no control character and no half of a surrogate pair, so that it can be shown and sent."""
    return not _UNPRINTABLE.search(text)


def _key_fault(key: str) -> str:
    if not is_printable(key):
        return "a urn holds no control characters and no broken Unicode; remove them"
    if "," in key:
        return "a urn holds no comma, as that ends it; name the prefix or the bucket instead"
    return ""
