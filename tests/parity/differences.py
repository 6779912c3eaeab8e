"""Two answers to one question, ours and upstream's: where they differ, by class, and what upstream's plugins did."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Answer = Mapping[str, Any]

# Of several drivers that a node lacks, upstream names one: whichever comes first in a map.
_LACKS_DRIVER: Final = re.compile(r"\S+( CSI driver is not installed on the node)")
# Why an expression fails is told in the words of the library that reads it.
_FAILS: Final = re.compile(r"(selector #\d+).*CEL (?:compile|runtime) error: .*", re.DOTALL)
_COUNTED: Final = re.compile(r"(\d+) some CSI driver is not installed on the node")
# What upstream's default plugins can do with a pod; only that is worth to be counted.
ABLE: Final[Mapping[str, frozenset[str]]] = {
    "rejected": frozenset(
        {
            "SchedulingGates", "NodeUnschedulable", "NodeName", "TaintToleration", "NodeAffinity", "NodePorts",
            "NodeResourcesFit", "VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone",
            "PodTopologySpread", "InterPodAffinity", "DynamicResources", "NodeDeclaredFeatures",
        }
    ),
    "filter skipped": frozenset(
        {
            "NodeAffinity", "NodePorts", "VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone",
            "PodTopologySpread", "InterPodAffinity", "DynamicResources", "NodeDeclaredFeatures",
        }
    ),
    "scored": frozenset(
        {
            "TaintToleration", "NodeAffinity", "NodeResourcesFit", "VolumeBinding", "PodTopologySpread",
            "InterPodAffinity", "DynamicResources", "NodeResourcesBalancedAllocation", "ImageLocality",
        }
    ),
    "score skipped": frozenset(
        {"NodeAffinity", "PodTopologySpread", "InterPodAffinity", "NodeResourcesBalancedAllocation"}
    ),
    "preempted": frozenset({"DefaultPreemption"}),
}  # fmt: skip
_DEFAULTS: Final[Mapping[str, object]] = {"allocationMode": "ExactCount", "count": 1, "driver": ""}
_GAVE_UP: Final = "timed out trying to allocate devices"  # after so many steps, upstream after so many seconds
_NOT_BUILT: Final = ("not supported yet", "unknown key", "unsupported")


@dataclass(frozen=True)
class Difference:
    """Attributes:
    where: The class of disagreement: the answer's field, and the plugin where one is at fault.
    detail: Both sides, for a person.
    """

    where: str
    detail: str


def given_up(told: Answer) -> bool:
    """Whether a search for devices was ended before it was through."""
    return _GAVE_UP in f"{told.get('nodes')}{told.get('plugins')}"


def refused(ours: Answer) -> str:
    """The feature for whose want we do not answer; "" where we do."""
    if given_up(ours):
        return "a search for devices that goes on and on"
    fault = str(ours.get("fault") or "")
    if not any(words in fault for words in _NOT_BUILT):
        return ""
    return fault.partition(":")[0] if "not supported" in fault else fault[:80]


def find(ours: Answer, theirs: Answer, *, has_data: bool = False) -> Iterator[Difference]:
    """All that differs; nothing where either side answers with a fault, but the fault where only one does.

    Args:
        ours: Our answer.
        theirs: The one that it should be.
        has_data: The pod has data or preferences, which are ours alone: they choose among the nodes that fit.
    """
    if theirs.get("fault"):
        if not ours.get("fault"):
            yield Difference("fault:upstream", f"upstream: {theirs['fault']}; ours answers")
        return
    if given_up(theirs):
        return  # on a faster machine it might say what we do
    if ours.get("fault") and not refused(ours):
        yield Difference("fault:ours", str(ours["fault"]))
        return
    if refused(ours) and ("message" not in ours or not ours.get("fault")):
        return
    before, after = (_verdict(answer.get("preFilter")) for answer in (ours, theirs))
    if before != after:
        plugin = (after or before)[1]
        yield Difference(f"preFilter:{plugin}", _both(before, after))
        return
    yield from _chosen(ours, theirs, has_data=has_data)
    yield from _nodes(ours.get("nodes") or {}, theirs.get("nodes") or {})
    yield from _alone(ours.get("plugins") or {}, theirs.get("plugins") or {})
    if any(said["code"] == "Error" for said in (theirs.get("nodes") or {}).values()):
        # The cycle fails. Which node's error it names, and under which key, is nobody's decision.
        failed = [bool(answer.get("scoreError") or answer.get("message")) for answer in (ours, theirs)]
        if failed[0] != failed[1]:
            yield Difference("failure", _both(*failed))
        return
    yield from _scores(ours, theirs)
    if _message(ours) != _message(theirs):
        yield Difference("message", _both(ours.get("message"), theirs.get("message")))
    if not refused(ours):
        yield from _preemption(ours.get("preemption") or {}, theirs.get("preemption") or {})


def _chosen(ours: Answer, theirs: Answer, *, has_data: bool) -> Iterator[Difference]:
    if has_data and ours.get("chosen") and ours["chosen"] not in (theirs.get("feasible") or []):
        yield Difference("chosen", _both(ours["chosen"], theirs.get("feasible")))
    for key in ("preFilterNodes", "feasible", *(() if has_data else ("best",))):
        left, right = sorted(ours.get(key) or []), sorted(theirs.get(key) or [])
        if left != right:
            yield Difference(key, _both(left, right))


def _message(told: Answer) -> str:
    """What nodes lack drivers for as one reason, whichever of them is named."""
    message = _same_words(told.get("message") or "")
    if not (counts := _COUNTED.findall(message)):
        return message
    head, _, reasons = message.partition(": ")
    others = sorted(reason for reason in reasons.rstrip(".").split(", ") if not _COUNTED.fullmatch(reason))
    return f"{head}: {others} {sum(map(int, counts))} some CSI driver"


def _same_words(text: str) -> str:
    return _FAILS.sub(r"\1 fails", _LACKS_DRIVER.sub(r"some\1", text))


def _verdict(said: Mapping[str, Any] | None) -> tuple[Any, ...]:
    """Without the order of reasons: upstream names extended resources in a random one."""
    if not said:
        return ()
    reasons = sorted(_same_words(reason) for reason in said.get("reasons") or [])
    return said["code"], said.get("plugin") or "", reasons


def _nodes(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Difference]:
    for name in sorted(ours.keys() | theirs.keys()):
        left, right = _verdict(ours.get(name)), _verdict(theirs.get(name))
        if left != right:
            plugins = sorted({verdict[1] for verdict in (left, right) if verdict and verdict[1]})
            yield Difference(f"nodes:{'/'.join(plugins)}", f"{name}: {_both(left, right)}")


def _alone(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Difference]:
    for name in sorted(ours.keys() | theirs.keys()):
        left, right = ours.get(name) or {}, theirs.get(name) or {}
        for plugin in sorted(left.keys() | right.keys()):
            if _is_offered_as_none(plugin, left, right):
                continue
            before, after = ({**one.get(plugin, {}), "plugin": ""} for one in (left, right))
            if before.get("code") != after.get("code") or _verdict(before) != _verdict(after):
                yield Difference(f"plugins:{plugin}", f"{name}: {_both(before, after)}")


def _is_offered_as_none(plugin: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether only DynamicResources, asked alone, sees that a node offers 0 of a resource, and does not leave it out.

    Upstream has it look for devices then; NodeResourcesFit refuses the node either way.
    """
    alone = (ours.get(plugin) or {}).get("reasons") == ["cannot fit resource"]
    return plugin == "DynamicResources" and alone and "NodeResourcesFit" in ours.keys() & theirs.keys()


def _scores(ours: Answer, theirs: Answer) -> Iterator[Difference]:
    if (ours.get("scoreError") or "") != (theirs.get("scoreError") or ""):
        yield Difference("scoreError", _both(ours.get("scoreError"), theirs.get("scoreError")))
        return
    for key in ("raw", "scores"):
        left, right = ours.get(key) or {}, theirs.get(key) or {}
        for plugin in sorted(left.keys() | right.keys()):
            before, after = (_no_zeros(side.get(plugin) or {}) for side in (left, right))
            if before != after:  # a plugin that skips the pod adds nothing: upstream leaves it out, zeros say the same
                yield Difference(f"{key}:{plugin}", _both(before, after))
    if _no_zeros(ours.get("totals") or {}) != _no_zeros(theirs.get("totals") or {}):
        yield Difference("totals", _both(ours.get("totals"), theirs.get("totals")))
    left, right = (_without_defaults(_allocations(side.get("allocations") or {})) for side in (ours, theirs))
    if left != right:
        yield Difference("allocations", _both(left, right))


def _allocations(by_node: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Without claims that get nothing: upstream makes one for extended resources that a plugin offers."""
    told = {name: [one for one in listed if one["allocation"].get("devices")] for name, listed in by_node.items()}
    return {name: listed for name, listed in told.items() if listed}


def _without_defaults(value: Any) -> Any:
    """As it is where nobody writes what the API server fills in."""
    if isinstance(value, list):
        return [_without_defaults(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key: _without_defaults(one) for key, one in value.items() if one != _DEFAULTS.get(key)}


def _no_zeros(by_node: Mapping[str, int]) -> dict[str, int]:
    return {name: score for name, score in by_node.items() if score}


def _preemption(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Difference]:
    for key in ("eligible", "why", "candidates"):
        left, right = (
            _same_words(told) if key == "why" and (told := one.get(key)) else one.get(key) for one in (ours, theirs)
        )
        if (left or None) != (right or None):
            yield Difference(f"preemption:{key}", _both(ours.get(key), theirs.get(key)))
    if sorted(ours.get("selected") or []) != sorted(theirs.get("selected") or []):
        yield Difference("preemption:selected", _both(ours.get("selected"), theirs.get("selected")))


def _both(ours: object, theirs: object) -> str:
    return f"ours {ours!s} upstream {theirs!s}"


def count(theirs: Answer, counts: Counter[tuple[str, str]]) -> None:
    """Add to (what, plugin) how upstream's plugins took the question; ``what``: rejected, scored and so on."""
    rejected = {plugin for by_plugin in (theirs.get("plugins") or {}).values() for plugin in by_plugin}
    if theirs.get("preFilter"):
        rejected.add(theirs["preFilter"].get("plugin") or "")
    counts.update(("rejected", plugin) for plugin in rejected)
    counts.update(
        ("scored", plugin) for plugin, by_node in (theirs.get("scores") or {}).items() if any(by_node.values())
    )
    for point in ("filter", "score"):
        counts.update((f"{point} skipped", plugin) for plugin in (theirs.get("skipped") or {}).get(point) or [])
    if (theirs.get("preemption") or {}).get("selected"):
        counts["preempted", "DefaultPreemption"] += 1
