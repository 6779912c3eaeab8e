"""What a pod asks for, against a slow and literal reading of kube-scheduler's rules in exact fractions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scheduler.state import demand
from tests.state import build
from tests.state.build import Object

GPU, HUGE, NATIVE = "example.com/gpu", "hugepages-2Mi", "kubernetes.io/thing"
MAX = 2**63 - 1

CPU = ["0", "1m", "100m", "1", "0.1", "1.5", "2e3", "100u", "1k", "250m"]
BYTES = ["0", "1", "128Mi", "1500m", "0.5", "1Gi", "1e6", "7M", "16Ei"]
COUNTS = ["0", "1", "3"]

AMOUNTS = {"cpu": CPU, "memory": BYTES, "ephemeral-storage": BYTES, GPU: COUNTS, HUGE: ["0", "2Mi", "64Mi"],
           NATIVE: COUNTS, "requests.example.com/gpu": COUNTS, "unknown": COUNTS,
           "attachable-volumes-x": COUNTS}  # fmt: skip
SUFFIXES: dict[str, int | Fraction] = {"": 1, "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "k": 1000, "M": 10**6,
            "Mi": 2**20, "Gi": 2**30, "Ei": 2**60}  # fmt: skip


def exact(text: str) -> Fraction:
    """A quantity, rounded up to thousandths as API defaulting leaves it."""
    if "e" in text:
        mantissa, power = text.split("e")
        value = Fraction(mantissa) * 10 ** int(power)
    else:
        number = text.rstrip("umkMGEi")
        value = Fraction(number) * SUFFIXES[text[len(number) :]]
    return Fraction(math.ceil(value * 1000), 1000)


DEFAULTS = {"cpu": Fraction(1, 10), "memory": Fraction(200 * 2**20)}


def literal(pod: Object, fill: Mapping[str, Fraction], *, pod_level: bool = True) -> dict[str, Fraction]:
    """The rules, resource by resource; ``fill`` is what containers that state nothing of a resource count for."""
    spec = pod["spec"]

    def requests(container: Object) -> dict[str, Fraction]:
        stated = {name: exact(text) for name, text in container["resources"]["requests"].items()}
        return {**fill, **stated}

    containers = [requests(one) for one in spec["containers"]]
    inits = [(requests(one), one.get("restartPolicy") == "Always") for one in spec.get("initContainers", ())]
    resources = {name for one in (*containers, *(request for request, _ in inits)) for name in one}
    found = {}
    for name in resources:
        running = sum((one.get(name, Fraction(0)) for one in containers), Fraction(0))
        running += sum((one.get(name, Fraction(0)) for one, sidecar in inits if sidecar), Fraction(0))
        dearest = Fraction(0)
        for position, (one, _) in enumerate(inits):
            before = sum((other.get(name, Fraction(0)) for other, sidecar in inits[:position] if sidecar), Fraction(0))
            dearest = max(dearest, one.get(name, Fraction(0)) + before)
        found[name] = max(running, dearest)
    if pod_level:
        found |= stated_for_the_pod(pod)
    for name, text in spec.get("overhead", {}).items():
        found[name] = found.get(name, Fraction(0)) + exact(text)
    return found


def stated_for_the_pod(pod: Object) -> dict[str, Fraction]:
    requests = pod["spec"].get("resources", {}).get("requests", {})
    return {
        name: exact(text)
        for name, text in requests.items()
        if name in {"cpu", "memory"} or name.startswith("hugepages-")
    }


def whole(value: Fraction) -> int:
    return min(math.ceil(value), MAX)


def requests_of(*names: str) -> st.SearchStrategy[dict[str, str]]:
    chosen = st.fixed_dictionaries({}, optional={name: st.sampled_from(AMOUNTS[name]) for name in names or AMOUNTS})
    return chosen.map(dict)


@st.composite
def containers(draw: st.DrawFn, *, sidecars: bool) -> Object:
    made: Object = {"name": "c", "resources": {"requests": draw(requests_of())}}
    if sidecars and draw(st.booleans()):
        made["restartPolicy"] = "Always"
    return made


@st.composite
def pods(draw: st.DrawFn) -> Object:
    spec: dict[str, Any] = {"containers": draw(st.lists(containers(sidecars=False), min_size=1, max_size=3))}
    spec["initContainers"] = draw(st.lists(containers(sidecars=True), max_size=4))
    spec["overhead"] = draw(requests_of("cpu", "memory", GPU))
    if draw(st.booleans()):
        spec["resources"] = {"requests": draw(requests_of("cpu", "memory", "ephemeral-storage", HUGE))}
    return {"metadata": {"name": "p"}, "spec": spec}


@given(pod=pods())
@example(pod={"metadata": {"name": "p"}, "spec": {"containers": []}})
def test_the_sum_is_that_of_the_rules(pod: Object) -> None:
    found, true, zero = demand.of(build.as_pod(pod)), literal(pod, {}), Fraction(0)
    assert found.cpu_milli == whole(true.get("cpu", zero) * 1000)
    assert found.memory_bytes == whole(true.get("memory", zero))
    assert found.ephemeral_bytes == whole(true.get("ephemeral-storage", zero))
    counted = {GPU, HUGE, NATIVE, "attachable-volumes-x"}
    assert found.scalars == {name: whole(amount) for name, amount in true.items() if name in counted}


@given(pod=pods())
def test_scores_count_containers_that_state_nothing_at_a_default(pod: Object) -> None:
    """On the node: where the pod as a whole states something, the default stands in only for what nobody states."""
    found, zero = demand.of(build.as_pod(pod)), Fraction(0)
    fill = DEFAULTS
    if stated_for_the_pod(pod):
        fill = {name: amount for name, amount in DEFAULTS.items() if name not in literal(pod, {})}
    on_node, pending = literal(pod, fill), literal(pod, DEFAULTS, pod_level=False)
    assert found.nonzero_cpu_milli == whole(on_node.get("cpu", zero) * 1000)
    assert found.nonzero_memory_bytes == whole(on_node.get("memory", zero))
    for name in ("cpu", "memory", "ephemeral-storage", GPU):
        amount = pending.get(name, zero)
        assert found.scored.get(name, 0) == whole(amount * 1000 if name == "cpu" else amount), name


def _running(requests: dict[str, str], status: Object, *, infeasible: bool = False, sidecar: bool = False) -> Object:
    container: Object = {"name": "c", "resources": {"requests": requests}}
    spec: Object = {"containers": [{"name": "other"}]}
    if sidecar:
        spec["initContainers"] = [container | {"restartPolicy": "Always"}]
    else:
        spec["containers"].append(container)
    conditions = [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}] if infeasible else []
    kind = "initContainerStatuses" if sidecar else "containerStatuses"
    whole_status: Object = {kind: [{"name": "c"} | status], "conditions": conditions}
    return {"metadata": {"name": "p"}, "spec": spec, "status": whole_status}


RESIZED: Object = {"resources": {"requests": {"cpu": "2"}}, "allocatedResources": {"cpu": "3"}}


@pytest.mark.parametrize("sidecar", [False, True])
@pytest.mark.parametrize(
    ("wished", "status", "infeasible", "cpu_milli"),
    [
        pytest.param("1", RESIZED, False, 3000, id="allocated above all"),
        pytest.param("4", RESIZED, False, 4000, id="wished above all"),
        pytest.param("4", RESIZED, True, 3000, id="a wish that cannot be met does not count"),
        pytest.param("1", {"resources": {"requests": {"cpu": "2"}}}, False, 2000, id="actuated, nothing allocated"),
        pytest.param("1", {"allocatedResources": {"cpu": "9"}}, False, 9000, id="allocated, no resources reported"),
        pytest.param("1", {}, False, 1000, id="no word of resources"),
    ],
)
def test_a_resize_in_place_counts_its_dearest_stage(
    sidecar: bool, wished: str, status: Object, infeasible: bool, cpu_milli: int
) -> None:
    pod = _running({"cpu": wished}, status, infeasible=infeasible, sidecar=sidecar)
    assert demand.of(build.as_pod(pod)).cpu_milli == cpu_milli


def _port(number: int, ip: str = "", protocol: str = "") -> Object:
    return {"hostPort": number, "hostIP": ip, "protocol": protocol, "containerPort": 1}


def test_host_ports_are_those_of_containers_and_sidecars() -> None:
    pod = {
        "metadata": {"name": "p"},
        "spec": {
            "containers": [{"ports": [_port(0), _port(80), _port(80), _port(53, "10.0.0.1", "UDP")]}],
            "initContainers": [
                {"ports": [_port(81)]},
                {"ports": [_port(82, "::")], "restartPolicy": "Always"},
            ],
        },
    }
    found = {(port.ip, port.protocol, port.number) for port in demand.host_ports(build.as_pod(pod))}
    assert found == {("0.0.0.0", "TCP", 80), ("10.0.0.1", "UDP", 53), ("::", "TCP", 82)}  # noqa: S104
    assert len(demand.host_ports(build.as_pod(pod))) == 3


@pytest.mark.parametrize(
    ("name", "scalar", "extended"),
    [
        pytest.param("nvidia.com/gpu", True, True, id="extended"),
        pytest.param("hugepages-1Gi", True, False, id="hugepages"),
        pytest.param("kubernetes.io/batch-cpu", True, False, id="native with a prefix"),
        pytest.param("x.kubernetes.io/y", True, False, id="native with a longer prefix"),
        pytest.param("attachable-volumes-aws-ebs", True, False, id="attachable volumes"),
        pytest.param("requests.nvidia.com/gpu", False, False, id="a quota's name"),
        pytest.param("cpu", False, False, id="cpu"),
        pytest.param("pods", False, False, id="pods"),
        pytest.param("gpu", False, False, id="no domain"),
    ],
)
def test_kinds_of_resources(name: str, scalar: bool, extended: bool) -> None:
    assert (demand.is_scalar(name), demand.is_extended(name)) == (scalar, extended)
