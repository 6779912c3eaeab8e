"""What it takes to ask a store: its credentials and its CA certificates, read from the cluster.

A Secret holds ``accessKey`` and ``secretKey``, and ``sessionToken`` where the two are lent; or the same under the names
that those who made the Secret gave them: MinIO's chart, Bitnami's, the AWS tools (``_PAIRS``). A Secret with several
such pairs is taken where they agree, and refused where they do not, for nobody can tell which was meant.

Nothing is kept here: the asker reads them anew where the store refuses what was good before, and now and then. What is
missing or cannot be used is a ``listing.Failure``, which names the object and the remedy and never a value.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import pathlib
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Final

from daemon.stores import contents, model, trust
from scheduler import errors
from scheduler.api import storage
from scheduler.kube import client, reading

# Access key and secret key, as they are called in Secrets that others made.
_PAIRS: Final = (
    ("accessKey", "secretKey"),
    ("rootUser", "rootPassword"),  # MinIO's chart
    ("root-user", "root-password"),  # Bitnami's
    ("access-key", "secret-key"),
    ("accesskey", "secretkey"),  # MinIO's operator, the tenant's own
    ("CONSOLE_ACCESS_KEY", "CONSOLE_SECRET_KEY"),  # and a user of the tenant's
    ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"),
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
)
_TOKENS: Final = ("sessionToken", "session-token", "AWS_SESSION_TOKEN")
_KEYS: Final = (*(key for pair in _PAIRS for key in pair), *_TOKENS)
_MAX_NAMED: Final = 4
_MAX_NAME: Final = 60


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
    if store.waits_for:
        return contents.Failure(contents.POD_NOT_READY, f"{store.waits_for}; what it held stays, and counts when it is")
    credentials = await _credentials(api, store) if store.secret else None
    if isinstance(credentials, contents.Failure):
        return credentials
    host = urllib.parse.urlsplit(store.endpoint).hostname or ""
    if store.guard is not None and (fault := store.guard.fault(host)):
        return contents.Failure("EndpointRefused", f"{store.endpoint} is {fault}")
    ca_pem = await _ca_pem(api, store.ca) if store.ca is not None else ""
    return ca_pem if isinstance(ca_pem, contents.Failure) else Access(credentials, ca_pem)


async def _credentials(api: client.Api, store: model.Store) -> contents.Credentials | contents.Failure:
    where = f"Secret {store.secret_name}"
    path = f"/api/v1/namespaces/{store.namespace}/secrets/{store.secret}"
    try:
        secret = await reading.get(api, path, storage.Secret)
    except errors.DeniedError as error:
        return contents.Failure("SecretDenied", _denied(where, error))
    if secret is None:
        return contents.Failure("SecretMissing", f"{where} does not exist: create it with accessKey and secretKey")
    found = parse(secret.data)
    return contents.Failure("SecretUnusable", f"{where} {found}") if isinstance(found, str) else found


def parse(data: Mapping[str, str]) -> contents.Credentials | str:
    """The credentials in a Secret's data, or what is wrong with it: by the names of its keys, never by their values."""
    values = {key: _text(value) for key, value in data.items()}
    pairs = {(values[access], values[secret]) for access, secret in _PAIRS if values.get(access) and values.get(secret)}
    tokens = {values[key] for key in _TOKENS if values.get(key)}
    if len(pairs) == 1 and len(tokens) <= 1:
        return contents.Credentials(*pairs.pop(), *tokens)
    known = [key for key in _KEYS if key in values]
    if pairs:
        return f"holds different credentials under {', '.join(known)}: leave accessKey and secretKey alone"
    empty = [key for key in known if not values[key]]
    there = f"; of those it has {', '.join(known)}" if known else ""
    there += f", where {', '.join(empty)} is empty or no text" if empty else ""
    others = sorted(key for key in values if key not in known)
    there += f"; it has {_named(others)}, which mean nothing here" if others and not known else ""
    return f"must hold accessKey and secretKey, as text{there}"


def _named(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _MAX_NAMED} more" if len(keys) > _MAX_NAMED else ""
    return ", ".join(key[:_MAX_NAME] for key in keys[:_MAX_NAMED]) + more


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
        await trust.context(text or "-")
    except ValueError as error:
        words = f"{bundle} must hold PEM certificates under the key {bundle.key}, at most {trust.MAX_CERTIFICATES}"
        return contents.Failure("CaUnusable", f"{words}; it holds {error}")
    return text


async def _bundle_text(api: client.Api, bundle: model.Bundle) -> str | None:
    """The bundle's text, "" where the key is missing or no text, None where the object is missing."""
    if bundle.kind == "File":
        content = await asyncio.to_thread(pathlib.Path(bundle.name).read_bytes)
        return content.decode("utf-8", "replace")
    prefix = f"/api/v1/namespaces/{bundle.namespace}"
    if bundle.kind == "Secret":
        secret = await reading.get(api, f"{prefix}/secrets/{bundle.name}", storage.Secret)
        return None if secret is None else _text(secret.data.get(bundle.key, ""))
    config_map = await reading.get(api, f"{prefix}/configmaps/{bundle.name}", storage.ConfigMap)
    return None if config_map is None else config_map.data.get(bundle.key, "")


def _text(encoded: str) -> str:
    """What a Secret's value says, "" where it is no text."""
    try:
        return base64.b64decode(encoded, validate=True).decode().strip()
    except ValueError:  # not base64, or not UTF-8
        return ""


def _denied(where: str, error: errors.DeniedError) -> str:
    """The sentence for an object that RBAC closes.

    Raises:
        DeniedError: it is our own credentials that are at fault, not the store's.
    """
    if error.status != 403:
        raise error
    # In the daemons' own namespace, the first would open the webhook's keys to every node.
    files = "manifests/examples/store-access.yaml does, in the daemons' own namespace store-access-home.yaml"
    remedy = f"give this daemon's service account a Role for it, as {files}"
    return f"{where} may not be read: {remedy}"
