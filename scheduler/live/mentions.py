"""Which data the pods name that are pending or assigned: by pod, by key and by bucket, and whose pods they are.

A DataObject serves the pods of its namespace, one of the home namespace those of all. So whether anybody needs one is a
question about a urn and a namespace.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from scheduler.api import annotations as intents
from scheduler.api import core, urns

_NOBODY: Final[Mapping[str, int]] = {}


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """What a pod names: keys that it reads and writes, and the buckets of all that it names."""

    uid: str
    name: str
    namespace: str
    annotations: dict[str, str]
    is_pending: bool
    inputs: frozenset[str]
    outputs: frozenset[str]
    buckets: frozenset[str]


class Mentions:
    """All pods that name data.

    Args:
        home: The namespace whose DataObjects serve everybody's pods.
    """

    def __init__(self, home: str) -> None:
        self._home = home
        self._named: dict[str, Named] = {}  # by uid
        self._readers: dict[str, collections.Counter[str]] = {}  # key -> namespace -> pods that read or write it
        self._producers: dict[str, collections.Counter[str]] = {}  # key -> namespace -> pods that will write it
        self._buckets: dict[str, collections.Counter[str]] = {}  # bucket -> namespace -> pods that name it

    def see(self, pod: core.Pod) -> Named | None:
        """Take in a pending or assigned pod; returns what it names where that is news."""
        uid, is_pending = pod.metadata.uid, not pod.spec.node_name
        before = self._named.get(uid)
        if before is not None and before.annotations == pod.metadata.annotations:
            if before.is_pending == is_pending:
                return None
            named = self._named[uid] = dataclasses.replace(before, is_pending=is_pending)
            return named
        self.forget(uid)
        intent = intents.parse(pod.metadata.annotations)[0]
        inputs, outputs = ([each.urn for each in some] for some in (intent.inputs, intent.outputs))
        if not inputs and not outputs:
            return None
        named = self._named[uid] = Named(
            uid=uid,
            name=pod.metadata.name,
            namespace=pod.metadata.namespace,
            annotations=pod.metadata.annotations,
            is_pending=is_pending,
            inputs=frozenset(filter(urns.is_key, inputs)),
            outputs=frozenset(filter(urns.is_key, outputs)),
            buckets=frozenset(urn.partition("/")[0] for urn in (*inputs, *outputs)),
        )
        for counts, each in self._counts(named):
            for urn in each:
                counts.setdefault(urn, collections.Counter())[named.namespace] += 1
        return named

    def forget(self, uid: str) -> None:
        """A pod is gone; one that names nothing is no error."""
        named = self._named.pop(uid, None)
        if named is None:
            return
        for counts, each in self._counts(named):
            for urn in each:
                counts[urn][named.namespace] -= 1
                if not counts[urn][named.namespace]:
                    del counts[urn][named.namespace]
                    if not counts[urn]:
                        del counts[urn]

    def keep(self, is_there: Callable[[str], bool]) -> None:
        """Forget the pods that are not there any more, by their uids."""
        for uid in [uid for uid in self._named if not is_there(uid)]:
            self.forget(uid)

    def of(self, uid: str) -> Named | None:
        return self._named.get(uid)

    def pending(self) -> Iterator[Named]:
        """Those that wait for a node."""
        return (named for named in self._named.values() if named.is_pending)

    def reader(self, namespace: str, urn: str) -> Named | None:
        """One of a namespace's pods that read a key, if there is one; one that waits for a node rather than another."""
        found = (one for one in self._named.values() if one.namespace == namespace and urn in one.inputs)
        return max(found, key=lambda one: one.is_pending, default=None)

    def users(self, urn: str) -> AbstractSet[str]:
        """The namespaces whose pods name a key."""
        return self._readers.get(urn, _NOBODY).keys()

    def is_used(self, namespace: str, urn: str) -> bool:
        """Whether a pod names a key that sees the DataObjects of a namespace."""
        return self._any(self._readers, namespace, urn)

    def is_written(self, namespace: str, urn: str) -> bool:
        """Whether one of them is to write it, and does not read it."""
        return self._any(self._producers, namespace, urn)

    def is_bucket_used(self, namespace: str, bucket: str) -> bool:
        """Whether one of them names anything in a bucket."""
        return self._any(self._buckets, namespace, bucket)

    def _any(self, counts: Mapping[str, Mapping[str, int]], namespace: str, urn: str) -> bool:
        found = counts.get(urn, _NOBODY)
        return bool(found) if namespace == self._home else namespace in found

    def _counts(self, named: Named) -> tuple[tuple[dict[str, collections.Counter[str]], frozenset[str]], ...]:
        return (
            (self._readers, named.inputs | named.outputs),
            (self._producers, named.outputs - named.inputs),
            (self._buckets, named.buckets),
        )
