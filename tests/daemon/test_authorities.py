"""A store's CA that was made by hand is taken by every Python, and that of somebody else by none."""

from __future__ import annotations

import datetime as dt
import pathlib
import ssl
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from daemon.stores import trust

PEM = serialization.Encoding.PEM


def made(name: str, signer: tuple[x509.Certificate, Any] | None) -> tuple[x509.Certificate, Any]:
    """A certificate without identifiers of keys, as `openssl` makes them with a short configuration."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer[0].subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
    )
    if signer is None:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    else:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    return builder.sign(signer[1] if signer else key, hashes.SHA256()), key


@pytest.fixture(params=["as it is", "as Python 3.13 has it"])
def strictness(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "as it is":
        return
    default = ssl.create_default_context

    def strict(*arguments: Any, **options: Any) -> ssl.SSLContext:
        context = default(*arguments, **options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)


@pytest.mark.usefixtures("strictness")
async def test_a_ca_without_key_identifiers_is_taken_on_every_python(tmp_path: pathlib.Path) -> None:
    authority = made("an authority", None)
    certificate, key = made("localhost", authority)
    (tmp_path / "crt").write_bytes(certificate.public_bytes(PEM))
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response()

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    url = f"https://localhost:{runner.addresses[0][1]}/"
    try:
        async with aiohttp.ClientSession() as session:
            bundle = authority[0].public_bytes(PEM).decode()
            async with session.get(url, ssl=await trust.context(bundle)) as said:
                assert said.status == 200
            other = made("an authority", None)[0].public_bytes(PEM).decode()
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get(url, ssl=await trust.context(other))
    finally:
        await runner.cleanup()
