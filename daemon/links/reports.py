"""The door at which workloads tell what real transfers took: ``POST /transfers`` on the daemon's HTTP server.

Whom it trusts, and how far: pods of this daemon's own node, by a ServiceAccount token with an audience that makes it
useless elsewhere; the API server reviews it and says on which node its pod runs. Nothing that such a pod says is
checked against the network, so what it can do is bounded instead: rates above any network card's are refused, and
Paths lets transfers support what was probed but not overrule it. Paths that others have probed lately are not told of
at all: of a zone's many nodes, each with what its own applications happen to need, the sum would drown the probes.

A token is believed for a minute after its review. Unknown tokens and reports are limited in number, so neither
strangers nor pods can make the API server busy through this door; whoever uses the numbers up only keeps reports out.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from typing import Annotated, Final, Generic, Literal, TypeVar

import msgspec
import structlog
from aiohttp import web

from daemon import metrics
from daemon.cluster import reader
from daemon.links import measurer, schedule
from scheduler import errors
from scheduler.api import core, crd, names, units
from scheduler.kube import client, tokenreview

log = structlog.get_logger(__name__)

AUDIENCE: Final = "data-locality-daemon"
BODY_BYTES: Final = 64 * 1024
MOST_REPORTS: Final = 64  # in one request
REPORTS_PER_S: Final = 10.0

_REVIEWS_PER_S, _REVIEWS_AT_ONCE = 5.0, 20
_FASTEST_BYTES_PER_S: Final = 1e11  # 800 Gbit/s
_TOKEN_S, _TOKENS = 60.0, 256
_PEER_S, _PEERS = 600.0, 512
_BODY_S: Final = 10.0
_NODE_EXTRA: Final = "authentication.kubernetes.io/node-name"
_CAPABILITIES: Final = f"/apis/{names.API_VERSION}/{names.NODE_CAPABILITIES}"
_FORM: Final = '{"peer": "NODE", "direction": "From", "sizeBytes": 2000000000, "seconds": 16.5}'

_NodeName = Annotated[str, msgspec.Meta(max_length=253, pattern=r"\A[a-z0-9]([-.a-z0-9]*[a-z0-9])?\Z")]


class Transfer(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """One report: ``From`` was read from the peer, ``To`` was written to it."""

    peer: _NodeName
    direction: Literal["From", "To"]
    size_bytes: Annotated[int, msgspec.Meta(gt=0, le=2**50)]
    seconds: Annotated[float, msgspec.Meta(gt=0, le=86_400)]


_Body = Transfer | Annotated[list[Transfer], msgspec.Meta(min_length=1, max_length=MOST_REPORTS)]


T = TypeVar("T")


class _Kept(Generic[T]):
    """What was found out, for so long; of too much the oldest is dropped."""

    def __init__(self, lifetime_s: float, most: int) -> None:
        self._lifetime_s = lifetime_s
        self._most = most
        self._found: dict[str | bytes, tuple[float, T]] = {}

    def get(self, key: str | bytes) -> T | None:
        at_s, value = self._found.get(key, (-math.inf, None))
        return value if time.monotonic() - at_s < self._lifetime_s else None

    def put(self, key: str | bytes, value: T) -> T:
        self._found.pop(key, None)
        if len(self._found) >= self._most:
            del self._found[next(iter(self._found))]
        self._found[key] = (time.monotonic(), value)
        return value


class _Rate:
    """So many a second, and so many at once after a rest."""

    def __init__(self, per_s: float, at_once: int) -> None:
        self._per_s = per_s
        self._at_once = self._left = float(at_once)
        self._at_s = time.monotonic()

    def wait_s(self, amount: int = 1) -> float:
        """Take them and return 0, or how long to wait until they can be taken."""
        now_s = time.monotonic()
        self._left = min(self._left + (now_s - self._at_s) * self._per_s, self._at_once)
        self._at_s = now_s
        if amount > self._left:
            return (amount - self._left) / self._per_s
        self._left -= amount
        return 0.0


class Reports:
    """Takes in reports for the links of one node."""

    def __init__(self, api: client.Api, node: str, links: measurer.Links, figures: metrics.Metrics) -> None:
        self._api = api
        self._node = node
        self._links = links
        self._figures = figures
        self._token_nodes: _Kept[str] = _Kept(_TOKEN_S, _TOKENS)
        self._zones: _Kept[schedule.Zone] = _Kept(_PEER_S, _PEERS)
        self._elsewhere: _Kept[bool] = _Kept(_PEER_S, _PEERS)
        self._reviews = _Rate(_REVIEWS_PER_S, _REVIEWS_AT_ONCE)
        self._reports = _Rate(REPORTS_PER_S, MOST_REPORTS)

    async def post(self, request: web.Request) -> web.Response:
        """The handler; a list is taken as a whole or not at all."""
        try:
            answer = await self._not_admitted(request.headers.get("Authorization", "")) or await self._take(request)
        except errors.InputError as error:
            answer = web.Response(status=400, text=f"{error}\n")
        except errors.ApiError as error:
            log.warning("reports of transfers cannot be taken", error=str(error))
            text = "the API server did not tell the daemon what it needs to know; try again later\n"
            answer = web.Response(status=503, text=text, headers={"Retry-After": "10"})
        if answer.status != 204:
            self._figures.transfer_told("refused")
        return answer

    async def _not_admitted(self, authorization: str) -> web.Response | None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token or not token.isascii():
            return _unknown("a token is missing")
        key = hashlib.sha256(token.encode()).digest()
        node = self._token_nodes.get(key)
        if node is None:
            wait_s = self._reviews.wait_s()
            if wait_s:
                return _too_many(wait_s, "unknown tokens")
            user = await tokenreview.review(self._api, token, AUDIENCE)
            if user is None:
                return _unknown("the token is for somebody else, or no longer valid")
            node = self._token_nodes.put(key, next(iter(user.extra.get(_NODE_EXTRA, ())), ""))
        if node != self._node:
            runs = f"on node {node}" if node else "on a node that its token does not name (Kubernetes before 1.30?)"
            text = f"the pod runs {runs}, and this is the daemon of node {self._node}: tell that of its own node\n"
            return web.Response(status=403, text=text)
        return None

    async def _take(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(_BODY_S):
                told = _parsed(await request.read())
        except TimeoutError:
            return web.Response(status=408, text="the body did not arrive in time\n")
        wait_s = self._reports.wait_s(len(told))
        if wait_s:
            return _too_many(wait_s, "reports")
        peers = [await self._peer(one.peer, number) for number, one in enumerate(told)]
        for one, peer in zip(told, peers, strict=True):
            counts = peer is not None and self._links.transferred(
                peer, outward=one.direction == "To", size_bytes=one.size_bytes, seconds=one.seconds
            )
            self._figures.transfer_told("taken" if counts else "ignored")
        return web.Response(status=204)

    async def _peer(self, node: str, number: int) -> str | None:
        """Under which name the path to a node is published; None where nothing is to be told of it."""
        if node == self._node:  # the rate of its own disks is no link's
            return None
        theirs, mine = await self._zone(node), await self._zone(self._node)
        if theirs is None:
            raise errors.InputError(f"$[{number}].peer", node, "there is no such Node; name the one at the other end")
        peer = schedule.peer_of(schedule.Member(node, theirs, "", 0))
        if self._links.paths.is_probed(peer) or mine is None or not (mine[1] and theirs[1]):
            return peer
        is_known = self._elsewhere.get(peer)
        if is_known is None:
            is_known = self._elsewhere.put(peer, await self._is_probed_elsewhere(mine, theirs))
        return None if is_known else peer

    async def _zone(self, node: str) -> schedule.Zone | None:
        zone = self._zones.get(node)
        if zone is None:
            found = await reader.get(self._api, f"/api/v1/nodes/{node}", core.Node)
            if found is not None:
                labels = found.metadata.labels
                zone = (labels.get(names.REGION_LABEL, ""), labels.get(names.ZONE_LABEL, ""))
                self._zones.put(node, zone)
        return zone

    async def _is_probed_elsewhere(self, mine: schedule.Zone, theirs: schedule.Zone) -> bool:
        """Whether somebody at either end lately published a probe of the path; only probes know a latency."""
        either = f"{names.PROBES_LABEL}=true,{names.ZONE_LABEL} in ({mine[1]},{theirs[1]})"
        params = {"labelSelector": either, "resourceVersion": "0"}
        try:
            found = await reader.list_all(self._api, _CAPABILITIES, crd.NodeCapability, params)
        except errors.GoneError:
            return True  # not known: rather nothing than too much
        now_s, ends = time.time(), {mine: theirs, theirs: mine}
        return any(
            link.latency_seconds > 0 and now_s - (units.time_s(link.last_probe_time) or 0.0) < schedule.STAND_IN_S
            for one in found
            if (other := ends.get((one.status.region, one.status.zone))) and one.metadata.name != self._node
            for link in one.status.links
            if link.peer == schedule.peer_of(schedule.Member("", other, "", 0))
        )


def _parsed(body: bytes) -> list[Transfer]:
    try:
        told = msgspec.json.decode(body, type=_Body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        remedy = f"{error}; write {_FORM}, or a list of at most {MOST_REPORTS}"
        raise errors.InputError("body", body[:200].decode("utf-8", "replace"), remedy) from error
    found = told if isinstance(told, list) else [told]
    for number, one in enumerate(found):
        if one.size_bytes / one.seconds > _FASTEST_BYTES_PER_S:
            remedy = f"faster than {_FASTEST_BYTES_PER_S:.0e} bytes a second, which no link is; seconds are seconds"
            raise errors.InputError(f"$[{number}]", f"{one.size_bytes} bytes in {one.seconds} s", remedy)
    return found


def _unknown(what: str) -> web.Response:
    text = f'{what}: send "Authorization: Bearer" and a ServiceAccount token with the audience {AUDIENCE}\n'
    return web.Response(status=401, text=text, headers={"WWW-Authenticate": "Bearer"})


def _too_many(wait_s: float, what: str) -> web.Response:
    seconds = math.ceil(wait_s)
    return web.Response(
        status=429, text=f"too many {what}: try again in {seconds} s\n", headers={"Retry-After": str(seconds)}
    )
