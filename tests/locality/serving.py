"""A kernel that answers over HTTP as the running scheduler does, for commands that ask it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import cast

from scheduler.api import verdicts
from scheduler.kernel import asking, commands, events, question
from scheduler.kube import client
from scheduler.live import doors, health, metrics, storage
from tests.kernel import running


async def _nothing() -> storage.Inventory:
    raise NotImplementedError


@contextlib.contextmanager
def serving(bare: running.Bare) -> Iterator[str]:
    """The address at which a kernel is served, in a thread, which nobody else uses meanwhile."""
    asks = asking.Asking(bare.kernel)
    sources = health.Sources(
        live={},
        ready={},
        metrics=metrics.Metrics("test"),
        journal=bare.kernel.journal,
        leader=lambda: "",
        question=lambda record: question.line(bare.kernel, record, bare.now_s),
        world=lambda: question.whole(bare.kernel, bare.now_s),
        now=lambda pod, asked: asks.of(pod, asked, bare.now_s),
        about=lambda pod, asked: asks.about(pod, asked, bare.now_s),
        storage=_nothing,
    )
    api = cast("client.Api", None)  # who comes from this machine is not asked for a token
    server = health.Server(sources, host="127.0.0.1", port=0, guard=doors.Doors(api))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(server.stop())
        loop.close()


def decided(bare: running.Bare) -> None:
    """Have all pods decided that wait, and bound; nobody knows more of their data than what was seen."""
    for _ in range(100):
        given = bare.step()
        for one in given:
            if isinstance(one, commands.AskData):
                bare.kernel.handle(events.DataAnswered(bare.now_s, one.pod.metadata.uid, None))
            if isinstance(one, commands.Bind):
                bare.answer(one.name, verdicts.Verdict.BOUND)
        bare.now_s += 0.1
        if not given and not bare.kernel.queue.entries():
            return
