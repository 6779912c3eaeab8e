"""The webhook's figures for Prometheus. Labels are fixed words and the kinds of objects that are followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import prometheus_client

from scheduler.kube import mishaps

# What the API server asks under; anything else that is asked for is "other".
PATHS: Final = frozenset({"enrich", "check"})

Outcome = Literal["enriched", "untouched", "not_understood"]


class Metrics:
    """All figures of one webhook process, in a registry of their own so that several can share a process.

    Attributes:
        failures: Where whoever gives an item up over a defect tells it.
    """

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self._pods = prometheus_client.Counter(
            "data_locality_webhook_pods_total",
            "Pods seen at their creation: enriched, untouched, or not_understood, where something was said and nothing "
            "could be used.",
            ["outcome"],
            registry=self.registry,
        )
        self._warnings = prometheus_client.Counter(
            "data_locality_webhook_warnings_total", "Warnings given to clients.", ["path"], registry=self.registry
        )
        self._refusals = prometheus_client.Counter(
            "data_locality_webhook_refusals_total",
            "Objects refused because of malformed annotations.",
            registry=self.registry,
        )
        self._failures = prometheus_client.Counter(
            "data_locality_webhook_failures_total",
            "Requests that could not be answered, so that the object was admitted as it was.",
            ["path"],
            registry=self.registry,
        )
        internal = prometheus_client.Counter(
            "data_locality_webhook_internal_errors_total",
            "Items (an object, what an event said) given up over a defect, by the part that met it; see the log.",
            ["part"],
            registry=self.registry,
        )
        self.failures = mishaps.Mishaps(lambda part: internal.labels(part=part).inc())
        for part in ("informer", "check"):
            internal.labels(part=part)
        self._seconds = prometheus_client.Histogram(
            "data_locality_webhook_request_seconds",
            "How long an admission request took.",
            ["path"],
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 3),
            registry=self.registry,
        )
        self._objects = prometheus_client.Gauge(
            "data_locality_webhook_objects", "Objects known.", ["kind"], registry=self.registry
        )
        self._following = prometheus_client.Gauge(
            "data_locality_webhook_following",
            "Whether changes of these objects are being followed now.",
            ["kind"],
            registry=self.registry,
        )
        self._expires = prometheus_client.Gauge(
            "data_locality_webhook_certificate_expiry_timestamp_seconds",
            "When the certificate in use ceases to be valid.",
            registry=self.registry,
        )
        for outcome in ("enriched", "untouched", "not_understood"):
            self._pods.labels(outcome=outcome)

    def pod(self, outcome: Outcome) -> None:
        self._pods.labels(outcome=outcome).inc()

    def refused(self) -> None:
        self._refusals.inc()

    def failed(self, path: str) -> None:
        self._failures.labels(path=_known(path)).inc()

    def answered(self, path: str, seconds: float, warnings: int) -> None:
        self._seconds.labels(path=_known(path)).observe(seconds)
        if warnings:
            self._warnings.labels(path=_known(path)).inc(warnings)

    def exposition(self, counts: Mapping[str, tuple[int, bool]], expires_s: float) -> bytes:
        """The page, with what is looked up at that moment: objects and health by kind, the certificate's end."""
        for kind, (count, is_following) in counts.items():
            self._objects.labels(kind=kind).set(count)
            self._following.labels(kind=kind).set(is_following)
        self._expires.set(expires_s)
        return prometheus_client.generate_latest(self.registry)


def _known(path: str) -> str:
    name = path.partition("-")[0]
    return name if name in PATHS else "other"
