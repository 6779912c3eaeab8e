"""The API server as the benchmark uses it: many requests at once, and watches that only tell names."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import Any, Self

import aiohttp
import msgspec

from scheduler.kube import credentials

Json = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name."""

LANES = 12
WATCH_S = 7200
# The least that can be asked for: it costs the API server little beside what it does for a scheduler.
NAMES_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_NAMES_LISTED = NAMES_ONLY.replace("PartialObjectMetadata", "PartialObjectMetadataList")
LINE_BYTES = 2**20


class Metadata(msgspec.Struct):
    """What a watch tells."""

    name: str = ""
    namespace: str = ""
    version: str = msgspec.field(name="resourceVersion", default="")


class Object(msgspec.Struct):
    """Any object."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)


class _Listed(msgspec.Struct):
    items: list[Object] | None


class Event(msgspec.Struct):
    """One line of a watch."""

    type: str
    object: Object


class Api:
    """A session; an async context manager."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self._server = server

    @classmethod
    async def connect(cls, kubeconfig: str) -> Self:
        """Log in as the kubeconfig says."""
        found = await credentials.Login(kubeconfig).read(afresh=True)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=found.ssl_context(), limit=0),
            headers={"Authorization": found.authorization, "Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=30),
            read_bufsize=LINE_BYTES,
        )
        return cls(session, found.server)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def request(self, method: str, path: str, body: Json | None = None, **params: str) -> Json:
        """One request; raises RuntimeError with the server's words where it refuses."""
        data = json.dumps(body).encode() if body is not None else None
        async with self._session.request(method, self._server + path, data=data, params=params) as answer:
            content = await answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {content[:500].decode(errors='replace')}")
            return dict(json.loads(content))

    async def text(self, path: str, **params: str) -> bytes:
        """What a path that is not JSON answers."""
        async with self._session.get(self._server + path, params=params) as answer:
            answer.raise_for_status()
            return await answer.read()

    async def create_all(self, path: str, bodies: Iterable[Json]) -> None:
        """Create objects, several at a time, in about their order."""
        await self.send_all("POST", ((path, body) for body in bodies))

    async def send_all(self, method: str, bodies: Iterable[tuple[str, Json]]) -> None:
        """Send each body to its path, several at a time, in about their order."""
        waiting = iter(bodies)

        async def lane() -> None:
            for path, body in waiting:
                await self.request(method, path, body)

        async with asyncio.TaskGroup() as group:
            for _ in range(LANES):
                group.create_task(lane())

    async def count(self, path: str) -> int:
        """How many objects there are, without reading them."""
        page = await self.request("GET", path, limit="1")
        return len(page["items"]) + int(page["metadata"].get("remainingItemCount", 0))

    async def names(self, path: str) -> set[str]:
        """The names of a namespace's objects, without reading the rest of them."""
        async with self._session.get(self._server + path, headers={"Accept": _NAMES_LISTED}) as answer:
            answer.raise_for_status()
            listed = msgspec.json.decode(await answer.read(), type=_Listed)
            return {item.metadata.name for item in listed.items or ()}

    async def version(self, path: str) -> str:
        """From where to watch in order to see what comes next."""
        return str((await self.request("GET", path, limit="1"))["metadata"]["resourceVersion"])

    async def watch(self, path: str, version: str, selector: str = "") -> AsyncIterator[tuple[str, Key, float]]:
        """Kind of event, namespace and name, and when it came (time.monotonic()); for ever.

        The API server ends a watch whose reader is late, as happens on a busy machine; then the next one goes on behind
        the last event.
        """
        params = {"watch": "1", "timeoutSeconds": str(WATCH_S)}
        if selector:
            params["fieldSelector"] = selector
        decoder = msgspec.json.Decoder(Event)
        headers = {"Accept": NAMES_ONLY}
        while True:
            async with contextlib.aclosing(self._lines(path, params | {"resourceVersion": version}, headers)) as lines:
                async for line in lines:
                    event = decoder.decode(line)
                    if event.type == "ERROR":
                        raise RuntimeError(f"watch of {path}: {line[:500].decode(errors='replace')}")
                    metadata = event.object.metadata
                    version = metadata.version or version
                    yield event.type, (metadata.namespace, metadata.name), time.monotonic()

    async def _lines(self, path: str, params: Json, headers: dict[str, str]) -> AsyncGenerator[bytes, None]:
        async with self._session.get(self._server + path, params=params, headers=headers) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                yield line
