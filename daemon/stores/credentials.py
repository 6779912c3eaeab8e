"""What it takes to ask a store: its credentials and its CA certificates, read from the cluster for every listing.

Nothing is kept, so a Secret or a bundle that somebody replaces counts from the next listing on. What is missing or
cannot be used is a ``listing.Failure``, which names the object and the remedy and never a value.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import dataclasses
import pathlib
import ssl

from daemon.cluster import reader
from daemon.stores import contents, model
from scheduler import errors
from scheduler.api import storage
from scheduler.kube import client


@dataclasses.dataclass(frozen=True)
class Access:
    """How a store is asked; without credentials anonymously, without ``ca_pem`` against the system's CAs."""

    credentials: contents.Credentials | None = None
    ca_pem: str = ""


async def read(api: client.Api, store: model.Store) -> Access | contents.Failure:
    """Read what ``store`` refers to.

    Raises:
        ApiError: the API server did not answer, or does not accept the daemon itself.
    """
    if store.problem:
        return contents.Failure("BadEndpoint" if not store.endpoint else "BadAnnotation", store.problem)
    credentials = await _credentials(api, store) if store.secret else None
    if isinstance(credentials, contents.Failure):
        return credentials
    ca_pem = await _ca_pem(api, store.ca) if store.ca is not None else ""
    return ca_pem if isinstance(ca_pem, contents.Failure) else Access(credentials, ca_pem)


async def _credentials(api: client.Api, store: model.Store) -> contents.Credentials | contents.Failure:
    where = f"Secret {store.secret_name}"
    path = f"/api/v1/namespaces/{store.namespace}/secrets/{store.secret}"
    try:
        secret = await reader.get(api, path, storage.Secret)
    except errors.DeniedError as error:
        return contents.Failure("SecretDenied", _denied(where, error))
    if secret is None:
        return contents.Failure("SecretMissing", f"{where} does not exist: create it with accessKey and secretKey")
    keys = [_text(secret.data.get(key, "")) for key in ("accessKey", "secretKey")]
    if not all(keys):
        return contents.Failure("SecretUnusable", f"{where} must hold accessKey and secretKey, as text")
    return contents.Credentials(*keys)


async def _ca_pem(api: client.Api, bundle: model.Bundle) -> str | contents.Failure:
    try:
        text = await _bundle_text(api, bundle)
    except errors.DeniedError as error:
        return contents.Failure("CaUnusable", _denied(str(bundle), error))
    except OSError as error:
        return contents.Failure("CaUnusable", f"the CA bundle {bundle.name} cannot be read: {error.strerror}")
    if text is None:
        return contents.Failure("CaUnusable", f"{bundle} does not exist: create it with the key {bundle.key}")
    try:
        ssl.create_default_context(cadata=text or "-")
    except (ssl.SSLError, TypeError):  # TypeError: not ASCII
        return contents.Failure("CaUnusable", f"{bundle} must hold PEM certificates under the key {bundle.key}")
    return text


async def _bundle_text(api: client.Api, bundle: model.Bundle) -> str | None:
    """The bundle's text, "" where the key is missing or no text, None where the object is missing."""
    if bundle.kind == "File":
        content = await asyncio.to_thread(pathlib.Path(bundle.name).read_bytes)
        return content.decode("utf-8", "replace")
    prefix = f"/api/v1/namespaces/{bundle.namespace}"
    if bundle.kind == "Secret":
        secret = await reader.get(api, f"{prefix}/secrets/{bundle.name}", storage.Secret)
        return None if secret is None else _text(secret.data.get(bundle.key, ""))
    config_map = await reader.get(api, f"{prefix}/configmaps/{bundle.name}", storage.ConfigMap)
    return None if config_map is None else config_map.data.get(bundle.key, "")


def _text(encoded: str) -> str:
    """What a Secret's value says, "" where it is no text."""
    try:
        return base64.b64decode(encoded, validate=True).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _denied(where: str, error: errors.DeniedError) -> str:
    """The sentence for an object that RBAC closes.

    Raises:
        DeniedError: it is our own credentials that are at fault, not the store's.
    """
    if error.status != 403:
        raise error
    remedy = "give this daemon's service account a Role for it, as manifests/examples/store-access.yaml does"
    return f"{where} may not be read: {remedy}"
