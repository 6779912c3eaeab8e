"""The topology file: what is read, and how what cannot be used is refused."""

import pathlib

import pytest

from localcluster import topology
from scheduler import errors


def test_every_field_is_read() -> None:
    text = """
    nodes:
      - name: gpu-a
        region: west
        zone: west-1
        type: edge
        cpu: 500m
        memory: 8Gi
        pods: 20
        accelerators: {nvidia.com/gpu: 2}
        labels: {disk: ssd}
        taints: [{key: dedicated, value: gpu, effect: NoSchedule}]
        minio: true
    """
    assert topology.parse(text).nodes == (
        topology.Node(
            name="gpu-a",
            region="west",
            zone="west-1",
            type="edge",
            cpu="500m",
            memory="8Gi",
            pods=20,
            accelerators={"nvidia.com/gpu": 2},
            labels={"disk": "ssd"},
            taints=(topology.Taint("dedicated", "NoSchedule", "gpu"),),
            minio=True,
        ),
    )


def test_count_numbers_the_nodes_and_a_name_alone_is_enough() -> None:
    nodes = topology.parse("nodes: [{name: n, count: 3, cpu: 0.5}, {name: solo}]").nodes
    assert [node.name for node in nodes] == ["n-1", "n-2", "n-3", "solo"]
    assert nodes[0].cpu == "0.5"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        pytest.param("minio: true", "minio", id="the older word"),
        pytest.param("store: minio, tls: true", "minio", id="minio"),
        pytest.param("store: versitygw", "versitygw", id="versitygw"),
        pytest.param("cpu: 4", "", id="no store"),
    ],
)
def test_which_store_a_node_has(words: str, kind: str) -> None:
    (node,) = topology.parse(f"nodes: [{{name: a, {words}}}]").nodes
    assert node.store_kind == kind


def test_the_shipped_topology_is_what_the_demo_needs() -> None:
    nodes = topology.load(topology.EDGE_CLOUD).nodes
    assert len(nodes) == 8
    assert {(node.region, node.type) for node in nodes} == {
        (region, kind) for region in ("east", "west") for kind in ("edge", "cloud")
    }
    assert sum(node.minio for node in nodes) == 4


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        pytest.param("nodes: [", "topology", "is not YAML", id="no-yaml"),
        pytest.param("[]", "topology", "must be a mapping", id="no-mapping"),
        pytest.param("nodes: []", "nodes", "at least one node", id="empty"),
        pytest.param("node: []", "topology", "did you mean `nodes`", id="key-misspelt"),
        pytest.param("nodes: [edge-a]", "nodes[0]", "must be a mapping such as", id="node-no-mapping"),
        pytest.param("nodes: [{cpu: 1}]", "nodes[0].name", "is missing", id="no-name"),
        pytest.param("nodes: [{name: Edge_A}]", "name", "lower-case", id="bad-name"),
        pytest.param("nodes: [{name: [a]}]", "name", "lower-case", id="name-a-list"),
        pytest.param("nodes: [{name: a, regoin: x}]", "nodes[0]", "did you mean `region`", id="node-key-misspelt"),
        pytest.param("nodes: [{name: a, type: fog}]", "(a).type", "must be edge or cloud", id="type"),
        pytest.param("nodes: [{name: a, memory: 8GB}]", "(a).memory", "such as 8Gi", id="memory-unit"),
        pytest.param("nodes: [{name: a, memory: 0}]", "(a).memory", "such as 8Gi", id="memory-zero"),
        pytest.param("nodes: [{name: a, cpu: -1}]", "(a).cpu", "such as 4, 0.5 or 500m", id="cpu-negative"),
        pytest.param("nodes: [{name: a, cpu: true}]", "(a).cpu", "such as 4, 0.5 or 500m", id="cpu-bool"),
        pytest.param("nodes: [{name: a, pods: many}]", "(a).pods", "whole number", id="pods"),
        pytest.param("nodes: [{name: a, minio: 1}]", "(a).minio", "must be true or false", id="minio-number"),
        pytest.param("nodes: [{name: a, count: 0}]", "(a).count", "from 1 to", id="count"),
        pytest.param("nodes: [{name: a, zone: 'a b'}]", "(a).zone", "label value", id="zone"),
        pytest.param("nodes: [{name: a, labels: {x: 1}}]", "(a).labels.x", "label value", id="label-number"),
        pytest.param("nodes: [{name: a, accelerators: {gpu: 1}}]", "accelerators", "nvidia.com/gpu", id="accelerator"),
        pytest.param("nodes: [{name: a, taints: {key: x}}]", "(a).taints", "must be a list", id="taints"),
        pytest.param(
            "nodes: [{name: a, taints: [{key: x, effect: Never}]}]",
            "taints[0].effect",
            "NoSchedule or PreferNoSchedule or NoExecute",
            id="taint-effect",
        ),
        pytest.param("nodes: [{name: a-1}, {name: a, count: 2}]", "nodes", "name of two nodes", id="name-twice"),
        pytest.param("nodes: [{name: a, count: 25, minio: true}]", "store", "at most 24", id="too-many-stores"),
        pytest.param("nodes: [{name: a, store: ceph}]", "(a).store", "must be minio or versitygw", id="store"),
        pytest.param("nodes: [{name: a, store: versitygw, minio: true}]", "(a).store", "contradicts", id="two-stores"),
        pytest.param("nodes: [{name: a, tls: true}]", "(a).tls", "nodes with a store", id="tls-without-store"),
    ],
)
def test_what_cannot_be_used_is_refused_with_place_value_and_remedy(text: str, place: str, remedy: str) -> None:
    with pytest.raises(errors.InputError) as refusal:
        topology.parse(text)
    assert place in refusal.value.where
    assert remedy in refusal.value.remedy


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(errors.InputError, match=r"no-such\.yaml.*cannot be read"):
        topology.load(pathlib.Path("no-such.yaml"))
