"""What may help a pod that InterPodAffinity refused. Which of its three rules did is not kept.

Source: interpodaffinity/plugin.go, isSchedulableAfterPodChange and isSchedulableAfterNodeChange. A node that goes
counts as its pods do: upstream waits until they are deleted one by one.
"""

from __future__ import annotations

from scheduler.api import core
from scheduler.plugins import events
from scheduler.plugins.pod_affinity import terms
from scheduler.state import podterms


def wakes(event: events.Event, asked: terms.Asked) -> bool:
    match event:
        case events.AssignedPodChanged(old, new):
            return _company_helps(asked, old, new)
        case events.NodeChanged(old, new):
            return _domain_helps(asked, old, new)
        case events.NodeGone(_, pods):
            return any(_company_helps(asked, pod, None) for pod in pods)
        case events.NamespaceChanged(_, old_labels, new_labels):
            return old_labels != new_labels
        case events.OwnPodChanged(old, new):
            return old.metadata.labels != new.metadata.labels
        case _:
            return False


def _company_helps(asked: terms.Asked, old: core.Pod | None, new: core.Pod | None) -> bool:
    own = asked.terms
    was, is_now = old is not None and _draws(asked, old), new is not None and _draws(asked, new)
    if own.required and was != is_now:
        return True  # company that came; or the last of it went, and the pod may lead a series
    if old is None:
        return False
    if any(
        _may_mean(term, asked.pod, old) and not (new and _may_mean(term, asked.pod, new)) for term in own.required_anti
    ):
        return True
    return any(_may_mean(term, old, asked.pod) for term in podterms.of(old).required_anti) and (
        new is None or _is_another(old, new)
    )


def _is_another(old: core.Pod, new: core.Pod) -> bool:
    """Whether others may be meant: by what it was decided with, or by labels, as upstream takes them for a reason."""
    return (
        old.metadata.labels != new.metadata.labels
        or old.metadata.namespace != new.metadata.namespace
        or podterms.of(old).required_anti != podterms.of(new).required_anti
    )


def _draws(asked: terms.Asked, pod: core.Pod) -> bool:
    return all(_may_mean(term, asked.pod, pod) for term in asked.terms.required)


def _may_mean(term: core.PodAffinityTerm, owner: core.Pod, pod: core.Pod) -> bool:
    """Whether a term may mean a pod, however namespaces are labelled."""
    listed = term.namespaces or (owner.metadata.namespace,)
    return (term.namespace_selector is not None or pod.metadata.namespace in listed) and podterms.matches(
        term.label_selector, pod.metadata.labels
    )


def _domain_helps(asked: terms.Asked, old: core.Node | None, new: core.Node) -> bool:
    """Whether a node is new or has other labels, and those that required affinity asks for."""
    labels = new.metadata.labels
    if old is not None and old.metadata.labels == labels:
        return False
    return all(term.topology_key in labels for term in asked.terms.required)
