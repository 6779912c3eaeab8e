"""What an S3 server answers, from XML and headers to values; pure, and within limits whatever comes.

A store is somebody else's program. So nothing of an answer is kept but what is asked for: a document is parsed piece
by piece as it comes, its entities and document types are refused (they let a few bytes stand for gigabytes), and how
deep, how long and how many its parts may be is bounded. Figures and texts that no object can have are refused or left
out, because they go on into statuses, where one of them would spoil the whole write.
"""

from __future__ import annotations

import datetime
import email.utils
import math
import re
from collections.abc import Mapping
from typing import ClassVar, Final
from xml.parsers import expat

from daemon.stores import contents
from scheduler.api import urns as grammar

MAX_SIZE_BYTES: Final = 2**48  # of an object; S3 itself ends at 50 TB
MAX_TOTAL_BYTES: Final = 2**63 - 1  # the schema's int64

_MAX_DEPTH: Final = 16  # S3's own answers have 5 levels
_MAX_ELEMENTS: Final = 250_000
_MAX_TEXT: Final = 4096  # a key has 1,024 bytes; a continuation token may be one in base64
_MAX_TOKEN_BYTES: Final = 64 * 1024  # one tag: expat reads an unfinished one again with every piece that follows
_MAX_BUCKETS: Final = 50_000
_MAX_ETAG: Final = 256  # the schema's, as the next
_MAX_VERSION_ID: Final = 1024
_MAX_RETRY_S: Final = 300.0
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,63}")
_REGION: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_EXPECTED_REGION: Final = re.compile(r"expecting '([^']{1,63})'")


class MalformedError(ValueError):
    """This is no answer of an S3 server; the message says why in words of our own."""


class Error:
    """S3's error; everything in it is cleaned, for it ends up in front of people.

    Attributes:
        code: Letters, digits and dots; "" where there is none such.
        region: The region that the server wants, "" where it names none.
        server_time: What the server says that its clock shows.
    """

    wanted = frozenset({"Error/Code", "Error/Message", "Error/Region", "Error/ServerTime"})

    def __init__(self) -> None:
        self.code = ""
        self.region = ""
        self.server_time: datetime.datetime | None = None

    def leaf(self, path: str, text: str) -> None:
        if path == "Error/Code":
            self.code = clean_code(text)
        elif path == "Error/Region":
            self.region = clean_region(text) or self.region
        elif path == "Error/ServerTime":
            self.server_time = time_of(text)
        elif not self.region and (found := _EXPECTED_REGION.search(text)):
            self.region = clean_region(found[1])


class Document:
    """An XML document that is read piece by piece; a subclass says what it wants of it.

    Attributes:
        root: The name of the outermost element, "" before it came.
    """

    wanted: ClassVar[frozenset[str]] = frozenset()
    """The elements whose texts are told to ``leaf``, as paths such as ``Error/Code``."""

    def __init__(self) -> None:
        self.root = ""
        self._error = Error()
        self._paths: list[str] = [""]
        self._elements = 0
        self._fed_bytes = 0
        self._text: list[str] | None = None
        self._text_length = 0
        self._parser = expat.ParserCreate("UTF-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = _refuse_doctype

    @property
    def error(self) -> Error:
        """What stands in it where its root is ``Error``, S3's answer instead of what was asked for."""
        return self._error

    def leaf(self, path: str, text: str) -> None:
        """A wanted element came.

        Raises:
            MalformedError: it cannot have this text.
        """

    def feed(self, piece: bytes) -> None:
        """Parse some more; pieces should be small, as nothing else runs meanwhile.

        Raises:
            MalformedError: this is not what an S3 server writes.
        """
        self._parse(piece, is_final=False)
        self._fed_bytes += len(piece)
        if self._fed_bytes - self._parser.CurrentByteIndex > _MAX_TOKEN_BYTES:
            raise MalformedError("a tag of its XML does not end")

    def close(self, *roots: str) -> None:
        """The document has ended.

        Raises:
            MalformedError: it is not complete, or another one than one of ``roots``.
        """
        self._parse(b"", is_final=True)
        if self.root not in roots:
            raise MalformedError(f"{' or '.join(roots)} was asked for, another document came")

    def let_go(self) -> None:
        """Nothing more comes: the parser, which knows this document, would keep both until garbage is collected."""
        del self._parser

    def _parse(self, piece: bytes, *, is_final: bool) -> None:
        try:
            self._parser.Parse(piece, is_final)
        except expat.ExpatError as error:
            raise MalformedError(f"its XML is broken ({expat.ErrorString(error.code)})") from error

    def _start(self, name: str, _: Mapping[str, str]) -> None:
        name = name.rpartition(":")[2]
        self._elements += 1
        if self._elements > _MAX_ELEMENTS:
            raise MalformedError("its XML has too many elements")
        if len(self._paths) > _MAX_DEPTH:
            raise MalformedError("its XML is nested too deeply")
        if not self.root:
            self.root = name
        path = f"{self._paths[-1]}/{name}" if self._paths[-1] else name
        if len(path) > _MAX_TEXT:
            raise MalformedError("its XML has names that are too long")
        self._paths.append(path)
        is_wanted = path in self.wanted or path in Error.wanted
        self._text, self._text_length = ([] if is_wanted else None), 0

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text_length += len(text)
            if self._text_length > _MAX_TEXT:
                raise MalformedError(f"its {self._paths[-1].rpartition('/')[2]} is too long")
            self._text.append(text)

    def _end(self, _: str) -> None:
        path = self._paths.pop()
        if self._text is not None:
            reader = self._error if path in Error.wanted else self
            reader.leaf(path, "".join(self._text).strip())
            self._text = None


def _refuse_doctype(*_: object) -> None:
    raise MalformedError("its XML declares a document type")


class Buckets(Document):
    """The answer to ListBuckets.

    Attributes:
        names: As the server writes them.
        token: What to ask on with, "" at the end.
    """

    wanted = frozenset({"ListAllMyBucketsResult/Buckets/Bucket/Name", "ListAllMyBucketsResult/ContinuationToken"})

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.token = ""

    def leaf(self, path: str, text: str) -> None:
        if path.endswith("/Name"):
            if len(self.names) >= _MAX_BUCKETS:
                raise MalformedError(f"it has more than {_MAX_BUCKETS} buckets")
            self.names.append(text)
        else:
            self.token = text


class Page(Document):
    """A page of ListObjectsV2: what the objects on it amount to, which is all that is kept of them.

    Attributes:
        token: What to ask on with, "" on the last page.
    """

    wanted = frozenset({
        "ListBucketResult/Contents/Size", "ListBucketResult/Contents/LastModified", "ListBucketResult/IsTruncated",
        "ListBucketResult/NextContinuationToken",
    })  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.sizes_bytes: list[int] = []
        self.newest: datetime.datetime | None = None
        self._is_truncated = False
        self._next = ""

    @property
    def token(self) -> str:
        return self._next if self._is_truncated else ""

    @property
    def is_truncated(self) -> bool:
        return self._is_truncated

    def leaf(self, path: str, text: str) -> None:
        name = path.rpartition("/")[2]
        if name == "Size":
            self.sizes_bytes.append(size_of(text))
        elif name == "LastModified":
            when = time_of(text)
            if when is not None and (self.newest is None or when > self.newest):
                self.newest = when
        elif name == "IsTruncated":
            self._is_truncated = text.lower() == "true"
        else:
            self._next = text


def size_of(text: str) -> int:
    """An object's size.

    Raises:
        MalformedError: no object has it.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= 16) or int(text) > MAX_SIZE_BYTES:
        raise MalformedError("it tells of a size that no object has")
    return int(text)


def content_of(headers: Mapping[str, str]) -> contents.Content | None:
    """What the headers of a HEAD answer say of a key, None without a size; what cannot be shown is left out."""
    try:
        size_bytes = size_of(headers.get("Content-Length", ""))
    except MalformedError:
        return None
    version_id = headers.get("x-amz-version-id", "")
    return contents.Content(
        size_bytes,
        1,
        etag=_shown(headers.get("ETag", "").removeprefix("W/").strip('"'), _MAX_ETAG),
        last_modified=rfc3339(http_time_of(headers.get("Last-Modified", ""))),
        version_id=_shown(version_id, _MAX_VERSION_ID),
    )


def _shown(text: str, limit: int) -> str:
    return text if len(text) <= limit and grammar.is_printable(text) else ""


def clean_code(text: str) -> str:
    """An error code that can be shown: letters, digits and dots; "" for anything else."""
    code = text.strip().strip('"')
    return code if _CODE.fullmatch(code) else ""


def clean_region(text: str) -> str:
    region = text.strip().lower()
    return region if _REGION.fullmatch(region) else ""


def retry_after_s(text: str) -> float:
    """How long a server asks to be left alone, 0 where it does not say so in seconds."""
    try:
        seconds = float(text) if len(text) <= 16 else 0.0
    except ValueError:
        return 0.0
    return min(seconds, _MAX_RETRY_S) if math.isfinite(seconds) and seconds > 0 else 0.0


def time_of(text: str) -> datetime.datetime | None:
    """A time as XML has it; None for what is none, or none that anything was written at."""
    try:
        return _utc(datetime.datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def http_time_of(text: str) -> datetime.datetime | None:
    """A time as headers have it, as ``time_of``."""
    try:
        return _utc(email.utils.parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _utc(when: datetime.datetime) -> datetime.datetime | None:
    aware = when if when.tzinfo is not None else when.replace(tzinfo=datetime.UTC)
    found = aware.astimezone(datetime.UTC)
    return found if 1970 <= found.year <= 9998 else None


def rfc3339(when: datetime.datetime | None) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ") if when else ""
