"""Chance from a seed, and the small vocabularies that all objects draw from, so that what should meet does meet."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")
Object = dict[str, Any]

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
REGION = "topology.kubernetes.io/region"
APPS = ("web", "db", "cache")
NAMESPACES = ("default", "team-a", "team-b", "nobody-knows")
PRIORITIES = (0, 0, 0, 10, 100, -5, 2_000_000_000)


class Chance(random.Random):
    """Random numbers with the turns of phrase that generators need."""

    def once_in(self, number: int) -> bool:
        return self.randrange(number) == 0

    def happens(self, probability: float) -> bool:
        return self.random() < probability

    def some(self, values: Sequence[T], at_most: int, at_least: int = 0) -> list[T]:
        """Different ones, in random order."""
        return self.sample(values, self.randint(at_least, min(at_most, len(values))))

    def several(self, values: Sequence[T], at_most: int, at_least: int = 0) -> list[T]:
        """Possibly the same one more than once."""
        return [self.choice(values) for _ in range(self.randint(at_least, at_most))]


def labels(chance: Chance) -> dict[str, str]:
    """Of a pod or a namespace."""
    found = {"app": chance.choice(APPS)} if not chance.once_in(8) else {}
    if chance.once_in(3):
        found["tier"] = chance.choice(("front", "back", ""))
    if chance.once_in(4):
        found["pod-template-hash"] = chance.choice(("a1", "b2"))
    return found


def selector(chance: Chance) -> Object | None:
    """A label selector; None and {} are different ones."""
    if chance.once_in(12):
        return chance.choice((None, {}))
    found: Object = {}
    if not chance.once_in(3):
        found["matchLabels"] = {"app": chance.choice(APPS)}
    if not found or chance.once_in(3):
        found["matchExpressions"] = [_requirement(chance) for _ in range(chance.randint(1, 2))]
    return found


def _requirement(chance: Chance) -> Object:
    key = chance.choice(("app", "tier", "pod-template-hash", "team", "absent"))
    operator = chance.choice(("In", "NotIn", "Exists", "DoesNotExist"))
    found: Object = {"key": key, "operator": operator}
    if operator in {"In", "NotIn"}:
        found["values"] = chance.some((*APPS, "front", "back", "", "a1", "a", "b"), 3, 1)
    return found
