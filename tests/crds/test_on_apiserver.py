"""The schemas on a real API server: what it takes, what it refuses and in which words, what users see."""

import json
from typing import Any

import msgspec
import pytest

from localcluster import cluster
from scheduler import errors
from scheduler.api import core, crd, names
from tests.crds import test_schema as schemas

pytestmark = pytest.mark.e2e

DATA_OBJECTS = f"/apis/{names.API_VERSION}/namespaces/default/{names.DATA_OBJECTS}"
NODE_CAPABILITIES = f"/apis/{names.API_VERSION}/{names.NODE_CAPABILITIES}"
NOW = "2026-01-02T03:04:05Z"


def data_object(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": {"name": name}, "spec": spec}


def node_capability(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": names.API_VERSION, "kind": "NodeCapability", "metadata": {"name": name}, "spec": spec}


def put_status(running: cluster.Cluster, path: str, status: Any) -> Any:
    """Set the status as the daemon's structs write it, and return the object as the server now has it."""
    current = dict(running.api.request("GET", path))
    return running.api.request("PUT", f"{path}/status", {**current, "status": msgspec.to_builtins(status)})


GOOD_URNS = [
    pytest.param("photos", id="bucket"),
    pytest.param("a.b-3", id="bucket with dot and hyphen"),
    pytest.param("photos/2024/", id="prefix"),
    pytest.param("photos/harbour.raw", id="key"),
    pytest.param("photos/2024/06/harbour of x.raw", id="nested key with spaces"),
    pytest.param("photos/größe/日本/Ω.raw", id="unicode key"),
    pytest.param("photos//twice", id="key that begins with a slash"),
    pytest.param("photos/" + "k" * 1024, id="longest key"),
]


@pytest.mark.parametrize("urn", GOOD_URNS)
def test_good_urn_is_accepted(bare_cluster: cluster.Cluster, urn: str) -> None:
    path = f"{DATA_OBJECTS}?dryRun=All&fieldValidation=Strict"
    assert bare_cluster.api.request("POST", path, data_object("x", urn=urn))["spec"]["urn"] == urn


BAD_SPECS = [
    pytest.param({}, "spec.urn: Required value", id="no urn"),
    pytest.param({"urn": ""}, 'urn is empty: write "bucket"', id="empty urn"),
    pytest.param({"urn": "/photos/x"}, 'urn begins with a slash: write it as "photos/x"', id="leading slash"),
    pytest.param({"urn": "photos/"}, 'write "bucket" for the whole bucket', id="empty prefix"),
    pytest.param({"urn": "Photos/x"}, 'the bucket "Photos", which is not an S3 bucket name', id="upper case bucket"),
    pytest.param({"urn": "ab/x"}, 'the bucket "ab", which is not', id="short bucket"),
    pytest.param({"urn": "a" * 64}, "use 3 to 63 lower-case letters", id="long bucket"),
    pytest.param({"urn": "a..b/x"}, "single dots", id="two dots"),
    pytest.param({"urn": "/photos"}, 'write it as "bucket/key"', id="nothing but a slash before it"),
    pytest.param({"urn": "s3://photos/x"}, 'urn is a URL: write "photos/x"', id="a URL"),
    pytest.param({"urn": "https://host:9000/photos/x"}, 'urn is a URL: write "photos/x"', id="a web address"),
    pytest.param({"urn": "https://photos.s3.west.amazonaws.com/a/x"}, 'write "photos/a/x"', id="a bucket in a host"),
    pytest.param({"urn": "arn:aws:s3:::photos/x"}, 'urn is an ARN: write "photos/x"', id="an ARN"),
    pytest.param({"urn": "photos/*.raw"}, 'no pattern: write "photos" for the whole bucket', id="a pattern"),
    pytest.param({"urn": "photos/2024/a*"}, 'write "photos/2024/" for all that begins so', id="a pattern in a prefix"),
    pytest.param({"urn": "photos/a\nb"}, "contains a control character", id="line break"),
    pytest.param({"urn": "photos/" + "x" * 10_000}, "spec.urn: Too long: may not be more than 1100", id="10 kB urn"),
    pytest.param({"urn": "photos/" + "é" * 1000}, "urn is longer than 1100 bytes", id="unicode urn too long in bytes"),
    pytest.param({"urn": 7}, "spec.urn in body must be of type string", id="urn is a number"),
    pytest.param({"urn": "photos", "sizeBytes": -1}, "should be greater than or equal to 0", id="negative size"),
    pytest.param({"urn": "photos", "sizeBytes": "12MB"}, "must be of type integer", id="size with a unit"),
    pytest.param({"urn": "photos", "size": 1}, 'unknown field "spec.size"', id="unknown field"),
    pytest.param({"urn": "photos", "locations": [{}]}, "spec.locations[0].node: Required", id="location without node"),
    pytest.param(
        {"urn": "photos", "locations": [{"node": "a"}, {"node": "a"}]},
        'spec.locations[1]: Duplicate value: {"node":"a"}',
        id="the same node twice",
    ),
    pytest.param(
        {"urn": "photos", "locations": [{"node": f"n{i}"} for i in range(300)]},
        "spec.locations: Too many: 300: must have at most 64 items",
        id="300 locations",
    ),
]


@pytest.mark.parametrize(("spec", "words"), BAD_SPECS)
def test_bad_data_object_is_refused_in_readable_words(bare_cluster: cluster.Cluster, spec: Any, words: str) -> None:
    with pytest.raises(errors.ApiError) as refused:
        bare_cluster.api.request("POST", f"{DATA_OBJECTS}?fieldValidation=Strict", data_object("bad", **spec))
    assert words in refused.value.message
    assert refused.value.status in {400, 422}


def test_urn_cannot_be_changed_but_the_rest_can(bare_cluster: cluster.Cluster) -> None:
    made = dict(bare_cluster.api.request("POST", DATA_OBJECTS, data_object("fixed", urn="photos/one")))
    made["spec"] = {"urn": "photos/one", "sizeBytes": 5}
    made = dict(bare_cluster.api.request("PUT", f"{DATA_OBJECTS}/fixed", made))
    made["spec"] = {"urn": "photos/two"}
    with pytest.raises(errors.ApiError) as refused:
        bare_cluster.api.request("PUT", f"{DATA_OBJECTS}/fixed", made)
    assert 'urn cannot be changed (it is "photos/one"): delete this DataObject' in refused.value.message


def replica(node: str = "edge-1", store: str = "storage/minio-edge-1") -> dict[str, Any]:
    return {"node": node, "store": store, "available": True}


BAD_STATUSES = [
    pytest.param({"replicas": [replica(), replica()]}, "status.replicas[1]: Duplicate value", id="the same copy twice"),
    pytest.param(
        {"replicas": [replica(f"n{i}") for i in range(257)]},
        "status.replicas: Too many: 257: must have at most 256 items",
        id="too many copies",
    ),
    pytest.param({"replicas": [{"store": "s"}]}, "status.replicas[0].node: Required value", id="copy without node"),
    pytest.param({"sizeBytes": -1}, "should be greater than or equal to 0", id="negative size"),
    pytest.param({"granularity": "File"}, 'supported values: "Bucket", "Prefix", "Key"', id="unknown granularity"),
    pytest.param({"conditions": [{"type": "Ready", "status": "Yes"}]}, 'supported values: "True"', id="condition"),
]


@pytest.mark.parametrize(("status", "words"), BAD_STATUSES)
def test_bad_status_is_refused(
    bare_cluster: cluster.Cluster, status: dict[str, Any], words: str, request: pytest.FixtureRequest
) -> None:
    name = f"status-{request.node.callspec.indices['words']}"
    made = bare_cluster.api.request("POST", DATA_OBJECTS, data_object(name, urn="photos/x"))
    with pytest.raises(errors.ApiError) as refused:
        bare_cluster.api.request("PUT", f"{DATA_OBJECTS}/{name}/status", {**made, "status": status})
    assert words in refused.value.message


def test_one_node_may_hold_copies_in_several_stores(bare_cluster: cluster.Cluster) -> None:
    bare_cluster.api.request("POST", DATA_OBJECTS, data_object("several", urn="photos/x"))
    copies = (crd.Replica(node="a", store="one"), crd.Replica(node="a", store="two"), crd.Replica(node="a"))
    seen = put_status(bare_cluster, f"{DATA_OBJECTS}/several", crd.DataObjectStatus(replicas=copies))
    assert [(item["node"], item["store"]) for item in seen["status"]["replicas"]] == [
        ("a", "one"),
        ("a", "two"),
        ("a", ""),
    ]


BAD_CAPABILITIES = [
    pytest.param({"declared": {"a b": "true"}}, "a capability's name has 1 to 253 letters", id="name with a space"),
    pytest.param({"declared": {"x" * 300: "true"}}, "a capability's name has 1 to 253 letters", id="long name"),
    pytest.param({"declared": {"x": "y" * 300}}, "may not be more than 256", id="long value"),
    pytest.param({"declared": {f"c{i}": "" for i in range(65)}}, "must have at most 64 items", id="too many"),
    pytest.param({"declared": {"gpu": True}}, "must be of type string", id="value is no string"),
]


@pytest.mark.parametrize(("spec", "words"), BAD_CAPABILITIES)
def test_bad_node_capability_is_refused(bare_cluster: cluster.Cluster, spec: Any, words: str) -> None:
    with pytest.raises(errors.ApiError) as refused:
        bare_cluster.api.request("POST", f"{NODE_CAPABILITIES}?fieldValidation=Strict", node_capability("bad", **spec))
    assert words in refused.value.message


READY = crd.Condition(type="Ready", status="True", reason="Seen", message="all is well", last_transition_time=NOW)

FULL_DATA_OBJECT = crd.DataObject(
    metadata=core.ObjectMeta(name="full"),
    spec=crd.DataObjectSpec(
        urn="soil/readings/", size_bytes=5, locations=(crd.Location(node="cloud-1", store="/srv"),)
    ),
    status=crd.DataObjectStatus(
        observed_generation=1,
        granularity="Prefix",
        size_bytes=1_610_612_736,
        size_human="1.5 GiB",
        object_count=12,
        replicas=(
            crd.Replica(
                node="edge-1",
                store="storage/minio",
                endpoint="http://10.0.0.1:9000",
                size_bytes=1_610_612_736,
                etag="abc",
                last_modified=NOW,
                available=True,
                last_probe_time=NOW,
            ),
        ),
        replica_count=1,
        nodes_text="edge-1",
        conditions=(READY,),
    ),
)

FULL_NODE_CAPABILITY = crd.NodeCapability(
    metadata=core.ObjectMeta(name="full"),
    spec=crd.NodeCapabilitySpec(declared={"licence-x": "true"}),
    status=crd.NodeCapabilityStatus(
        observed_generation=1,
        node_type="edge",
        region="west",
        zone="west-1",
        cpu=crd.Cpu(model="Example 9000", cores=4, threads=8, frequency_mhz=3500, features=("avx", "avx2")),
        memory_bytes=8 * 2**30,
        disks=(crd.Disk(name="nvme0n1", class_="nvme", size_bytes=10**12), crd.Disk(name="vda")),
        interfaces=(crd.Interface(name="eth0", speed_mbps=10_000), crd.Interface(name="eth1")),
        os=crd.OperatingSystem(type="linux", distro="debian", kernel_version="6.1.0-18-amd64", container=False),
        stores=(
            crd.Store(
                name="storage/minio",
                endpoint="http://10.0.0.1:9000",
                technology="minio",
                available=True,
                buckets=("soil", "weather"),
                last_probe_time=NOW,
                message="as it should be",
                role="Serves",
            ),
        ),
        store_count=1,
        stores_text="storage/minio",
        accelerators=(crd.Accelerator(resource="nvidia.com/gpu", count=2, model="A100"),),
        accelerators_text="2x A100",
        capabilities={"fast-storage": "true", "nvidia.com/mig.capable": ""},
        probe=crd.Probe(address="10.0.0.7", port=8082),
        links=(
            crd.Link(
                peer="zone:east/east-1",
                direction="From",
                bandwidth_bytes_per_second=25_000_000,
                bandwidth_low_bytes_per_second=24_000_000,
                latency_seconds=0.04,
                samples=9,
                confidence=0.9,
                last_probe_time=NOW,
            ),
            crd.Link(peer="cloud-1", bandwidth_bytes_per_second=25_000_000),
        ),
        conditions=(READY,),
    ),
)


@pytest.mark.parametrize(
    ("full", "kind", "collection", "columns"),
    [
        pytest.param(
            FULL_DATA_OBJECT,
            "DataObject",
            DATA_OBJECTS,
            ["URN", "SIZE", "REPLICAS", "NODES", "READY", "GRANULARITY", "OBJECTS", "AGE"],
            id="DataObject",
        ),
        pytest.param(
            FULL_NODE_CAPABILITY,
            "NodeCapability",
            NODE_CAPABILITIES,
            ["TYPE", "REGION", "ZONE", "STORES", "GPU", "READY", "AGE"],
            id="NodeCapability",
        ),
    ],
)
def test_a_full_object_keeps_every_field_and_fills_the_columns(
    bare_cluster: cluster.Cluster,
    full: crd.DataObject | crd.NodeCapability,
    kind: str,
    collection: str,
    columns: list[str],
) -> None:
    body = {"apiVersion": names.API_VERSION, "kind": kind, **msgspec.to_builtins(full)}
    bare_cluster.api.request("POST", f"{collection}?fieldValidation=Strict", body)
    stored = put_status(bare_cluster, f"{collection}/full", full.status)
    decoded = msgspec.json.decode(json.dumps(stored), type=type(full))
    assert (decoded.spec, decoded.status) == (full.spec, full.status)

    header, row = bare_cluster.kubectl("get", kind, "full", "-o", "wide").splitlines()
    assert header.split() == ["NAME", *columns]
    starts = [header.index(f" {name}") + 1 for name in columns]
    cells = [row[start:end].strip() for start, end in zip(starts, [*starts[1:], len(row)], strict=True)]
    assert all(cells), f"an empty column: {dict(zip(columns, cells, strict=True))}"
    assert cells[columns.index("READY")] == "True"


def test_status_cannot_be_set_through_the_object_itself(bare_cluster: cluster.Cluster) -> None:
    body = {**data_object("sneaky", urn="photos/x"), "status": {"sizeBytes": 7}}
    assert "status" not in bare_cluster.api.request("POST", DATA_OBJECTS, body)


def test_short_names_and_category_lead_to_both_kinds(bare_cluster: cluster.Cluster) -> None:
    bare_cluster.api.request("POST", DATA_OBJECTS, data_object("found", urn="photos/x"))
    bare_cluster.api.request("POST", NODE_CAPABILITIES, node_capability("found"))
    assert bare_cluster.kubectl("get", "dobj", "found", "-o", "name").strip() == f"dataobject.{names.GROUP}/found"
    assert bare_cluster.kubectl("get", "ncap", "found", "-o", "name").strip() == f"nodecapability.{names.GROUP}/found"
    listed = bare_cluster.kubectl("get", "data-locality", "-o", "name").split()
    assert {f"dataobject.{names.GROUP}/found", f"nodecapability.{names.GROUP}/found"} <= set(listed)


@pytest.mark.parametrize("plural", [names.DATA_OBJECTS, names.NODE_CAPABILITIES])
def test_kubectl_explain_teaches_every_field(bare_cluster: cluster.Cluster, plural: str) -> None:
    path = f"/openapi/v3/apis/{names.API_VERSION}"
    # Written down a second or so after the objects are served.
    bare_cluster.wait_until(
        lambda: bare_cluster.api.answers(path), what="the schemas of our kinds", timeout_s=60, program="kube-apiserver"
    )
    document = bare_cluster.api.request("GET", path)
    kind = schemas.CRDS[plural]["spec"]["names"]["kind"]
    (published,) = (
        schema for name, schema in document["components"]["schemas"].items() if name.endswith(f"{names.VERSION}.{kind}")
    )
    published_fields = dict(schemas.fields(published))
    for path, schema in schemas.fields(schemas.root_schema(plural)):
        assert published_fields[path].get("description") == schema["description"], path
    # and one through the front door, where kubectl breaks the lines
    explained = " ".join(bare_cluster.kubectl("explain", f"{plural}.status.conditions.reason").split())
    assert "Why, as one word in CamelCase for programs to compare." in explained
