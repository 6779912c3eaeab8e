"""Certificates for servers on 127.0.0.1, from an authority of their own: valid ones, and ones that have expired.

Written as DER by hand with what the S3 client brings along anyway, so that neither an openssl program nor another
dependency is needed. They carry what strict verifiers ask for: basic constraints, key usage and both key identifiers.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
import ssl

from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS
from Crypto.Util import asn1

_COMMON_NAME = "2.5.4.3"
_ECDSA_SHA256 = "1.2.840.10045.4.3.2"
_KEY_IDENTIFIER = "2.5.29.14"
_KEY_USAGE = "2.5.29.15"
_ALTERNATIVE_NAME = "2.5.29.17"
_BASIC_CONSTRAINTS = "2.5.29.19"
_AUTHORITY_IDENTIFIER = "2.5.29.35"
_EXTENDED_KEY_USAGE = "2.5.29.37"
_SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
_CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
_SIGNS_CERTIFICATES = b"\x03\x02\x02\x04"  # a BIT STRING; bit 5
_SIGNS_DATA = b"\x03\x02\x07\x80"  # bit 0
_LOOPBACK = b"\x87\x04\x7f\x00\x00\x01"  # GeneralName [7] iPAddress
_LOCALHOST = b"\x82\x09localhost"  # GeneralName [2] dNSName
_ALGORITHM = asn1.DerSequence([asn1.DerObjectId(_ECDSA_SHA256)])
_LIFETIME = dt.timedelta(days=1)


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate and its private key, as PEM."""

    pem: str
    key_pem: str = dataclasses.field(repr=False)


class Authority:
    """A certificate authority.

    Attributes:
        pem: Its own certificate, which clients verify with.
    """

    def __init__(self, name: str = "local authority") -> None:
        self._name = name
        self._key = ECC.generate(curve="P-256")
        extensions = [
            _extension(_BASIC_CONSTRAINTS, asn1.DerSequence([asn1.DerBoolean(True)]).encode(), critical=True),
            _extension(_KEY_USAGE, _SIGNS_CERTIFICATES, critical=True),
            _extension(_KEY_IDENTIFIER, asn1.DerOctetString(_identifier(self._key)).encode()),
        ]
        self.pem = self._sign(name, self._key, extensions, began=_now() - dt.timedelta(days=30))

    def issue(self, *, expired: bool = False) -> Certificate:
        """A certificate for a server on 127.0.0.1 or localhost, valid for a day; or one that ceased to be yesterday."""
        key = ECC.generate(curve="P-256")
        authority = b"\x80\x14" + _identifier(self._key)
        purposes = [asn1.DerObjectId(_SERVER_AUTH), asn1.DerObjectId(_CLIENT_AUTH)]
        extensions = [
            _extension(_BASIC_CONSTRAINTS, asn1.DerSequence([]).encode(), critical=True),
            _extension(_KEY_USAGE, _SIGNS_DATA, critical=True),
            _extension(_EXTENDED_KEY_USAGE, asn1.DerSequence(purposes).encode()),
            _extension(_ALTERNATIVE_NAME, asn1.DerSequence([_LOOPBACK, _LOCALHOST]).encode()),
            _extension(_KEY_IDENTIFIER, asn1.DerOctetString(_identifier(key)).encode()),
            _extension(_AUTHORITY_IDENTIFIER, asn1.DerSequence([authority]).encode()),
        ]
        began = _now() - (2 * _LIFETIME if expired else dt.timedelta(hours=1))
        pem = self._sign("localhost", key, extensions, began=began, lifetime=_LIFETIME)
        return Certificate(pem, key.export_key(format="PEM", use_pkcs8=True))

    def _sign(
        self,
        name: str,
        key: ECC.EccKey,
        extensions: list[asn1.DerSequence],
        *,
        began: dt.datetime,
        lifetime: dt.timedelta = dt.timedelta(days=365),
    ) -> str:
        whole_extensions = asn1.DerSequence(extensions).encode()
        body = asn1.DerSequence([
            b"\xa0\x03\x02\x01\x02",  # version 3
            asn1.DerInteger(secrets.randbits(63) + 1),
            _ALGORITHM,
            _name(self._name),
            asn1.DerSequence([_time(began), _time(began + lifetime)]),
            _name(name),
            key.public_key().export_key(format="DER"),
            _tagged(0xA3, whole_extensions),
        ]).encode()  # fmt: skip
        signature = DSS.new(self._key, "fips-186-3", encoding="der").sign(SHA256.new(body))
        return ssl.DER_cert_to_PEM_cert(asn1.DerSequence([body, _ALGORITHM, asn1.DerBitString(signature)]).encode())


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _name(text: str) -> asn1.DerSequence:
    pair = asn1.DerSequence([asn1.DerObjectId(_COMMON_NAME), _tagged(0x0C, text.encode())])
    return asn1.DerSequence([asn1.DerSetOf([pair.encode()])])


def _identifier(key: ECC.EccKey) -> bytes:
    return SHA256.new(key.public_key().export_key(format="DER")).digest()[:20]


def _extension(number: str, content: bytes, *, critical: bool = False) -> asn1.DerSequence:
    parts: list[asn1.DerObject] = [asn1.DerObjectId(number)]
    parts += [asn1.DerBoolean(True)] if critical else []
    return asn1.DerSequence([*parts, asn1.DerOctetString(content)])


def _tagged(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def _time(when: dt.datetime) -> bytes:
    return _tagged(0x17, when.strftime("%y%m%d%H%M%SZ").encode())
