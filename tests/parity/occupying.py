"""Cases of the filters that count what a node has left: ports, resources, pods, and what nominated pods will take."""

from __future__ import annotations

from typing import Any

from tests.parity.build import (
    CORDONED,
    FIT,
    FITS,
    FULL,
    PORT_TAKEN,
    Case,
    Object,
    Verdict,
    asking,
    configure,
    container,
    listening,
    never,
    node,
    pod,
    port,
    running,
    short,
)


def _ports(name: str, held: Object, wanted: Object, *, fits: bool) -> Case:
    return Case(
        id=f"ports-{name}",
        nodes=[node("a")],
        pods=[listening(held, name="old", on="a")],
        pod=listening(wanted),
        verdicts={"a": FITS if fits else PORT_TAKEN},
        message=""
        if fits
        else "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
        best=["a"] if fits else [],
    )


_LOCAL = "127.0.0.1"
PORTS = [
    _ports("same", port(80), port(80), fits=False),
    _ports("another-number", port(80), port(81), fits=True),
    _ports("another-protocol", port(53, protocol="UDP"), port(53), fits=True),
    _ports("no-protocol-is-tcp", port(80, protocol=""), port(80, protocol="TCP"), fits=False),
    _ports("another-address", port(80, ip="10.0.0.1"), port(80, ip="10.0.0.2"), fits=True),
    _ports("held-on-every-address", port(80), port(80, ip=_LOCAL), fits=False),
    _ports("wanted-on-every-address", port(80, ip=_LOCAL), port(80, ip="0.0.0.0"), fits=False),  # noqa: S104
    _ports("ipv6-any-is-an-ordinary-address", port(80, ip=_LOCAL), port(80, ip="::"), fits=True),
    _ports("ipv6-any-meets-ipv4-any", port(80, ip="0.0.0.0"), port(80, ip="::"), fits=False),  # noqa: S104
    _ports("zero-is-no-port", port(80), port(0), fits=True),
    Case(
        id="ports-of-sidecars-count-those-of-init-containers-do-not",
        nodes=[node("a"), node("b")],
        pods=[
            pod("side", on="a", init=[container("s", ports=[port(80)], sidecar=True)]),
            pod("init", on="b", init=[container("i", ports=[port(80)])]),
        ],
        pod=listening(port(80)),
        verdicts={"a": PORT_TAKEN, "b": FITS},
        best=["b"],
    ),
    Case(
        id="ports-wanted-by-sidecars-and-by-init-containers",
        nodes=[node("a"), node("b")],
        pods=[listening(port(80), name="old-a", on="a"), listening(port(81), name="old-b", on="b")],
        pod=pod("new", init=[container("i", ports=[port(81)]), container("s", ports=[port(80)], sidecar=True)]),
        verdicts={"a": PORT_TAKEN, "b": FITS},
        best=["b"],
    ),
    Case(
        id="ports-a-pod-does-not-clash-with-itself",
        nodes=[node("a")],
        pod=pod("new", container("one", ports=[port(80)]), container("two", ports=[port(80)])),
        verdicts={"a": FITS},
        best=["a"],
    ),
    Case(
        id="ports-terminating-pods-hold-theirs-finished-ones-do-not",
        nodes=[node("a"), node("b"), node("c")],
        pods=[
            listening(port(80), name="ending", on="a", deleted=True),
            listening(port(80), name="done", on="b", phase="Succeeded"),
            listening(port(80), name="failed", on="c", phase="Failed"),
        ],
        pod=listening(port(80)),
        verdicts={"a": PORT_TAKEN, "b": FITS, "c": FITS},
        best=["b", "c"],
    ),
]

_CPU_NEVER = never(FIT, "Insufficient cpu")
_CPU_SHORT = short(FIT, "Insufficient cpu")
_MEMORY_NEVER = never(FIT, "Insufficient memory")
_MEMORY_SHORT = short(FIT, "Insufficient memory")


def _fit(name: str, verdict: Verdict, new: Object, *old: Object, on: Object | None = None) -> Case:
    """One node "a" of 4 cpus and 8 GiB (or `on`), what runs there already, and a pod to place."""
    reasons = sorted(f"1 {reason}" for reason in verdict[2:])
    return Case(
        id=f"fit-{name}",
        nodes=[on or node("a")],
        pods=old,
        pod=new,
        verdicts={"a": verdict},
        message=f"0/1 nodes are available: {', '.join(reasons)}." if reasons else "",
        best=["a"] if verdict == FITS else [],
    )


_QUARTERS = [running("a", "3", "6Gi")]  # leaves one cpu and 2 GiB

AMOUNTS = [
    _fit("exactly", FITS, asking("1", "2Gi"), *_QUARTERS),
    _fit("one-milli-too-much", _CPU_SHORT, asking("1001m", "2Gi"), *_QUARTERS),
    _fit("one-byte-too-much", _MEMORY_SHORT, asking("1", "2147483649"), *_QUARTERS),
    _fit("more-than-the-node-has", _CPU_NEVER, asking("4001m")),
    _fit(
        "one-short-one-never-is-never",
        never(FIT, "Insufficient cpu", "Insufficient memory"),
        asking("2", "9Gi"),
        *_QUARTERS,
    ),
    _fit(
        "every-reason-is-listed",
        short(FIT, "Too many pods", "Insufficient cpu", "Insufficient memory"),
        asking("2", "3Gi"),
        *_QUARTERS,
        on=node("a", pods="1"),
    ),
    _fit("too-many-pods", FULL, asking(), running("a"), on=node("a", pods="1")),
    _fit("no-pod-count-is-zero", FULL, asking(), on=node("a", pods=None)),
    _fit("no-memory-listed-is-zero", _MEMORY_NEVER, asking("1", "1"), on=node("a", memory=None)),
    _fit("nothing-asked-fits-an-overfull-node", FITS, asking(), running("a", "9", "99Gi")),
    _fit("zero-cpu-fits-where-cpu-is-overfull", FITS, asking("0", "1Gi"), running("a", "9", "1Gi")),
    _fit("other-request-sees-the-overfull-resource", _MEMORY_SHORT, asking("1", "1"), running("a", "1", "9Gi")),
    _fit("limits-alone-are-no-request", FITS, pod("new", container(limits={"cpu": "99", "memory": "1Ti"}))),
    _fit(
        "ephemeral-storage",
        short(FIT, "Insufficient ephemeral-storage"),
        pod("new", container(more={"ephemeral-storage": "2Gi"})),
        pod("old", container(more={"ephemeral-storage": "9Gi"}), on="a"),
        on=node("a", more={"ephemeral-storage": "10Gi"}),
    ),
    _fit(
        "hugepages",
        never(FIT, "Insufficient hugepages-2Mi"),
        pod("new", container(more={"hugepages-2Mi": "4Mi"})),
        on=node("a", more={"hugepages-2Mi": "2Mi"}),
    ),
    _fit("micro-cpu-rounds-up", _CPU_SHORT, asking("100u"), running("a", "4")),
    _fit("half-a-byte-rounds-up", _MEMORY_SHORT, asking(None, "500m"), running("a", None, "8Gi")),
    _fit("decimal-and-binary-units", FITS, asking("4e0", "8589934592"), on=node("a", cpu="4.0", memory="8Gi")),
    _fit("beyond-int64-is-the-largest", _MEMORY_NEVER, asking(None, "16Ei")),
]

SHAPES = [
    _fit("containers-add-up", _CPU_NEVER, pod("new", container("one", cpu="2"), container("two", cpu="2001m"))),
    _fit("init-container-counts-alone", FITS, pod("new", container(cpu="3"), init=[container("i", cpu="4")])),
    _fit(
        "greatest-init-container",
        _CPU_NEVER,
        pod("new", container(cpu="1"), init=[container("i", cpu="1"), container("j", cpu="4001m")]),
    ),
    _fit(
        "sidecars-add-to-containers",
        _CPU_NEVER,
        pod("new", container(cpu="3"), init=[container("s", cpu="1001m", sidecar=True)]),
    ),
    _fit(
        "init-after-a-sidecar-adds-it",
        _CPU_NEVER,
        pod("new", init=[container("s", cpu="2", sidecar=True), container("i", cpu="2001m")]),
    ),
    _fit(
        "init-before-a-sidecar-does-not",
        FITS,
        pod("new", init=[container("i", cpu="4"), container("s", cpu="2", sidecar=True)]),
    ),
    _fit(
        "two-sidecars-then-init",
        _CPU_NEVER,
        pod(
            "new",
            init=[
                container("s", cpu="1", sidecar=True),
                container("t", cpu="1", sidecar=True),
                container("i", cpu="2001m"),
            ],
        ),
    ),
    _fit(
        "each-resource-has-its-own-maximum",
        FITS,
        pod("new", container(cpu="1", memory="8Gi"), init=[container("i", cpu="4", memory="1Gi")]),
    ),
    _fit("overhead-is-added", _CPU_NEVER, asking("4", overhead={"cpu": "1m"})),
    _fit("overhead-alone-is-a-request", _CPU_SHORT, asking(overhead={"cpu": "1m"}), running("a", "4")),
    _fit("pod-level-replaces", FITS, asking("5", resources={"requests": {"cpu": "4"}})),
    _fit("pod-level-leaves-other-resources", _MEMORY_NEVER, asking("1", "9Gi", resources={"requests": {"cpu": "2"}})),
    _fit(
        "pod-level-and-overhead", _CPU_NEVER, asking("1", resources={"requests": {"cpu": "4"}}, overhead={"cpu": "1m"})
    ),
    _fit("pod-level-limits-are-no-request", FITS, asking("1", resources={"limits": {"cpu": "9"}})),
    _fit(
        "pod-level-hugepages",
        never(FIT, "Insufficient hugepages-2Mi"),
        asking("1", resources={"requests": {"hugepages-2Mi": "2Mi"}}),
    ),
    _fit(
        "existing-pods-by-the-same-rule",
        _CPU_SHORT,
        asking("1"),
        pod(
            "old",
            container(cpu="1"),
            on="a",
            overhead={"cpu": "1m"},
            init=[container("s", cpu="1", sidecar=True), container("i", cpu="2")],
        ),
    ),
    _fit(
        "existing-pod-level",
        FITS,
        asking("1"),
        pod("old", container(cpu="4"), on="a", resources={"requests": {"cpu": "3"}}),
    ),
    _fit(
        "resized-pods-count-the-larger",
        _CPU_SHORT,
        asking("2"),
        pod(
            "old",
            container(cpu="1"),
            on="a",
            status={
                "containerStatuses": [
                    {"name": "main", "allocatedResources": {"cpu": "3"}, "resources": {"requests": {"cpu": "2"}}}
                ]
            },
        ),
    ),
    _fit(
        "infeasible-resize-does-not-count",
        FITS,
        asking("2"),
        pod(
            "old",
            container(cpu="4"),
            on="a",
            status={
                "conditions": [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}],
                "containerStatuses": [
                    {"name": "main", "allocatedResources": {"cpu": "2"}, "resources": {"requests": {"cpu": "1"}}}
                ],
            },
        ),
    ),
]

_OF_POD: Object = {"requests": {"cpu": "1"}}
_INFEASIBLE: Object = {"conditions": [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}]}


def _resized(name: str, verdict: Verdict, wish: str, status: Object, **spec: Any) -> Case:
    """A pod asks for 2 cpu of 4, beside one whose resize is under way; what that holds decides."""
    return _fit(f"resize-{name}", verdict, asking("2"), pod("old", container(cpu=wish), on="a", status=status, **spec))


RESIZES = [
    _resized(
        "of-a-pod-counts-what-is-allocated",
        _CPU_SHORT,
        "500m",
        {"resources": _OF_POD, "allocatedResources": {"cpu": "3"}},
        resources=_OF_POD,
    ),
    _resized(
        "of-a-pod-counts-what-is-in-force",
        _CPU_SHORT,
        "500m",
        {"resources": {"requests": {"cpu": "3"}}},
        resources=_OF_POD,
    ),
    _resized(
        "of-a-pod-refused-counts-what-is-allocated",
        FITS,
        "500m",
        _INFEASIBLE | {"resources": _OF_POD, "allocatedResources": {"cpu": "1500m"}},
        resources={"requests": {"cpu": "9"}},
    ),
    _resized(
        "of-a-pod-refused-and-not-reported-counts-the-wish",
        _CPU_SHORT,
        "500m",
        _INFEASIBLE,
        resources={"requests": {"cpu": "3"}},
    ),
    _resized(
        "reported-for-the-pod-hides-the-containers",
        FITS,
        "1",
        {
            "resources": _OF_POD,
            "allocatedResources": {"cpu": "1"},
            "containerStatuses": [{"name": "main", "allocatedResources": {"cpu": "3"}}],
        },
    ),
    _resized(
        "allocated-without-resources-counts",
        _CPU_SHORT,
        "1",
        {"containerStatuses": [{"name": "main", "allocatedResources": {"cpu": "3"}}]},
    ),
    _resized("refused-without-status-counts-nothing", FITS, "9", _INFEASIBLE),
    _fit(
        "resize-sums-each-stage-by-itself",
        FITS,
        asking("1"),
        pod(
            "old",
            container("x", cpu="2"),
            container("y", cpu="1"),
            on="a",
            status={
                "containerStatuses": [
                    {"name": "x", "allocatedResources": {"cpu": "1"}},
                    {"name": "y", "allocatedResources": {"cpu": "2"}},
                ]
            },
        ),
    ),
    _fit(
        "resize-of-the-pod-to-place-is-not-looked-at",
        FITS,
        pod(
            "new",
            container(cpu="1"),
            status={"containerStatuses": [{"name": "main", "allocatedResources": {"cpu": "9"}}]},
        ),
    ),
]

_GPU = "example.com/gpu"
_GPUS = node("a", more={_GPU: "4"})


def _gpus(count: str, *, on: str = "") -> Object:
    return pod("old" if on else "new", container(more={_GPU: count}), on=on)


EXTENDED = [
    _fit("extended", FITS, _gpus("2"), _gpus("2", on="a"), on=_GPUS),
    _fit("extended-short", short(FIT, f"Insufficient {_GPU}"), _gpus("3"), _gpus("2", on="a"), on=_GPUS),
    _fit("extended-unknown-to-the-node", never(FIT, f"Insufficient {_GPU}"), _gpus("1")),
    _fit("extended-zero-is-no-request", FITS, _gpus("0")),
    _fit(
        "extended-zero-still-checks-the-rest",
        _CPU_SHORT,
        pod("new", container(cpu="2", more={_GPU: "0"})),
        running("a", "3"),
    ),
    _fit("other-names-are-ignored", FITS, pod("new", container(more={"bananas": "7"}))),
    _fit(
        "kubernetes-io-names-count",
        never(FIT, "Insufficient batch.kubernetes.io/slots"),
        pod("new", container(more={"batch.kubernetes.io/slots": "1"})),
    ),
    Case(
        id="fit-ignored-resources",
        nodes=[node("a")],
        pod=pod("new", container(more={_GPU: "1", "own.org/nic": "1", "other.org/nic": "1"})),
        config=configure(FIT, ignoredResources=[_GPU], ignoredResourceGroups=["own.org"]),
        verdicts={"a": never(FIT, "Insufficient other.org/nic")},
        message="0/1 nodes are available: 1 Insufficient other.org/nic.",
    ),
    Case(
        id="fit-ignoring-does-not-reach-hugepages",
        nodes=[node("a")],
        pod=pod("new", container(more={"hugepages-2Mi": "2Mi"})),
        config=configure(FIT, ignoredResourceGroups=["hugepages-2Mi"]),
        verdicts={"a": never(FIT, "Insufficient hugepages-2Mi")},
        message="0/1 nodes are available: 1 Insufficient hugepages-2Mi.",
    ),
]


def _nominated(name: str, verdict: Verdict, *, theirs: int, ours: int = 5, uid: str = "uid-other") -> Case:
    other = pod("other", container(cpu="3"), nominated="a", priority=theirs)
    other["metadata"]["uid"] = uid
    new = asking("2", priority=ours)
    return Case(
        id=f"nominated-{name}",
        nodes=[node("a")],
        pods=[other],
        pod=new,
        verdicts={"a": verdict},
        alone={"a": {}},
        message="" if verdict == FITS else "0/1 nodes are available: 1 Insufficient cpu.",
        best=["a"] if verdict == FITS else [],
    )


WHO_COUNTS = [
    _nominated("higher-keeps-its-room", _CPU_SHORT, theirs=6),
    _nominated("equal-keeps-its-room", _CPU_SHORT, theirs=5),
    _nominated("lower-yields", FITS, theirs=4),
    _nominated("the-pod-itself-does-not-count", FITS, theirs=5, uid="uid-new"),
    Case(
        id="nominated-node-of-the-pod-itself-is-taken-if-it-fits",
        nodes=[node("a", cpu="64", memory="64Gi"), node("b")],
        pod=asking("2", "2Gi", nominated="b"),
        verdicts={"a": FITS, "b": FITS},
        best=["b"],
    ),
    Case(
        id="nominated-node-of-the-pod-itself-may-not-fit",
        nodes=[node("a"), node("b", cordoned=True)],
        pod=asking("2", "2Gi", nominated="b"),
        verdicts={"a": FITS, "b": CORDONED},
        best=["a"],
    ),
    Case(
        id="nominated-port-is-held-too",
        nodes=[node("a"), node("b")],
        pods=[listening(port(80), name="other", nominated="a")],
        pod=listening(port(80)),
        verdicts={"a": PORT_TAKEN, "b": FITS},
        best=["b"],
    ),
    Case(
        id="counting-terminating-pods-but-not-finished-ones-nor-those-of-lost-nodes",
        nodes=[node("a"), node("b"), node("c")],
        pods=[
            pod("ending", container(cpu="3"), on="a", deleted=True),
            pod("done", container(cpu="3"), on="b", phase="Succeeded"),
            pod("lost", container(cpu="3"), on="gone"),
        ],
        pod=asking("2"),
        verdicts={"a": _CPU_SHORT, "b": FITS, "c": FITS},
        best=["b", "c"],
    ),
]

CASES = [*PORTS, *AMOUNTS, *SHAPES, *RESIZES, *EXTENDED, *WHO_COUNTS]
