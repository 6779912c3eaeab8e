"""The only file of the daemon that knows Kopf: events about this node's NodeCapability become calls of the agent.

Handlers only listen (on.event), so Kopf never writes to anything, and the server sends this node's object alone. What
needs other selectors, or selectors that change, has watches of its own (daemon.cluster.watches).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kopf

from daemon import agent
from scheduler.api import core, crd, names
from scheduler.kube import client, kopfsettings


def build(
    api: client.Api, worker: agent.Agent, node: str, *, on_stop: Callable[[], None]
) -> tuple[kopf.OperatorRegistry, kopf.OperatorSettings]:
    """A registry with the handlers, and the settings they need, both for ``kopf.operator``.

    Args:
        on_stop: Called when Kopf was told to stop, by a signal for example.
    """
    registry = kopf.OperatorRegistry()
    settings = kopf.OperatorSettings()
    kopfsettings.harden(settings, reads_only=True)
    settings.watching.field_selectors[f"{names.NODE_CAPABILITIES}.{names.GROUP}"] = f"metadata.name={node}"
    kopf.on.login(registry=registry)(kopfsettings.login(api))

    @kopf.on.event(names.GROUP, names.VERSION, names.NODE_CAPABILITIES, registry=registry)
    async def capability_event(body: kopf.Body, type: str | None, **_: Any) -> None:  # noqa: A002 - Kopf's name
        worker.capability_seen(core.convert(dict(body), crd.NodeCapability, "nodecapability"), gone=type == "DELETED")

    @kopf.on.cleanup(registry=registry)
    async def stopping(**_: Any) -> None:
        on_stop()

    return registry, settings
