"""Takes part in the election of the one who leads: asks for the Lease, renews it, and gives it back.

The rules are scheduler.kube.lease's; here are the requests and the waiting. The holder renews every ``retry_s``; the
others read the Lease a little less often, each at times of its own, and follow it by a watch, so that one that is given
back is taken within milliseconds. A claim that ends is taken the moment it does.

``run`` ends with LostError when this process led and may not any longer. Whoever leads should then end, as
kube-scheduler does, and be started anew: what it has assumed, queued and under way belongs to its time as the leader,
and to take it back piece by piece while another one leads is a risk that saves two seconds of start-up.
"""

from __future__ import annotations

import asyncio
import datetime
import random
import time
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from scheduler import errors
from scheduler.api import core
from scheduler.kube import client, informer, lease

log = structlog.get_logger(__name__)

API_VERSION: Final = "coordination.k8s.io/v1"
FOLLOWER_JITTER: Final = 1.2  # client-go's JitterFactor: followers look every 1 to 2.2 retry periods
RACE_S: Final = 0.1  # the longest pause after a lost race, which its winner has ended
RELEASE_WITHIN_S: Final = 1.5  # in all; if it takes longer, the others wait for the end of the claim
_RELEASE_ROUNDS: Final = 4


def collection(namespace: str) -> str:
    return f"/apis/{API_VERSION}/namespaces/{namespace}/leases"


def boot_time_s() -> float:
    """Monotonic seconds that count while the machine is suspended, too, as they do for everybody else.

    A process that is stopped, by SIGSTOP or a frozen cgroup, would find that ``time.monotonic`` went on as well.
    """
    clock: int | None = getattr(time, "CLOCK_BOOTTIME", None)  # Linux alone has it
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Election:
    """``run`` takes part, ``watch`` shortens the waiting, ``release`` gives the Lease back once ``run`` was cancelled.

    Args:
        retry_s: How often the holder renews, and at least the others look.
        clock: Monotonic seconds.
        now: The time of day, for the record.

    Attributes:
        won: Set once this process leads.
    """

    def __init__(
        self,
        *,
        api: client.Api,
        namespace: str,
        name: str,
        terms: lease.Terms,
        retry_s: float,
        now: Callable[[], datetime.datetime],
        clock: Callable[[], float] = boot_time_s,
    ) -> None:
        self.won = asyncio.Event()
        self._api = api
        self._collection = collection(namespace)
        self._path = f"{self._collection}/{name}"
        self._meta = {"name": name, "namespace": namespace}
        self._terms = terms
        self._retry_s = retry_s
        self._clock = clock
        self._now = now
        self._candidate = lease.Candidate(terms)
        self._news = asyncio.Event()
        self._told = ""
        self._refusal = ""
        self._watch = informer.Informer(
            api, self._collection, lease.Lease, self, {"fieldSelector": f"metadata.name={name}"}
        )

    @property
    def holder(self) -> str:
        """Who held the Lease when it was last seen; "" for nobody."""
        return self._candidate.holder

    def remaining_s(self) -> float:
        """For how long this process may have writes under way; 0 if it may send none. This is a fencing.Fence."""
        now_s = self._clock()
        if now_s >= self._candidate.leads_until_s():
            return 0.0
        return self._candidate.valid_until_s() - now_s

    async def run(self) -> None:
        """Take part until cancelled.

        Raises:
            LostError: this process led, and does not any longer.
        """
        while True:
            now_s = self._clock()
            if self.won.is_set() and now_s >= self._candidate.leads_until_s():
                raise errors.LostError(
                    f"the lease was not renewed within {self._terms.renew_within_s:g} s, or taken over"
                )
            request = self._candidate.plan(now_s, self._now())
            if request is not None:
                await self._pause(await self._ask(request, self._patience_s(now_s)))
                continue
            free_s = self._candidate.free_at_s() - now_s
            look_s = self._retry_s * random.uniform(1.0, 1.0 + FOLLOWER_JITTER)  # noqa: S311 (spreads the load)
            await self._pause(min(free_s, look_s))
            if look_s < free_s:
                self._candidate.doubt()

    async def watch(self) -> None:
        """Follow the Lease until cancelled."""
        await self._watch.run()

    async def release(self) -> None:
        """Write no more, from here on, and tell the others if this process held the Lease."""
        try:
            async with asyncio.timeout(RELEASE_WITHIN_S):
                for _ in range(_RELEASE_ROUNDS):
                    request = self._candidate.plan_release(self._now())
                    if request is None:
                        return
                    await asyncio.sleep(min(RACE_S, await self._ask(request, RELEASE_WITHIN_S)))
        except TimeoutError:
            log.info("lease not given back in time, the others wait until it ends")

    # -- what the watch shows ----------------------------------------------------------------------------------------

    def apply(self, obj: lease.Lease) -> None:
        self._candidate.watched(obj, self._clock())
        self._look_up()

    def remove(self, _key: informer.Key) -> None:
        self._candidate.watched(None, self._clock())
        self._look_up()

    def replaced(self, count: int) -> None:
        """Nothing is missing: what the list lacked was removed."""

    def _look_up(self) -> None:
        if not self.won.is_set() and self._candidate.free_at_s() <= self._clock():
            self._news.set()

    # -- asking ------------------------------------------------------------------------------------------------------

    def _patience_s(self, now_s: float) -> float:
        """How long to wait for an answer: the leader leaves time for another attempt."""
        left_s = self._candidate.leads_until_s() - now_s
        if left_s <= 0:
            return self._terms.renew_within_s
        return left_s / 2 if left_s > self._retry_s else left_s

    async def _pause(self, pause_s: float) -> None:
        """Wait, but not beyond the end of one's own claim, and less if the Lease becomes free."""
        if self.won.is_set():
            pause_s = min(pause_s, self._candidate.leads_until_s() - self._clock())
        try:
            async with asyncio.timeout(max(0.0, pause_s)):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()
        self._candidate.doubt()  # an answer that was under way may be older than the news

    async def _ask(self, request: lease.Request, deadline_s: float) -> float:
        """Send a request and take in the answer; returns how long to wait before the next one, in seconds."""
        sent_s = self._clock()
        try:
            await self._send(request, sent_s, deadline_s)
        except errors.ConflictError:
            self._candidate.doubt()
            return random.uniform(0.0, RACE_S)  # noqa: S311 (spreads the load)
        except errors.NotFoundError as error:
            self._candidate.doubt()
            if request.ask is lease.Ask.PATCH:
                return random.uniform(0.0, RACE_S)  # noqa: S311 (deleted since it was read)
            self._refused(error)
            return self._retry_s
        except (errors.ApiError, errors.InputError) as error:
            self._candidate.doubt()
            self._refused(error)
            retry_after_s = error.retry_after_s if isinstance(error, errors.ApiError) else 0.0
            return max(sent_s + self._retry_s - self._clock(), retry_after_s)
        except asyncio.CancelledError:
            self._candidate.doubt()
            raise
        self._refusal = ""
        self._tell()
        return 0.0 if request.ask is lease.Ask.READ else sent_s + self._retry_s - self._clock()

    async def _send(self, request: lease.Request, sent_s: float, deadline_s: float) -> None:
        if request.ask is lease.Ask.READ:
            try:
                found = self._decode(await self._api.get(self._path, deadline_s=deadline_s))
            except errors.NotFoundError:
                found = None
            self._candidate.read(found, self._clock())
            return
        if request.ask is lease.Ask.CREATE:
            body = {"apiVersion": API_VERSION, "kind": "Lease", "metadata": self._meta, **request.body}
            sending = self._api.post(self._collection, msgspec.json.encode(body), deadline_s=deadline_s, fenced=False)
        else:
            sending = self._api.patch(
                self._path, msgspec.json.encode(request.body), deadline_s=deadline_s, fenced=False
            )
        self._candidate.wrote(self._decode(await sending), sent_s)
        if self.remaining_s() > 0:
            self.won.set()

    def _decode(self, answer: bytes) -> lease.Lease:
        return core.decode(answer, lease.Lease, self._path)

    def _tell(self) -> None:
        holder = self._candidate.holder
        if holder != self._told:
            self._told = holder
            log.info("lease held", lease=self._path, holder=holder, by_us=holder == self._terms.identity)

    def _refused(self, error: errors.ApiError | errors.InputError) -> None:
        """Say once, until it works again, why the Lease cannot be had."""
        if self._refusal != type(error).__name__:
            self._refusal = type(error).__name__
            log.warning("lease cannot be read or written, still trying", lease=self._path, error=str(error))
