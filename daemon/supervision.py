"""Keeps a task running that has no end of its own, whatever it trips over."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from scheduler.kube import mishaps

_AGAIN_S: Final = (1.0, 300.0)


async def run(work: Callable[[], Awaitable[None]], failures: mishaps.Mishaps, part: str, of: str = "") -> None:
    """Run ``work`` until it returns or is cancelled; where it raises, run it again after a while.

    Only for what nobody foresaw: what is foreseen (a server that is away) is handled where it happens.
    """
    pause_s = _AGAIN_S[0]
    while True:
        began_s = time.monotonic()
        try:
            return await work()
        except Exception as error:  # noqa: BLE001 - that is what it is for
            failures.caught(part, error, of=of)
        if time.monotonic() - began_s > _AGAIN_S[1]:
            pause_s = _AGAIN_S[0]
        await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311 - spreads the load
        pause_s = min(2 * pause_s, _AGAIN_S[1])
