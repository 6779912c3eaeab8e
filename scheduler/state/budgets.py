"""PodDisruptionBudgets: which of some pods may not be disrupted any more.

Source: pkg/scheduler/framework/preemption/util.go, FilterVictimsWithPDBViolation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from scheduler.api import core, policy, requirements
from scheduler.state import podterms

_KEPT: Final = 4096  # namespaces and labels of pods of which it is remembered which budgets mean them


@dataclass(frozen=True, slots=True)
class _Budget:
    """``selector`` None where it means no pod: there is none, it is empty, or it cannot be read."""

    selector: core.LabelSelector | None
    allowed: int
    disrupted: frozenset[str]


class Budgets:
    """Budgets as last applied, of a namespace in the order in which they came."""

    def __init__(self) -> None:
        self._budgets: dict[str, dict[str, _Budget]] = {}  # by namespace and name
        self._meaning: dict[tuple[str, ...], tuple[str, ...]] = {}  # by namespace and labels of pods

    def apply(self, budget: policy.PodDisruptionBudget) -> None:
        """Add a budget or take in its new version."""
        selector, status = budget.spec.selector, budget.status
        if selector == core.LabelSelector() or requirements.selector_problem(selector):
            selector = None
        made = _Budget(selector, status.disruptions_allowed, frozenset(status.disrupted_pods))
        here = self._budgets.setdefault(budget.metadata.namespace, {})
        before = here.get(budget.metadata.name)
        if before is None or before.selector != selector:
            self._meaning.clear()
        here[budget.metadata.name] = made

    def remove(self, namespace: str, name: str) -> None:
        """Forget a budget; an unknown one is no error."""
        here = self._budgets.get(namespace, {})
        if here.pop(name, None) is not None:
            self._meaning.clear()
            if not here:
                del self._budgets[namespace]

    @property
    def namespaces(self) -> Collection[str]:
        """Where there are any."""
        return self._budgets.keys()

    def violating(self, pods: Iterable[core.Pod]) -> Iterator[bool]:
        """Whether each of some pods may not go, once those before it are gone as far as they may."""
        left: dict[tuple[str, str], int] = {}
        for pod in pods:
            yield self._takes_too_much(pod.metadata, left)

    def _takes_too_much(self, meta: core.ObjectMeta, left: dict[tuple[str, str], int]) -> bool:
        """Count a pod in its budgets, up to the first that does not let it go; ``left`` is what others left of them."""
        here = self._budgets.get(meta.namespace)
        if here is None or not meta.labels:
            return False
        for name in self._that_mean(meta, here):
            budget = here[name]
            if meta.name in budget.disrupted:
                continue
            key = meta.namespace, name
            left[key] = left.get(key, budget.allowed) - 1
            if left[key] < 0:
                return True
        return False

    def _that_mean(self, meta: core.ObjectMeta, here: Mapping[str, _Budget]) -> tuple[str, ...]:
        """The budgets of a namespace that mean a pod."""
        key = meta.namespace, *meta.labels, *meta.labels.values()
        found = self._meaning.get(key)
        if found is None:
            if len(self._meaning) >= _KEPT:
                self._meaning.clear()
            found = tuple([name for name, budget in here.items() if podterms.matches(budget.selector, meta.labels)])
            self._meaning[key] = found
        return found
