"""Who of some pods that are placed together must not meet: as room in a domain, of which each of them takes all.

Replicas that shun their like (a required anti-affinity term of theirs means them all) go to different domains: there is
room for one of them in each. Of other terms, and of spreading, a plan knows nothing; the filters do when it is carried
out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scheduler.engine.assign import problem
from scheduler.plugins import contract, request
from scheduler.state import podterms, snapshot


class Group(NamedTuple):
    """Pods, by uid, no two of which may be on nodes with the same value of a label."""

    topology_key: str
    uids: dict[str, None]


def groups(view: snapshot.Snapshot, asked: Sequence[request.PodRequest]) -> list[Group]:
    """Those of some pods of whom there are several."""
    found: dict[tuple[int, str, int], tuple[podterms.Wanted, Group]] = {}
    for one in asked:
        meta = one.pod.metadata
        for place, term in enumerate(one.terms.required_anti):
            alike = id(one.terms), meta.namespace, place  # terms that read the same are the same object
            if alike not in found:
                wanted = podterms.want(term, one.pod, view.neighbours.namespaces)
                found[alike] = wanted, Group(wanted.topology_key, {})
            wanted, group = found[alike]
            if wanted.means(meta.namespace, meta.labels):
                group.uids[meta.uid] = None
    several = [group for _, group in found.values() if len(group.uids) > 1]
    return [group for group in several if view.node_labels.column(group.topology_key) is not None]


def limits(
    view: snapshot.Snapshot, these: Sequence[Group], uids: Sequence[str], slots: contract.Ints
) -> problem.Domains | None:
    """What groups among some pods come to on the nodes of these slots; None where there are no groups."""
    if not these:
        return None
    of = np.stack([_domain_of(view, group.topology_key)[slots] for group in these])
    asks = np.array([[uid in group.uids for group in these] for uid in uids], np.int64)
    return problem.Domains(of, np.ones((len(these), int(of.max(initial=0)) + 1), np.int64), asks)


def shut(view: snapshot.Snapshot, these: Sequence[Group], uid: str, node_of: Mapping[str, str]) -> contract.Mask:
    """[slots] those where a pod would meet others of its groups, who are to go to these nodes."""
    found = np.zeros(view.size, np.bool_)
    for group in these:
        if uid not in group.uids:
            continue
        others = [view.index_of.get(node_of[other], -1) for other in group.uids if other != uid and other in node_of]
        domain_of = _domain_of(view, group.topology_key)
        taken = domain_of[[slot for slot in others if slot >= 0]]
        found |= np.isin(domain_of, taken[taken >= 0])
    return found


def _domain_of(view: snapshot.Snapshot, key: str) -> contract.Ints:
    """[slots] the number of the value of a label; -1 for none."""
    column = view.node_labels.column(key)
    return column.ids[: view.size].astype(np.int64) if column is not None else np.full(view.size, -1, np.int64)
