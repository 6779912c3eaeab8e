"""Tokens, keys and kubeconfig files of a cluster: random for each cluster, in files that only their user can read."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import secrets

from Crypto.PublicKey import ECC  # comes with the minio client


def random_token() -> str:
    """A bearer token, or a password, that cannot be guessed."""
    return secrets.token_urlsafe(24)


def service_account_keys() -> tuple[str, str]:
    """A private key that signs the tokens of ServiceAccounts, and the public one that verifies them, as PEM."""
    key = ECC.generate(curve="P-256")
    return key.export_key(format="PEM"), key.public_key().export_key(format="PEM")


def write_private(path: pathlib.Path, text: str) -> pathlib.Path:
    """Write a file that is readable by its user only, from its first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return path


def kubeconfig(*, server: str, ca_pem: bytes, token: str, namespace: str = "default") -> str:
    """A kubeconfig for a bearer token. The server's certificate is verified against the given authority.

    JSON is YAML, and every client reads it.
    """
    cluster = {"server": server, "certificate-authority-data": base64.b64encode(ca_pem).decode()}
    context = {"cluster": "local", "user": "local", "namespace": namespace}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": cluster}],
        "users": [{"name": "local", "user": {"token": token}}],
        "contexts": [{"name": "local", "context": context}],
        "current-context": "local",
    }
    return json.dumps(document, indent=1)
