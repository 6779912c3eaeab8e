"""The webhook's certificate where no cert-manager makes it: which ones there are, how long they last, what comes next.

The server's certificate lasts 90 days and is signed by an authority of our own that lasts a year; each is renewed when
two thirds of its life are over. What verifies the webhook (the API server, and whoever posts events to it) must never
meet a certificate that it cannot trust, so an authority is trusted long before it signs anything:

    day 0     A signs                    trusted: A
    day 244   B is made, A still signs   trusted: A B     those who keep a copy of ca.crt have a month to fetch it
    day 276   B signs from here on       trusted: A B     what A signs now would outlive A
    day 365   A has expired              trusted:   B

``due`` is all of that as one function of what there is and the time, so that years of it can be tried in a second.
An authority is good for the webhook's own names only (name constraints): who trusts it for sending events trusts it for
nothing else.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE: Final = dt.timedelta(days=365)
SERVER_LIFE: Final = dt.timedelta(days=90)
RENEWED_AFTER: Final = 2 / 3  # of a life
MOST_TRUSTED: Final = 8  # two in use and one that expires are usual; more only if Secrets were deleted again and again
_CLOCKS_DIFFER: Final = dt.timedelta(hours=1)


@dataclasses.dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = dataclasses.field(repr=False, compare=False)

    @classmethod
    def parse(cls, certificate_pem: bytes, key_pem: bytes) -> Self | None:
        """Read a pair that was written as PEM; None where they are of no use."""
        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem)
            key = serialization.load_pem_private_key(key_pem, password=None)
        except (ValueError, TypeError):  # TypeError: the key wants a password
            return None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            return None
        return cls(certificate, key)

    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


@dataclasses.dataclass(frozen=True)
class Holding:
    """Who signs, who will, what the webhook serves, and every authority that is to be trusted."""

    signer: Pair
    successor: Pair | None
    server: Pair
    trusted: tuple[x509.Certificate, ...]


def host_names(service: str, namespace: str) -> tuple[str, ...]:
    """The names by which the API server (the first) and senders of events call a Service."""
    short = f"{service}.{namespace}"
    return f"{short}.svc", f"{short}.svc.cluster.local", short


def parse_bundle(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a bundle; none where it is no bundle."""
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError:
        return ()


def bundle_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def due(
    *,
    signer: Pair | None,
    successor: Pair | None,
    server: Pair | None,
    trusted: Sequence[x509.Certificate],
    names: Sequence[str],
    now: dt.datetime,
) -> Holding:
    """What there should be now, made from what there is; the same where nothing is to be done."""
    signer, successor = (
        pair if pair and _signs_for(pair.certificate, names) and _is_valid(pair.certificate, now) else None
        for pair in (signer, successor)
    )
    if signer is None:
        signer, successor = successor or authority(names, now), None
    if successor is None and _is_aging(signer.certificate, now):
        successor = authority(names, now)
    if successor and signer.certificate.not_valid_after_utc < now + SERVER_LIFE:
        signer, successor = successor, None
    own = [pair.certificate for pair in (signer, successor) if pair]
    before = [known for known in trusted if known not in own and _is_valid(known, now)]
    trusted = tuple((own + before)[:MOST_TRUSTED])
    if server is None or not _serves(server.certificate, names, trusted) or _is_aging(server.certificate, now):
        server = issue(signer, names, now)
    return Holding(signer, successor, server, trusted)


def authority(names: Sequence[str], now: dt.datetime) -> Pair:
    """A new authority, which may sign certificates for ``names`` and nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    # Two authorities stand side by side in a bundle, so they are not called the same.
    name = _name(f"data-locality-webhook authority of {now:%Y-%m-%d}")
    nowhere = [x509.IPAddress(ipaddress.ip_network(text)) for text in ("0.0.0.0/0", "::/0")]
    builder = (
        _builder(name, name, key, now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints([x509.DNSName(known) for known in names], nowhere), critical=True)
    )
    return Pair(builder.sign(key, hashes.SHA256()), key)


def issue(signer: Pair, names: Sequence[str], now: dt.datetime) -> Pair:
    """A new certificate for the webhook's server."""
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = signer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder(_name("data-locality-webhook"), signer.certificate.subject, key, now, SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(known) for known in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    return Pair(builder.sign(signer.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime, life: dt.timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _is_valid(certificate: x509.Certificate, now: dt.datetime) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def _is_aging(certificate: x509.Certificate, now: dt.datetime) -> bool:
    """Whether so much of its life is over that it is to be renewed; also where it has not begun."""
    began, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return not began <= now < began + RENEWED_AFTER * (ends - began)


def _signs_for(certificate: x509.Certificate, names: Sequence[str]) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return {name.value for name in found.permitted_subtrees or ()} == set(names)


def _serves(certificate: x509.Certificate, names: Sequence[str], trusted: Iterable[x509.Certificate]) -> bool:
    """Whether it is for all these names, and from somebody who is trusted."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return set(names) <= set(found.get_values_for_type(x509.DNSName)) and any(
        _is_issuer(known, certificate) for known in trusted
    )


def _is_issuer(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
