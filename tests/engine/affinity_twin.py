"""InterPodAffinity once more, slow and plain: every node, every pod, every term, on the JSON of a question.

The twin of the arrays and tables under test, of which it knows nothing. Nodes have room for everybody, and nothing else
keeps the pod from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
NEAR, FAR = "podAffinity", "podAntiAffinity"


class World:
    """A question, as one looks at it pod by pod."""

    def __init__(self, question: Object) -> None:
        self.nodes: dict[str, Object] = {
            each["metadata"]["name"]: each["metadata"]["labels"] for each in question["nodes"]
        }
        self.spaces = {each["metadata"]["name"]: each["metadata"]["labels"] for each in question["namespaces"]}
        self.pod = question["pod"]
        alive = [each for each in question["pods"] if each["status"].get("phase") not in {"Succeeded", "Failed"}]
        self.running = [each for each in alive if each["spec"].get("nodeName") in self.nodes]
        self.nominated = [each for each in alive if not each["spec"].get("nodeName")]

    def refusal(self, node: str) -> str:
        """Why a node does not take the pod; "" if it does."""
        arriving = [
            (each, node)
            for each in self.nominated
            if each["status"]["nominatedNodeName"] == node and each["spec"]["priority"] >= self.pod["spec"]["priority"]
        ]
        running = [(each, each["spec"]["nodeName"]) for each in self.running]
        asked = _terms(self.pod, NEAR) + _terms(self.pod, FAR) or any(self._refusers(running))
        if not asked:
            return ""
        return self._refusal(node, [*running, *arriving]) or self._refusal(node, running)

    def _refusal(self, node: str, there: list[tuple[Object, str]]) -> str:
        wanted = _terms(self.pod, NEAR)
        if wanted:
            company = [at for each, at in there if all(self._wants(term, each) for term in wanted)]
            keys = [term["topologyKey"] for term in wanted]
            first = all(self._wants(term, self.pod) for term in wanted) and not any(
                key in self.nodes[at] for key in keys for at in company
            )
            if any(key not in self.nodes[node] for key in keys):
                return "node(s) didn't match pod affinity rules"
            if not first and not all(any(self._together(node, at, key) for at in company) for key in keys):
                return "node(s) didn't match pod affinity rules"
        for term in _terms(self.pod, FAR):
            if any(self._wants(term, each) and self._together(node, at, term["topologyKey"]) for each, at in there):
                return "node(s) didn't match pod anti-affinity rules"
        if any(self._together(node, at, key) for at, key in self._refusers(there)):
            return "node(s) didn't satisfy existing pods anti-affinity rules"
        return ""

    def _refusers(self, there: list[tuple[Object, str]]) -> Iterator[tuple[str, str]]:
        for each, at in there:
            for term in _terms(each, FAR):
                if self._is_meant(term, each) and term["topologyKey"] in self.nodes[at]:
                    yield at, term["topologyKey"]

    def score(self, node: str, *, hard: int, deaf: bool) -> int:
        """The sum of weights before it is normalised."""
        own = _terms(self.pod, NEAR, PREFERRED) + _terms(self.pod, FAR, PREFERRED)
        if deaf and not own:
            return 0
        total = 0
        for other in self.running:
            at = other["spec"]["nodeName"]
            for kind, sign in ((NEAR, 1), (FAR, -1)):
                for weighted in _terms(self.pod, kind, PREFERRED):
                    term = weighted["podAffinityTerm"]
                    if self._wants(term, other) and self._together(node, at, term["topologyKey"]):
                        total += sign * weighted["weight"]
                for weighted in _terms(other, kind, PREFERRED):
                    term = weighted["podAffinityTerm"]
                    if self._is_meant(term, other) and self._together(node, at, term["topologyKey"]):
                        total += sign * weighted["weight"]
            for term in _terms(other, NEAR):
                if self._is_meant(term, other) and self._together(node, at, term["topologyKey"]):
                    total += hard
        return total

    def _together(self, node: str, other: str, key: str) -> bool:
        return key in self.nodes[node] and self.nodes[node][key] == self.nodes[other].get(key)

    def _wants(self, term: Object, other: Object) -> bool:
        """Whether a term of the pod to place means another pod."""
        space, selector = other["metadata"]["namespace"], term.get("namespaceSelector")
        included = space in _listed(term, self.pod)
        if selector is not None:
            known = space in self.spaces and _selects(selector, self.spaces[space])
            included = included or known or not any(selector.values())  # an empty one means all, known or not
        return included and _selects(term.get("labelSelector"), other["metadata"]["labels"])

    def _is_meant(self, term: Object, owner: Object) -> bool:
        """Whether a term of another pod means the pod to place."""
        space, selector = self.pod["metadata"]["namespace"], term.get("namespaceSelector")
        included = space in _listed(term, owner)
        if selector is not None:
            included = included or _selects(selector, self.spaces.get(space, {}))
        return included and _selects(term.get("labelSelector"), self.pod["metadata"]["labels"])


def normalised(raw: dict[str, int]) -> dict[str, int]:
    low, high = min(raw.values()), max(raw.values())
    return {node: 0 if low == high else int(100 * ((score - low) / (high - low))) for node, score in raw.items()}


def _terms(pod: Object, kind: str, strength: str = REQUIRED) -> list[Object]:
    found: list[Object] = pod["spec"].get("affinity", {}).get(kind, {}).get(strength, [])
    return found


def _listed(term: Object, owner: Object) -> list[str]:
    listed: list[str] = term.get("namespaces", [])
    return listed or ([owner["metadata"]["namespace"]] if "namespaceSelector" not in term else [])


def _selects(selector: Object | None, labels: dict[str, str]) -> bool:
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for wanted in selector.get("matchExpressions", []):
        key, values = wanted["key"], wanted.get("values", [])
        holds = {
            "In": key in labels and labels[key] in values,
            "NotIn": key not in labels or labels[key] not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not holds[wanted["operator"]]:
            return False
    return True
