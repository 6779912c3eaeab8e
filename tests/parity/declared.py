"""Cases of NodeDeclaredFeatures: what a pod needs of kubelet and runtime, and nodes that say what they can do."""

from __future__ import annotations

from typing import Any

from tests.parity.build import FEATURES, FITS, TAINTED, TAINTS, UNDECLARED, Case, Object, asking, container, node, pod

_RESTART, _USERS, _MOUNT = (
    "RestartAllContainersOnContainerExits",
    "UserNamespacesHostNetworkSupport",
    "VolumeBindMountOptions",
)
_ALL_AT_ONCE = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [1]}}
_ONE = {"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}


def _declaring(name: str, *features: str, **more: Any) -> Object:
    made = node(name, **more)
    made["status"]["declaredFeatures"] = list(features)
    return made


def _case(name: str, new: Object, able: str = "", *, message: str = "") -> Case:
    """Four nodes that declare different things; `able` may take the pod."""
    nodes = [_declaring("none"), _declaring("restart", _RESTART), _declaring("users", _USERS, "Unheard")]
    nodes.append(_declaring("all", _RESTART, _USERS, _MOUNT))
    fitting = able.split()
    return Case(
        id=f"features-{name}",
        nodes=nodes,
        pod=new,
        verdicts={
            each["metadata"]["name"]: FITS if each["metadata"]["name"] in fitting else UNDECLARED for each in nodes
        },
        message=message,
        best=sorted(fitting),
    )


def _with(**fields: Any) -> Object:
    return container() | fields


_STARTING = [_with(restartPolicyRules=[_ALL_AT_ONCE])]
_MOUNTED: Object = {"volumeMounts": [{"name": "v", "mountPath": "/v", "bindMountOptions": ["noexec"]}]}

CASES = [
    _case("none-needed", asking(), "all none restart users"),
    _case("restart-of-all", pod("new", _with(restartPolicyRules=[_ONE, _ALL_AT_ONCE])), "all restart"),
    _case("restart-of-one-is-no-feature", pod("new", _with(restartPolicyRules=[_ONE])), "all none restart users"),
    _case("restart-of-all-by-an-init-container", asking(initContainers=_STARTING), "all restart"),
    _case("user-namespace-on-the-hosts-network", asking(hostNetwork=True, hostUsers=False), "all users"),
    _case("hosts-network-with-the-hosts-users", asking(hostNetwork=True, hostUsers=True), "all none restart users"),
    _case("hosts-network-alone", asking(hostNetwork=True), "all none restart users"),
    _case("user-namespace-alone", asking(hostUsers=False), "all none restart users"),
    _case("mount-options", pod("new", _with(**_MOUNTED)), "all"),
    _case("mount-options-of-an-ephemeral-container", asking(ephemeralContainers=[_with(**_MOUNTED)]), "all"),
    _case("several", asking(hostNetwork=True, hostUsers=False, initContainers=_STARTING), "all"),
    Case(
        id="features-come-after-all-other-filters",
        nodes=[_declaring("a", taints=["x:NoSchedule"]), _declaring("b", _USERS)],
        pod=pod("new", _with(restartPolicyRules=[_ALL_AT_ONCE])),
        verdicts={"a": TAINTED, "b": UNDECLARED},
        alone={"a": {TAINTS: TAINTED, FEATURES: UNDECLARED}, "b": {FEATURES: UNDECLARED}},
        message="0/2 nodes are available: 1 node(s) didn't match Pod's required features, "
        "1 node(s) had untolerated taint(s).",
    ),
]  # fmt: skip
