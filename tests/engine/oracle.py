"""The whole decision once more, slow and plain: one node at a time, one rule after the other, as the design says it.

Knows nothing of the code under test: it reads the JSON of a question and works out who may take the pod and at what
cost. It covers what `test_oracle` generates and no more.

    cost(n) = w_data * t(n) / tau + sum over the other criteria of w_i * (1 - u_i(n))
"""

from __future__ import annotations

import dataclasses
import datetime
import math
import statistics
from typing import Any

Object = dict[str, Any]

HOME = "data-locality-scheduler"
TAU_S = 5.0
# resources, affinity, node type, capability, data
WEIGHTS = {
    "default": (0.15, 0.10, 0.15, 0.10, 0.50),
    "data-intensive": (0.10, 0.05, 0.05, 0.05, 0.75),
    "compute-intensive": (0.40, 0.15, 0.10, 0.15, 0.20),
    "data-and-compute-intensive": (0.25, 0.10, 0.075, 0.10, 0.475),
    # Shares of the plugins' weights: 1 + 1 + 1 and 3 + 2 + 2 + 2.
    "plain": (3 / 12, 9 / 12, 0.0, 0.0, 0.0),
}
LOCAL, SAME_ZONE, SAME_REGION = (1e9, 0.0001), (500e6, 0.001), (200e6, 0.005)
CROSS_REGION, EDGE_CLOUD = (50e6, 0.030), (25e6, 0.040)
MARK = "node-capability/"
HINT = "scheduler.thesis/"
DATA = "data.scheduler.thesis/"
MIB = 1024 * 1024
MAX_AGE = datetime.timedelta(minutes=15)
ASSUMED_BYTES = 250_000_000
FIXED = {"cpu": 0, "memory": 1}  # are looked at in this order, whatever the pod's; the rest comes after them
AWAY = {"node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"}


@dataclasses.dataclass
class Expected:
    """What the answer must say."""

    refused: dict[str, tuple[str, list[str]]]
    feasible: list[str]
    totals: dict[str, int]
    seconds: dict[str, float]
    profile: str
    cost: dict[str, float]
    best: list[str]
    unknown: list[str]
    unavailable: list[str]


def answer(question: Object) -> Expected:
    world = World(question)
    refused = {}
    for node in question["nodes"]:
        refusal = world.refusal(node)
        if refusal is not None:
            refused[_name(node)] = refusal
    feasible = [node for node in question["nodes"] if _name(node) not in refused]
    if not feasible:
        return Expected(refused, [], {}, {}, "", {}, [], [], [])
    parts = {_name(node): world.scores(node, feasible) for node in feasible}
    seconds = {_name(node): math.fsum(world.transfers(_name(node)).values()) for node in feasible}
    profile = world.profile(list(seconds.values()))
    resources, affinity, node_type, capability, data = WEIGHTS[profile]
    cost = {}
    for node in feasible:
        name = _name(node)
        fit, balanced, images, taints, preferred = parts[name]
        cost[name] = (
            data * seconds[name] / TAU_S
            + resources * (1 - (fit + balanced + images) / 300)
            + affinity * (1 - (3 * taints + 2 * preferred) / 900)
            + node_type * (1 - world.place(name))
            + capability * (1 - world.wishes(name))
        )
    least = min(cost.values())
    totals = {
        name: fit + balanced + images + 3 * taints + 2 * preferred
        for name, (fit, balanced, images, taints, preferred) in parts.items()
    }
    best = sorted(name for name in cost if cost[name] <= least + 1e-9)
    found = [(urn, world.find(urn, is_output=is_output)) for (urn, is_output), _, _ in world.data()]
    unknown = [urn for urn, place in found if place is None]
    unavailable = [urn for urn, place in found if place is not None and not place.nodes]
    return Expected(refused, sorted(totals), totals, seconds, profile, cost, best, unknown, unavailable)


@dataclasses.dataclass
class Place:
    """What the best match says of a urn: on which nodes it can be had, and how big it is, if that is known."""

    matched: str
    nodes: list[str]
    size: int | None


class World:
    """One question's objects, and what the rules make of them."""

    def __init__(self, question: Object) -> None:
        self.nodes = {_name(node): node for node in question["nodes"]}
        self.pod = question["pod"]
        self.notes = self.pod["metadata"]["annotations"]
        self.objects = question["dataObjects"]
        self.capabilities = {_name(one): one for one in question["nodeCapabilities"]}
        self.now = self._time_of(question)
        self.pods = [pod for pod in question["pods"] if pod["status"].get("phase") not in {"Succeeded", "Failed"}]

    def _on(self, name: str) -> list[Object]:
        return [pod for pod in self.pods if pod["spec"].get("nodeName") == name]

    # Filters

    def refusal(self, node: Object) -> tuple[str, list[str]] | None:
        """The first rule that refuses the node, and its reasons."""
        name, spec = _name(node), self.pod["spec"]
        tolerations = spec.get("tolerations", [])
        cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
        if node["spec"]["unschedulable"] and not _tolerated(cordon, tolerations):
            return "NodeUnschedulable", ["node(s) were unschedulable"]
        for taint in node["spec"]["taints"]:
            if taint["effect"] in {"NoSchedule", "NoExecute"} and not _tolerated(taint, tolerations):
                return "TaintToleration", ["node(s) had untolerated taint(s)"]
        labels = node["metadata"]["labels"]
        for key, value in spec.get("nodeSelector", {}).items():
            if labels.get(key) != value:
                return "NodeAffinity", ["node(s) didn't match Pod's node affinity/selector"]
        taken = {port for pod in self._on(name) for port in _ports(pod)}
        if taken & _ports(self.pod):
            return "NodePorts", ["node(s) didn't have free ports for the requested pod ports"]
        lacks = self._lacks(node)
        if lacks:
            return "NodeResourcesFit", lacks
        missing = self._missing(name)
        return ("NodeCapability", [missing]) if missing else None

    def _lacks(self, node: Object) -> list[str]:
        offered, pods = node["status"]["allocatable"], self._on(_name(node))
        lacks = ["Too many pods"] if len(pods) + 1 > int(offered["pods"]) else []
        asked = _requests(self.pod)
        for resource in sorted(asked, key=lambda name: (FIXED.get(name, len(FIXED)), name)):
            wanted = asked[resource]
            used = sum(_requests(pod).get(resource, 0) for pod in pods)
            if wanted and wanted > _amount(resource, offered.get(resource, "0")) - used:
                lacks.append(f"Insufficient {resource}")
        return lacks

    def _missing(self, name: str) -> str:
        has = self.has(name)
        required = self.notes.get(f"{HINT}required-capability", "")
        if required:
            key, equals, value = required.partition("=")
            if key not in has or (equals and has[key] != value):
                return f"node(s) didn't have the required capability {required}"
        status = self.capabilities.get(name, {}).get("status", {})
        devices = any(
            resource.endswith("/gpu") and amount != "0"
            for resource, amount in self.nodes[name]["status"]["allocatable"].items()
        )
        if f"{HINT}requires-gpu" in self.notes and not (devices or "gpu-nvidia" in has):
            return "node(s) didn't have a GPU"
        if f"{HINT}requires-fast-storage" in self.notes and "fast-storage" not in has:
            return "node(s) didn't have fast storage"
        live = any(
            store["available"] and store["namespace"] in {"", "default"} and self._is_fresh([store])
            for store in status.get("stores", [])
        )
        found, declared = status.get("capabilities", {}), self.capabilities.get(name, {}).get("spec", {})
        by_hand = "storage-service" in has and (
            found.get("storage-service") != has["storage-service"] or "storage-service" in declared.get("declared", {})
        )
        if f"{HINT}requires-local-storage" in self.notes and not (self._is_ready(name) and (live or by_hand)):
            return "node(s) didn't serve local storage"
        return ""

    # Whose word counts

    def _time_of(self, question: Object) -> datetime.datetime:
        """The time that the question states, else the newest in it."""
        dated = [store for one in self.capabilities.values() for store in one["status"]["stores"]]
        dated += [copy for obj in self.objects for copy in obj["status"]["replicas"]]
        times = [_moment(one["lastProbeTime"]) for one in dated if one.get("lastProbeTime")]
        return _moment(question["now"]) if "now" in question else max(times, default=_moment("2000-01-01T00:00:00Z"))

    def _is_ready(self, name: str) -> bool:
        node = self.nodes.get(name)
        if node is None or any(taint["key"] in AWAY for taint in node["spec"]["taints"]):
            return False
        return all(one["status"] == "True" for one in node["status"]["conditions"] if one["type"] == "Ready")

    def _is_fresh(self, dated: list[Object]) -> bool:
        """Whether one of the times is near enough to now, or there are none."""
        times = [_moment(one["lastProbeTime"]) for one in dated if one.get("lastProbeTime")]
        return not times or any(abs(self.now - one) <= MAX_AGE for one in times)

    def _can_be_had(self, copy: Object, todays: str) -> bool:
        if not copy.get("available") or not self._is_ready(copy["node"]):
            return False
        stores = self.capabilities.get(copy["node"], {}).get("status", {}).get("stores", [])
        witnesses = [store for store in stores if store["name"] == copy.get("store")]
        return self._is_fresh([copy, *witnesses]) and copy.get("etag", "") in {"", todays}

    def has(self, name: str) -> dict[str, str]:
        """A node's capabilities: found, declared over that, labels over both; "false" is none."""
        found: dict[str, str] = {}
        if name in self.capabilities:
            capability = self.capabilities[name]
            found |= capability["status"]["capabilities"] | capability["spec"]["declared"]
        labels = self.nodes[name]["metadata"]["labels"]
        found |= {key.removeprefix(MARK): value for key, value in labels.items() if key.startswith(MARK)}
        return {key: value for key, value in found.items() if value != "false"}

    # Scores

    def scores(self, node: Object, feasible: list[Object]) -> tuple[int, int, int, int, int]:
        return (
            self._fit(node),
            self._balanced(node),
            self._images(node),
            self._taints(node, feasible),
            self._preferred(node, feasible),
        )

    def _fit(self, node: Object) -> int:
        scores = []
        for resource in ("cpu", "memory"):
            offered = _amount(resource, node["status"]["allocatable"][resource])
            used = sum(_scored(pod)[resource] for pod in (*self._on(_name(node)), self.pod))
            scores.append(0 if used > offered else (offered - used) * 100 // offered)
        return sum(scores) // 2

    def _balanced(self, node: Object) -> int:
        own = _requests(self.pod)
        if not own.get("cpu") and not own.get("memory"):
            return 0
        evenness = []
        for pods in ([*self._on(_name(node)), self.pod], self._on(_name(node))):
            cpu, memory = (
                min(
                    1.0,
                    sum(_requests(pod).get(resource, 0) for pod in pods)
                    / _amount(resource, node["status"]["allocatable"][resource]),
                )
                for resource in ("cpu", "memory")
            )
            evenness.append(int((1 - abs(cpu - memory) / 2) * 100))
        return 50 + (50 + evenness[0] - evenness[1]) // 2

    def _images(self, node: Object) -> int:
        total = 0
        containers = self.pod["spec"]["containers"]
        for container in containers:
            holders = {
                _name(other): image["sizeBytes"]
                for other in self.nodes.values()
                for image in other["status"]["images"]
                if container["image"] in image["names"]
            }
            if _name(node) in holders:
                total += int(holders[_name(node)] * (len(holders) / len(self.nodes)))
        low, high = 23 * MIB, 1000 * MIB * len(containers)
        return 100 * (min(max(total, low), high) - low) // (high - low)

    def _taints(self, node: Object, feasible: list[Object]) -> int:
        tolerations = [one for one in self.pod["spec"].get("tolerations", []) if one.get("effect", "") in
                       {"", "PreferNoSchedule"}]  # fmt: skip

        def soft(one: Object) -> int:
            return sum(
                taint["effect"] == "PreferNoSchedule" and not _tolerated(taint, tolerations)
                for taint in one["spec"]["taints"]
            )

        most = max(soft(one) for one in feasible)
        return 100 - 100 * soft(node) // most if most else 100

    def _preferred(self, node: Object, feasible: list[Object]) -> int:
        terms = self.pod["spec"].get("affinity", {}).get("nodeAffinity", {}).get(
            "preferredDuringSchedulingIgnoredDuringExecution", []
        )  # fmt: skip

        def sum_of(one: Object) -> int:
            labels = one["metadata"]["labels"]
            return sum(
                term["weight"]
                for term in terms
                if all(labels.get(each["key"]) in each["values"] for each in term["preference"]["matchExpressions"])
            )

        most = max(sum_of(one) for one in feasible)
        return 100 * sum_of(node) // most if most else 0

    # Data

    def data(self) -> list[tuple[tuple[str, bool], int, float]]:
        """((urn, is output), declared size, processing seconds) of all transfers."""
        found = []
        for kind, is_output in (("input", False), ("output", True)):
            prefix = f"{DATA}{kind}-"
            numbers = sorted(int(key.removeprefix(prefix)) for key in self.notes if key.startswith(prefix))
            once: dict[str, tuple[int, float]] = {}
            for number in numbers:
                urn, size, *rest = self.notes[f"{prefix}{number}"].split(",")
                size_before, processing_before = once.get(urn, (0, 0.0))
                once[urn] = max(int(size), size_before), max(float(rest[0]) if rest else 0.0, processing_before)
            found += [((urn, is_output), size, processing) for urn, (size, processing) in once.items()]
            if not is_output:
                sources = self.notes.get(f"{HINT}data-sources", "")
                told = {urn.split("/")[0] for (urn, _), _, _ in found}
                found += [((bucket, False), 0, 0.0) for bucket in sources.split(",") if bucket and bucket not in told]
        return found

    def find(self, urn: str, *, is_output: bool) -> Place | None:
        """Where a urn can be read from or written to; None if nobody knows of it."""
        own = self._resolve(urn)
        if not is_output:
            return own
        bucket = self._resolve(urn.partition("/")[0])
        choice = [place for place in (bucket, own) if place is not None]
        return next((place for place in choice if place.nodes), choice[0] if choice else None)

    def _resolve(self, urn: str) -> Place | None:
        bucket = urn.partition("/")[0]
        # (shortness, whether it is of the home namespace) -> (name, matched, (node, whether it can be had), size)
        levels: dict[tuple[int, bool], list[tuple[str, str, list[tuple[str, bool]], int | None]]] = {}
        for obj in self.objects:
            known, namespace, status = obj["spec"]["urn"], obj["metadata"]["namespace"], obj["status"]
            written = [copy for copy in status["replicas"] if copy.get("etag")]
            todays = max(written, key=lambda copy: copy["lastModified"])["etag"] if written else ""
            copies = [(one["node"], self._is_ready(one["node"])) for one in obj["spec"]["locations"]]
            copies += [(copy["node"], self._can_be_had(copy, todays)) for copy in status["replicas"]]
            sizes = [copy["sizeBytes"] for copy in written if copy["etag"] == todays]
            size = obj["spec"].get("sizeBytes", max(sizes) if sizes else status.get("sizeBytes"))
            covers = known in {urn, bucket} or (known.endswith("/") and urn.startswith(known))
            if covers and copies and namespace in {"default", HOME}:
                level = levels.setdefault((-len(known), namespace == HOME), [])
                level.append((obj["metadata"]["name"], known, copies, size))
        for is_home in (False, True):
            serving = [copy for name in sorted(self.nodes) for copy in self._serves(name, bucket, is_home)]
            if serving:
                levels.setdefault((-len(bucket), is_home), []).append(("~", bucket, serving, None))
        if not levels:
            return None
        level = sorted(levels[min(levels)], key=lambda one: one[0])
        for _, known, copies, size in level:
            nodes = list(dict.fromkeys(node for node, can_be_had in copies if can_be_had))
            if nodes:
                return Place(known, nodes, size)
        return Place(level[0][1], [], None)

    def _serves(self, name: str, bucket: str, is_home: bool) -> list[tuple[str, bool]]:
        """What a node says of a bucket, for the pod's namespace or for everybody."""
        stores = self.capabilities.get(name, {}).get("status", {}).get("stores", [])
        speaking = [store for store in stores if (not store["namespace"]) is is_home and bucket in store["buckets"]]
        if speaking and not is_home:
            speaking = [store for store in speaking if store["namespace"] == "default"]
        said = [(name, store["available"] and self._is_ready(name) and self._is_fresh([store])) for store in speaking]
        if is_home and not speaking and f"storage-bucket-{bucket}" in self.has(name):
            said.append((name, self._is_ready(name)))
        return said

    def _bytes(self, urn: str, *, declared: int, is_output: bool, place: Place) -> int:
        if declared or is_output:
            return declared
        if "/" in urn and not urn.endswith("/"):
            return (place.size or 0) if place.matched == urn else 0
        return ASSUMED_BYTES if place.size is None else min(place.size, ASSUMED_BYTES)

    def transfers(self, name: str) -> dict[tuple[int, str, bool], float]:
        """Seconds of each transfer on one node."""
        found = {}
        for number, ((urn, is_output), declared, _) in enumerate(self.data()):
            place = self.find(urn, is_output=is_output)
            if place is not None and place.nodes:
                size = self._bytes(urn, declared=declared, is_output=is_output, place=place)
                found[number, urn, is_output] = min(
                    self._seconds(*((name, partner) if is_output else (partner, name)), size) for partner in place.nodes
                )
        return found

    def _seconds(self, source: str, target: str, size_bytes: int) -> float:
        bandwidth, latency_s = self._link(source, target)
        return latency_s + size_bytes / bandwidth

    def _link(self, source: str, target: str) -> tuple[float, float]:
        if source == target:
            return LOCAL
        labels = self.nodes[source]["metadata"]["labels"]
        (region, zone, kind), (other_region, other_zone, other_kind) = self._site(source), self._site(target)
        bandwidth, latency_s = CROSS_REGION
        if region == other_region and zone and zone == other_zone:
            bandwidth, latency_s = SAME_ZONE
        elif region and region == other_region:
            bandwidth, latency_s = SAME_REGION
        elif kind and other_kind and kind != other_kind:
            bandwidth, latency_s = EDGE_CLOUD
        for link in self.capabilities.get(source, {}).get("status", {}).get("links", []):
            if link["peer"] == target:
                bandwidth = link["bandwidthBytesPerSecond"] or bandwidth
                latency_s = link["latencySeconds"] or latency_s
        bandwidth = float(labels.get(f"{MARK}bandwidth-to-{target}", bandwidth))
        if f"{MARK}latency-to-{target}" in labels:
            latency_s = float(labels[f"{MARK}latency-to-{target}"]) / 1000
        return bandwidth, latency_s

    def _site(self, name: str) -> tuple[str, str, str]:
        labels = self.nodes[name]["metadata"]["labels"]
        return (
            labels.get("topology.kubernetes.io/region", ""),
            labels.get("topology.kubernetes.io/zone", ""),
            labels.get(f"{MARK}node-type", ""),
        )

    # Profile and wishes

    def profile(self, seconds: list[float]) -> str:
        if not self.notes:
            return "plain"
        data, compute = (f"{HINT}{kind}-intensive" in self.notes for kind in ("data", "compute"))
        if data or compute:
            return "data-and-compute-intensive" if data and compute else f"{'data' if data else 'compute'}-intensive"
        places = [(self.find(urn, is_output=is_output), each) for (urn, is_output), _, each in self.data()]
        processing_s = math.fsum(each for place, each in places if place is not None and place.nodes)
        if not processing_s:
            return "default"
        ratio = statistics.median(seconds) / processing_s
        return "data-intensive" if ratio > 2 else "compute-intensive" if ratio < 0.2 else "default"

    def place(self, name: str) -> float:
        region, zone, kind = self._site(name)
        granted = []
        for wish, has in (("prefer-region", region), ("prefer-zone", zone)):
            if f"{HINT}{wish}" in self.notes:
                granted.append(has == self.notes[f"{HINT}{wish}"])
        granted += [kind == wish for wish in ("edge", "cloud") if f"{HINT}prefer-{wish}" in self.notes]
        return sum(granted) / len(granted) if granted else 1.0

    def wishes(self, name: str) -> float:
        has, prefix = self.has(name), f"{HINT}capability-"
        granted = [
            key.removeprefix(prefix) in has and value in {"", has[key.removeprefix(prefix)]}
            for key, value in self.notes.items()
            if key.startswith(prefix)
        ]
        return sum(granted) / len(granted) if granted else 1.0


def _name(obj: Object) -> str:
    name: str = obj["metadata"]["name"]
    return name


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def _tolerated(taint: Object, tolerations: list[Object]) -> bool:
    for one in tolerations:
        effect = not one.get("effect") or one["effect"] == taint["effect"]
        key = not one.get("key") or one["key"] == taint["key"]
        value = one.get("operator") == "Exists" or one.get("value", "") == taint.get("value", "")
        if effect and key and value:
            return True
    return False


def _ports(pod: Object) -> set[int]:
    return {port["hostPort"] for container in pod["spec"]["containers"] for port in container["ports"]}


def _amount(resource: str, text: str) -> int:
    """Read cpu in milli-cores, others in units; only the suffixes that are generated."""
    if resource == "cpu":
        return int(text[:-1]) if text.endswith("m") else int(text) * 1000
    for suffix, factor in (("Mi", MIB), ("Gi", 1024 * MIB)):
        if text.endswith(suffix):
            return int(text.removesuffix(suffix)) * factor
    return int(text)


def _requests(pod: Object) -> dict[str, int]:
    total: dict[str, int] = {}
    for container in pod["spec"]["containers"]:
        for resource, text in container["resources"]["requests"].items():
            total[resource] = total.get(resource, 0) + _amount(resource, text)
    return total


def _scored(pod: Object) -> dict[str, int]:
    """Requests as scoring counts them: 100m and 200Mi for a container that states none."""
    total = {"cpu": 0, "memory": 0}
    for container in pod["spec"]["containers"]:
        requests = {"cpu": "100m", "memory": "200Mi"} | container["resources"]["requests"]
        for resource in total:
            total[resource] += _amount(resource, requests[resource])
    return total
