"""What the three processes serve: every metric's name, kind and labels."""

from __future__ import annotations

import dataclasses
import pathlib

import prometheus_client as prometheus

from daemon import metrics as daemon_metrics
from scheduler import config, watchedfile
from scheduler.live import metrics as scheduler_metrics
from scheduler.live import reloading
from webhook import metrics as webhook_metrics
from webhook.events import metrics as event_metrics

ROOT = pathlib.Path(__file__).parents[2]
# What the samples of a kind are called, after the family's name.
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


@dataclasses.dataclass(frozen=True, slots=True)
class Metric:
    """A family. ``name`` is as documents write it: a counter's with ``_total``, a histogram's without suffix.

    Attributes:
        begun: Whether a series is there from the start.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    begun: bool = dataclasses.field(default=False, compare=False)

    @property
    def samples(self) -> list[str]:
        """The names that an expression can ask for."""
        family = self.name.removesuffix("_total") if self.kind == "counter" else self.name
        return [family + suffix for suffix in SUFFIXES[self.kind]]


def scheduler() -> list[Metric]:
    figures = scheduler_metrics.Metrics("data-locality-scheduler")
    settings = config.Settings()
    source = watchedfile.Source(None, lambda _: settings, settings)
    reloading.Reloading(source, lambda _: None, figures.registry)
    return _metrics(figures.registry)


def daemon() -> list[Metric]:
    return _metrics(daemon_metrics.Metrics().registry)


def webhook() -> list[Metric]:
    figures = webhook_metrics.Metrics()
    event_metrics.Metrics(figures.registry)
    return _metrics(figures.registry)


def _metrics(registry: prometheus.CollectorRegistry) -> list[Metric]:
    """All in a registry; labels that have no value yet are not in what is served, so the collectors are asked."""
    found = []
    for collector in list(registry._collector_to_names):
        labels = getattr(collector, "_labelnames", None)
        about = getattr(collector, "_about", None)
        if labels is None and about is not None:
            labels = about[-1]
        for family in collector.collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found.append(Metric(name, family.type, tuple(labels or ()), bool(family.samples)))
    return found
