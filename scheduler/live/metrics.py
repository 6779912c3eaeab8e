"""What the scheduler counts, under the names that dashboards already know.

Two families: those of the earlier implementation (``data_locality_scheduler_*`` and a few ``scheduler_*`` about data)
and those of kube-scheduler (`scheduler_pending_pods` and so on). Every label has a small fixed set of values; pods and
objects are never labels, nodes neither. One registry per process object, so that tests and several schedulers in one
process do not share counters.
"""

from __future__ import annotations

import collections
import functools
import itertools
from collections.abc import Callable

import prometheus_client as prometheus

from scheduler.kernel import journal
from scheduler.kube import mishaps
from scheduler.live import tallies

# kube-scheduler's buckets for scheduling_attempt_duration_seconds: 1 ms to 16 s.
DURATION_BUCKETS = tuple(0.001 * 2**n for n in range(15))
TRANSFER_BUCKETS = (0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
VICTIM_BUCKETS = tuple(float(2**n) for n in range(7))  # kube-scheduler's
SCORE_BUCKETS = (0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0)

QUEUES = ("active", "backoff", "unschedulable", "gated")
RESULTS = ("scheduled", "unschedulable", "error")
SOURCES = ("kopf", "informer")
NODE_TYPES = ("edge", "cloud", "unknown")
PARTS = (
    "informer",
    "watch",
    "listeners",
    "queue",
    "cycle",
    "binder",
    "evictor",
    "events",
    "conditions",
    "upkeep",
    "sweep",
)
BATCH_BUCKETS = tuple(float(2**n) for n in range(1, 8))
GAP_BUCKETS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
JOINTLY = (journal.KEPT, journal.LEFT, journal.OVERRULED)
EVICTED = ("deleted", "gone", "failed")
UPKEEP = ("created", "deleted", "labelled", "expected", "cleaned", "available", "evicted", "refused", "full")

BANDWIDTH_SMOOTHING = 0.2  # weight of the newest transfer in the mean


class Metrics:
    """All counters of one process.

    Args:
        profiles: The scheduler's names, which are what kube-scheduler's metrics call profiles.
    """

    def __init__(self, *profiles: str) -> None:
        self.registry = prometheus.CollectorRegistry()
        registry = self.registry
        self._latency = tallies.Histogram(
            "data_locality_scheduler_latency_seconds",
            "From the moment a pod is taken from the queue to the answer to its binding.",
            buckets=DURATION_BUCKETS,
            among=registry,
        )
        self._attempts = tallies.Counter("data_locality_scheduler_attempts", "Attempts to place a pod.", among=registry)
        self._failures = tallies.Counter(
            "data_locality_scheduler_failures", "Attempts that did not place the pod.", among=registry
        )
        self._locality = tallies.Histogram(
            "scheduler_node_data_locality_score",
            "Share of a placed pod's input and output bytes that are local to its node, 0 to 100.",
            buckets=SCORE_BUCKETS,
            among=registry,
        )
        self._placements = tallies.Counter(
            "scheduler_pod_placement",
            "Pods placed, by type of node and by the weight profile that decided.",
            ["node_type", "workload_type"],
            among=registry,
        )
        self._transfer_s = tallies.Histogram(
            "scheduler_data_transfer_time_seconds",
            "Expected transfer time of a placed pod's data.",
            buckets=TRANSFER_BUCKETS,
            among=registry,
        )
        self._transfer_bytes = tallies.Counter(
            "scheduler_data_transfer_bytes",
            "Expected bytes of placed pods' data, local or over the network.",
            ["path"],
            among=registry,
        )
        self._bandwidth = prometheus.Gauge(
            "scheduler_bandwidth_utilization_bytes_per_second",
            "Mean rate at which placed pods' network transfers are expected to run (moving average).",
            registry=registry,
        )
        self._edge_ratio = prometheus.Gauge(
            "scheduler_edge_utilization_ratio", "Share of placed pods that went to edge nodes.", registry=registry
        )
        self._efficiency = prometheus.Gauge(
            "scheduler_resource_efficiency",
            "Requested share of the cluster's allocatable cpu and memory (mean of the two).",
            registry=registry,
        )
        self._pending = prometheus.Gauge(
            "scheduler_pending_pods", "Pods that wait, by queue.", ["queue"], registry=registry
        )
        self._source = prometheus.Gauge(
            "data_locality_watch_source",
            "1 for the watches that tell of pods and custom resources: Kopf's in calm times, informers in a surge.",
            ["source"],
            registry=registry,
        )
        self._duration = tallies.Histogram(
            "scheduler_scheduling_attempt_duration_seconds",
            "Attempts to place a pod, from queue to answer, by result.",
            ["result", "profile"],
            buckets=DURATION_BUCKETS,
            among=registry,
        )
        self._results = tallies.Counter(
            "scheduler_schedule_attempts",
            "Attempts to place a pod, by result.",
            ["result", "profile"],
            among=registry,
        )
        self._algorithm = tallies.Histogram(
            "scheduler_scheduling_algorithm_duration_seconds",
            "The decision alone: filters, costs, choice.",
            buckets=DURATION_BUCKETS,
            among=registry,
        )
        self._batch_size = tallies.Histogram(
            "data_locality_scheduler_batch_size",
            "Pods with data that were planned for together.",
            buckets=BATCH_BUCKETS,
            among=registry,
        )
        self._batch_gap = tallies.Histogram(
            "data_locality_scheduler_batch_gap_ratio",
            "By what part of it the cost of such a plan may be above the least there is (certified by a lower bound).",
            buckets=GAP_BUCKETS,
            among=registry,
        )
        self._batch_s = tallies.Histogram(
            "data_locality_scheduler_batch_seconds",
            "How long such a plan took to make.",
            buckets=DURATION_BUCKETS,
            among=registry,
        )
        self._batch_pods = tallies.Counter(
            "data_locality_scheduler_batch_pods",
            "Pods bound where planned (kept), where it was cheaper by then (left), or where they could (overruled).",
            ["outcome"],
            among=registry,
        )
        self._binds = tallies.Counter(
            "data_locality_scheduler_binds", "Answers to bindings, by outcome.", ["outcome"], among=registry
        )
        self._preemptions = tallies.Counter(
            "scheduler_preemption_attempts", "Pods that fit nowhere and were asked what pods might go.", among=registry
        )
        self._victims = tallies.Histogram(
            "scheduler_preemption_victims",
            "Pods that have to go for one that fits nowhere.",
            buckets=VICTIM_BUCKETS,
            among=registry,
        )
        self._evictions = tallies.Counter(
            "data_locality_scheduler_evictions", "Pods that had to go, by how that went.", ["outcome"], among=registry
        )
        self._bad_inputs = tallies.Counter(
            "data_locality_scheduler_bad_inputs",
            "Values in manifests and custom resources that could not be used, by kind of object.",
            ["kind"],
            among=registry,
        )
        self._upkeep = tallies.Counter(
            "data_locality_scheduler_data_object_writes",
            "Writes to DataObjects by the scheduler, by what was done; refused and full: what was not.",
            ["what"],
            among=registry,
        )
        self._data_waits = tallies.Counter(
            "data_locality_scheduler_data_waits",
            "Pods that waited for their keys to be looked up, by how the wait ended.",
            ["outcome"],
            among=registry,
        )
        self._delays = tallies.Counter(
            "data_locality_scheduler_delays",
            "Pods that waited for room on a better node: begun, and how it ended (met, elsewhere, nowhere).",
            ["outcome"],
            among=registry,
        )
        self._delay_s = tallies.Histogram(
            "data_locality_scheduler_delay_seconds",
            "For how long pods waited for room on a better node.",
            buckets=TRANSFER_BUCKETS,
            among=registry,
        )
        self._cache = prometheus.Gauge(
            "scheduler_cache_size", "Nodes, pods and assumed pods in the cluster state.", ["type"], registry=registry
        )
        self._data_objects = prometheus.Gauge(
            "data_locality_scheduler_data_objects",
            "DataObjects: of buckets, by daemons; on demand, which have a limit; with copies that do not count now.",
            ["kind"],
            registry=registry,
        )
        self._under_way = prometheus.Gauge(
            "data_locality_scheduler_under_way_bytes",
            "What placed pods have still to move of what should be under way now, as decisions expect it.",
            registry=registry,
        )
        self._dropped = prometheus.Gauge(
            "data_locality_scheduler_dropped",
            "What a full queue dropped since the start, by queue. Pods are found again, events and conditions are not.",
            ["queue"],
            registry=registry,
        )
        self._ahead = prometheus.Gauge(
            "data_locality_scheduler_clock_ahead_seconds",
            "How far a clock is ahead of ours: the API server's, or of the daemons the one that is ahead most.",
            ["of"],
            registry=registry,
        )
        self._lag = prometheus.Gauge(
            "data_locality_scheduler_loop_lag_seconds", "How late the event loop last was.", registry=registry
        )
        self._leads = prometheus.Gauge(
            "leader_election_master_status",
            "Whether this replica leads, 1 or 0, by the name of the Lease.",
            ["name"],
            registry=registry,
        )
        internal = tallies.Counter(
            "data_locality_scheduler_internal_errors",
            "Items (a pod, an object, an event, a write) given up over a defect, by the part that met it; see the log.",
            ["part"],
            among=registry,
        )
        self.failures = mishaps.Mishaps(internal.add)
        for part in PARTS:
            internal.add(part, by=0)
        self._placed: collections.Counter[str] = collections.Counter()
        self._edge_ratio.set_function(lambda: self._placed["edge"] / max(1, self._placed.total()))
        self._mean_rate = 0.0
        for result, profile in itertools.product(RESULTS, profiles):  # what exists from the start can be alerted on
            self._results.add(result, profile, by=0)
            self._duration.begin(result, profile)
        for outcome in EVICTED:
            self._evictions.add(outcome, by=0)
        for outcome in JOINTLY:
            self._batch_pods.add(outcome, by=0)
        for what in UPKEEP:
            self._upkeep.add(what, by=0)

    # ------------------------------------------------------------------------------------------ read when scraped

    def watch_pending(self, count: Callable[[str], int]) -> None:
        """Ask ``count`` for the length of each of QUEUES whenever the metrics are read."""
        for queue in QUEUES:
            self._pending.labels(queue).set_function(functools.partial(count, queue))

    def watch_source(self, speaks: Callable[[str], bool]) -> None:
        """Ask which of SOURCES speaks whenever the metrics are read."""
        for source in SOURCES:
            self._source.labels(source).set_function(functools.partial(speaks, source))

    def watch_cache(self, kind: str, count: Callable[[], int]) -> None:
        self._cache.labels(kind).set_function(count)

    def watch_data_objects(self, kind: str, count: Callable[[], int]) -> None:
        self._data_objects.labels(kind).set_function(count)

    def watch_traffic(self, left_bytes: Callable[[], float]) -> None:
        self._under_way.set_function(left_bytes)

    def watch_dropped(self, queue: str, count: Callable[[], int]) -> None:
        self._dropped.labels(queue).set_function(count)

    def watch_efficiency(self, ratio: Callable[[], float]) -> None:
        self._efficiency.set_function(ratio)

    def watch_lag(self, lag_s: Callable[[], float]) -> None:
        self._lag.set_function(lag_s)

    def watch_leading(self, lease: str, leads: Callable[[], bool]) -> None:
        self._leads.labels(lease).set_function(leads)

    # ---------------------------------------------------------------------------------------------------- events

    def decided(self, seconds: float) -> None:
        self._algorithm.observe(seconds)

    def planned(self, pods: int, gap_ratio: float, seconds: float) -> None:
        """So many pods were planned for together."""
        self._batch_size.observe(pods)
        self._batch_gap.observe(gap_ratio)
        self._batch_s.observe(seconds)

    def placed_jointly(self, outcome: str) -> None:
        """A pod with a part in a plan is bound: one of JOINTLY."""
        self._batch_pods.add(outcome)

    def attempted(self, result: str, seconds: float, profile: str) -> None:
        """An attempt ended with one of RESULTS; the profile is the scheduler that the pod names, as upstream has it."""
        self._attempts.add()
        if result != "scheduled":
            self._failures.add()
        self._latency.observe(seconds)
        self._duration.observe(seconds, result, profile)
        self._results.add(result, profile)

    def answered(self, outcome: str) -> None:
        self._binds.add(outcome)

    def preempted(self, victims: int) -> None:
        """What pods might go for one was asked: so many have to; none where that would not help, or it may not be."""
        self._preemptions.add()
        if victims:
            self._victims.observe(victims)

    def evicted(self, outcome: str) -> None:
        """A pod had to go: one of EVICTED."""
        self._evictions.add(outcome)

    def placed(self, *, node_type: str, workload_type: str) -> None:
        node_type = node_type if node_type in NODE_TYPES else "unknown"
        self._placements.add(node_type, workload_type)
        self._placed[node_type] += 1

    def moved(self, *, local_bytes: int, remote_bytes: int, seconds: float, remote_s: float) -> None:
        """What a placed pod's data will do: bytes on the node, bytes over the network, seconds of all and of those."""
        self._transfer_s.observe(seconds)
        self._transfer_bytes.add("local", by=local_bytes)
        self._transfer_bytes.add("remote", by=remote_bytes)
        if total := local_bytes + remote_bytes:
            self._locality.observe(100.0 * local_bytes / total)
        if remote_bytes and remote_s > 0:
            rate = remote_bytes / remote_s
            self._mean_rate += (rate - self._mean_rate) * (BANDWIDTH_SMOOTHING if self._mean_rate else 1.0)
            self._bandwidth.set(self._mean_rate)

    def upkeep(self, what: str) -> None:
        """One of UPKEEP was done to a DataObject, or could not be."""
        self._upkeep.add(what)

    def data_wait(self, outcome: str) -> None:
        """A pod's wait for its keys ended: ``answered`` or ``expired``."""
        self._data_waits.add(outcome)

    def delayed(self) -> None:
        """A pod waits for a better node than it could have."""
        self._delays.add("begun")

    def delay_over(self, outcome: str, waited_s: float) -> None:
        """It is placed there (``met``) or ``elsewhere``, or fits ``nowhere`` any more."""
        self._delays.add(outcome)
        self._delay_s.observe(waited_s)

    def clock_ahead(self, of: str, seconds: float) -> None:
        self._ahead.labels(of).set(seconds)

    def bad_input(self, kind: str) -> None:
        self._bad_inputs.add(kind)

    def render(self) -> bytes:
        """The text format, as Prometheus reads it."""
        return prometheus.generate_latest(self.registry)
