"""A receiver of events as the tests run it: in the test's own process, or in one that can be killed.

python -m tests.webhook.receiving KUBECONFIG NAMESPACE TOKENS TLS PORT
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import io
import pathlib
import ssl
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import aiohttp
import prometheus_client
from aiohttp import web

from scheduler.kube import client
from tests.fakeapi import certificates
from webhook import doors, facts
from webhook.events import keeping, ledger, metrics, receiver, senders

TOKEN = "a-static-token-for-tests"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
JSON = {"Content-Type": "application/json"}
EVENT = {"Ce-Specversion": "1.0", "Ce-Type": "test", "Ce-Source": "tests"}


@dataclasses.dataclass
class Answer:
    status: int
    text: str
    headers: Mapping[str, str]


@dataclasses.dataclass
class Replica:
    """One replica: its parts, and what posts to it."""

    url: str
    book: ledger.Ledger
    keeper: keeping.Keeper
    registry: prometheus_client.CollectorRegistry
    session: aiohttp.ClientSession

    async def post(self, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Post as a trusted sender, unless ``headers`` say otherwise."""
        async with self.session.post(
            self.url + path, data=io.BytesIO(body), headers=AUTHORIZED | dict(headers or {})
        ) as answer:
            return Answer(answer.status, await answer.text(), answer.headers)

    async def tell(self, consumer: facts.Consumer, mark: str, *urns: str) -> Answer:
        """Post an event that names inputs."""
        body = web.json_response({"dataInputs": [{"urn": urn, "size": 5} for urn in urns]}).body
        assert isinstance(body, bytes)
        return await self.post(f"/events/{consumer.namespace}/{consumer.name}", body, EVENT | JSON | {"Ce-Id": mark})

    def figure(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"data_locality_webhook_{name}", labels) or 0.0

    def text(self, consumer: facts.Consumer) -> str:
        """What the consumer's pods would be told, "" for nothing."""
        source = self.book.source(consumer)
        return source.annotations["knative.event-data"] if source else ""


def tokens_of(directory: pathlib.Path) -> pathlib.Path:
    directory.mkdir(exist_ok=True)
    (directory / "store").write_text(f"{TOKEN}\n")
    return directory


@contextlib.asynccontextmanager
async def running(
    kubeconfig: pathlib.Path | str,
    namespace: str,
    tokens: pathlib.Path | None,
    *,
    readers: Mapping[str, Sequence[facts.Consumer]] | None = None,
    certificate: certificates.Certificate | None = None,
    port: int = 0,
    book: ledger.Ledger | None = None,
    allow_anonymous: bool = False,
    follows: bool = True,
    **how: Any,
) -> AsyncIterator[Replica]:
    """A replica that keeps what it hears in this namespace; where it does not follow, no watch tells it of others."""
    api = await client.Api.connect(str(kubeconfig))
    registry = prometheus_client.CollectorRegistry()
    figures = metrics.Metrics(registry)
    book = ledger.Ledger() if book is None else book  # an empty one is false
    keeper = keeping.Keeper(api, book, namespace, figures, **how)
    known = senders.Senders(api, figures, tokens=tokens, allow_anonymous=allow_anonymous)
    app = receiver.build(keeper, known, lambda bucket: (readers or {}).get(bucket, ()), figures)
    context = certificate.server_context() if certificate else None
    door = await doors.serve(app, "127.0.0.1", port, context=context)
    task = asyncio.create_task(keeper.run() if follows else asyncio.sleep(0))
    trusts: ssl.SSLContext | bool = ssl.create_default_context(cafile=certificate.cert) if certificate else True
    scheme = "https" if certificate else "http"
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusts))
    try:
        if follows:
            await keeper.synced.wait()
        url = f"{scheme}://127.0.0.1:{door.addresses[0][1]}"
        yield Replica(url, book, keeper, registry, session)
    finally:
        await session.close()
        await door.close()
        task.cancel()
        await asyncio.wait([task])
        await api.close()


async def main(kubeconfig: str, namespace: str, tokens: str, tls: str, port: str) -> None:
    certificate = certificates.Certificate(pathlib.Path(tls, "server.crt"), pathlib.Path(tls, "server.key"))
    async with running(kubeconfig, namespace, pathlib.Path(tokens), certificate=certificate, port=int(port)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
