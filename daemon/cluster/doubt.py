"""Which stores may be there though they were not found: those of which what would tell could not be read."""

from __future__ import annotations

import dataclasses
from typing import Final


@dataclasses.dataclass(frozen=True)
class Doubt:
    """What was not known at one moment; stores go by their names in NodeCapability.

    Attributes:
        everything: Nothing is known, not even the node.
        configured: It is not known which of the configured stores are this node's.
        volumes: The volumes are not known.
        announced: The pods are not known, and so no store that a Service announces.
        namespaces: Those whose Services, or some of whose pods, are not known.
        home: Where stores speak for everybody; None where that is known of each namespace.
        stores: Single ones, whose Service or volume cannot be decoded.
    """

    everything: bool = False
    configured: bool = False
    volumes: bool = False
    announced: bool = False
    namespaces: frozenset[str] = frozenset()
    home: str | None = None
    stores: frozenset[str] = frozenset()

    def covers(self, store: str) -> bool:
        """Whether it proves nothing that a store was not found."""
        if self.everything or store in self.stores:
            return True
        if store.startswith("path:"):
            return False  # in the configuration, which is always known
        if store.startswith("volume:"):
            return self.volumes
        namespace, slash, _ = store.partition("/")
        if not slash:
            return self.configured
        return self.announced or namespace in self.namespaces or self.home not in {None, namespace}


NOTHING_KNOWN: Final = Doubt(everything=True)
