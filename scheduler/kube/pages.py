"""Lists what the API server holds, page by page, so that no answer is larger than a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec
import structlog

from scheduler import errors
from scheduler.api import core
from scheduler.kube import client

log = structlog.get_logger(__name__)

T = TypeVar("T")

PAGE: Final = "500"


class _ListMeta(msgspec.Struct, frozen=True):
    continue_: str | None = msgspec.field(default=None, name="continue")


class _List(msgspec.Struct):
    metadata: _ListMeta = _ListMeta()
    items: list[msgspec.Raw] | None = None


async def list_all(api: client.Api, path: str, kind: type[T], params: Mapping[str, str] | None = None) -> list[T]:
    """Everything under a path, page by page; an item that cannot be read is logged and left out.

    Raises:
        ApiError: a page could not be had, or the pages expired while they were read.
    """
    found: list[T] = []
    asked = {**(params or {}), "limit": PAGE}
    while True:
        page = core.decode(await api.get(path, asked), _List, path)
        for item in page.items or ():
            try:
                found.append(core.decode(item, kind, path))
            except errors.InputError as error:
                log.warning("object ignored, as it cannot be read", path=path, error=str(error))
        if not page.metadata.continue_:
            return found
        asked["continue"] = page.metadata.continue_
