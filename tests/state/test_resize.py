"""A pod that is being resized in place counts by the dearest of three sums, as kube-scheduler 1.37 adds them up.

The oracle reads component-helpers/resource resource by resource and sum by sum, in exact fractions.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import errors
from scheduler.state import demand
from tests.state import build
from tests.state.build import Object

GPU = "example.com/gpu"
UNITS = {"cpu": 1000, "memory": 1, GPU: 1}
NONE = Fraction(0)


def amount(text: str) -> Fraction:
    return Fraction(text[:-1]) / 1000 if text.endswith("m") else Fraction(text)


def at_stage(container: Object, pod: Object, stage: str) -> Any:
    """What a container asks for when it is wished, allocated or actuated; None for nothing at all."""
    wished = container["resources"]["requests"]
    if stage == "wished":
        return wished
    lists = (pod["status"].get("containerStatuses", []), pod["status"].get("initContainerStatuses", []))
    status: Object = next((one for found in lists for one in found if one["name"] == container["name"]), {})
    actuated = status.get("resources", {}).get("requests")
    if stage == "actuated" and actuated is not None:
        return actuated
    if status.get("allocatedResources") is not None:
        return status["allocatedResources"]
    return {} if infeasible(pod) else wished


def infeasible(pod: Object) -> bool:
    pending = [one for one in pod["status"].get("conditions", []) if one["type"] == "PodResizePending"]
    return bool(pending) and pending[0]["reason"] == "Infeasible"


def containers_at(pod: Object, stage: str, name: str) -> Fraction | None:
    """One resource summed over containers and the moments of initialisation; None where nobody names it."""
    main = [at_stage(one, pod, stage) for one in pod["spec"]["containers"]]
    inits = [(at_stage(one, pod, stage), one.get("restartPolicy") == "Always") for one in pod["spec"]["initContainers"]]
    if not any(name in one for one in (*main, *(one for one, _ in inits))):
        return None

    def of(one: Object) -> Fraction:
        return amount(one.get(name, "0"))

    running = sum(map(of, main), NONE) + sum((of(one) for one, sidecar in inits if sidecar), NONE)
    moments = [
        of(one) + sum((of(other) for other, sidecar in inits[:position] if sidecar), NONE)
        for position, (one, _) in enumerate(inits)
    ]
    return max([running, *moments])


def expected(pod: Object, name: str) -> Fraction:
    status, whole = pod["status"], pod["spec"].get("resources", {}).get("requests", {})
    in_force = status.get("resources", {}).get("requests")
    if in_force is not None and status.get("allocatedResources") is not None:
        stages = [one.get(name) for one in (in_force, status["allocatedResources"])]
        known = [amount(one) for one in stages if one is not None]
    else:
        known = [one for stage in ("allocated", "actuated") if (one := containers_at(pod, stage, name)) is not None]
    wished = containers_at(pod, "wished", name)
    if wished is not None and not infeasible(pod):
        known.append(wished)
    found = max(known, default=NONE)
    if "cpu" in whole or "memory" in whole:
        of_pod = [] if infeasible(pod) and "resources" in status else [whole]
        if "resources" in status:
            of_pod += [in_force or {}, status.get("allocatedResources") or {}]
        named = [amount(one[name]) for one in of_pod if name in one]
        if named and name in {"cpu", "memory"}:
            found = max(named)
    return found


amounts = st.dictionaries(st.sampled_from(["cpu", "memory", GPU]), st.sampled_from(["0", "1", "2500m", "3", "7"]))
maybe_amounts = st.none() | amounts


def _without_none(fields: Object) -> Object:
    return {key: value for key, value in fields.items() if value is not None}


in_force = maybe_amounts.map(lambda requests: _without_none({"requests": requests}))


@st.composite
def pods(draw: st.DrawFn) -> Object:
    names = ["a", "b", "c", "d"]
    made = [{"name": name, "resources": {"requests": draw(amounts)}} for name in names[: draw(st.integers(1, 4))]]
    first = draw(st.integers(1, len(made)))
    spec: Object = {"containers": made[:first], "initContainers": made[first:]}
    for one in spec["initContainers"]:
        one.update(draw(st.sampled_from([{}, {"restartPolicy": "Always"}])))
    if draw(st.booleans()):
        spec["resources"] = {"requests": draw(amounts)}
    statuses = [
        {"name": name}
        | _without_none({"allocatedResources": draw(maybe_amounts), "resources": draw(st.none() | in_force)})
        for name in draw(st.lists(st.sampled_from(names)))
    ]
    split = draw(st.integers(0, len(statuses)))
    reason = draw(st.sampled_from(["", "Infeasible", "Deferred"]))
    conditions = [{"type": "PodResizePending", "status": "True", "reason": reason}] if reason else []
    status = {
        "containerStatuses": statuses[:split],
        "initContainerStatuses": statuses[split:],
        "conditions": conditions,
        "allocatedResources": draw(maybe_amounts),
        "resources": draw(st.none() | in_force),
    }
    return {"metadata": {"name": "p"}, "spec": spec, "status": _without_none(status)}


@given(pod=pods())
def test_every_branch_of_a_resize_counts_as_upstream_counts_it(pod: Object) -> None:
    found = demand.of(build.as_pod(pod))
    counted = {"cpu": found.cpu_milli, "memory": found.memory_bytes, GPU: found.scalars.get(GPU, 0)}
    for name, unit in UNITS.items():
        assert counted[name] == -(-expected(pod, name) * unit // 1), name


@given(pod=pods())
def test_a_pod_that_is_still_to_be_placed_counts_by_what_it_wishes(pod: Object) -> None:
    fresh = {"metadata": pod["metadata"], "spec": pod["spec"]}
    assert demand.of(build.as_pod(pod), runs=False).vector.tolist() == demand.of(build.as_pod(fresh)).vector.tolist()


BAD: Object = {"resources": {"requests": {"cpu": "x"}}}


@pytest.mark.parametrize(
    ("spec", "status", "field"),
    [
        ({"containers": [{}, BAD]}, {}, "spec.containers[1].resources.requests[cpu]"),
        ({"initContainers": [BAD]}, {}, "spec.initContainers[0].resources.requests[cpu]"),
        ({"overhead": {"cpu": "x"}}, {}, "spec.overhead[cpu]"),
        (BAD, {}, "spec.resources.requests[cpu]"),
        ({"containers": [{"name": "c"}]}, {"containerStatuses": [{"name": "c", "allocatedResources": {"cpu": "x"}}]},
         "status.containerStatuses[0].allocatedResources[cpu]"),
        ({}, BAD | {"allocatedResources": {}}, "status.resources.requests[cpu]"),
    ],
)  # fmt: skip
def test_a_quantity_that_cannot_be_read_is_named_by_its_field(spec: Object, status: Object, field: str) -> None:
    with pytest.raises(errors.InputError) as refused:
        demand.of(build.as_pod({"metadata": {"name": "p"}, "spec": spec, "status": status}))
    assert str(refused.value).startswith(f'{field}: "x": not a quantity')
