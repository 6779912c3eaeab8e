"""A store that answers whatever harms most, as a process: ``python -m tests.daemon.hostile_server SEED``.

Answers and notices are drawn from a seed. Some are nearly right, some are error codes in every form, some are made to
fill, stop or crash a parser. It prints its port.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import random
import re
import sys
from collections.abc import Iterator
from typing import Final

CODES: Final = (
    "AccessDenied", "AllAccessDisabled", "AuthorizationHeaderMalformed", "ExpiredToken", "InternalError",
    "InvalidAccessKeyId", "KeyTooLongError", "MethodNotAllowed", "NoSuchBucket", "NoSuchKey", "NotImplemented",
    "PermanentRedirect", "RequestTimeTooSkewed", "RequestTimeout", "ServiceUnavailable", "SignatureDoesNotMatch",
    "SlowDown", "XMinioInvalidObjectName", "XMinioServerNotInitialized", "XMinioReadQuorum", "Whatever", "A" * 300,
    "<b>", "none\u202e", "",
)  # fmt: skip
REGIONS: Final = ("", "eu-west-1", "eu west", "r" * 300)
STATUSES: Final = (200, 301, 307, 400, 403, 404, 405, 409, 416, 429, 500, 501, 503)
HEADERS: Final = {
    "ETag": ('"abc"', "\xff\xfe", "e" * 5000, '"' * 10, "\udc80", 'W/"x"'),
    "Last-Modified": ("Mon, 06 May 2024 07:08:09 GMT", "x" * 3000, "Mon, 99 May 99999 77:00:00", ""),
    "Date": ("Mon, 06 May 2024 07:08:09 GMT", "yesterday", "Thu, 01 Jan 0001 00:00:00 +9999"),
    "x-amz-version-id": ("null", "v" * 3000, "\x7f"),
    "Retry-After": ("1", "nan", "-5", "1e400", "tomorrow"),
    "x-minio-error-code": CODES,
    "x-amz-bucket-region": REGIONS,
    "x-amz-delete-marker": ("true", "no"),
    "Location": ("http://169.254.169.254/",),
    "Set-Cookie": (f"a={'b' * 3000}",),
    "Content-Encoding": ("gzip", "br", "identity", "x"),
}
SIZES: Final = ("0", "10", str(2**48), str(2**63), "-5", "1" * 4000, "²", "", "0x10", " 7 ")
DATES: Final = (
    "2024-05-06T07:08:09.123Z", "2024-05-06T07:08:09.123Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:00",
    "2024-13-01", "", "x" * 4000, "2024-01-01",
)  # fmt: skip
TEXTS: Final = ("", "x", "ü" * 50, "\u2028", "a" * 5000, "-1", "9" * 400, "1e309", "NaN", "../..", "'\"", "%00")

_ENTITIES: Final = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))
BOMBS: Final = (
    b"<a>" * 100_000,
    b"<a/>" * 100_000,
    b"<ListBucketResult>" + b"<Contents><Size>1</Size></Contents>" * 20_000 + b"</ListBucketResult>",
    f'<!DOCTYPE x [<!ENTITY e0 "ha">{_ENTITIES}]><x>&e8;</x>'.encode(),
    b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>',
    b"<" + b"t" * 500_000,
    b"<a " + b" ".join(b'a%d=""' % n for n in range(50_000)) + b"/>",
    b"<a>" + b"x" * 500_000,
    b"<!--" + b"-" * 500_000,
    b"<ListBucketResult><IsTruncated>" + b"true" * 100_000,
    "<ListBucketResult/>".encode("utf-16"),
    b'<?xml version="1.0" encoding="utf-7"?><ListBucketResult/>',
    b"\x00" * 1000,
    bytes(range(256)),
)
_ZIPPED: Final = gzip.compress(b"<a/>" * 1_000_000)
_CHUNKS: Final = (
    b"1\r\nx\r\n" * 40_000, b"fffffffffffffff\r\n", b"-1\r\n", b"z" * 100_000, b"0\r\n" + b"a: b\r\n" * 9000,
)  # fmt: skip
_NO_HTTP: Final = (
    b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
    b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000,
    b"HTTP/1.1 200 OK\r\na: " + b"b" * 300_000,
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 204 x\r\n\r\n<a/>",
    b"HTTP/9.9 999 \r\n\r\n",
    b"SSH-2.0-OpenSSH_9.9\r\n",
    b"\x15\x03\x01\x00\x02\x02F",
    b"",
)
_REQUEST: Final = re.compile(rb"(GET|HEAD) (\S+) HTTP/1.1\r\n")


def _buckets(rng: random.Random) -> str:
    count = rng.choice([0, 1, 3, 3, 3, 200, 20_000 if rng.random() < 0.02 else 1])
    found = "".join(f"<Bucket><Name>bucket-{number % 500}</Name></Bucket>" for number in range(count))
    odd = f"<Bucket><Name>{rng.choice(TEXTS)}</Name></Bucket>"
    token = f"<ContinuationToken>{rng.random()}</ContinuationToken>" if rng.random() < 0.1 else ""
    return f"<ListAllMyBucketsResult><Buckets>{found}{odd}</Buckets>{token}</ListAllMyBucketsResult>"


def _page(rng: random.Random) -> str:
    sane = f"<LastModified>{rng.choice(DATES)}</LastModified><Size>{2 ** rng.randrange(48)}</Size>"
    odd = f"<Key>{'/' * rng.choice([1, 1, 1, 400_000])}</Key><Size>{rng.choice(SIZES)}</Size>"
    found = f"<Contents><Key>k</Key>{sane}</Contents>" * rng.choice([0, 1, 1, 1000])
    found += f"<Contents>{odd}</Contents>" if rng.random() < 0.2 else ""
    truncated = rng.choice(["true", "false", "false", "maybe"])
    token = rng.choice(["same", str(rng.random()), "t" * 4000, ""])
    tail = f"<IsTruncated>{truncated}</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"
    return f"<ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>{found}{tail}</ListBucketResult>"


def _error(rng: random.Random) -> str:
    code = rng.choice(CODES).replace("<", "&lt;")
    text = f"expecting '{rng.choice(REGIONS)}' {rng.choice(TEXTS)}"
    return f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"


def _head(status: int, headers: dict[str, str], length: int | None) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def _headers(rng: random.Random) -> dict[str, str]:
    return {name: rng.choice(HEADERS[name]) for name in rng.sample(sorted(HEADERS), rng.randrange(4))}


def _wanted(rng: random.Random, path: str) -> bytes:
    return (_page(rng) if "list-type" in path else _buckets(rng)).encode()


def _answer(rng: random.Random, method: str, path: str) -> Iterator[bytes]:
    """One answer, in the pieces in which it is written; an empty piece ends the connection."""
    draw = rng.random()
    if method == "HEAD":
        status = rng.choice([200] * 4 + [status for status in STATUSES if status != 200])
        yield _head(status, _headers(rng), rng.choice([None, 0, 10, 2**48, 2**60]))
    elif draw < 0.5:
        wanted = _wanted(rng, path)
        yield _head(200, {}, len(wanted)) + wanted
    elif draw < 0.7:
        text = _error(rng).encode()
        yield _head(rng.choice(STATUSES), _headers(rng), len(text)) + text
    elif draw < 0.84:
        text = rng.choice(BOMBS)
        yield _head(rng.choice([200, 200, 500]), _headers(rng), len(text)) + text
    elif draw < 0.88:
        wanted = _wanted(rng, path)
        yield _head(200, {}, len(wanted) + 1000) + wanted
        yield b""
    elif draw < 0.92:
        yield _head(200, {"Transfer-Encoding": "chunked"}, None) + rng.choice(_CHUNKS)
        yield b""
    elif draw < 0.94:
        yield _head(200, {"Content-Encoding": "gzip"}, len(_ZIPPED)) + _ZIPPED
    elif draw < 0.993:
        yield rng.choice((*_NO_HTTP, rng.randbytes(500)))
        yield b""
    elif draw < 0.997:
        yield _head(200, {}, None) + b"<ListBucketResult>"
        for _ in range(2000):
            yield b"<Contents><Key>" + b"k" * 16_000 + b"</Key></Contents>"  # 32 MB, unless somebody hangs up
        yield b""
    else:
        yield _head(200, {}, 10_000)
        for _ in range(100):
            yield b" "  # slowly, see Server


def notice(rng: random.Random) -> bytes:
    """A line that a listener hears."""
    deep, draw = rng.choice([10, 30_000]), rng.random()
    key = rng.choice(["raw/a.bin", "k", "/" * 60_000, "/" * 1000, "a/" * 500, "é" * 600, "\ud800", "", "new"])
    bucket = rng.choice(["bucket-1", f"bucket-{rng.randrange(10**6)}", "", "UPPER", "b" * 10_000])
    record = {"s3": {"bucket": {"name": bucket}, "object": {"key": key}}}
    if draw < 0.6:
        return json.dumps({"Records": [record] * (3000 if draw < 0.02 else 1)}).encode()
    return rng.choice(
        [
            b'{"Records":null}',
            b'{"x":' * deep,
            b'{"x":' * deep + b"1" + b"}" * deep,
            b"[" * deep,
            b'{"Records":[{"s3":{"bucket":{"name":1}}}]}',
            b'{"Records":[{"s3":null}]}',
            b"\xff\xfe" * 100,
            b" " * 1000,
            b"x" * (2_000_000 if draw < 0.62 else 10),
            b"\n" * 5000,
            b'{"Records":' + b"9" * 5000 + b"}",
        ]
    )


class Server:
    """Says what comes from a seed, and counts it."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._answers = 0
        self._notices = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while found := _REQUEST.match(await reader.readuntil(b"\r\n\r\n")):
                method, path = found[1].decode(), found[2].decode()
                if path == "/counts-of-hostile":
                    text = json.dumps([self._answers, self._notices]).encode()
                    writer.write(_head(200, {}, len(text)) + text)
                elif "events=" in path:
                    await self._announce(writer)
                    break
                elif path.startswith("/minio/"):
                    writer.write(_head(200, {}, 0))
                elif not await self._say(writer, method, path):
                    break
                await writer.drain()
        writer.close()

    async def _say(self, writer: asyncio.StreamWriter, method: str, path: str) -> bool:
        self._answers += 1
        for piece in _answer(self._rng, method, path):
            if not piece:
                return False
            if piece == b" ":
                await asyncio.sleep(0.05)
            writer.write(piece)
            await writer.drain()
        return True

    async def _announce(self, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, {"Content-Type": "text/event-stream"}, None))
        for _ in range(300):
            self._notices += 1
            writer.write(notice(self._rng) + b"\n")
            await writer.drain()


async def main(seed: int) -> None:
    server = await asyncio.start_server(Server(seed).serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - who started it waits for that
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
