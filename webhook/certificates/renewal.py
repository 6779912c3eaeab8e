"""Keeps the webhook's certificate and tells the API server whom to trust: one run of `webhook-certificate`.

A run reads what there is (two Secrets), works out what should be (in issuing) and writes what differs, in an
order that never leaves the webhook with a certificate that nobody trusts, wherever a run breaks off:

1. The authorities' Secret, which only this command reads. Nothing is trusted before its key is safe.
2. ``caBundle`` in the two webhook configurations.
3. The webhook's Secret, from which it serves: the certificate, its key and, for those who send events, ``ca.crt``.

Every write says which version it changes, so that of two runs at once one finds itself outrun, and starts over from
what the other wrote. A run that has nothing to do writes nothing.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import structlog

from scheduler import errors
from scheduler.kube import client
from webhook.certificates import issuing

log = structlog.get_logger(__name__)

SERVICE: Final = "data-locality-webhook"
CONFIGURATION: Final = "data-locality-webhook"
SECRET: Final = "data-locality-webhook-tls"  # noqa: S105 - its name
AUTHORITY_SECRET: Final = "data-locality-webhook-authority"  # noqa: S105
_CONFIGURATIONS: Final = tuple(
    f"/apis/admissionregistration.k8s.io/v1/{plural}/{CONFIGURATION}"
    for plural in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
)
_ATTEMPTS: Final = 5

Object = dict[str, Any]


async def run(kubeconfig: str | None, namespace: str) -> None:
    """Do what is due.

    Raises:
        InputError: there is no way to the API server as set up.
        ApiError: the API server did not do what was asked.
    """
    api = await client.Api.connect(kubeconfig)
    try:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await keep(api, namespace, dt.datetime.now(dt.UTC))
            except errors.ConflictError as error:  # with another run, or somebody who edits
                if attempt == _ATTEMPTS:
                    raise
                log.info("outrun by another writer, starting over", attempt=attempt, error=str(error))
            else:
                return
    finally:
        await api.close()


async def keep(api: client.Api, namespace: str, now: dt.datetime) -> issuing.Holding:
    """Bring Secrets and webhook configurations to what is due at ``now``.

    Raises:
        ConflictError: something changed meanwhile; start over.
        ApiError: the API server did not do what was asked.
    """
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    kept = await _read(api, secrets, AUTHORITY_SECRET, "Opaque")
    served = await _read(api, secrets, SECRET, "kubernetes.io/tls")
    due = issuing.due(
        signer=_pair(kept, "tls"),
        successor=_pair(kept, "next"),
        server=_pair(served, "tls"),
        trusted=issuing.parse_bundle(_value(served, "ca.crt")),
        names=issuing.host_names(SERVICE, namespace),
        now=now,
    )
    bundle = issuing.bundle_pem(due.trusted)
    await _write(api, secrets, kept, {**_encoded("tls", due.signer), **_encoded("next", due.successor)})
    for path in _CONFIGURATIONS:
        await _trust(api, path, bundle)
    await _write(api, secrets, served, {**_encoded("tls", due.server), "ca.crt": bundle})
    ends = due.server.certificate.not_valid_after_utc.isoformat()
    log.info("certificate kept", ends=ends, authorities=len(due.trusted))
    return due


async def _read(api: client.Api, collection: str, name: str, kind: str) -> Object:
    """The Secret, or how it would be made."""
    try:
        found: Object = msgspec.json.decode(await api.get(f"{collection}/{name}"))
    except errors.NotFoundError:
        labels = {"app.kubernetes.io/name": SERVICE, "app.kubernetes.io/part-of": "data-locality-scheduler"}
        return {"metadata": {"name": name, "labels": labels}, "type": kind}
    return found


async def _write(api: client.Api, collection: str, secret: Object, wanted: Mapping[str, bytes]) -> None:
    """Write what a Secret has to hold, into what was read."""
    data = {key: base64.b64encode(value).decode() for key, value in wanted.items()}
    name = secret["metadata"]["name"]
    if secret.get("data") == data:
        return
    body = msgspec.json.encode({**secret, "data": data})
    if "resourceVersion" in secret["metadata"]:
        await api.put(f"{collection}/{name}", body)
    else:
        await api.post(collection, body)
    log.info("secret written", secret=name)


async def _trust(api: client.Api, path: str, bundle: bytes) -> None:
    """Let the API server verify our webhooks by this bundle."""
    found: Object = msgspec.json.decode(await api.get(path))
    wanted = base64.b64encode(bundle).decode()
    stale = [hook["name"] for hook in found.get("webhooks", ()) if hook["clientConfig"].get("caBundle") != wanted]
    if not stale:
        return
    patch = {
        "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
        "webhooks": [{"name": name, "clientConfig": {"caBundle": wanted}} for name in stale],
    }
    await api.patch(path, msgspec.json.encode(patch), client.STRATEGIC_PATCH, params={"fieldManager": SERVICE})
    log.info("authorities told to the API server", configuration=path, webhooks=stale)


def _value(secret: Object, key: str) -> bytes:
    """What stands in a Secret under a key; nothing where it is missing or no base64."""
    try:
        return base64.b64decode((secret.get("data") or {}).get(key, ""), validate=True)
    except binascii.Error:
        return b""


def _pair(secret: Object, prefix: str) -> issuing.Pair | None:
    return issuing.Pair.parse(_value(secret, f"{prefix}.crt"), _value(secret, f"{prefix}.key"))


def _encoded(prefix: str, pair: issuing.Pair | None) -> dict[str, bytes]:
    return {f"{prefix}.crt": pair.certificate_pem(), f"{prefix}.key": pair.key_pem()} if pair else {}
