"""How the daemon and the webhook start, and what makes them end.

They wait until the API server answers and lets them list what they work on. A list that is refused would be retried for
ever by whoever watches, and look like a process that hangs: so it is one clear message at the start instead. Later the
end of any part ends the process: half of it would look alive and do nothing.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Collection
from typing import Any, Final

import structlog

from scheduler import errors
from scheduler.api import names
from scheduler.kube import client

log = structlog.get_logger(__name__)

_RETRY_S: Final = 2.0


def stop_at_signal() -> asyncio.Event:
    """Set by SIGTERM and SIGINT, until Kopf takes them over: it tells of them in its clean-up."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def until_one_ends(parts: Collection[asyncio.Task[Any]]) -> int:
    """Return as soon as a part of the process has ended, with the process's exit code; log those that failed."""
    done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
    failed = [part for part in done if part.exception() is not None]
    for part in failed:
        log.error("a part failed, so all of it ends", part=part.get_name(), exc_info=part.exception())
    return 1 if failed else 0


async def wait_until_listable(api: client.Api, paths: Collection[str], *, role: str, stop: asyncio.Event) -> None:
    """Return when every collection can be listed, or ``stop`` is set; wait for a server that does not answer yet.

    Args:
        role: The manifest that grants it, for the message.

    Raises:
        InputError: our CRDs are missing, or a right is.
    """
    complained = False
    while not stop.is_set():
        try:
            for path in paths:
                await api.get(path, {"limit": "1"})
        except errors.NotFoundError as error:
            remedy = "the API server does not know it; kubectl apply --server-side -f crds/"
            raise errors.InputError("custom resources", names.API_VERSION, remedy) from error
        except errors.DeniedError as error:
            raise errors.InputError("access", error.message, f"grant it, as {role} does") from error
        except errors.ApiError as error:
            if not complained:
                log.warning("API server does not answer yet, still trying", error=str(error))
            complained = True
            await asyncio.wait([asyncio.create_task(stop.wait())], timeout=_RETRY_S)
        else:
            return
