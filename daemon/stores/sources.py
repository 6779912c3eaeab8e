"""What every kind of store can be asked, and how one is opened; a new kind of store is one more class like these.

The methods never raise for what a store does: what went wrong is a ``contents.Failure``. They end by themselves, within
the limits' budget and the time of one answer, and several may run at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from daemon.stores import contents, credentials, directories, model
from daemon.stores.s3 import client, listing

Outcome = contents.Listing | contents.Failure


class Source(Protocol):
    """One store, to be asked until it is closed."""

    async def use(self, access: credentials.Access) -> None:
        """Ask with these credentials and certificates from now on."""

    async def list_store(
        self, *, urns: Iterable[str] = (), skip: Collection[str] = (), named: Callable[[], Iterable[str]] = tuple
    ) -> Outcome:
        """What is there.

        Args:
            urns: Keys and prefixes to look up as well, as far as their buckets are there.
            skip: Buckets that need not be counted: if they are there, they are ``uncounted``.
            named: What to look for in a store that hides its buckets, as public ones do.
        """

    async def look_up(self, urns: Iterable[str]) -> Outcome:
        """Look up keys and prefixes alone: of the answer only ``found`` and ``missing`` are filled.

        A urn whose bucket is not there is missing.
        """

    async def count(self, buckets: Iterable[str]) -> Outcome:
        """Count buckets alone: those of them that are there are in the answer, which says nothing else."""

    async def close(self) -> None:
        """Let go of connections and threads."""


def open_source(store: model.Store, limits: contents.Limits) -> Source:
    if store.directory:
        return directories.Directory(store, limits)
    return listing.Server(client.Client(store, limits))
