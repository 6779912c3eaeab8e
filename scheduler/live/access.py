"""Asks the API server at the start whether this process may do its work: a lack is to be one clear line, not silence.

A watch that is refused is retried for ever, a binding that is refused fails pod by pod: both look like a scheduler that
hangs. What is asked here is the whole of the roles under manifests/base, but for the writes to DataObjects: placing
goes on without those, and the log says once what is missing.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from scheduler import config, errors
from scheduler.api import names
from scheduler.kube import client

log = structlog.get_logger(__name__)

REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

NEEDED: Final = (  # verb, group, resource, subresource
    *((verb, "", "pods", "") for verb in ("get", "list", "watch")),
    *((verb, "", "nodes", "") for verb in ("list", "watch")),
    *((verb, "", "namespaces", "") for verb in ("list", "watch")),
    *((verb, names.GROUP, names.DATA_OBJECTS, "") for verb in ("list", "watch")),
    *((verb, names.GROUP, names.NODE_CAPABILITIES, "") for verb in ("list", "watch")),
    ("delete", "", "pods", ""),
    ("create", "", "pods", "binding"),
    ("patch", "", "pods", "status"),
    ("create", "events.k8s.io", "events", ""),
    ("patch", "events.k8s.io", "events", ""),
)

LEASES: Final = "coordination.k8s.io"
# Nobody can be allowed to make an object of one name only.
OF_THE_LEASE: Final = ("get", "list", "watch", "patch")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Right:
    """What may be done to what, and with a namespace or a name, where."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""


def needed(terms: config.LeaderElection, home: str) -> list[Right]:
    """All rights that this process needs; ``home`` is its namespace."""
    rights = [Right(verb=verb, group=group, resource=kind, subresource=part) for verb, group, kind, part in NEEDED]
    if terms.is_on:
        where = terms.namespace or home
        rights += [
            Right(verb=verb, group=LEASES, resource="leases", namespace=where, name=terms.name) for verb in OF_THE_LEASE
        ]
        rights.append(Right(verb="create", group=LEASES, resource="leases", namespace=where))
    return rights


PATIENCE_S = 30.0  # a node's network and an API server may come up later than this process


class _Resource(msgspec.Struct, frozen=True):
    name: str = ""


class _Resources(msgspec.Struct):
    resources: list[_Resource] = []


class _Answer(msgspec.Struct, frozen=True):
    allowed: bool = False


class _Review(msgspec.Struct):
    status: _Answer = _Answer()


async def check(api: client.Api, rights: Sequence[Right]) -> list[str]:
    """What stands in the way, each with what to do; empty if nothing does.

    Waits for an API server that does not answer yet.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            missing = await _patiently(api)
    except TimeoutError:
        return [f"{api.credentials.server} does not answer; check the address in the kubeconfig and the network"]
    except errors.DeniedError as error:
        return [f"the credentials are not accepted ({error.message}); check the kubeconfig or the service account"]
    except errors.ApiError as error:
        return [f"{error}"]
    if missing:
        return missing
    answers = await asyncio.gather(*(_may(api, right) for right in rights))
    return [problem for problem in answers if problem]


async def _patiently(api: client.Api) -> list[str]:
    while True:
        try:
            return await _missing_kinds(api)
        except (errors.UnreachableError, errors.ThrottledError) as error:
            if error.reason in {"Untrusted", "TLS"}:
                raise
            log.warning("waiting for the API server", error=str(error))
            await asyncio.sleep(max(1.0, error.retry_after_s))


async def _missing_kinds(api: client.Api) -> list[str]:
    try:
        served = msgspec.json.decode(await api.get(f"/apis/{names.API_VERSION}"), type=_Resources)
    except errors.NotFoundError:
        served = _Resources()
    known = {resource.name for resource in served.resources}
    missing = [kind for kind in (names.DATA_OBJECTS, names.NODE_CAPABILITIES) if kind not in known]
    if not missing:
        return []
    kinds = " and ".join(f"{kind}.{names.GROUP}" for kind in missing)
    return [f"the API server does not know {kinds}; run: kubectl apply --server-side -f crds/"]


async def _may(api: client.Api, right: Right) -> str:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in dataclasses.asdict(right).items() if value}},
    }
    try:
        answer = msgspec.json.decode(await api.post(REVIEWS, msgspec.json.encode(body), fenced=False), type=_Review)
    except errors.ApiError as error:
        # Asking is a courtesy of the server's; that it cannot be had says nothing about the rights themselves.
        log.info("access could not be checked", verb=right.verb, resource=right.resource, error=str(error))
        return ""
    if answer.status.allowed:
        return ""
    name = f"{right.resource}/{right.subresource}" if right.subresource else right.resource
    what = f"{name} {right.name}" if right.name else name
    where = f" in group {right.group}" if right.group else ""
    where += f" in namespace {right.namespace}" if right.namespace else ""
    return f"RBAC does not allow to {right.verb} {what}{where}; apply manifests/base/rbac-scheduler.yaml"
