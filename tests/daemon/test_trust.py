"""A store's CA bundle is read without holding up the daemon, however many certificates somebody puts into it."""

from __future__ import annotations

import asyncio
import datetime
import functools
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from daemon.stores import trust

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


@functools.cache
def certificate(number: int) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {number}")])
    made = (
        x509.CertificateBuilder(name, name, KEY.public_key(), number + 1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + datetime.timedelta(days=3650))
        .sign(KEY, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def bundle(count: int) -> str:
    return "".join(f"# of office {number}\n{certificate(number)}" for number in range(count))


async def test_every_certificate_of_a_bundle_is_trusted_and_it_is_read_once() -> None:
    text = bundle(37)
    found = await trust.context(text)
    assert found.cert_store_stats()["x509"] == 37
    assert (found.verify_mode, found.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert await trust.context(text) is found
    assert await trust.context(bundle(2)) is not found


async def test_others_have_their_turn_while_a_large_bundle_is_read() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await trust.context(bundle(trust.MAX_CERTIFICATES))
    counting.cancel()
    assert turns >= trust.MAX_CERTIFICATES / 10


async def test_a_bundle_of_thousands_is_refused_and_none_of_it_is_read() -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(ValueError, match="more than 200 certificates"):
        await trust.context(broken + certificate(0) * 2400)  # what a ConfigMap holds


HALF = certificate(0).partition("-----END")[0]
BAD = {
    "no PEM": "x",
    "no ASCII": "ü",
    "half": HALF,
    "one and a half": certificate(0) + HALF,
    "a key": KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode(),
    "not base64": "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----",
    "beginnings": "-----BEGIN CERTIFICATE-----\n" * 30_000,
    "the second is none": certificate(0) + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
async def test_what_is_no_bundle_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="no PEM certificates"):
        await trust.context(text)
