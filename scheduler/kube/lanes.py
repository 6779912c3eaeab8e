"""How much of what can wait is written while something urgent is.

Bindings come first: while any is under way, other writes have one lane, that is one request at a time, and more the
more of them wait, until none are left waiting for what never ends. Once no Binding is under way all lanes are open. How
fast a lane is, the API server says by how soon it answers.

What only confirms what a pod shows anyhow, such as that it was bound, rests altogether while a backlog is bound, for
to write it costs the API server as much as a Binding. Rest has two ends, so that it is no loss: an age, and a number.
Beyond either all lanes are open, backlog or not, so that in a surge without end what is written keeps up with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

LOOK_EVERY_S: Final = 0.02  # at whether it still is urgent, where nothing else happens; a Binding takes about that long
BACKLOG: Final = 32  # pods not bound: more than are sent to the server at once (scheduler.kube.client)
# kube-scheduler itself tries an Event again only after 10 s (sleepDuration in client-go's events broadcaster), so who
# reads Events is used to such a delay; half of it is left for the writing.
REST_S: Final = 5.0


class Lanes:
    """Counts the writes under way, and says when one more may begin.

    Args:
        most: How many there may be at all.

    Attributes:
        taken: How many writes are under way.
    """

    def __init__(self, *, most: int) -> None:
        self.taken = 0
        self._most = most
        self._left = asyncio.Event()

    async def enter(self, room: Callable[[], int]) -> None:
        """Return when one more write may begin, as ``room`` tells how many there may be now; ``leave`` ends it."""
        while self.taken >= room():
            self._left.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S if self.taken < self._most else None):
                    await self._left.wait()
        self.taken += 1

    def leave(self) -> None:
        """A write has ended."""
        self.taken -= 1
        self._left.set()


def beside(*, is_urgent: bool, waiting: int, most: int, crowd: int) -> int:
    """How many lanes are open to what gives way; where a crowd waits, all are, whatever is urgent."""
    return 1 + (most - 1) * min(waiting, crowd) // crowd if is_urgent else most


def after(*, backlog: int, waiting: int, oldest_s: float, most: int, crowd: int) -> int | None:
    """How many lanes are open to what rests in a backlog; None where there is none, so that it only gives way.

    Args:
        backlog: Pods that are not bound yet.
        waiting: How many rest; at half of what there is room for, that is enough.
        oldest_s: How long the first of them has.
    """
    if backlog < BACKLOG:
        return None
    return most if oldest_s >= REST_S or waiting * 2 >= crowd else 0
