"""Who may read what tenants would not tell each other: /storage-info names everybody's buckets, /explain a pod's data.

Whoever asks from 127.0.0.1 or ::1 (``kubectl port-forward`` does, and needs a right for it) is let in, unless a proxy
handed the request on. Anybody else shows a token of the cluster's, as the API server's own clients do, and needs

    /storage-info   the right to get the non-resource URL /storage-info
    /explain        the right to get the pod, or to create pods where one is asked about that is not there; with ranking
                    or node, which tell of nodes, the right to list nodes, too; with question=1, which hands out
                    everybody's objects, the right to get the non-resource URL /explain/question
    /world          the same right as with question=1

The API server is asked both questions. Its answers are kept for a minute, those to tokens that nobody knows too, and
few are asked at a time: what knocks here without credentials costs the API server next to nothing.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import hashlib
import ipaddress
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog
from aiohttp import web

from scheduler import errors
from scheduler.kube import client, tokenreview

log = structlog.get_logger(__name__)

KEPT_S: Final = 60.0
KEPT: Final = 1024  # answers, some hundred bytes each
ASKED_AT_ONCE: Final = 4
WAITING: Final = 32

STORAGE_INFO: Final[Mapping[str, str]] = {"verb": "get", "path": "/storage-info"}
QUESTION: Final[Mapping[str, str]] = {"verb": "get", "path": "/explain/question"}
NODES: Final[Mapping[str, str]] = {"verb": "list", "version": "v1", "resource": "nodes"}
_LOCAL: Final = frozenset({ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")})
_OF_PROXIES: Final = frozenset({"forwarded", "via", "x-real-ip"})
_REMEDY: Final = (
    'send "Authorization: Bearer TOKEN", for example of kubectl create token, or ask over kubectl port-forward'
)


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, as a status of HTTP and what to do."""

    status: int
    message: str

    @property
    def headers(self) -> dict[str, str]:
        if self.status == 401:
            return {"WWW-Authenticate": "Bearer"}
        return {"Retry-After": "1"} if self.status == 503 else {}


def pod_right(namespace: str, name: str) -> dict[str, str]:
    """What is needed to read the decisions about a pod."""
    return {"verb": "get", "version": "v1", "resource": "pods", "namespace": namespace, "name": name}


def creating_right(namespace: str) -> dict[str, str]:
    """What is needed to ask about a pod that is not there."""
    return {"verb": "create", "version": "v1", "resource": "pods", "namespace": namespace}


class Doors:
    """Asks and remembers.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, api: client.Api, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._known: collections.OrderedDict[tuple[object, ...], tuple[float, Refusal | None]] = (
            collections.OrderedDict()
        )
        self._turns = asyncio.Semaphore(ASKED_AT_ONCE)
        self._waiting = 0

    async def refusal(self, request: web.Request, **right: Mapping[str, str]) -> Refusal | None:
        """Why whoever sent a request may not read what needs a right; None if it may."""
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        if is_local(peer) and not _is_handed_on(request.headers):
            return None
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return Refusal(401, f"this needs a token of the cluster; {_REMEDY}")
        token = token.strip()
        key = (hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest(), *_flat(right))
        until, known = self._known.get(key, (0.0, None))
        if self._clock() < until:
            return known
        if self._waiting >= WAITING:
            return Refusal(503, "too many ask at once; try again")
        self._waiting += 1
        try:
            async with self._turns:
                found = await self._ask(token, right)
        finally:
            self._waiting -= 1
        if found is None or found.status != 503:
            self._known[key] = (self._clock() + KEPT_S, found)
            self._known.move_to_end(key)
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return found

    async def _ask(self, token: str, right: Mapping[str, Mapping[str, str]]) -> Refusal | None:
        try:
            user = await tokenreview.review(self._api, token)
            if user is None:
                return Refusal(401, f"nobody has this token, or no longer; {_REMEDY}")
            if await tokenreview.may(self._api, user, **right):
                return None
        except (errors.ApiError, errors.InputError) as error:
            log.warning("who asks could not be checked", error=str(error))
            return Refusal(503, "the API server does not tell who asks; try again, or ask over kubectl port-forward")
        [attributes] = right.values()
        return Refusal(403, f"RBAC does not allow {user.username} to {attributes['verb']} {_named(attributes)}")


def is_local(peer: tuple[str, int] | tuple[str, int, int, int] | None) -> bool:
    """Whether a socket's other end is this machine by its usual address.

    Others of its loopback addresses are not: a mesh's sidecar hands on everybody's requests from 127.0.0.6.
    """
    try:
        address = ipaddress.ip_address(peer[0].partition("%")[0] if peer else "")
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address) in _LOCAL


def _is_handed_on(headers: Iterable[str]) -> bool:
    """Whether a proxy sent a request for somebody else, as nearly all of them say."""
    return any(name.lower() in _OF_PROXIES or name.lower().startswith("x-forwarded-") for name in headers)


def _named(attributes: Mapping[str, str]) -> str:
    """What somebody needs a right to, in words."""
    if path := attributes.get("path"):
        return path
    namespace, name = attributes.get("namespace"), attributes.get("name")
    if name:
        return f"pod {namespace}/{name}"
    return f"{attributes['resource']} in {namespace}" if namespace else attributes["resource"]


def _flat(right: Mapping[str, Mapping[str, str]]) -> tuple[object, ...]:
    return tuple((kind, *sorted(attributes.items())) for kind, attributes in sorted(right.items()))
