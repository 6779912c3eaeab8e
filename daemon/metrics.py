"""The daemon's figures for Prometheus. Labels are the node's own stores (64 at most) and two kinds."""

from __future__ import annotations

import prometheus_client

from daemon.stores import contents

# Where an unforeseen fault can be met: a series that is there from the start can be alerted on.
PARTS = (
    "buckets", "capability", "cluster", "description", "events", "informer", "links", "objects", "round", "store",
    "stores", "write",
)  # fmt: skip


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
        self.write_failures = prometheus_client.Counter(
            "data_locality_daemon_write_failures_total",
            "Writes to the API server that failed.",
            ["kind"],
            registry=self.registry,
        )
        self.faults = prometheus_client.Counter(
            "data_locality_daemon_faults_total",
            "Faults that nobody foresaw, by the part of the daemon that went on without what caused them.",
            ["part"],
            registry=self.registry,
        )
        for part in PARTS:
            self.faults.labels(part=part)
        self.unread = prometheus_client.Gauge(
            "data_locality_daemon_cluster_unread",
            "Things that have to be known of the cluster and cannot be read; what was known of them stays.",
            registry=self.registry,
        )
        self.unselected = prometheus_client.Gauge(
            "data_locality_daemon_watches_all_buckets",
            "Whether this node has so many buckets that the objects of all buckets are watched.",
            registry=self.registry,
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

        self._lookups = prometheus_client.Counter(
            "data_locality_daemon_lookups_total", "Keys and prefixes looked up.", ["store"], registry=self.registry
        )
        self._notices = prometheus_client.Counter(
            "data_locality_daemon_notices_total", "Changes that the store announced.", ["store"], registry=self.registry
        )
        self._dropped = prometheus_client.Counter(
            "data_locality_daemon_notices_dropped_total",
            "Notices that could not be understood, or were too many: a listing finds what they were about.",
            ["store"],
            registry=self.registry,
        )
        self._announces = prometheus_client.Gauge(
            "data_locality_daemon_store_announces",
            "Whether the store announces changes now; else they are seen by the next listing.",
            ["store"],
            registry=self.registry,
        )
        self.left_out = prometheus_client.Gauge(
            "data_locality_daemon_left_out",
            "Stores that there is no room for in the node's description, and copies in DataObjects.",
            ["kind"],
            registry=self.registry,
        )
        self._link_probes = prometheus_client.Counter(
            "data_locality_daemon_link_probes_total",
            "Probes of links, by outcome.",
            ["outcome"],
            registry=self.registry,
        )
        self._link_bytes = prometheus_client.Counter(
            "data_locality_daemon_link_probe_bytes_total",
            "Bytes spent on probing links, both directions together.",
            registry=self.registry,
        )

        self.config_good = prometheus_client.Gauge(
            "data_locality_daemon_config_last_reload_success",
            "Whether the configuration file as it is now could be read.",
            registry=self.registry,
        )
        self.config_good.set(1)

    def looked_up(self, store: str, urns: int) -> None:
        self._lookups.labels(store=store).inc(urns)

    def heard(self, store: str) -> None:
        self._notices.labels(store=store).inc()

    def dropped(self, store: str) -> None:
        self._dropped.labels(store=store).inc()

    def announces(self, store: str, is_open: bool) -> None:
        self._announces.labels(store=store).set(is_open)

    def link_probed(self, outcome: str, spent_bytes: int) -> None:
        self._link_probes.labels(outcome=outcome).inc()
        self._link_bytes.inc(spent_bytes)

    def asked(self, store: str, seconds: float) -> None:
        self._asked.labels(store=store).observe(seconds)

    def seen(self, store: str, outcome: contents.Listing | contents.Failure) -> None:
        if isinstance(outcome, contents.Failure):
            self._up.labels(store=store).set(0)
            self._failures.labels(store=store, reason=outcome.reason).inc()
        else:
            self._up.labels(store=store).set(1)
            self._buckets.labels(store=store).set(len(outcome.buckets))

    def forget(self, store: str) -> None:
        """Stop reporting a store that this node no longer serves."""
        figures = (
            self._up, self._buckets, self._failures, self._asked, self._lookups, self._notices, self._dropped,
            self._announces,
        )  # fmt: skip
        for figure in figures:
            figure.remove_by_labels({"store": store})

    def exposition(self) -> bytes:
        return prometheus_client.generate_latest(self.registry)
