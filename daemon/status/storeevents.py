"""Tells people of a store that began or ceased to be available: one line in the log, one Event.

The Event is about the Service that announces the store; of a store that none announces, about the NodeCapability.
"""

from __future__ import annotations

import structlog

from daemon.status import nodecapability
from scheduler.api import names
from scheduler.kube import events

log = structlog.get_logger(__name__)


def tell(sink: events.EventSink, node: str, transition: nodecapability.Transition) -> None:
    store, failure = transition.store, transition.failure
    if failure is None:
        kind, reason, note = "Normal", "StoreAvailable", f"{store.endpoint} can be read again"
        log.info("store is available again", store=store.name, endpoint=store.endpoint)
    else:
        kind, reason, note = "Warning", "StoreUnavailable", failure.message
        log.warning("store is not available", store=store.name, reason=failure.reason, message=failure.message)
    capability = events.Reference("NodeCapability", node, api_version=names.API_VERSION)
    service = events.Reference("Service", store.service, store.namespace, store.service_uid)
    about, related = (service, capability) if store.service else (capability, None)
    sink.emit(about, type=kind, reason=reason, action="Probe", note=note, related=related)
