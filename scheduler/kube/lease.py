"""Who holds a Lease (coordination.k8s.io/v1), as one of those who want it sees it. No network and no clock in here.

A Lease is a record that several processes replace under optimistic concurrency: whoever writes names the version that
it has read, and of two who name the same one the API server lets one through. `Candidate` says what to ask of the
server next, and takes in what comes back. What makes it a lock:

- Times are monotonic and one's own. The holder counts its validity from before it sent the renewal that succeeded; the
  others count from after they have read it. So the holder gives up first, however long either message took, and however
  far wall clocks are apart; the times in the record are for people.
- The others wait for as long as the record says, which is what its writer counts on.
- The holder stops writing after ``renew_within_s``, before the record's duration is over: the difference is for
  requests under way, and for clocks that do not run equally fast (by a third, with 10 s of 15).
- An answer that never came proves nothing: validity stays what it was, and the record is read before it is written.
- Who held it and finds it read-only, deleted or in other hands never holds it again by reading, only by writing.

Nobody may delete a Lease that is held: who has never seen it would take it at once. The scheduler has no right to.

What a write meets on its way is in scheduler.kube.fencing, how the Lease is asked for in scheduler.kube.election.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import math
from collections.abc import Mapping

import msgspec

from scheduler.api import core


class Spec(msgspec.Struct, rename="camel", frozen=True):
    """The record, as far as it is read."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    lease_transitions: int | None = None


class Lease(msgspec.Struct, frozen=True):
    """A Lease."""

    metadata: core.ObjectMeta = core.ObjectMeta()
    spec: Spec = Spec()

    @property
    def holder(self) -> str:
        """Who holds it; "" for nobody."""
        return self.spec.holder_identity or ""


class Ask(enum.Enum):
    """What to ask of the API server."""

    READ = "read"
    CREATE = "create"
    PATCH = "patch"


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What to ask, and a write's body: the whole object for CREATE, a merge patch for PATCH."""

    ask: Ask
    body: Mapping[str, object] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Terms:
    """What a candidate counts on.

    Attributes:
        identity: Its own name, which nobody else ever has.
        duration_s: How long the others wait after they saw it renew.
        renew_within_s: How long after a renewal it goes on writing; less than the duration.
    """

    identity: str
    duration_s: float
    renew_within_s: float


class Candidate:
    """One of those who want the Lease: ``plan``, send what it says, tell the outcome, and again.

    All times are seconds of one monotonic clock, the caller's.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._seen: Lease | None = None  # as last read or written; None: never, or it is not there
        self._seen_s = -math.inf  # when that was found to be another one than before
        self._is_current = False  # whether `_seen` is what the server holds, as far as we know
        self._is_there = False
        self._renewed_s = -math.inf  # when the last renewal that succeeded was sent

    @property
    def holder(self) -> str:
        """Who held the Lease when it was last seen; "" for nobody."""
        return self._seen.holder if self._seen is not None else ""

    def leads_until_s(self) -> float:
        """Until when this one may send writes; minus infinity if it may not at all."""
        return self._renewed_s + self._terms.renew_within_s

    def valid_until_s(self) -> float:
        """Until when nobody else can hold the Lease; what was sent must be over by then."""
        return self._renewed_s + self._terms.duration_s

    def free_at_s(self) -> float:
        """When somebody else's claim ends, if it is not renewed before."""
        if self._seen is None or not self._seen.holder:
            return -math.inf
        return self._seen_s + (self._seen.spec.lease_duration_seconds or self._terms.duration_s)

    def plan(self, now_s: float, now: datetime.datetime) -> Request | None:
        """What to ask next; None while somebody else holds the Lease.

        Args:
            now_s: The time on the caller's clock.
            now: The time of day, for the record.
        """
        if not self._is_current:
            return Request(Ask.READ)
        if self.holder != self._terms.identity and now_s < self.free_at_s():
            return None
        return self._claim(self._terms.identity, now)

    def plan_release(self, now: datetime.datetime) -> Request | None:
        """Hold it no longer, from here on, and what to ask so that the others know; None if it was not held."""
        self._renewed_s = -math.inf
        if not self._is_current:
            return Request(Ask.READ)
        return self._claim(None, now) if self._is_there and self.holder == self._terms.identity else None

    def wrote(self, lease: Lease, sent_s: float) -> None:
        """A claim succeeded; ``sent_s`` is from before it was sent."""
        self._note(lease, sent_s)
        if lease.holder == self._terms.identity:
            self._renewed_s = sent_s

    def read(self, lease: Lease | None, now_s: float) -> None:
        """The Lease was read; None if it is not there. ``now_s`` is from after the answer.

        One that has gone counts as it was last seen, as who held it may not know yet.
        """
        if lease is not None:
            self._note(lease, now_s)
        self._is_current, self._is_there = True, lease is not None
        if self.holder != self._terms.identity:
            self._renewed_s = -math.inf

    def watched(self, lease: Lease | None, now_s: float) -> None:
        """A watch showed the Lease, perhaps as it was some time ago; who leads learns more from its own renewals."""
        if now_s >= self.leads_until_s():
            self.read(lease, now_s)

    def doubt(self) -> None:
        """What was seen may be out of date: a claim was refused or not answered, or it was long ago. Read it again."""
        self._is_current = False

    def _note(self, lease: Lease, at_s: float) -> None:
        known = self._seen.metadata if self._seen is not None else core.ObjectMeta()
        if (known.uid, known.resource_version) != (lease.metadata.uid, lease.metadata.resource_version):
            self._seen_s = at_s
        self._seen = lease
        self._is_current = self._is_there = True

    def _claim(self, holder: str | None, now: datetime.datetime) -> Request:
        """Write who holds the Lease; None for nobody, which the API wants to be absent rather than ""."""
        stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec: dict[str, object] = {
            "holderIdentity": holder,
            # Whole seconds, and never less than what its writer counts on.
            "leaseDurationSeconds": math.ceil(self._terms.duration_s) if holder else 1,
            "renewTime": stamp,
        }
        if self.holder != holder:
            before = self._seen.spec.lease_transitions or 0 if self._seen is not None else -1
            spec |= {"acquireTime": stamp, "leaseTransitions": before + 1} if holder else {}
        if not self._is_there:
            return Request(Ask.CREATE, {"spec": spec})
        meta = self._seen.metadata if self._seen is not None else core.ObjectMeta()
        # A patch of these fields alone: what others write beside them, labels for instance, stays.
        return Request(
            Ask.PATCH, {"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version}, "spec": spec}
        )
