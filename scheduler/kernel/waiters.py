"""What the queue remembers of a pod that waits, and which filters keep whom asleep."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Hashable, Mapping
from typing import Final

from scheduler.api import core, names
from scheduler.engine import joint
from scheduler.kernel import lines, places
from scheduler.plugins import request

Asked = Hashable  # what a filter reads of a pod: whoever sleeps for the same of one filter is helped by the same
NOBODY: Final[Mapping[str, Asked]] = types.MappingProxyType({})
_OF_DATA: Final = (names.DATA_PREFIX, names.EVENT_DATA, names.DATA_SOURCES)


@dataclasses.dataclass(slots=True, eq=False)
class Entry:
    """A pod and what the queue remembers of it."""

    pod: core.Pod
    arrived: float  # when we first heard of the pod
    seen: float  # when the watch last spoke of it
    queued: float  # the rank among equals: when it arrived, gates or not, or when it last failed
    place: places.Place = places.Place.GONE
    attempts: int = 0  # decisions that found no node
    errors: int = 0  # consecutive failures that were not the pod's fault
    ready_at: float = 0.0  # end of its backoff
    # While it sleeps: the filters that refused it, and what it asked of them.
    refused_by: Mapping[str, Asked] = dataclasses.field(default_factory=lambda: NOBODY)
    asked: request.PodRequest | None = None  # the pod made ready for decisions, once that was needed
    is_cleared: bool = False  # nothing about its data is awaited, as of its last turn
    is_gathered: bool = False  # it has waited for others of its batch: its next turn is for itself
    share: joint.Share | None = None  # its part of what was planned with these, if there was something to gain
    company: lines.Line | None = None  # among whom others of its kind look for one that joins them
    is_preempting: bool = False  # while it sleeps: it sleeps on, whatever happens, as room is being made for it
    is_roused: bool = False  # something happened meanwhile
    annotations_reported: bool = False
    delayed_s: float | None = None  # since when it waits for a better node, though it could have another one
    delay_ends_s: float = 0.0  # and until when it does at most
    delay_number: int = 0  # who began to before it has a smaller one
    awaited: str = ""  # that node

    @property
    def uid(self) -> str:
        return self.pod.metadata.uid

    @property
    def namespace(self) -> str:
        return self.pod.metadata.namespace

    @property
    def rank(self) -> tuple[float, float]:
        """By priority, then by who came first; who has been gathered had its turn before all others."""
        return -self.pod.spec.priority, -math.inf if self.is_gathered else self.queued

    def asks_otherwise(self, new: core.Pod) -> bool:
        """Whether its new version may be decided otherwise: what else stands in status and metadata does not count."""
        old = self.pod
        return (
            old.spec != new.spec
            or old.status.resource_claim_statuses != new.status.resource_claim_statuses
            or old.metadata.labels != new.metadata.labels
            or old.metadata.annotations != new.metadata.annotations
        )

    def take_share(self) -> joint.Share | None:
        """Its part in a plan, if it has one; nothing is kept for it any more."""
        share, self.share = self.share, None
        if share is not None:
            share.of.done(self.uid)
        return share

    @property
    def joins(self) -> bool:
        """Whether it is to be placed together with others of its kind: it has data, and no turn of its own yet.

        As far as can be seen: before it is read, by the names of its annotations.
        """
        if self.is_gathered or self.delayed_s is not None:
            return False
        if self._is_of_others:
            return False
        if self.asked is not None:
            return bool(self.asked.transfers)
        annotations = self.pod.metadata.annotations
        return bool(annotations) and any(key.startswith(_OF_DATA) for key in annotations)

    @property
    def _is_of_others(self) -> bool:
        """Whether who else is placed with it, or where, is given."""
        pod = self.pod
        return (
            pod.spec.scheduling_group is not None
            or bool(pod.status.nominated_node_name)
            or names.GANG in pod.metadata.annotations
        )


class Sleepers:
    """Who sleeps, by the filter that refused them and by what they asked of it."""

    def __init__(self) -> None:
        self._refused: dict[str, dict[Asked, dict[str, Entry]]] = {}

    def add(self, entry: Entry, refused_by: Mapping[str, Asked]) -> None:
        """It sleeps for these filters, and for no others than these."""
        self.discard(entry)
        entry.refused_by = refused_by
        for plugin, asked in refused_by.items():
            self._refused.setdefault(plugin, {}).setdefault(asked, {})[entry.uid] = entry

    def discard(self, entry: Entry) -> None:
        """It sleeps for none, if it did for any."""
        for plugin, asked in entry.refused_by.items():
            alike = self._refused[plugin][asked]
            del alike[entry.uid]
            if not alike:
                del self._refused[plugin][asked]
            if not self._refused[plugin]:
                del self._refused[plugin]
        entry.refused_by = NOBODY

    def plugins(self) -> list[str]:
        return list(self._refused)

    def of(self, plugin: str) -> list[tuple[Asked, list[Entry]]]:
        return [(asked, list(entries.values())) for asked, entries in self._refused.get(plugin, {}).items()]
