"""Self-signed certificates for 127.0.0.1, each its own authority.

Written as DER by hand with what the S3 client brings along anyway, so that the tests need neither an openssl program
nor another dependency.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
import ssl

from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS
from Crypto.Util import asn1

_COMMON_NAME = "2.5.4.3"
_ECDSA_SHA256 = "1.2.840.10045.4.3.2"
_SUBJECT_ALTERNATIVE_NAME = "2.5.29.17"
_LOOPBACK = b"\x87\x04\x7f\x00\x00\x01"  # GeneralName [7] iPAddress


@dataclasses.dataclass(frozen=True)
class Certificate:
    """Two PEM files."""

    cert: pathlib.Path
    key: pathlib.Path

    def server_context(self, client_authority: pathlib.Path | None = None) -> ssl.SSLContext:
        """Serve with this certificate; where an authority is given, clients must show a certificate of it."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.cert, self.key)
        if client_authority:
            context.load_verify_locations(client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def make(directory: pathlib.Path, name: str) -> Certificate:
    """Make a certificate that is valid for a day. All of them have the same names: only the keys tell them apart."""
    key = ECC.generate(curve="P-256")
    algorithm = asn1.DerSequence([asn1.DerObjectId(_ECDSA_SHA256)])
    name_part = asn1.DerSequence([asn1.DerObjectId(_COMMON_NAME), _utf8("fake-apiserver")])
    subject = asn1.DerSequence([asn1.DerSetOf([name_part.encode()])])
    now = dt.datetime.now(dt.UTC)
    validity = asn1.DerSequence([_time(now - dt.timedelta(hours=1)), _time(now + dt.timedelta(days=1))])
    names = asn1.DerOctetString(asn1.DerSequence([_LOOPBACK]).encode())
    extensions = asn1.DerSequence([asn1.DerSequence([asn1.DerObjectId(_SUBJECT_ALTERNATIVE_NAME), names])])
    body = asn1.DerSequence(
        [
            b"\xa0\x03\x02\x01\x02",  # version 3
            asn1.DerInteger(now.microsecond + 1),
            algorithm,
            subject,
            validity,
            subject,
            key.public_key().export_key(format="DER"),
            b"\xa3" + bytes([len(extensions.encode())]) + extensions.encode(),
        ]
    ).encode()
    signature = DSS.new(key, "fips-186-3", encoding="der").sign(SHA256.new(body))
    whole = asn1.DerSequence([body, algorithm, asn1.DerBitString(signature)]).encode()
    made = Certificate(directory / f"{name}.crt", directory / f"{name}.key")
    made.cert.write_text(ssl.DER_cert_to_PEM_cert(whole))
    made.key.write_text(key.export_key(format="PEM", use_pkcs8=True))
    return made


def _utf8(text: str) -> bytes:
    return b"\x0c" + bytes([len(text)]) + text.encode()


def _time(when: dt.datetime) -> bytes:
    return b"\x17\x0d" + when.strftime("%y%m%d%H%M%SZ").encode()
