"""Certificates for 127.0.0.1 as pairs of files, each from an authority of its own."""

from __future__ import annotations

import dataclasses
import pathlib
import ssl

from localcluster import certificates


@dataclasses.dataclass(frozen=True)
class Certificate:
    """Two PEM files; the authority stands behind the certificate, so that whoever trusts the file trusts it."""

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
    authority = certificates.Authority()
    issued = authority.issue()
    made = Certificate(directory / f"{name}.crt", directory / f"{name}.key")
    made.cert.write_text(issued.pem + authority.pem)
    made.key.write_text(issued.key_pem)
    return made
