"""The certificate that the webhook shows, read from a mounted folder and read again when it changes.

There is one TLS context for everything that listens. A renewed certificate goes into it without touching what is open:
connections made from then on see the new one, so nothing is restarted and no request is lost. A pair that does not fit
(one file of it written, the other not yet) is left alone until the folder changes again.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import pathlib
import ssl
from typing import Final

import structlog
from cryptography import x509

from scheduler import errors

log = structlog.get_logger(__name__)

# A kubelet brings a renewed Secret within two minutes or so; looking is two stats.
LOOK_S: Final = 2.0


class Certificate:
    """tls.crt and tls.key of a folder, as a server's TLS context.

    Attributes:
        context: For servers; stays the same object.
        expires: When the certificate in use ceases to be valid.

    Raises:
        InputError: there is no pair that can be used.
    """

    def __init__(self, directory: pathlib.Path) -> None:
        self._certificate = directory / "tls.crt"
        self._key = directory / "tls.key"
        self._authority = directory / "ca.crt"
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._seen = self._stamps()
        self.expires = self._load()

    def authority_pem(self) -> bytes:
        """What the API server has to verify with: ca.crt, or the certificate itself where there is none."""
        path = self._authority if self._authority.exists() else self._certificate
        return path.read_bytes()

    async def follow(self) -> None:
        """Load what is renewed, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            stamps = self._stamps()
            if stamps == self._seen:
                continue
            self._seen = stamps
            try:
                self.expires = self._load()
            except errors.InputError as error:
                log.warning("renewed certificate cannot be used, the old one stays in use", error=str(error))
            else:
                log.info("renewed certificate is in use", expires=self.expires.isoformat())

    def _load(self) -> dt.datetime:
        try:
            # First into a context that nobody uses: one that was given half a pair would serve nobody.
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self._certificate, self._key)
            expires = x509.load_pem_x509_certificate(self._certificate.read_bytes()).not_valid_after_utc
            self.context.load_cert_chain(self._certificate, self._key)
        except (OSError, ValueError) as error:
            remedy = f"no certificate and key that go together ({error}); put tls.crt and tls.key there"
            raise errors.InputError("--tls-dir", self._certificate.parent, remedy) from error
        return expires

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        try:
            stats = [path.stat() for path in (self._certificate, self._key)]
        except OSError:
            return ()
        return tuple((stat.st_mtime_ns, stat.st_ino) for stat in stats)
