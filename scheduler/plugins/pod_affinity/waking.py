"""What may help a pod that InterPodAffinity refused. Which of its three rules did is not kept.

Source: interpodaffinity/plugin.go, isSchedulableAfter{AssignedPod,TargetPod,Node}Change. Beyond these, it wakes

- a pod that draws itself when the last of what draws it goes, for then it may lead a series;
- a pod that shuns nobody, and that others shun, when a node is new or moves to another domain;
- by pods in any namespace where a term chooses namespaces by labels, and when these change;
- when a node goes, as its pods do: upstream waits until they are deleted one by one.

Upstream has these retried after five minutes.
"""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.api import core
from scheduler.plugins import events
from scheduler.plugins.pod_affinity import terms
from scheduler.state import podterms


def wakes(event: events.Event, asked: terms.Asked) -> bool:
    match event:
        case events.AssignedPodChanged(old, new):
            return _company_helps(asked, old, new)
        case events.NodeChanged(old, new):
            return _domain_helps(asked.terms, old.metadata.labels if old is not None else None, new.metadata.labels)
        case events.NodeGone(_, pods):
            return any(_company_helps(asked, pod, None) for pod in pods)
        case events.NamespaceChanged(_, old_labels, new_labels):
            return old_labels != new_labels
        case events.OwnPodChanged(old, new):
            return (old.metadata.labels, old.spec.affinity) != (new.metadata.labels, new.spec.affinity)
        case _:
            return False


def _company_helps(asked: terms.Asked, old: core.Pod | None, new: core.Pod | None) -> bool:
    was, is_now = old is not None and _draws(asked, old), new is not None and _draws(asked, new)
    if is_now and not was:
        return True
    if old is None:
        return False
    if was and not is_now and _draws(asked, asked.pod):
        return True
    return any(
        is_in_the_way(asked, old) and not (new is not None and is_in_the_way(asked, new))
        for is_in_the_way in (_is_shunned, _shuns)
    )


def _draws(asked: terms.Asked, pod: core.Pod) -> bool:
    required = asked.terms.required
    return bool(required) and all(_may_mean(term, asked.pod, pod) for term in required)


def _is_shunned(asked: terms.Asked, pod: core.Pod) -> bool:
    return any(_may_mean(term, asked.pod, pod) for term in asked.terms.required_anti)


def _shuns(asked: terms.Asked, pod: core.Pod) -> bool:
    return any(_may_mean(term, pod, asked.pod) for term in podterms.of(pod).required_anti)


def _may_mean(term: core.PodAffinityTerm, owner: core.Pod, pod: core.Pod) -> bool:
    """Whether a term may mean a pod, however namespaces are labelled."""
    listed = term.namespaces or (owner.metadata.namespace,)
    return (term.namespace_selector is not None or pod.metadata.namespace in listed) and podterms.matches(
        term.label_selector, pod.metadata.labels
    )


def _domain_helps(own: podterms.Terms, old: podterms.Labels | None, new: podterms.Labels) -> bool:
    """Whether a node is new or in other domains, as far as the pod's own terms ask for them or shun them."""
    near, far = _keys(own.required), _keys(own.required_anti)
    if old is None:
        return bool(far) or any(key in new for key in near) or not near
    joined = any(key in new and old.get(key) != new[key] for key in near)
    left = any(key in old and old[key] != new.get(key) for key in far)
    return joined or left or (not near and not far and old != new)


def _keys(of: Sequence[core.PodAffinityTerm]) -> list[str]:
    return [term.topology_key for term in of]
