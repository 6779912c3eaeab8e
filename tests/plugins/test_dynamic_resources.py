"""What a pod's claims to devices come to, through the offline door: which nodes, in which words, and what is given."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scheduler import config
from scheduler.api import core, devices
from scheduler.engine import decide
from scheduler.offline import door, question
from scheduler.plugins import request
from scheduler.plugins.dynamic_resources import granting
from scheduler.state import cluster
from scheduler.state.claims import store
from tests.engine import asking
from tests.state import build
from tests.state.build import Object

GPU, NET = "gpu.example.com", "net.example.com"
TOO_FEW, NOT_HERE = "cannot allocate all claims", "resourceclaim not available on the node"


def cel(*expressions: str) -> list[Object]:
    return [{"cel": {"expression": one}} for one in expressions]


def device_class(name: str = "gpu", *expressions: str, **spec: Any) -> Object:
    listed = expressions or (f'device.driver == "{GPU}"',)
    return {"metadata": {"name": name}, "spec": {"selectors": cel(*listed), **spec}}


def device(name: str, /, memory: str = "", **more: Any) -> Object:
    """Attributes are given by their types: ``model={"string": "a"}``."""
    fields = {"taints", "consumesCounters", "bindingConditions", "allowMultipleAllocations", "nodeName", "capacity"}
    made: Object = {"name": name, "attributes": {key: one for key, one in more.items() if key not in fields}}
    made |= {key: one for key, one in more.items() if key in fields}
    return made | ({"capacity": {"memory": {"value": memory}}} if memory else {})


def resource_slice(
    name: str, *listed: Object, driver: str = GPU, pool: str = "", count: int = 1, **spec: Any
) -> Object:
    """Devices of the node of the same name, unless it is said otherwise."""
    where = {} if spec.keys() & {"allNodes", "nodeSelector", "perDeviceNodeSelection"} else {"nodeName": name}
    of = {"name": pool or name, "generation": spec.pop("generation", 1), "resourceSliceCount": count}
    return {
        "metadata": {"name": f"{spec.pop('called', '')}{driver}-{name}"},
        "spec": {"driver": driver, "pool": of, "devices": list(listed), **where, **spec},
    }


def asked(name: str = "r", *expressions: str, of: str = "gpu", **more: Any) -> Object:
    return {"name": name, "exactly": part("", *expressions, of=of, **more)}


def part(name: str, *expressions: str, of: str = "gpu", **more: Any) -> Object:
    made: Object = {"deviceClassName": of, "allocationMode": "ExactCount", "count": 1, **more}
    made |= {"selectors": cel(*expressions)} if expressions else {}
    return made | ({"name": name} if name else {})


def claim(*requests: Object, name: str = "c", **more: Any) -> Object:
    meta = {"name": name, "namespace": "default", "uid": f"uid-{name}", **more.pop("metadata", {})}
    spec = {"devices": {"requests": list(requests), "constraints": more.pop("constraints", [])}}
    return {"metadata": meta, "spec": spec, "status": more}


def given(*names: str, node: str = "a", **more: Any) -> Object:
    """The status of a claim that has devices of a node."""
    results = [{"request": "r", "driver": GPU, "pool": node, "device": name, **more} for name in names]
    on = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    return {"allocation": {"devices": {"results": results}, "nodeSelector": {"nodeSelectorTerms": [on]}}}


def pod(*claims: str, **spec: Any) -> Object:
    named = [{"name": name, "resourceClaimName": name} for name in claims or ("c",)]
    return build.pod("new", build.container(), resourceClaims=named, **spec)


def ask(
    *objects: Object,
    claims: list[Object],
    of: Object | None = None,
    classes: list[Object] | None = None,
    nodes: list[Object] | None = None,
    **more: Any,
) -> Object:
    """A question of two nodes and one class, unless it is said otherwise."""
    asked = asking.question(nodes or [build.node("a", labels={"zone": "a"}), build.node("b")], of or pod())
    asked |= {"resourceSlices": list(objects), "resourceClaims": claims}
    return asked | {"deviceClasses": [device_class()] if classes is None else classes, **more}


def told(asked: Object) -> Object:
    answer: Object = json.loads(door.answer_line(json.dumps(asked).encode()))
    assert not answer.get("fault"), answer["fault"]
    return answer


def state_of(asked: Object) -> tuple[cluster.Cluster, request.PodRequest]:
    read = question.read(json.dumps(asked).encode())
    made = build.state(asked["nodes"])
    for listed in question.claims(read).values():
        for obj in listed:
            made.claims.apply(obj)
    return made, request.prepare(build.as_pod(asked["pod"]))


def grants(asked: Object, node: str = "a") -> tuple[granting.Grant, ...]:
    made, ready = state_of(asked)
    view = made.freeze(0.0)
    return granting.allocation_on(ready, view, view.index_of[node]) or ()


def devices_of(asked: Object, node: str = "a") -> list[list[tuple[str, str]]]:
    """By claim, its devices by request."""
    found = [grant.allocation for grant in grants(asked, node)]
    return [[(one.request, one.device) for one in each.devices.results] for each in found if each is not None]


TWO = resource_slice("a", device("d0", model={"string": "x"}), device("d1", model={"string": "y"}, memory="8Gi"))
MODEL = f'device.attributes["{GPU}"].model == "y"'
MEMORY = f'device.capacity["{GPU}"].?memory.orValue(quantity("0")).compareTo(quantity("4Gi")) >= 0'
WORN = {"key": "worn", "value": "yes", "effect": "NoSchedule"}
COUNTED: Any = {"consumesCounters": [{"counterSet": "s", "counters": {"units": {"value": "2"}}}]}
COUNTERS: Any = {"sharedCounters": [{"name": "s", "counters": {"units": {"value": "3"}}}]}
SHARED: Any = {"allowMultipleAllocations": True}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(ask(TWO, claims=[claim(asked())]), [[("r", "d0")]], id="the first that is free"),
        pytest.param(ask(TWO, claims=[claim(asked(count=2))]), [[("r", "d0"), ("r", "d1")]], id="several"),
        pytest.param(ask(TWO, claims=[claim(asked("r", MODEL))]), [[("r", "d1")]], id="one that a selector means"),
        pytest.param(ask(TWO, claims=[claim(asked("r", MEMORY))]), [[("r", "d1")]], id="by a quantity"),
        pytest.param(
            ask(TWO, claims=[claim(asked()), claim(name="other", **given("d0"))]), [[("r", "d1")]], id="one is taken"
        ),
        pytest.param(
            ask(TWO, claims=[claim(asked("r0"), asked("r1", f'device.attributes["{GPU}"].model == "x"'))]),
            [[("r0", "d1"), ("r1", "d0")]],
            id="the first choice was a mistake",
        ),
        pytest.param(
            ask(TWO, claims=[claim(asked(allocationMode="All"))]), [[("r", "d0"), ("r", "d1")]], id="all of them"
        ),
        pytest.param(
            ask(TWO, claims=[claim({"name": "r", "firstAvailable": [part("two", count=3), part("one")]})]),
            [[("r/one", "d0")]],
            id="the second best",
        ),
        pytest.param(
            ask(TWO, claims=[claim(asked(adminAccess=True)), claim(name="other", **given("d0", "d1"))]),
            [[("r", "d0")]],
            id="admin access to what is taken",
        ),
        pytest.param(
            ask(TWO, claims=[claim(asked()), claim(asked(), name="c2")], of=pod("c", "c2")),
            [[("r", "d0")], [("r", "d1")]],
            id="two claims of one pod",
        ),
        pytest.param(
            ask(resource_slice("a", device("d0", taints=[WORN]), device("d1")), claims=[claim(asked())]),
            [[("r", "d1")]],
            id="a taint",
        ),
        pytest.param(
            ask(
                resource_slice("a", device("d0", taints=[WORN])),
                claims=[claim(asked(tolerations=[{"key": "worn", "operator": "Exists"}]))],
            ),
            [[("r", "d0")]],
            id="a taint that is put up with",
        ),
        pytest.param(
            ask(
                resource_slice("a", device("d0", m={"int": 1}), device("d1", m={"int": 2}), device("d2", m={"int": 2})),
                claims=[claim(asked(count=2), constraints=[{"matchAttribute": f"{GPU}/m"}])],
            ),
            [[("r", "d1"), ("r", "d2")]],
            id="alike in an attribute",
        ),
        pytest.param(
            ask(
                resource_slice("a", device("d0", m={"int": 1}), device("d1", m={"int": 1}), device("d2", m={"int": 2})),
                claims=[claim(asked(count=2), constraints=[{"distinctAttribute": f"{GPU}/m"}])],
            ),
            [[("r", "d0"), ("r", "d2")]],
            id="different in an attribute",
        ),
        pytest.param(
            ask(
                resource_slice("a", device("d0", **COUNTED), device("d1", **COUNTED), device("d2"), pool="p", count=2),
                resource_slice("a", pool="p", count=2, called="counters-", **COUNTERS),
                claims=[claim(asked(count=2))],
            ),
            [[("r", "d0"), ("r", "d2")]],
            id="counters that are left for one",
        ),
        pytest.param(
            ask(
                resource_slice("a", device("d0", memory="8Gi", **SHARED)),
                claims=[claim(*(asked(f"r{n}", capacity={"requests": {"memory": "3Gi"}}) for n in range(2)))],
            ),
            [[("r0", "d0"), ("r1", "d0")]],
            id="shares of one device",
        ),
        pytest.param(
            ask(
                resource_slice("a", device("z"), pool="z"),
                resource_slice("a", device("y", bindingConditions=["ready"]), driver=f"a{GPU}", pool="y"),
                claims=[claim(asked())],
                classes=[device_class("gpu", "true")],
            ),
            [[("r", "z")]],
            id="devices that must get ready come last",
        ),
        pytest.param(
            ask(
                resource_slice("a", device("old"), pool="p"),
                resource_slice("a", device("new"), pool="p", generation=2, called="next-"),
                claims=[claim(asked())],
            ),
            [[("r", "new")]],
            id="the latest generation of a pool",
        ),
    ],
)
def test_devices_are_given_in_order(asked: Object, expected: list[list[tuple[str, str]]]) -> None:
    assert devices_of(asked) == expected
    assert told(asked)["nodes"]["a"]["code"] == "Success"


ELSEWHERE: Any = {"other.com/model": {"string": "y"}, "ready": {"bool": True}}
MIXED = resource_slice(
    "a",
    device("d0", model={"string": "x"}, version={"version": "1.9.0-rc.1"}, memory="4Gi"),
    device("d1", count={"int": 8}, version={"version": "1.10.0"}, memory="8Gi", **SHARED),
    device("d2", **ELSEWHERE),
)
OWN = f'device.attributes["{GPU}"]'


@pytest.mark.parametrize(
    ("expression", "meant"),
    [
        pytest.param(f'{OWN}.?model.orValue("none") == "none"', "d1 d2", id="an optional attribute"),
        pytest.param(f"has({OWN}.ready) && {OWN}.ready", "d2", id="one that is asked for first"),
        pytest.param('has(device.attributes["other.com"].model)', "d2", id="of another domain"),
        pytest.param('"other.com" in device.attributes', "d2", id="a domain that is asked for"),
        pytest.param('device.attributes["nobody.com"].?x.hasValue()', "", id="a domain that nobody has"),
        pytest.param('size(device.attributes["nobody.com"]) == 0', "d0 d1 d2", id="which is empty"),
        pytest.param(f"cel.bind(own, {OWN}, own.?count.orValue(0) > 4)", "d1", id="a name for a part"),
        pytest.param(f'{OWN}.exists(name, name == "count")', "d1", id="all attributes looked through"),
        pytest.param("device.attributes[device.driver].?count.hasValue()", "d1", id="the driver's own domain"),
        pytest.param(f'{OWN}.?version.orValue(semver("0.0.1")).isGreaterThan(semver("1.9.0"))', "d1", id="a version"),
        pytest.param(f'{OWN}.?version.orValue(semver("0.0.1")).minor() == 9', "d0", id="a part of a version"),
        pytest.param(
            f'device.capacity["{GPU}"].?memory.orValue(quantity("0")) == quantity("4096Mi")', "d0", id="equal amounts"
        ),
        pytest.param(
            f'device.capacity["{GPU}"].?memory.orValue(quantity("0")).add(quantity("1Gi")).sign() == 1',
            "d0 d1 d2",
            id="sums",
        ),
        pytest.param("device.allowMultipleAllocations", "d1", id="devices that are shared"),
        pytest.param('isQuantity("1Gi") && !isSemver("v1")', "d0 d1 d2", id="texts that are read"),
    ],
)
def test_an_expression_means_devices(expression: str, meant: str) -> None:
    wanted = claim(asked("r", expression, allocationMode="All"))
    found = devices_of(ask(MIXED, claims=[wanted]))
    assert [name for each in found for _, name in each] == meant.split()


UNSATISFIED = "a claim constraint would not be satisfied"
HINT = (
    "consider using CEL optional chaining (.? followed by orValue()) or guarding the check with has() for "
    "optional fields"
)
INCOMPLETE = "resource pool gpu.example.com/a is currently being updated"


@pytest.mark.parametrize(
    ("asked", "code", "reason"),
    [
        pytest.param(ask(claims=[claim(asked())]), "Unresolvable", TOO_FEW, id="no devices"),
        pytest.param(ask(TWO, claims=[claim(asked(count=3))]), "Unresolvable", TOO_FEW, id="too few"),
        pytest.param(
            ask(TWO, claims=[claim(asked()), claim(name="o", **given("d0", "d1"))]), "Unresolvable", TOO_FEW, id="taken"
        ),
        pytest.param(ask(resource_slice("a", count=2), claims=[claim(asked())]), "Unresolvable", TOO_FEW, id="a part"),
        pytest.param(
            ask(resource_slice("a", count=2), claims=[claim(asked(allocationMode="All"))]),
            "Error",
            f"claim default/c, request r: asks for all devices, but {INCOMPLETE}",
            id="all of a part",
        ),
        pytest.param(
            ask(resource_slice("a", device("d"), device("d")), claims=[claim(asked())]),
            "Unresolvable",
            "invalid resource pools were encountered",
            id="two devices of one name",
        ),
        pytest.param(
            ask(TWO, claims=[claim(asked(count=33))]),
            "Error",
            "claim default/c, request r: adding 33 devices exceeds the claim limit of 32, with 0 already accounted for",
            id="more than a claim may have",
        ),
        pytest.param(
            ask(TWO, claims=[claim(asked("r", f'device.attributes["{GPU}"].nothing == 1'))]),
            "Error",
            f"claim default/c: selector #0 on device {GPU}/a/d0: CEL runtime error: no such key: nothing. {HINT}",
            id="an expression that fails",
        ),
        pytest.param(
            ask(TWO, claims=[claim(asked("r", "1"))]),
            "Error",
            "claim default/c: selector #0: CEL compile error: must evaluate to bool or the unknown type, not int",
            id="an expression that is no condition",
        ),
        pytest.param(
            ask(TWO, claims=[claim(asked(allocationMode="All"), constraints=[{"matchAttribute": f"{GPU}/model"}])]),
            "Error",
            f"claim default/c, request r: cannot add device {GPU}/a/d1 because {UNSATISFIED}",
            id="all, though they differ",
        ),
        pytest.param(
            ask(
                resource_slice("a", device("d0", memory="8Gi", **SHARED)),
                claims=[
                    claim(asked(capacity={"requests": {"memory": "3Gi"}})),
                    claim(name="o", **given("d0", shareID="s", consumedCapacity={"memory": "6Gi"})),
                ],
            ),
            "Unresolvable",
            TOO_FEW,
            id="too little is left to share",
        ),
        pytest.param(
            ask(TWO, claims=[claim(asked(), **given("d0", node="b"))]), "Unresolvable", NOT_HERE, id="elsewhere"
        ),
        pytest.param(
            ask(
                TWO,
                claims=[claim(asked())],
                deviceTaintRules=[
                    {"metadata": {"name": "t"}, "spec": {"deviceSelector": {"driver": GPU}, "taint": WORN}}
                ],
            ),
            "Unresolvable",
            TOO_FEW,
            id="tainted by a rule",
        ),
    ],
)
def test_a_node_is_refused_in_upstreams_words(asked: Object, code: str, reason: str) -> None:
    said = told(asked)["nodes"]["a"]
    codes = {"Unresolvable": "UnschedulableAndUnresolvable", "Error": "Error"}
    words = reason if code != "Error" else f'running "DynamicResources" filter plugin: {reason}'
    assert said == {"plugin": "DynamicResources", "code": codes[code], "reasons": [words]}


FROM_TEMPLATE = build.pod("new", build.container(), resourceClaims=[{"name": "t", "resourceClaimTemplateName": "x"}])
MADE = FROM_TEMPLATE | {"status": {"resourceClaimStatuses": [{"name": "t", "resourceClaimName": "c"}]}}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        pytest.param(ask(claims=[]), 'could not find ResourceClaim "default/c"', id="no claim"),
        pytest.param(
            ask(claims=[claim(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})]),
            'resourceclaim "c" is being deleted',
            id="a claim that goes",
        ),
        pytest.param(
            ask(claims=[], of=FROM_TEMPLATE), 'pod "default/new": ResourceClaim not created yet', id="not made yet"
        ),
        pytest.param(
            ask(claims=[claim(asked())], of=MADE),
            "ResourceClaim default/c was not created for Pod default/new (Pod is not owner)",
            id="another's claim",
        ),
        pytest.param(
            ask(claims=[claim(asked())], classes=[]), "request r: device class gpu does not exist", id="no class"
        ),
        pytest.param(
            ask(claims=[claim({"name": "r", "firstAvailable": [part("p", of="none")]})]),
            "request r/p: device class none does not exist",
            id="no class of one way",
        ),
        pytest.param(
            ask(claims=[claim({"name": "r"})]), "resource claim default/c, request r: unknown request type", id="empty"
        ),
    ],
)
def test_a_pod_is_refused_in_upstreams_words(asked: Object, message: str) -> None:
    answer = told(asked)
    assert (answer["preFilter"]["plugin"], answer["preFilter"]["reasons"]) == ("DynamicResources", [message])
    is_tried = "request r" in message
    assert answer.get("message", "") == (f"0/2 nodes are available: {message}." if is_tried else "")


def test_a_pod_whose_claim_is_not_there_is_not_tried_whoever_else_would_refuse_it() -> None:
    term = {"labelSelector": {"matchLabels": {"no key": "x"}}, "topologyKey": "zone"}
    away = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    answer = told(ask(claims=[], of=pod(affinity=away)))
    assert answer["preFilter"]["plugin"] == "DynamicResources"
    assert "message" not in answer
    assert told(ask(TWO, claims=[claim(asked())], of=pod(affinity=away)))["preFilter"]["plugin"] == "InterPodAffinity"


def test_a_claim_that_was_made_for_a_pod_is_the_pods() -> None:
    owner = {"kind": "Pod", "name": "new", "uid": "uid-new", "controller": True}
    made = MADE | {"metadata": MADE["metadata"] | {"uid": "uid-new"}}
    asked_ = ask(TWO, claims=[claim(asked(), metadata={"ownerReferences": [owner]})], of=made)
    assert told(asked_)["chosen"] == "a"
    (grant,) = grants(asked_)
    assert grant.consumer == devices.Consumer("", "pods", "new", "uid-new")


def test_a_claim_is_allocated_to_the_node_whose_devices_it_gets() -> None:
    opaque = [{"opaque": {"driver": GPU, "parameters": {"x": 1}}}]
    asked_ = ask(TWO, claims=[claim(asked())], classes=[device_class(config=opaque)])
    (grant,) = grants(asked_)
    assert grant.allocation is not None
    name = core.Requirement("metadata.name", "In", ("a",))
    assert grant.allocation.node_selector == core.NodeSelector((core.NodeSelectorTerm(match_fields=(name,)),))
    (told_,) = grant.allocation.devices.config
    assert (told_.source, told_.requests) == ("FromClass", ())


def test_a_claim_that_is_allocated_is_only_reserved() -> None:
    (grant,) = grants(ask(TWO, claims=[claim(asked(), **given("d0"))]))
    assert grant.allocation is None
    reserved = given("d0") | {"reservedFor": [{"resource": "pods", "name": "new", "uid": "uid-new"}]}
    assert not grants(ask(TWO, claims=[claim(asked(), **reserved)]))


def test_a_share_has_a_name_and_what_it_consumes() -> None:
    policy = {"requestPolicy": {"default": "1Gi", "validRange": {"min": "1Gi", "step": "1Gi"}}}
    many = device("d", capacity={"memory": {"value": "8Gi", **policy}}, **SHARED)
    amount = {"requests": {"memory": "2500Mi"}}
    (grant,) = grants(ask(resource_slice("a", many), claims=[claim(asked(capacity=amount))]))
    assert grant.allocation is not None
    (result,) = grant.allocation.devices.results
    assert result.share_id
    assert result.consumed_capacity == {"memory": "3Gi"}


def test_what_is_in_flight_is_taken_and_its_claim_waits() -> None:
    asked_ = ask(resource_slice("a", device("d")), claims=[claim(asked()), claim(asked(), name="c2")])
    made, ready = state_of(asked_)
    view = made.freeze(0.0)
    engine = decide.Engine(config.Settings())
    found = granting.allocation_on(ready, view, view.index_of["a"]) or ()
    made.claims.start("uid-new", tuple(store.Flight(one.claim, one.allocation) for one in found if one.allocation))
    again = engine.decide(made.freeze(0.0), request.prepare(build.as_pod(pod() | {"metadata": {"name": "x"}})), 0)
    assert "resource claim default/c is in the process of being allocated" in again.message or not again.node
    other = request.prepare(build.as_pod(build.pod("o", resourceClaims=[{"name": "c", "resourceClaimName": "c2"}])))
    assert not engine.decide(made.freeze(0.0), other, 0).node
    made.claims.end("uid-new")
    assert engine.decide(made.freeze(0.0), other, 0).node == "a"


# -------------------------------------------------------------------------------------------------------------- score


def test_the_preferred_way_to_meet_a_request_scores_more() -> None:
    ways = [part("big", MEMORY), part("any")]
    asked_ = ask(
        resource_slice("a", device("d0")),
        resource_slice("b", device("d0", memory="8Gi")),
        claims=[claim({"name": "r", "firstAvailable": ways})],
    )
    answer = told(asked_)
    assert answer["raw"]["DynamicResources"] == {"a": 7, "b": 8}
    assert answer["scores"]["DynamicResources"] == {"a": 2 * 87, "b": 2 * 100}
    assert answer["chosen"] == "b"


# ------------------------------------------------------------------------------------- binding conditions and the like


def waiting(**conditions: str) -> Object:
    status = given("d0", bindingConditions=["ready"], bindingFailureConditions=["failed"])
    status["allocation"]["allocationTimestamp"] = "2026-01-01T00:00:00Z"
    listed = [{"type": name, "status": said} for name, said in conditions.items()]
    return status | {"devices": [{"driver": GPU, "pool": "a", "device": "d0", "conditions": listed}]}


@pytest.mark.parametrize(
    ("status", "now", "is_of_use"),
    [
        pytest.param(waiting(), "2026-01-01T00:05:00Z", True, id="not ready yet"),
        pytest.param(waiting(), "2026-01-01T00:20:00Z", False, id="for too long"),
        pytest.param(waiting(ready="True"), "2026-01-01T00:20:00Z", True, id="ready"),
        pytest.param(waiting(failed="True"), "2026-01-01T00:05:00Z", False, id="failed"),
    ],
)
def test_devices_that_will_not_be_ready_are_of_no_use(status: Object, now: str, is_of_use: bool) -> None:
    said = told(ask(TWO, claims=[claim(asked(), **status)], now=now))["nodes"]["a"]
    assert said["code"] == ("Success" if is_of_use else "UnschedulableAndUnresolvable")
    assert is_of_use or said["reasons"] == [NOT_HERE]


# ------------------------------------------------------------------------------------------------- extended resources


RESOURCE = "example.com/gpu"
FOR_RESOURCE = [device_class("gpus", f'device.driver == "{GPU}"', extendedResourceName=RESOURCE)]


def wants(name: str = RESOURCE, count: str = "1") -> Object:
    return build.pod("new", build.container() | {"resources": {"requests": {name: count}}})


@pytest.mark.parametrize("name", [RESOURCE, "deviceclass.resource.kubernetes.io/gpus"])
def test_an_extended_resource_is_had_by_a_claim_where_no_plugin_offers_it(name: str) -> None:
    asked_ = ask(TWO, claims=[], of=wants(name), classes=FOR_RESOURCE)
    answer = told(asked_)
    assert answer["chosen"] == "a"
    assert answer["nodes"]["b"]["reasons"] == [TOO_FEW]
    (grant,) = grants(asked_)
    assert grant.claim.metadata.name == ""
    assert grant.generate_name == "new-extended-resources-"
    assert grant.mappings == (("main", name, "container-0-request-0"),)
    (one,) = grant.claim.spec.devices.requests
    assert one.exactly is not None
    assert (one.name, one.exactly.device_class_name, one.exactly.count) == ("container-0-request-0", "gpus", 1)
    assert grant.allocation is not None
    assert [each.device for each in grant.allocation.devices.results] == ["d0"]


def test_a_node_whose_plugin_offers_it_needs_no_claim() -> None:
    nodes = [build.node("a", more={RESOURCE: "1"}), build.node("b")]
    asked_ = ask(claims=[], of=wants(), classes=FOR_RESOURCE, nodes=nodes)
    assert told(asked_)["chosen"] == "a"
    assert not grants(asked_)


def test_containers_that_end_first_use_what_others_will_have() -> None:
    def of(name: str, count: str) -> Object:
        return build.container(name) | {"resources": {"requests": {RESOURCE: count}}}

    asked_ = ask(TWO, claims=[], of=build.pod("new", of("main", "1")), classes=FOR_RESOURCE)
    asked_["pod"]["spec"]["initContainers"] = [of("first", "2")]
    (grant,) = grants(asked_)
    counts = {one.name: one.exactly.count for one in grant.claim.spec.devices.requests if one.exactly is not None}
    assert counts == {"container-0-request-0": 1, "container-1-request-0": 1}
    assert set(grant.mappings) == {
        ("main", RESOURCE, "container-1-request-0"),
        ("first", RESOURCE, "container-1-request-0"),
        ("first", RESOURCE, "container-0-request-0"),
    }
