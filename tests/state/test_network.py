"""Bandwidth and latency between nodes: the prior by distance, known links over it, directed; facts by label."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import config
from scheduler.state import facts, snapshot
from tests.state import build
from tests.state.build import Object

PRIOR = build.PRIOR
Pair = tuple[float, float]


def reach(snap: snapshot.Snapshot, source: str, target: str) -> Pair:
    """The link from source to target, which both directions of asking must agree on."""
    at, to = snap.index_of[source], snap.index_of[target]
    bandwidth, latency = snap.reach(at, outward=True)
    back_bandwidth, back_latency = snap.reach(to, outward=False)
    found = (float(bandwidth[to]), float(latency[to]))
    assert found == (float(back_bandwidth[at]), float(back_latency[at]))
    return found


def pair(link: config.Link) -> Pair:
    return (link.bandwidth_bytes_per_s, link.latency_s)


def positive(text: str | None) -> float | None:
    return float(text) if text is not None and text.replace(".", "", 1).isdecimal() and float(text) > 0 else None


def expected(nodes: dict[str, Object], capabilities: dict[str, Object], source: str, target: str) -> Pair:
    """The link, by looking at nothing but the two nodes."""
    if source == target:
        return pair(PRIOR.local)
    labels, others = nodes[source]["metadata"]["labels"], nodes[target]["metadata"]["labels"]
    status = capabilities.get(source, {}).get("status", {})
    mine, theirs = _place(labels, status), _place(others, capabilities.get(target, {}).get("status", {}))
    region, zone, kind = ((a, b) for a, b in zip(mine, theirs, strict=True))
    same_region = region[0] == region[1]
    if zone[0] and zone[0] == zone[1] and same_region:
        prior = PRIOR.same_zone
    elif region[0] and same_region:
        prior = PRIOR.same_region
    elif kind[0] and kind[1] and kind[0] != kind[1]:
        prior = PRIOR.edge_cloud
    else:
        prior = PRIOR.cross_region
    bandwidth, latency = pair(prior)
    for link in status.get("links", ()):
        if link["peer"] == target:
            bandwidth = link["bandwidthBytesPerSecond"] or bandwidth
            latency = link["latencySeconds"] or latency
    bandwidth = positive(labels.get(f"node-capability/bandwidth-to-{target}")) or bandwidth
    latency_ms = positive(labels.get(f"node-capability/latency-to-{target}"))
    return bandwidth, latency_ms / 1000 if latency_ms else latency


def _place(labels: dict[str, str], status: dict[str, Any]) -> tuple[str, str, str]:
    kind = labels.get("node-capability/node-type") or status.get("nodeType", "")
    return (
        labels.get("topology.kubernetes.io/region") or status.get("region", ""),
        labels.get("topology.kubernetes.io/zone") or status.get("zone", ""),
        kind if kind in {"edge", "cloud"} else "",
    )


NAMES = ["a", "b", "c", "d"]
# Words that mean something elsewhere are names of regions and zones like any others.
PLACES = st.sampled_from(["", "eu", "zone", "region", "edge"])


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[str, Object], dict[str, Object]]:
    nodes, capabilities = {}, {}
    for name in NAMES:
        peers = st.sampled_from([*NAMES, "unknown"])
        can = {}
        for peer in draw(st.lists(peers, max_size=2, unique=True)):
            if draw(st.booleans()):
                can[f"bandwidth-to-{peer}"] = draw(st.sampled_from(["1000", "2.5", "0", "fast", "-5", "nan", "inf"]))
            if draw(st.booleans()):
                can[f"latency-to-{peer}"] = draw(st.sampled_from(["12", "0.5", "0", "slow", ""]))
        kinds = st.sampled_from(["", "edge", "cloud", "fog"])
        nodes[name] = build.node(name, region=draw(PLACES), zone=draw(PLACES), kind=draw(kinds), can=can)
        if draw(st.booleans()):
            links = [
                build.link(peer, bandwidth=draw(st.sampled_from([0, 77])), latency_s=draw(st.sampled_from([0.0, 0.5])))
                for peer in draw(st.lists(peers, max_size=2, unique=True))
            ]
            capabilities[name] = build.capability(
                name, kind=draw(kinds), region=draw(PLACES), zone=draw(PLACES), links=links
            )
    return nodes, capabilities


@given(world=worlds(), order=st.permutations(NAMES))
def test_every_link_is_what_its_two_ends_say(
    world: tuple[dict[str, Object], dict[str, Object]], order: list[str]
) -> None:
    nodes, capabilities = world
    snap = build.state([nodes[name] for name in order], capabilities=capabilities.values(), capacity=1).freeze()
    for source in NAMES:
        for target in NAMES:
            assert reach(snap, source, target) == expected(nodes, capabilities, source, target), (source, target)


CLOSER: list[tuple[str, Object, Object, config.Link]] = [
    ("same zone", {"region": "r", "zone": "z", "kind": "edge"}, {"region": "r", "zone": "z", "kind": "cloud"},
     PRIOR.same_zone),
    ("same region, edge and cloud", {"region": "r", "zone": "z", "kind": "edge"},
     {"region": "r", "zone": "y", "kind": "cloud"}, PRIOR.same_region),
    ("a zone's name in two regions", {"region": "r", "zone": "z"}, {"region": "s", "zone": "z"}, PRIOR.cross_region),
    ("two regions, edge and cloud", {"region": "r", "kind": "edge"}, {"region": "s", "kind": "cloud"},
     PRIOR.edge_cloud),
    ("two regions, both edge", {"region": "r", "kind": "edge"}, {"region": "s", "kind": "edge"}, PRIOR.cross_region),
    ("two regions, one of unknown kind", {"region": "r", "kind": "edge"}, {"region": "s"}, PRIOR.cross_region),
    ("both regions unknown", {}, {}, PRIOR.cross_region),
    ("one region unknown", {"region": "r", "zone": "z"}, {"zone": "z"}, PRIOR.cross_region),
    ("regions unknown, one zone", {"zone": "z"}, {"zone": "z"}, PRIOR.same_zone),
]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "link"), [pytest.param(one, other, link, id=name) for name, one, other, link in CLOSER]
)
def test_distance_decides_what_is_not_known(one: Object, other: Object, link: config.Link) -> None:
    snap = build.state([build.node("a", **one), build.node("b", **other)]).freeze()
    assert reach(snap, "a", "b") == reach(snap, "b", "a") == pair(link)
    assert reach(snap, "a", "a") == pair(PRIOR.local)


def test_a_known_link_holds_in_its_direction_only() -> None:
    snap = build.state(
        [build.node("a", region="r", zone="z"), build.node("b", region="r", zone="z"), build.node("c")],
        capabilities=[build.capability("a", links=[build.link("b", bandwidth=123, latency_s=2.0)])],
    ).freeze()
    assert reach(snap, "a", "b") == (123, 2.0)
    assert reach(snap, "b", "a") == pair(PRIOR.same_zone)
    assert reach(snap, "a", "c") == reach(snap, "c", "a") == pair(PRIOR.cross_region)


def test_links_of_the_earlier_implementations_labels() -> None:
    can = {"bandwidth-to-b": "25000000", "latency-to-b": "40", "bandwidth-to-a": "1", "latency-to-a": "9"}
    snap = build.state([build.node("a", can=can), build.node("b")]).freeze()
    assert reach(snap, "a", "b") == (25e6, 0.040)  # milliseconds
    assert reach(snap, "a", "a") == pair(PRIOR.local)


def test_a_link_to_a_node_that_left_and_came_back_counts_again() -> None:
    a, b = build.node("a", can={"bandwidth-to-b": "500"}), build.node("b")
    made = build.state([a, b])
    made.remove_node("b")
    made.apply_node(build.as_node(build.node("c")))  # takes its slot
    made.apply_node(build.as_node(b))
    snap = made.freeze()
    assert reach(snap, "a", "b")[0] == 500
    assert reach(snap, "a", "c") == pair(PRIOR.cross_region)


def test_half_a_label_leaves_the_measured_other_half() -> None:
    measured = build.capability("a", links=[build.link("b", bandwidth=77, latency_s=0.5)])
    for can, link in [
        ({"bandwidth-to-b": "1000"}, (1000, 0.5)),
        ({"latency-to-b": "12"}, (77, 0.012)),
        ({"bandwidth-to-b": "fast", "latency-to-b": "12"}, (77, 0.012)),
    ]:
        snap = build.state([build.node("a", can=can), build.node("b")], capabilities=[measured]).freeze()
        assert reach(snap, "a", "b") == link, can


@pytest.mark.parametrize(
    ("label", "bandwidth"),
    [
        pytest.param("60", 77, id="the daemon's own picture of what it measured"),
        pytest.param("1000", 1000, id="a person's"),
    ],
)
def test_a_label_that_the_daemon_drew_from_a_measurement_does_not_outdo_it(label: str, bandwidth: float) -> None:
    measured = build.capability(
        "a", found={"bandwidth-to-b": "60"}, links=[build.link("b", bandwidth=77, latency_s=0.5)]
    )
    nodes = [build.node("a", can={"bandwidth-to-b": label}), build.node("b")]
    assert reach(build.state(nodes, capabilities=[measured]).freeze(), "a", "b") == (bandwidth, 0.5)


def test_a_region_called_zone_is_no_zone() -> None:
    nodes = [build.node("a", region="zone", zone="eu", kind="edge"), build.node("b", region="eu", zone="edge")]
    snap = build.state(nodes).freeze()
    assert reach(snap, "a", "b") == reach(snap, "b", "a") == pair(PRIOR.cross_region)


def _facts(node: Object, capability: Object | None = None) -> facts.Facts:
    return facts.of(build.as_node(node), build.as_capability(capability) if capability else None)


@pytest.mark.parametrize(
    ("node", "capability", "gpu"),
    [
        pytest.param(build.node("a"), None, False, id="nothing"),
        pytest.param(build.node("a", can={"gpu-nvidia": "true"}), None, True, id="label"),
        pytest.param(build.node("a", can={"gpu-accelerated": "false"}), None, False, id="label says false"),
        pytest.param(build.node("a", can={"gpu-model": "a100"}), None, False, id="a model alone is no GPU"),
        pytest.param(build.node("a", more={"nvidia.com/gpu": "2"}), None, True, id="allocatable"),
        pytest.param(build.node("a", more={"amd.com/gpu": "1"}), None, True, id="of another maker"),
        pytest.param(build.node("a", more={"nvidia.com/gpu": "0"}), None, False, id="allocatable, all broken"),
        pytest.param(build.node("a", more={"nvidia.com/mig-1g.5gb": "2"}), None, True, id="a slice of a GPU"),
        pytest.param(build.node("a"), build.capability("a", found={"gpu-amd": "true"}), True, id="found"),
        pytest.param(
            build.node("a"),
            build.capability("a", accelerators=[{"resource": "nvidia.com/gpu", "count": 1}]),
            True,
            id="accelerator",
        ),
        pytest.param(
            build.node("a"),
            build.capability("a", accelerators=[{"resource": "nvidia.com/gpu", "count": 0}]),
            False,
            id="accelerator, none of it",
        ),
        pytest.param(
            build.node("a", can={"gpu-nvidia": "false"}),
            build.capability("a", found={"gpu-nvidia": "true"}),
            False,
            id="the administrator's label wins",
        ),
    ],
)
def test_who_has_a_gpu(node: Object, capability: Object | None, gpu: bool) -> None:
    assert _facts(node, capability).has_gpu is gpu


@pytest.mark.parametrize(
    ("node", "capability", "fast", "local"),
    [
        pytest.param(build.node("a"), None, False, False, id="nothing"),
        pytest.param(build.node("a", can={"fast-storage": "true"}), None, True, False, id="fast by label"),
        pytest.param(build.node("a", can={"storage-service": "minio"}), None, False, True, id="local by label"),
        pytest.param(build.node("a"), build.capability("a", stores=[build.store()]), False, True, id="a live store"),
        pytest.param(
            build.node("a"), build.capability("a", stores=[build.store(available=False)]), False, False, id="a dead one"
        ),
        pytest.param(build.node("a"), build.capability("a", declared={"fast-storage": ""}), True, False, id="declared"),
    ],
)
def test_who_has_which_storage(node: Object, capability: Object | None, fast: bool, local: bool) -> None:
    found = _facts(node, capability)
    assert found.has_fast_storage is fast
    assert any(store.is_storage and store.available for store in found.stores) is local


def test_buckets_by_label_and_by_store() -> None:
    node = build.node("a", can={"storage-bucket-logs": "true", "storage-bucket-old": "false"})
    stores = [build.store("raw", "logs"), build.store("lost", available=False, name="other")]
    found = _facts(node, build.capability("a", stores=stores))
    told = {(store.name, store.available): store.buckets for store in found.stores}
    assert told == {("minio", True): ("raw", "logs"), ("other", False): ("lost",)}
    alone = _facts(node)
    assert [(store.buckets, store.is_storage) for store in alone.stores] == [(("logs",), False)]


@pytest.mark.parametrize(("namespace", "counts"), [("", False), ("team", True)])
def test_a_label_speaks_for_everybody_where_a_store_of_the_node_speaks_for_some_alone(
    namespace: str, counts: bool
) -> None:
    node = build.node("a", can={"storage-bucket-logs": "true"})
    stores = _facts(node, build.capability("a", stores=[build.store("logs", namespace=namespace)])).stores
    assert ("" in {store.name for store in stores}) is counts


@pytest.mark.parametrize(
    ("found", "declared", "counts"),
    [
        pytest.param({}, {}, True, id="somebody else's label"),
        pytest.param({"storage-service": "true"}, {}, False, id="the daemon's own, whose stores say it better"),
        pytest.param({"storage-service": "minio"}, {}, True, id="a label that says something else"),
        pytest.param({"storage-service": "true"}, {"storage-service": "true"}, True, id="declared as well"),
    ],
)
def test_a_label_that_a_daemon_wrote_does_not_outlive_its_stores(
    found: dict[str, str], declared: dict[str, str], counts: bool
) -> None:
    node = build.node("a", can={"storage-service": "true"})
    stores = _facts(node, build.capability("a", found=found, declared=declared)).stores
    assert bool(stores) is counts
