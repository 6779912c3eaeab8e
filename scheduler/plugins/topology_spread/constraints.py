"""Spread constraints as both rules of the plugin read them: the pod's own or, where it has none, those by default.

Those by default are the configuration's, or the system's: rather different nodes than different zones, and only as a
score. They speak of the pods that the Services and the controller of a pod select, so that what they come to is looked
up for each decision.

Source: pkg/scheduler/framework/plugins/podtopologyspread/{common,plugin}.go.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
import numpy as np

from scheduler import config
from scheduler.api import core, names, requirements
from scheduler.plugins import contract, request
from scheduler.plugins.common import domains, selectors, tolerations
from scheduler.state import changes, cohorts, podterms, selecting, snapshot, spreads

NAME: Final = "PodTopologySpread"
HARD: Final = "DoNotSchedule"
SOFT: Final = "ScheduleAnyway"
HOSTNAME: Final = "kubernetes.io/hostname"
FACETS: Final = changes.COMPANY | changes.LABELS | changes.TAINTS | changes.ALIVE

_SYSTEM: Final = (
    core.TopologySpreadConstraint(max_skew=3, topology_key=HOSTNAME, when_unsatisfiable=SOFT),
    core.TopologySpreadConstraint(max_skew=5, topology_key=names.ZONE_LABEL, when_unsatisfiable=SOFT),
)
_HONOR: Final = "Honor"
_HARD_TAINTS: Final = ("NoSchedule", "NoExecute")
_ENCODE: Final = msgspec.msgpack.Encoder(order="deterministic").encode


class Among(NamedTuple):
    """Which nodes count: those that have all the labels, that the pod selects, and whose taints it tolerates.

    ``pairs`` and ``terms`` are of the pod's selector and required affinity; None where that does not matter.
    """

    keys: tuple[str, ...]
    pairs: selectors.Pairs
    terms: tuple[core.NodeSelectorTerm, ...] | None
    tolerations: tuple[core.Toleration, ...] | None

    def mask(self, view: snapshot.Snapshot) -> contract.Mask:
        """[slots] the nodes that count."""
        found = view.alive.copy()
        for key in self.keys:
            found &= domains.present(view, key)
        if self.pairs:
            found &= selectors.match_pairs(self.pairs, view)
        if self.terms is not None:
            found &= selectors.match_any(self.terms, view)
        if self.tolerations is not None:
            tolerated = [
                all(tolerations.tolerates(self.tolerations, taint) for taint in taints if taint.effect in _HARD_TAINTS)
                for taints in view.taint_sets
            ]
            found &= np.array(tolerated, np.bool_)[view.taint_set]
        return found


class Constraint(NamedTuple):
    """One constraint.

    Attributes:
        key: The label whose domains the pods are spread over.
        max_skew, min_domains: As given.
        means_itself: Whether the pod is one of those that it speaks of.
        among: Which nodes count.
        selector: The pods of which it speaks, for those that are thought to come or go.
        counted: Those that are counted: of an empty selector, upstream counts none.
    """

    key: str
    max_skew: int
    min_domains: int
    means_itself: bool
    among: Among
    selector: core.LabelSelector | None
    counted: cohorts.Living

    def spread(self, view: snapshot.Snapshot) -> spreads.Spread:
        """The living pods that it speaks of, by domain; nodes without labels that need not be there are one."""
        return view.neighbours.cohorts.spread(
            self.counted, self.key, self.among, lambda: self.among.mask(view), with_blank=not self.among.keys
        )


@dataclass(frozen=True, slots=True)
class Sought:
    """The constraints of a pod in the cluster as it is; ``key`` tells them from others.

    ``every_key``: only nodes with all their labels are ranked.
    """

    key: bytes
    namespace: str = field(compare=False)
    constraints: tuple[Constraint, ...] = field(compare=False)
    every_key: bool = field(compare=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """All that spreading reads of a pod; ``key`` tells it from others.

    Attributes:
        given: The constraints, of one kind of the two; those by default if ``by_default``.
        own: Their meaning; None where that depends on what selects the pod.
        problem: Why the pod's own cannot be read.
        every_key: As in Sought.
    """

    key: bytes
    pod: core.Pod = field(compare=False)
    given: tuple[core.TopologySpreadConstraint, ...] = field(compare=False)
    own: Sought | None = field(compare=False)
    problem: str = field(compare=False)
    every_key: bool = field(compare=False)

    @property
    def by_default(self) -> bool:
        """Whether these are not the pod's own constraints."""
        return self.own is None and not self.problem


def read(pod: request.PodRequest, settings: config.Settings, action: str) -> Asked | None:
    """What a pod asks for; None where it has no constraint of this kind, its own or by default."""
    meta, spec = pod.pod.metadata, pod.pod.spec
    given, defaults = spec.topology_spread_constraints, settings.plugins.default_spread
    every_key = bool(given) or defaults is not None
    chosen = tuple(
        each for each in given or (_SYSTEM if defaults is None else defaults) if each.when_unsatisfiable == action
    )
    if not chosen:
        return None
    problem, own = "", None
    if given:
        problem = next(filter(None, (requirements.selector_problem(each.label_selector) for each in chosen)), "")
        if not problem:
            parts = [_with_keys(each, meta.labels) for each in chosen]
            own = _seek(pod.pod, chosen, parts, every_key=every_key)
    affinity = spec.affinity.node_affinity if spec.affinity is not None else None
    owner = None if given else selecting.owner_of(meta)
    key = _ENCODE((meta.namespace, meta.labels, owner, chosen, spec.node_selector, affinity, spec.tolerations))
    return Asked(key, pod.pod, chosen, own, problem, every_key)


def resolve(asked: Asked, view: snapshot.Snapshot) -> Sought | contract.Refuse | None:
    """None where nothing selects a pod that is spread by default."""
    if asked.problem:
        message = f"get constraints from pod: obtaining pod's hard topology spread constraints: {asked.problem}"
        return contract.Refuse(message, fails=True)
    if asked.own is not None:
        return asked.own
    return view.selectors.found(asked.key, asked.pod.metadata, lambda selector: _by_default(asked, selector))


def _by_default(asked: Asked, selector: core.LabelSelector) -> Sought:
    return _seek(asked.pod, asked.given, [selector] * len(asked.given), every_key=asked.every_key)


def touched(asked: Sought, view: snapshot.Snapshot, hits: contract.Changes, since: int) -> Collection[int] | None:
    """Who shares a domain with a node where the pods that are spoken of changed; all after other changes of nodes."""
    if any(facets & ~changes.COMPANY & FACETS for facets in hits.values()) or changes.ALL in hits:
        return None
    found = [(one.key, one.spread(view)) for one in asked.constraints]
    if any(spread.least_seq > since for _, spread in found):
        return None
    return domains.sharing(view, {key for key, spread in found if spread.changed_seq > since}, hits)


def _with_keys(given: core.TopologySpreadConstraint, labels: podterms.Labels) -> core.LabelSelector | None:
    """Its selector, together with the pod's own values of some labels, as far as it has them."""
    selector = given.label_selector
    more = [core.Requirement(key, "In", (labels[key],)) for key in given.match_label_keys if key in labels]
    if selector is None or not more:
        return selector
    return core.LabelSelector(selector.match_labels, (*selector.match_expressions, *more))


def _seek(
    pod: core.Pod,
    given: Sequence[core.TopologySpreadConstraint],
    by_selector: Sequence[core.LabelSelector | None],
    *,
    every_key: bool,
) -> Sought:
    spec, meta = pod.spec, pod.metadata
    required = spec.affinity.node_affinity.required if spec.affinity and spec.affinity.node_affinity else None
    keys = tuple(sorted({each.topology_key for each in given})) if every_key else ()
    pairs = tuple(sorted(spec.node_selector.items()))
    terms = required.node_selector_terms if required is not None else None
    livings = [cohorts.Living.of(meta.namespace, selector) for selector in by_selector]
    found = []
    for each, selector, living in zip(given, by_selector, livings, strict=True):
        is_picky = each.node_affinity_policy in ("", _HONOR)
        is_blank = selector is not None and not selector.match_labels and not selector.match_expressions
        found.append(
            Constraint(
                key=each.topology_key,
                max_skew=each.max_skew,
                min_domains=1 if each.min_domains is None else each.min_domains,
                means_itself=podterms.matches(selector, meta.labels),
                among=Among(
                    keys=keys,
                    pairs=pairs if is_picky else (),
                    terms=terms if is_picky else None,
                    tolerations=spec.tolerations if each.node_taints_policy == _HONOR else None,
                ),
                selector=selector,
                counted=cohorts.Living.of(meta.namespace, None) if is_blank else living,
            )
        )
    told = [(one[:5], living.key) for one, living in zip(found, livings, strict=True)]
    return Sought(_ENCODE((meta.namespace, every_key, told)), meta.namespace, tuple(found), every_key)
