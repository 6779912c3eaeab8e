"""Asks a store once, as a daemon would, and closes the connection: for tests that look at one answer."""

from collections.abc import Awaitable, Callable, Iterable

from daemon.stores import contents, credentials, model, sources
from tests import eventloop

Outcome = contents.Listing | contents.Failure


async def once(
    store: model.Store,
    access: credentials.Access,
    limits: contents.Limits,
    ask: Callable[[sources.Source], Awaitable[Outcome]],
) -> Outcome:
    source = sources.open_source(store, limits)
    try:
        await source.use(access)
        return await ask(source)
    finally:
        await source.close()


def list_store(
    store: model.Store,
    given: contents.Credentials | None,
    ca_pem: str,
    *,
    urns: Iterable[str],
    limits: contents.Limits,
    named: Iterable[str] = (),
) -> Outcome:
    access = credentials.Access(given, ca_pem)
    return eventloop.run(once(store, access, limits, lambda source: source.list_store(urns=urns, named=lambda: named)))


def look_up(
    store: model.Store,
    given: contents.Credentials | None,
    ca_pem: str,
    *,
    urns: Iterable[str],
    limits: contents.Limits,
) -> Outcome:
    access = credentials.Access(given, ca_pem)
    return eventloop.run(once(store, access, limits, lambda source: source.look_up(urns)))
