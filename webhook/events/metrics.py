"""The receiver's figures for Prometheus; outcomes are few and fixed."""

from __future__ import annotations

import prometheus_client


class Metrics:
    """All figures about events, in the registry that is given.

    Attributes:
        events: By what became of them: kept, duplicate, ignored (names no data), unclaimed (nobody reads its buckets).
        requests: By the status answered.
        writes: Of ConfigMaps: written, conflict (with another replica; merged and tried again), failed, deleted.
        reviews: Of tokens, by the API server: accepted, refused, failed.
        consumers: For how many something is kept.
        dropped: Consumers that were dropped because there were too many.
    """

    def __init__(self, registry: prometheus_client.CollectorRegistry) -> None:
        prefix = "data_locality_webhook"
        self.events = prometheus_client.Counter(
            f"{prefix}_events_total", "Events received.", ["outcome"], registry=registry
        )
        self.requests = prometheus_client.Counter(
            f"{prefix}_event_requests_total", "Requests that bring events.", ["code"], registry=registry
        )
        self.writes = prometheus_client.Counter(
            f"{prefix}_event_writes_total", "Writes of what events said.", ["outcome"], registry=registry
        )
        self.reviews = prometheus_client.Counter(
            f"{prefix}_token_reviews_total",
            "Tokens that the API server was asked about.",
            ["outcome"],
            registry=registry,
        )
        self.consumers = prometheus_client.Gauge(
            f"{prefix}_event_consumers", "Workloads for which something is kept.", registry=registry
        )
        self.dropped = prometheus_client.Counter(
            f"{prefix}_event_consumers_dropped_total", "Workloads dropped, as there were too many.", registry=registry
        )
