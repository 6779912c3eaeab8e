"""What the scheduler tells over HTTP: whether it lives, whether it is ready, its metrics, its stores, its decisions.

    /livez, /healthz   the loop turns and the watches run; never depends on the API server
    /readyz            the cluster has been read and its schemas are there; not "is idle", not "is leader"
    /metrics           Prometheus text format
    /storage-info      which node serves which stores and buckets, what is known of their data, the classes of links
    /explain?pod=ns/name   the decisions about a pod that are still remembered, newest last; with question=1, what the
                           last of them asked, of the state as it is now, as a line for `decide`; with ranking=N, which
                           nodes would be best for it now, and what others lack; with node=NAME, what speaks against
                           one. Posted, the same of a pod that is not there
    /world             what all decisions read, with the last ones

The first three answer 200 or 503 with one line for what is wrong; `?verbose` lists every check. A check is a function
that returns "" or what is wrong. Those and the metrics are open to everybody; for the others, scheduler.live.doors
says who may read them. They take `limit` and `continue`, as the API server's lists do, and are sent in pieces, so that
a long answer keeps neither pods nor probes waiting.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
import prometheus_client
from aiohttp import web

from scheduler import errors
from scheduler.api import core, decoding
from scheduler.kernel import asking, journal
from scheduler.live import answers, doors, metrics, storage

ANSWERS_AT_ONCE: Final = 4  # long ones; each is held in memory while it is sent
MOST_RANKED: Final = 1000  # nodes, of some 0.1 ms each
SENT_WITHIN_S: Final = 60.0  # whoever reads more slowly asks for pages

Check = Callable[[], str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the answers come from."""

    live: Mapping[str, Check]
    ready: Mapping[str, Check]
    metrics: metrics.Metrics
    question: Callable[[journal.Record], Iterator[bytes] | None]  # the line of a decision; None where its pod is gone
    world: Callable[[], Iterator[bytes]]
    now: Callable[[str, asking.Asked], asking.Now | None]  # what would be decided; None where there is no such pod
    about: Callable[[core.Pod, asking.Asked], asking.Now]  # likewise of one that is not there
    journal: journal.Journal
    leader: Callable[[], str]  # which other replica leads, as far as is known; "" if this one does
    storage: Callable[[], Awaitable[storage.Inventory]]


class Pulse:
    """Measures how late the event loop is: a late loop decides late, and a stuck one answers no probe."""

    INTERVAL_S = 0.5

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._expected = clock() + self.INTERVAL_S
        self._last_lag_s = 0.0

    def lag_s(self) -> float:
        """How late the last beat was, or the next one already is, whichever is more."""
        return max(self._last_lag_s, self._clock() - self._expected, 0.0)

    async def run(self) -> None:
        while True:
            self._expected = self._clock() + self.INTERVAL_S
            await asyncio.sleep(self.INTERVAL_S)
            self._last_lag_s = self._clock() - self._expected


class Server:
    """Serves the above on one port.

    Args:
        host: Address to listen on; "" for all.
        port: 0 takes a free one; ``port`` then tells which.
        guard: Who may read /explain and /storage-info.
        open_storage_info: Whether everybody may read the latter; may be changed.
    """

    def __init__(
        self, sources: Sources, *, host: str, port: int, guard: doors.Doors, open_storage_info: bool = False
    ) -> None:
        self._sources = sources
        self._guard = guard
        self.open_storage_info = open_storage_info
        self._sending = 0
        self._host = host
        self.port = port
        app = web.Application()
        app.router.add_get("/healthz", self._live)
        app.router.add_get("/livez", self._live)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/storage-info", self._storage)
        app.router.add_get("/explain", self._explain)
        app.router.add_post("/explain", self._explain_new)
        app.router.add_get("/world", self._world)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken, or not ours to take.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host or None, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _live(self, request: web.Request) -> web.Response:
        return _verdict(request, self._sources.live)

    async def _ready(self, request: web.Request) -> web.Response:
        return _verdict(request, self._sources.ready)

    async def _metrics(self, _request: web.Request) -> web.Response:
        # Not content_type=: aiohttp refuses one that carries a charset and a version.
        return web.Response(
            body=self._sources.metrics.render(), headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST}
        )

    async def _storage(self, request: web.Request) -> web.StreamResponse:
        if not self.open_storage_info:
            refusal = await self._guard.refusal(request, nonResourceAttributes=doors.STORAGE_INFO)
            if refusal is not None:
                return _refused(refusal)
        after = storage.position(request.query["continue"]) if request.query.get("continue") else None
        limit = _limit(request)
        if limit is None or (after is None and request.query.get("continue")):
            return _bad_page()

        async def pieces() -> Iterable[bytes]:
            return answers.inventory(await self._sources.storage(), after, limit)

        return await self._send(request, pieces)

    async def _explain(self, request: web.Request) -> web.StreamResponse:
        pod = request.query.get("pod", "")
        namespace, slash, name = pod.partition("/")
        if not namespace or not slash or not name or "/" in name:
            return _json({"error": "name a pod: /explain?pod=namespace/name"}, status=400)
        if request.query.get("question"):
            return await self._question(request, pod)
        refusal = await self._guard.refusal(request, resourceAttributes=doors.pod_right(namespace, name))
        if refusal is not None:
            return _refused(refusal)
        after, limit = request.query.get("continue") or "0", _limit(request)
        if limit is None or not _is_number(after):
            return _bad_page()
        records = self._sources.journal.of(pod, int(after))
        asked = _asked(request, records[-1][1].draw if records else 0)
        if isinstance(asked, web.Response):
            return asked
        if asked is not None:
            refusal = await self._guard.refusal(request, resourceAttributes=doors.NODES)
            if refusal is not None:
                return _refused(refusal)
        now = self._sources.now(pod, asked) if asked is not None else None
        if not records and (now is None or self._sources.leader()):  # the leader knows what was decided
            return self._not_remembered(pod, "further " if int(after) else "")

        async def pieces() -> Iterable[bytes]:
            return answers.decisions(pod, records, limit, now)

        return await self._send(request, pieces)

    async def _explain_new(self, request: web.Request) -> web.StreamResponse:
        """What would be decided about a pod that is not there; the pod is what is sent."""
        refusal = await self._guard.refusal(request, resourceAttributes=doors.NODES)  # before anything is read
        if refusal is not None:
            return _refused(refusal)
        try:
            pod = decoding.decode(await request.read(), core.Pod, "pod")
        except errors.InputError as error:
            return _json({"error": str(error)}, 400)
        right = doors.creating_right(pod.metadata.namespace)
        refusal = await self._guard.refusal(request, resourceAttributes=right)
        if refusal is not None:
            return _refused(refusal)
        asked = _asked(request, 0) or asking.Asked(best=1)
        if isinstance(asked, web.Response):
            return asked
        now = self._sources.about(pod, asked)

        async def pieces() -> Iterable[bytes]:
            return answers.decisions(pod.key, [], 0, now)

        return await self._send(request, pieces)

    async def _question(self, request: web.Request, pod: str) -> web.StreamResponse:
        """What the last decision about a pod asked: objects of everybody, so another right than that to get the pod."""
        refusal = await self._guard.refusal(request, nonResourceAttributes=doors.QUESTION)
        if refusal is not None:
            return _refused(refusal)
        records = self._sources.journal.of(pod)
        if not records:
            return self._not_remembered(pod)
        line = self._sources.question(records[-1][1])
        if line is None:
            return _json({"pod": pod, "error": f"{pod} is gone, so that nothing can be asked about it"}, status=404)

        async def pieces() -> Iterable[bytes]:
            return answers.gathered(line)

        return await self._send(request, pieces)

    async def _world(self, request: web.Request) -> web.StreamResponse:
        """It holds what questions hold, so that it takes the same right."""
        refusal = await self._guard.refusal(request, nonResourceAttributes=doors.QUESTION)
        if refusal is not None:
            return _refused(refusal)

        async def pieces() -> Iterable[bytes]:
            return answers.gathered(self._sources.world())

        return await self._send(request, pieces)

    def _not_remembered(self, pod: str, which: str = "") -> web.Response:
        message = f"no {which}decision about {pod} is among the last {journal.CAPACITY}"
        told = {"pod": pod}
        if leader := self._sources.leader():
            message += f" of this replica, which does not lead; ask {leader}"
            told["leader"] = leader
        return _json({**told, "error": message}, status=404)

    async def _send(self, request: web.Request, pieces: Callable[[], Awaitable[Iterable[bytes]]]) -> web.StreamResponse:
        """Send JSON of any length; the loop turns after each piece."""
        if self._sending >= ANSWERS_AT_ONCE:
            return _refused(doors.Refusal(503, "too many long answers are being sent; try again"))
        self._sending += 1
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        try:
            async with asyncio.timeout(SENT_WITHIN_S):
                ready = await pieces()
                await response.prepare(request)
                for piece in ready:
                    await response.write(piece)
                    await asyncio.sleep(0)
                await response.write_eof()
        except TimeoutError:
            response.force_close()
            if request.transport is not None:
                request.transport.abort()  # what was sent is half an answer, and must not look like one
        finally:
            self._sending -= 1
        return response


def _asked(request: web.Request, draw: int) -> asking.Asked | web.Response | None:
    """What is asked of the state as it is now; None for nothing."""
    best, node = request.query.get("ranking") or "0", request.query.get("node", "")
    if not _is_number(best) or int(best) > MOST_RANKED:
        return _json({"error": f"ranking is the number of nodes to tell of, up to {MOST_RANKED}"}, 400)
    if not int(best) and not node:
        return None
    return asking.Asked(best=max(int(best), 1), node=node, draw=draw)


def _limit(request: web.Request) -> int | None:
    """How many entries a page is to have, 0 for all; None where that is no number."""
    text = request.query.get("limit") or "0"
    return int(text) if _is_number(text) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _bad_page() -> web.Response:
    return _json({"error": "limit is a number, and continue what the page before said; leave both out for all"}, 400)


def _refused(refusal: doors.Refusal) -> web.Response:
    answer = _json({"error": refusal.message}, refusal.status)
    answer.headers.update(refusal.headers)
    return answer


def _verdict(request: web.Request, checks: Mapping[str, Check]) -> web.Response:
    results = {name: check() for name, check in checks.items()}
    wrong = any(results.values())
    if "verbose" in request.query:
        lines = [f"[-]{name}: {problem}" if problem else f"[+]{name} ok" for name, problem in results.items()]
    elif wrong:
        lines = [f"{name}: {problem}" for name, problem in results.items() if problem]
    else:
        lines = ["ok"]
    return web.Response(text="\n".join(lines) + "\n", status=503 if wrong else 200)


def _json(data: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(data), content_type="application/json", status=status)
