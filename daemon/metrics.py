"""The daemon's figures for Prometheus. Labels are the node's own stores (64 at most) and two kinds."""

from __future__ import annotations

import prometheus_client

from daemon import listing


class Metrics:
    """All figures of one daemon, in a registry of their own so that several daemons can share a process."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self.rounds = prometheus_client.Counter(
            "data_locality_daemon_rounds_total", "Rounds that succeeded.", registry=self.registry
        )
        self.writes = prometheus_client.Counter(
            "data_locality_daemon_writes_total", "Writes to the API server.", ["kind"], registry=self.registry
        )
        self._up = prometheus_client.Gauge(
            "data_locality_daemon_store_up",
            "Whether the store answered the last probe.",
            ["store"],
            registry=self.registry,
        )
        self._buckets = prometheus_client.Gauge(
            "data_locality_daemon_store_buckets", "Buckets last listed.", ["store"], registry=self.registry
        )
        self._failures = prometheus_client.Counter(
            "data_locality_daemon_probe_failures_total",
            "Probes that failed.",
            ["store", "reason"],
            registry=self.registry,
        )
        self._asked = prometheus_client.Histogram(
            "data_locality_daemon_probe_seconds",
            "How long listing a store took, failures included.",
            ["store"],
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
            registry=self.registry,
        )

    def asked(self, store: str, seconds: float) -> None:
        self._asked.labels(store=store).observe(seconds)

    def seen(self, store: str, outcome: listing.Listing | listing.Failure) -> None:
        if isinstance(outcome, listing.Failure):
            self._up.labels(store=store).set(0)
            self._failures.labels(store=store, reason=outcome.reason).inc()
        else:
            self._up.labels(store=store).set(1)
            self._buckets.labels(store=store).set(len(outcome.buckets))

    def forget(self, store: str) -> None:
        """Stop reporting a store that this node no longer serves."""
        for figure in (self._up, self._buckets, self._failures, self._asked):
            figure.remove_by_labels({"store": store})

    def exposition(self) -> bytes:
        return prometheus_client.generate_latest(self.registry)
