"""Compact builders for the questions of the parity table, and the shape of what a case expects.

A case is one `decide` question with the answer kube-scheduler v1.37.2 gives to it. The builders write API objects as
the API server returns them, but only the fields that matter: a default node has room for every ordinary pod, a default
pod asks for nothing. Expectations are literals: no reference scheduler is needed to run the table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

Object = dict[str, Any]
Verdict = tuple[str, ...]  # (code, plugin, reason, ...); only the code when the node fits

AFFINITY = "NodeAffinity"
BALANCED = "NodeResourcesBalancedAllocation"
CORDON = "NodeUnschedulable"
FEATURES = "NodeDeclaredFeatures"
FIT = "NodeResourcesFit"
IMAGES = "ImageLocality"
NAME = "NodeName"
POD_AFFINITY = "InterPodAffinity"
PORTS = "NodePorts"
TAINTS = "TaintToleration"

FITS: Verdict = ("Success",)


def short(plugin: str, *reasons: str) -> Verdict:
    """The node lacks something now: preemption might help."""
    return ("Unschedulable", plugin, *reasons)


def never(plugin: str, *reasons: str) -> Verdict:
    """The node does not suit the pod, whoever else runs there."""
    return ("UnschedulableAndUnresolvable", plugin, *reasons)


# What the placement filters say, word for word.
CORDONED = never(CORDON, "node(s) were unschedulable")
TAINTED = never(TAINTS, "node(s) had untolerated taint(s)")
UNSELECTED = never(AFFINITY, "node(s) didn't match Pod's node affinity/selector")
NARROWED = never(AFFINITY, "node(s) didn't satisfy plugin(s) [NodeAffinity]")
NOT_NAMED = never(NAME, "node(s) didn't satisfy plugin(s) [NodeName]")
ELSEWHERE = never(NAME, "node(s) didn't match the requested node name")
UNDECLARED = never(FEATURES, "node(s) didn't match Pod's required features")
PORT_TAKEN = short(PORTS, "node(s) didn't have free ports for the requested pod ports")
FULL = short(FIT, "Too many pods")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One question and upstream's answer.

    `more` are further parts of the question. `verdicts` names every node of the question. `message` is checked when no
    node fits; `raw` and `scores` list the plugins the case is about; `totals` and `best` are complete.
    """

    id: str
    nodes: Sequence[Object]
    pod: Object
    pods: Sequence[Object] = ()
    namespaces: Sequence[Object] = ()
    config: Object | None = None
    more: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    verdicts: Mapping[str, Verdict] = dataclasses.field(default_factory=dict)
    alone: Mapping[str, Mapping[str, Verdict]] | None = None
    pre_filter: Verdict | None = None
    pre_filter_nodes: Sequence[str] | None = None
    message: str = ""
    raw: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
    scores: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
    totals: Mapping[str, int] | None = None
    best: Sequence[str] = ()
    score_error: bool = False

    def question(self) -> Object:
        asked: Object = {"id": self.id, "nodes": list(self.nodes), "pods": list(self.pods), "pod": self.pod}
        asked |= self.more
        if self.namespaces:
            asked["namespaces"] = list(self.namespaces)
        return asked if self.config is None else asked | {"config": self.config}


# ------------------------------------------------------------------------------------------------------------- nodes
def node(
    name: str,
    *,
    cpu: str | None = "4",
    memory: str | None = "8Gi",
    pods: str | None = "110",
    more: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    taints: Sequence[str] = (),
    cordoned: bool = False,
    images: Mapping[str, int] | None = None,
) -> Object:
    """A node; None leaves a resource out of allocatable, taints are spelt as in kubectl, images are name: bytes."""
    allocatable = {"cpu": cpu, "memory": memory, "pods": pods} | dict(more or {})
    return {
        "metadata": {"name": name, "labels": dict(labels or {})},
        "spec": {"taints": [_taint(text) for text in taints]} | ({"unschedulable": True} if cordoned else {}),
        "status": {
            "allocatable": {key: value for key, value in allocatable.items() if value is not None},
            "images": [{"names": [image], "sizeBytes": size} for image, size in (images or {}).items()],
        },
    }


def _taint(text: str) -> Object:
    rest, _, effect = text.rpartition(":")
    key, _, value = rest.partition("=")
    return {"key": key, "effect": effect} | ({"value": value} if value else {})


# -------------------------------------------------------------------------------------------------------------- pods
def container(
    name: str = "main",
    *,
    cpu: str | None = None,
    memory: str | None = None,
    more: Mapping[str, str] | None = None,
    limits: Mapping[str, str] | None = None,
    ports: Sequence[Object] = (),
    image: str = "app:1",
    sidecar: bool = False,
) -> Object:
    """A container; as an init container with `sidecar` it keeps running beside the others."""
    requests = {"cpu": cpu, "memory": memory} | dict(more or {})
    made: Object = {
        "name": name,
        "image": image,
        "ports": list(ports),
        "resources": {"requests": {key: value for key, value in requests.items() if value is not None}},
    }
    if limits:
        made["resources"]["limits"] = dict(limits)
    return made | ({"restartPolicy": "Always"} if sidecar else {})


def pod(
    name: str = "new",
    *containers: Object,
    on: str = "",
    nominated: str = "",
    init: Sequence[Object] = (),
    phase: str = "",
    priority: int = 0,
    deleted: bool = False,
    namespace: str = "default",
    labels: Mapping[str, str] | None = None,
    status: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Object:
    """A pod; `on` is the node it runs on, `nominated` the node kept for it."""
    metadata: Object = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
    if labels:
        metadata["labels"] = dict(labels)
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    whole: Object = {"containers": list(containers) or [container()], "priority": priority, **spec}
    if init:
        whole["initContainers"] = list(init)
    if on:
        whole["nodeName"] = on
    state: Object = {"phase": phase or ("Running" if on else "Pending"), **(status or {})}
    if nominated:
        state["nominatedNodeName"] = nominated
    return {"metadata": metadata, "spec": whole, "status": state}


def asking(cpu: str | None = None, memory: str | None = None, /, **spec: Any) -> Object:
    """The pod to place, with one container of these requests."""
    return pod("new", container(cpu=cpu, memory=memory), **spec)


def running(on: str, cpu: str | None = None, memory: str | None = None, *, name: str = "") -> Object:
    """A pod that runs already."""
    return pod(name or f"old-{on}", container(cpu=cpu, memory=memory), on=on)


def tolerate(key: str = "", value: str = "", effect: str = "", operator: str = "", **more: int) -> Object:
    fields = {"key": key, "operator": operator, "value": value, "effect": effect}
    return {name: text for name, text in fields.items() if text} | more


def port(number: int, *, ip: str = "", protocol: str = "TCP") -> Object:
    made: Object = {"containerPort": number or 80, "hostPort": number}
    return made | ({"hostIP": ip} if ip else {}) | ({"protocol": protocol} if protocol else {})


def listening(*ports: Object, name: str = "new", on: str = "", **spec: Any) -> Object:
    """A pod whose one container wants these ports of its node."""
    return pod(name, container(ports=ports), on=on, **spec)


# ---------------------------------------------------------------------------------------------------------- affinity
def expr(key: str, operator: str, *values: str) -> Object:
    return {"key": key, "operator": operator} | ({"values": list(values)} if values else {})


def named(operator: str, *values: str) -> Object:
    """A requirement on the node's name (matchFields)."""
    return expr("metadata.name", operator, *values)


def term(*expressions: Object, fields: Sequence[Object] = ()) -> Object:
    made: Object = {"matchExpressions": list(expressions)} if expressions else {}
    return made | ({"matchFields": list(fields)} if fields else {})


def require(*terms: Object) -> Object:
    """Affinity: one of these terms must match."""
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


def prefer(*weighted: tuple[int, Object]) -> Object:
    """Affinity: each matching term adds its weight."""
    preferred = [{"weight": weight, "preference": preference} for weight, preference in weighted]
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}


# ------------------------------------------------------------------------------------------------- other pods' company
def app(*names: str) -> Object:
    """A label selector for the pods of one app, or of any of several."""
    if len(names) == 1:
        return {"matchLabels": {"app": names[0]}}
    return {"matchExpressions": [expr("app", "In", *names)]}


def company(selector: Object | None, key: str = "zone", **more: Any) -> Object:
    """A term about the pods that a selector (None: none is written) selects, in domains of `key`."""
    return {"topologyKey": key} | ({} if selector is None else {"labelSelector": selector}) | more


def near(*terms: Object) -> Object:
    """Affinity: requires the company of pods."""
    return {"podAffinity": {_REQUIRED: list(terms)}}


def far(*terms: Object) -> Object:
    """Affinity: refuses the company of pods."""
    return {"podAntiAffinity": {_REQUIRED: list(terms)}}


def likes(*weighted: tuple[int, Object]) -> Object:
    return {"podAffinity": {_PREFERRED: [{"weight": each, "podAffinityTerm": term} for each, term in weighted]}}


def dislikes(*weighted: tuple[int, Object]) -> Object:
    return {"podAntiAffinity": {_PREFERRED: [{"weight": each, "podAffinityTerm": term} for each, term in weighted]}}


_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


# ------------------------------------------------------------------------------------------------------------ config
def configure(plugin: str, **args: Any) -> Object:
    """KubeSchedulerConfiguration with arguments for one plugin."""
    return profile(pluginConfig=[{"name": plugin, "args": args}])


def profile(**fields: Any) -> Object:
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "profiles": [{"schedulerName": "default-scheduler", **fields}],
    }


def strategy(kind: str, *resources: tuple[str, int], **more: Any) -> Object:
    """How NodeResourcesFit scores."""
    weighted = [{"name": name, "weight": weight} for name, weight in resources]
    return configure(FIT, scoringStrategy={"type": kind, "resources": weighted, **more})
