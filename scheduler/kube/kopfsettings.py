"""How this project's Kopf operators run: settings that survive a bad day, and one login for Kopf and our own client.

Kopf gives up after a minute of 503s. Here it tries for ever, which also hides missing permissions (a 403 is retried
too), so a process checks its access at the start. What still ends an operator is a 410 when a watch is opened and an
error other than 410 within one: whoever runs it must end with it and be started again.

It neither pauses for peers (leadership is a Lease's business), nor posts Events of its own, nor watches namespaces and
CRDs: the custom resources must exist before the process starts.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Any, Final

import aiohttp
import kopf

from scheduler.kube import client

CHUNK: Final = 500
SILENCE_S: Final = 70.0  # bookmarks come every 60 s
IDLE_S: Final = 0.2  # how long the worker task of an object lives on; Kopf's 5 s make a burst of pods as many tasks
_NOTHING: Final = "metadata.name=none.of.these"  # no custom resource or pod of ours is called so
LOGIN_S: Final = 600.0  # a token file is read anew this often; a 401 does it at once


class _ForEver:
    """Pauses without end. Kopf iterates anew for each request, so that a generator would be spent after the first."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.2, 0.5, 1.0), itertools.repeat(2.0))


class NoDiff(kopf.DiffBaseStorage):
    """Remembers nothing of an object: saves the two deep copies per event that are most of Kopf's cost.

    Only for operators without on.create, on.update and on.delete, which live on the difference that this hides.
    """

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


def harden(settings: kopf.OperatorSettings, *, reads_only: bool) -> None:
    """Set what every operator here needs.

    Args:
        reads_only: The operator has on.event handlers only and must never patch what it watches.
    """
    settings.networking.error_backoffs = _ForEver()
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.scanning.disabled = True
    # Else an operator that was ended would kill the process ten minutes later, which may have gone on without it.
    settings.process.ultimate_exiting_timeout = None
    settings.queueing.idle_timeout = IDLE_S
    settings.watching.chunk_size = CHUNK
    settings.watching.inactivity_timeout = SILENCE_S
    if reads_only:
        settings.persistence.diffbase_storage = NoDiff()


def login(api: client.Api) -> Callable[..., Awaitable[kopf.ConnectionInfo]]:
    """Make a handler for ``kopf.on.login(registry=...)`` that gives Kopf the credentials of our own client."""

    async def connection(**_: Any) -> kopf.ConnectionInfo:
        await api.reread(afresh=True)
        found = api.credentials
        scheme, _space, token = found.authorization.partition(" ")
        return kopf.ConnectionInfo(
            server=found.server,
            scheme=scheme or None,
            token=token or None,
            ca_path=found.ca_file,
            certificate_path=found.cert_file,
            private_key_path=found.key_file,
            insecure=not found.verify,
            proxy_url=found.proxy,
            expiration=_expiration() if token else None,
        )

    return connection


class FromNowOn:
    """A login for ``kopf.on.login``: Kopf hears of what happens from its start on, and not of what is there already.

    Kopf lists before it watches, and a thousand listed objects cost it a second of CPU. Who knows them by other means
    lets it find none: its lists of the collections given are asked for with a selector that matches nothing, which
    gives them the version to watch from all the same. Kopf leaves a way for that, sessions of one's own.

    Args:
        paths: The collections, such as ``/api/v1/pods``.

    Attributes:
        watching: Set once Kopf watches all of them.
    """

    def __init__(self, api: client.Api, paths: Collection[str]) -> None:
        self.watching = asyncio.Event()
        self._api = api
        self._paths = tuple(paths)
        self._missing = set(paths)
        self._sessions: list[aiohttp.ClientSession] = []

    async def login(self, **_: Any) -> kopf.AiohttpSession:
        await self._api.reread(afresh=True)
        found = self._api.credentials
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._api.tls or True),
            headers={"Authorization": found.authorization} if found.authorization else None,
            proxy=found.proxy,
            middlewares=(self._ask,),
        )
        self._sessions.append(session)
        return kopf.AiohttpSession(
            server=found.server, aiohttp_session=session, expiration=_expiration() if found.authorization else None
        )

    async def close(self) -> None:
        """End what Kopf leaves open where it is ended before its first request."""
        for session in self._sessions:
            await session.close()

    async def _ask(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        path = next((path for path in self._paths if request.url.path.endswith(path)), "")
        is_watch = "watch" in request.url.query
        if path and not is_watch:
            request.url = request.url.update_query(fieldSelector=_NOTHING)
        response = await handler(request)
        if is_watch and response.ok:
            self._missing.discard(path)
            if not self._missing:
                self.watching.set()
        return response


def _expiration() -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=LOGIN_S)
