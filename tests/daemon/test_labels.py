"""The node's labels: what becomes one, in which form, whose they are, and when they are written."""

import msgspec
import pytest

from daemon.status import labels
from scheduler.api import core, crd, names

NOW, LATER = "2026-01-02T03:04:05Z", "2026-01-02T03:05:05Z"
ME = "data-locality-daemon-n1"
PREFIX = names.NODE_CAPABILITY_PREFIX
UPDATED = f"{PREFIX}last-updated"


def capability(
    found: dict[str, str] | None = None,
    *,
    declared: dict[str, str] | None = None,
    stores: tuple[crd.Store, ...] = (),
) -> crd.NodeCapability:
    return crd.NodeCapability(
        core.ObjectMeta(name="n1"),
        crd.NodeCapabilitySpec(declared or {}),
        crd.NodeCapabilityStatus(capabilities=found or {}, stores=stores),
    )


def node(owned: dict[str, dict[str, str]]) -> labels.ManagedNode:
    """A Node with labels by field manager, as the API server writes it."""
    fields = [
        {
            "manager": manager,
            "operation": "Apply" if manager == ME else "Update",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:labels": {f"f:{key}": {} for key in found}}, "f:spec": {"f:podCIDR": {}}},
        }
        for manager, found in owned.items()
    ]
    standing = {key: value for found in owned.values() for key, value in found.items()}
    meta = {"name": "n1", "uid": "u1", "labels": standing, "managedFields": fields}
    return msgspec.json.decode(msgspec.json.encode({"metadata": meta}), type=labels.ManagedNode)


def applied(owned: dict[str, dict[str, str]], wanted: crd.NodeCapability) -> dict[str, str] | None:
    """The labels that a round applies, without their common prefix; None where it writes nothing."""
    body = labels.to_apply(node(owned), wanted, manager=ME, now=NOW)
    if body is None:
        return None
    assert (body["kind"], body["metadata"].pop("name"), body["metadata"].pop("uid")) == ("Node", "n1", "u1")
    assert set(body["metadata"]) == {"labels"}, "nothing else of a Node may be touched"
    return {key.removeprefix(PREFIX): value for key, value in body["metadata"]["labels"].items()}


STORES = (
    crd.Store("a", available=True, buckets=("one", "b" * 48, "c" * 49)),
    crd.Store("b", available=False, buckets=("two",)),
)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(capability(), {}, id="nothing known"),
        pytest.param(
            capability({"cpu-avx": "true", "memory-gb": "8"}), {"cpu-avx": "true", "memory-gb": "8"}, id="as is"
        ),
        pytest.param(
            capability({"cpu-model": "Example(R) CPU @ 2.00GHz", "gpu-model": "?"}),
            {"cpu-model": "Example-R-CPU-2.00GHz"},
            id="values that a label cannot have",
        ),
        pytest.param(capability({"cpu-model": f"{'x' * 62} y"}), {"cpu-model": "x" * 62}, id="a value cut at a gap"),
        pytest.param(
            capability(stores=STORES),
            {"storage-bucket-one": "true", f"storage-bucket-{'b' * 48}": "true"},
            id="buckets that can be had and fit",
        ),
        pytest.param(
            capability({"fast-storage": "true", "cpu-avx": "true"}, declared={"fast-storage": "false", "licence": "x"}),
            {"cpu-avx": "true", "licence": "x"},
            id="declared wins",
        ),
        pytest.param(capability(declared={"node-type": "edge"}), {"node-type": "edge"}, id="a declared type"),
        pytest.param(capability(declared={"a/b": "true", "x" * 64: "true", "e": ""}), {}, id="names that do not fit"),
        pytest.param(capability(declared={"last-updated": "never"}), {}, id="the time is ours"),
        pytest.param(
            capability({"bandwidth-to-b": "9", "latency-to-b": "1"}, declared={"bandwidth-to-c": "7"}),
            {},
            id="figures of links, found or declared",
        ),
        pytest.param(
            capability(stores=(crd.Store("t/s", namespace="t", available=True, buckets=("theirs",)), *STORES)),
            {"storage-bucket-one": "true", f"storage-bucket-{'b' * 48}": "true"},
            id="no bucket of a store that speaks for one namespace",
        ),
    ],
)
def test_what_becomes_a_label(wanted: crd.NodeCapability, expected: dict[str, str]) -> None:
    found = labels.labels_of(wanted)
    assert {key.removeprefix(PREFIX): value for key, value in found.items()} == expected
    if expected:
        assert applied({}, wanted) == {**expected, "last-updated": "2026-01-02T03-04-05Z"}
    else:
        assert applied({}, wanted) is None


def test_more_buckets_than_a_node_should_carry() -> None:
    many = crd.Store("a", available=True, buckets=tuple(f"b{number:03}" for number in range(500)))
    assert len(labels.labels_of(capability(stores=(many,)))) == 100


def own(**found: str) -> dict[str, str]:
    return {f"{PREFIX}{key.replace('_', '-')}": value for key, value in found.items()}


AVX = capability({"cpu-avx": "true"})


@pytest.mark.parametrize(
    ("owned", "wanted", "expected"),
    [
        pytest.param({ME: {**own(cpu_avx="true"), UPDATED: "t"}}, AVX, None, id="as it is"),
        pytest.param({ME: own(cpu_avx="true")}, AVX, {"cpu-avx"}, id="the time is missing"),
        pytest.param({ME: {**own(cpu_avx="2"), UPDATED: "t"}}, AVX, {"cpu-avx"}, id="changed"),
        pytest.param({ME: {**own(cpu_avx="true", gpu_amd="true"), UPDATED: "t"}}, AVX, {"cpu-avx"}, id="gone"),
        pytest.param({ME: {**own(cpu_avx="true"), UPDATED: "t"}}, capability(), set(), id="all gone"),
        pytest.param({"kubectl": own(cpu_avx="false")}, AVX, None, id="somebody else's"),
        pytest.param({"kubectl": own(cpu_avx="true")}, AVX, None, id="somebody else's, with the same value"),
        pytest.param({"kubectl": own(fast_storage="true")}, AVX, {"cpu-avx"}, id="beside somebody else's"),
        pytest.param(
            {ME: {**own(cpu_avx="true"), UPDATED: "t"}, "kubectl": own(cpu_avx="true")}, AVX, set(), id="taken over"
        ),
        pytest.param({"kubelet": {names.ZONE_LABEL: "z"}}, capability(), None, id="labels of another kind"),
        pytest.param(
            {ME: {**own(cpu_avx="true", bandwidth_to_b="900", latency_to_b="1.000"), UPDATED: "t"}},
            AVX,
            {"cpu-avx"},
            id="figures of links that an earlier daemon left behind",
        ),
        pytest.param(
            {ME: own(latency_to_b="1.000"), "kubectl": own(bandwidth_to_b="900")},
            capability(),
            set(),
            id="figures of links that somebody else declared stay his",
        ),
    ],
)
def test_only_own_labels_are_written_and_only_on_change(
    owned: dict[str, dict[str, str]], wanted: crd.NodeCapability, expected: set[str] | None
) -> None:
    found = applied(owned, wanted)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found.keys() - {"last-updated"} == expected
        assert ("last-updated" in found) is bool(expected), "the time goes with the last label"


def test_writing_comes_to_rest() -> None:
    """What was applied stands as own; the next round, later, writes nothing."""
    wanted = capability({"cpu-avx": "true"}, stores=STORES)
    body = labels.to_apply(node({"kubectl": own(gpu_amd="true")}), wanted, manager=ME, now=NOW)
    assert body is not None
    after = node({"kubectl": own(gpu_amd="true"), ME: body["metadata"]["labels"]})
    assert labels.to_apply(after, wanted, manager=ME, now=LATER) is None


def test_own_labels_are_no_evidence_and_those_of_others_are() -> None:
    given = node({ME: own(gpu_model="A"), "kubectl": own(node_type="edge")})
    assert labels.without_own(given, ME).metadata.labels == own(node_type="edge")
    shared = node({ME: own(gpu_model="A"), "kubectl": own(gpu_model="A")})
    assert labels.without_own(shared, ME).metadata.labels == own(gpu_model="A")
