"""What may help a pod that PodTopologySpread refused.

Where the constraints are those by default, whom they speak of is not at hand: any pod of the namespace may be meant.

Source: podtopologyspread/plugin.go, isSchedulableAfter{AssignedPod,TargetPod,Node}Change.
"""

from __future__ import annotations

from scheduler.api import core
from scheduler.plugins import events
from scheduler.plugins.topology_spread import constraints
from scheduler.state import podterms


def wakes(event: events.Event, asked: constraints.Asked) -> bool:
    match event:
        case events.AssignedPodChanged(old, new):
            return _company_helps(asked, old, new)
        case events.NodeChanged(old, new):
            return _node_helps(asked, old, new)
        case events.NodeGone(old, _):
            return _has_all(asked, old)
        case events.OwnPodChanged(old, new):
            honours = asked.own is not None and any(one.among.tolerations is not None for one in asked.own.constraints)
            if old.spec.tolerations != new.spec.tolerations and (honours or asked.by_default):
                return True
            return _relabelled(asked, old, new)
        case _:
            return False


def _company_helps(asked: constraints.Asked, old: core.Pod | None, new: core.Pod | None) -> bool:
    if any(pod is not None and pod.metadata.namespace != asked.pod.metadata.namespace for pod in (old, new)):
        return False
    if old is not None and new is not None:
        return _relabelled(asked, old, new)
    return any(asked.by_default or any(_meant(asked, pod)) for pod in (old, new) if pod is not None)


def _relabelled(asked: constraints.Asked, old: core.Pod, new: core.Pod) -> bool:
    """Whether a pod's labels are others, by which a constraint speaks of it or no longer does."""
    return old.metadata.labels != new.metadata.labels and (asked.by_default or _meant(asked, old) != _meant(asked, new))


def _meant(asked: constraints.Asked, pod: core.Pod) -> list[bool]:
    """Which constraints speak of a pod."""
    found = asked.own.constraints if asked.own is not None else ()
    return [podterms.matches(one.selector, pod.metadata.labels) for one in found]


def _node_helps(asked: constraints.Asked, old: core.Node | None, new: core.Node) -> bool:
    has_all = _has_all(asked, new)
    if old is None or _has_all(asked, old) != has_all:
        return has_all or old is not None
    return has_all and (
        old.spec.taints != new.spec.taints
        or any(old.metadata.labels[key] != new.metadata.labels[key] for key in _keys(asked))
    )


def _has_all(asked: constraints.Asked, node: core.Node) -> bool:
    return all(key in node.metadata.labels for key in _keys(asked))


def _keys(asked: constraints.Asked) -> list[str]:
    return [given.topology_key for given in asked.given]
