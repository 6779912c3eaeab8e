"""What is not built is never passed over in silence: the pod gets no node, and the feature is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scheduler.engine import door
from tests.engine import asking
from tests.state.build import Object, container, data, node, pod

NODES = [node("a"), node("b")]
TERM: Object = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "x"}}}
REQUIRED: Object = {"requiredDuringSchedulingIgnoredDuringExecution": [TERM]}
PREFERRED: Object = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": TERM}]}


def ask(asked: Object, *others: Object) -> Object:
    line = json.dumps(asking.question(NODES, asked, pods=others)).encode()
    answer: Object = json.loads(door.answer_line(line))
    return answer


def volume(**source: Any) -> Object:
    return pod(volumes=[{"name": "v", **source}])


NEEDS = [
    pytest.param(pod(topologySpreadConstraints=[{"maxSkew": 1}]), "PodTopologySpread", id="spread"),
    pytest.param(pod(affinity={"podAffinity": REQUIRED}), "InterPodAffinity", id="affinity"),
    pytest.param(pod(affinity={"podAffinity": PREFERRED}), "InterPodAffinity", id="affinity preferred"),
    pytest.param(pod(affinity={"podAntiAffinity": REQUIRED}), "InterPodAffinity", id="anti-affinity"),
    pytest.param(pod(affinity={"podAntiAffinity": PREFERRED}), "InterPodAffinity", id="anti-affinity preferred"),
    pytest.param(pod(resourceClaims=[{"name": "c"}]), "DynamicResources", id="resource claims"),
    pytest.param(volume(persistentVolumeClaim={"claimName": "c"}), "persistentVolumeClaim", id="claim"),
    pytest.param(volume(ephemeral={"volumeClaimTemplate": {}}), "ephemeral", id="ephemeral claim"),
    pytest.param(volume(gcePersistentDisk={"pdName": "d"}), "gcePersistentDisk", id="GCE"),
    pytest.param(volume(awsElasticBlockStore={"volumeID": "d"}), "awsElasticBlockStore", id="AWS"),
    pytest.param(volume(azureDisk={"diskName": "d"}), "azureDisk", id="Azure"),
    pytest.param(volume(cinder={"volumeID": "d"}), "cinder", id="Cinder"),
    pytest.param(volume(vsphereVolume={"volumePath": "d"}), "vsphereVolume", id="vSphere"),
    pytest.param(volume(portworxVolume={"volumeID": "d"}), "portworxVolume", id="Portworx"),
    pytest.param(volume(iscsi={"iqn": "i"}), "iscsi", id="iSCSI"),
    pytest.param(volume(rbd={"image": "i"}), "rbd", id="RBD"),
]


@pytest.mark.parametrize(("asked", "feature"), NEEDS)
@pytest.mark.parametrize("notes", [{}, data(inputs=["logs/k,5"])], ids=["plain", "with data"])
def test_a_need_that_is_not_built_is_named(asked: Object, feature: str, notes: dict[str, str]) -> None:
    answer = ask(asked | {"metadata": asked["metadata"] | {"annotations": notes}})
    assert feature in answer["fault"]
    assert "not supported" in answer["fault"]
    assert set(answer) == {"id", "fault"}
    decision = asking.decide_on(asking.state_of(asking.question(NODES, asked)).freeze(), asked)
    assert (decision.node, decision.message) == ("", "")


@pytest.mark.parametrize(
    "source",
    [
        {"emptyDir": {}},
        {"hostPath": {"path": "/"}},
        {"configMap": {"name": "c"}},
        {"secret": {"secretName": "s"}},
        {"projected": {"sources": []}},
        {"downwardAPI": {}},
        {"nfs": {"server": "s", "path": "/"}},
        {"csi": {"driver": "d"}},
        {"image": {"reference": "app:1"}},
    ],
    ids=lambda source: next(iter(source)),
)
def test_volumes_that_bind_to_no_place_are_no_need(source: Object) -> None:
    assert ask(volume(**source))["chosen"] in {"a", "b"}


@pytest.mark.parametrize(
    "affinity",
    [
        pytest.param({}, id="none"),
        pytest.param({"podAffinity": {}, "podAntiAffinity": {}}, id="without terms"),
        pytest.param({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}}, id="an empty list"),
        pytest.param({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": None}}, id="a null"),
    ],
)
def test_an_empty_affinity_is_no_need(affinity: Object) -> None:
    """Charts write ``podAffinity: {}`` for pods that want nothing."""
    assert ask(pod(affinity=affinity))["chosen"] in {"a", "b"}


def running(kind: Object, *, namespace: str = "default", on: str = "a") -> Object:
    return pod("other", on=on, namespace=namespace, affinity=kind)


def term(**changes: Any) -> Object:
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [TERM | changes]}}


def expression(operator: str, *values: str, key: str = "app") -> Object:
    return term(labelSelector={"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]})


MEANS_US = [
    pytest.param(running({"podAffinity": REQUIRED}), True, id="required affinity"),
    pytest.param(running({"podAffinity": PREFERRED}), True, id="preferred affinity"),
    pytest.param(running({"podAntiAffinity": REQUIRED}), True, id="required anti-affinity"),
    pytest.param(running({"podAntiAffinity": PREFERRED}), True, id="preferred anti-affinity"),
    pytest.param(running({"podAntiAffinity": REQUIRED}, namespace="other"), False, id="another namespace"),
    pytest.param(running(term(namespaces=["default"]), namespace="other"), True, id="another that names ours"),
    pytest.param(running(term(namespaces=["third"])), False, id="our namespace, another named"),
    pytest.param(running(term(namespaceSelector={}), namespace="other"), True, id="all namespaces"),
    pytest.param(
        running(term(namespaceSelector={"matchLabels": {"team": "t"}}), namespace="other"), True, id="perhaps ours"
    ),
    pytest.param(running(term(labelSelector={"matchLabels": {"app": "y"}})), False, id="other labels"),
    pytest.param(running(term(labelSelector={})), True, id="every pod"),
    pytest.param(running({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "zone"}]}}), False, id="no selector"),
    pytest.param(running(expression("In", "x", "z")), True, id="In"),
    pytest.param(running(expression("In", "y")), False, id="not In"),
    pytest.param(running(expression("NotIn", "y")), True, id="NotIn"),
    pytest.param(running(expression("NotIn", "y", key="absent")), True, id="NotIn of an absent label"),
    pytest.param(running(expression("NotIn", "x")), False, id="not NotIn"),
    pytest.param(running(expression("Exists")), True, id="Exists"),
    pytest.param(running(expression("Exists", key="absent")), False, id="not Exists"),
    pytest.param(running(expression("DoesNotExist", key="absent")), True, id="DoesNotExist"),
    pytest.param(running(expression("DoesNotExist")), False, id="not DoesNotExist"),
]  # fmt: skip


@pytest.mark.parametrize(("other", "means_us"), MEANS_US)
def test_the_affinity_of_a_running_pod_that_means_this_one(other: Object, means_us: bool) -> None:
    answer = ask(pod(labels={"app": "x"}), other)
    if means_us:
        assert f"{other['metadata']['namespace']}/other" in answer["fault"]
        assert "InterPodAffinity" in answer["fault"]
    else:
        assert answer["chosen"] in {"a", "b"}


def test_what_has_finished_means_nobody() -> None:
    done = running({"podAntiAffinity": REQUIRED}) | {"status": {"phase": "Succeeded"}}
    assert ask(pod(labels={"app": "x"}), done)["chosen"] in {"a", "b"}


def test_the_fault_is_the_pods_own_and_no_other_pays_for_it() -> None:
    other = pod(
        "other", container(cpu="1"), on="a", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    )
    assert ask(pod(), other)["chosen"] in {"a", "b"}
