"""The TLS context of a store: whose certificates are trusted, read without holding up whoever else works in the loop.

A certificate takes OpenSSL most of a millisecond, during which nothing else runs, in no thread either, and whoever may
write a ConfigMap fills a megabyte with thousands. So they are taken a few at a time, there are only so many, and a
context is kept as long as its text is used.
"""

from __future__ import annotations

import asyncio
import collections
import re
import ssl
from typing import Final

MAX_CERTIFICATES: Final = 200  # a system's own bundle has some 150

_AT_ONCE: Final = 10
_KEPT: Final = 32  # a megabyte each at most
_BLOCK: Final = re.compile(
    r"-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----[^-]*-----END (X509 |TRUSTED )?CERTIFICATE-----"
)

_known: collections.OrderedDict[str, ssl.SSLContext] = collections.OrderedDict()


async def context(ca_pem: str) -> ssl.SSLContext:
    """What a store's certificate is checked against: the CAs of a bundle.

    Without one those of the system, or of the file that SSL_CERT_FILE names.

    Raises:
        ValueError: the text is no bundle of PEM certificates, or one of too many.
    """
    found = _known.get(ca_pem)
    if found is None:
        found = await _read(ca_pem) if ca_pem else await asyncio.to_thread(ssl.create_default_context)
        # Python 3.13 is stricter by default than the clients of S3 are, and refuses CAs without key identifiers, as
        # those made by hand often are: all Pythons take the same.
        found.verify_flags &= ~ssl.VERIFY_X509_STRICT
        _known[ca_pem] = found
        if len(_known) > _KEPT:
            _known.popitem(last=False)
    _known.move_to_end(ca_pem)
    return found


async def _read(ca_pem: str) -> ssl.SSLContext:
    blocks = [match.group() for match in _BLOCK.finditer(ca_pem)]
    if len(blocks) > MAX_CERTIFICATES:
        raise ValueError(f"more than {MAX_CERTIFICATES} certificates")
    if not blocks or len(blocks) != ca_pem.count("-----BEGIN "):
        raise ValueError("no PEM certificates")
    try:
        made = ssl.create_default_context(cadata=blocks[0])
        for start in range(1, len(blocks), _AT_ONCE):
            await asyncio.sleep(0)
            made.load_verify_locations(cadata="\n".join(blocks[start : start + _AT_ONCE]))
    except (ssl.SSLError, TypeError) as error:  # TypeError: not ASCII
        raise ValueError("no PEM certificates") from error
    return made
