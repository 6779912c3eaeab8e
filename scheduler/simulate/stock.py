"""The DataObjects of a simulated cluster, as daemons and the scheduler write them, and who is told of it.

What is written appears at once where it was written, as its store's daemon would say. Where outputs of a pod that was
bound are to be expected stands in status.expected, as the live scheduler writes it; it ends when they are written, or
when the pod is lost. What a node keeps of what it fetched is another copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec

from scheduler.api import core, crd, names, urns
from scheduler.plugins.data import spread
from scheduler.simulate import ground as grounds
from scheduler.state import network

_MOST_COPIES: Final = 256  # the schema's bound

Place = tuple[str, str]


class Stock:
    """Keeps the DataObjects.

    Args:
        tell: Who is shown every version of one.
        time: The time of day as RFC 3339 has it.
        confidence: How sure expectations are.
    """

    def __init__(
        self,
        ground: grounds.Ground,
        tell: Callable[[crd.DataObject], None],
        time: Callable[[], str],
        confidence: float,
    ) -> None:
        self._ground = ground
        self._tell = tell
        self._time = time
        self._confidence = confidence
        self._objects: dict[Place, crd.DataObject] = {}
        self._expected: dict[str, list[Place]] = {}  # by producer

    def put(self, obj: crd.DataObject) -> None:
        """There is such an object now."""
        self._objects[obj.metadata.namespace, obj.metadata.name] = obj
        self._ground.put_object(obj)
        self._tell(obj)

    def wrote(self, producer: core.Pod, urn: str, end: spread.End, size_bytes: int) -> None:
        """A pod has written a key: whatever there was of it before is out of date."""
        if not urns.is_key(urn):
            return
        obj = self._of(producer.metadata.namespace, urn)
        copy = crd.Replica(
            **self._where(producer.metadata.namespace, urn, end),
            size_bytes=size_bytes,
            etag=producer.metadata.uid,
            last_modified=self._time(),
            available=True,
        )
        left = tuple(one for one in obj.status.expected if one.producer != producer.key)
        status = msgspec.structs.replace(obj.status, replicas=(copy,), expected=left, size_bytes=size_bytes)
        self.put(msgspec.structs.replace(obj, status=status))

    def keeps(self, namespace: str, urn: str, slot: int, size_bytes: int) -> None:
        """A node keeps a key that it has fetched."""
        if not urns.is_key(urn):
            return
        ends = self._ground.ends(namespace, urn, is_output=False) or ()
        if slot in ends:
            return
        obj = self._of(namespace, urn)
        copies = obj.status.replicas
        if not copies and not obj.spec.locations:  # known by its bucket alone, which this object comes before now
            copies = tuple(
                crd.Replica(**self._where(namespace, urn, end), size_bytes=size_bytes, available=True) for end in ends
            )
        if len(copies) >= _MOST_COPIES:
            return
        like = next((one for one in copies if one.etag), crd.Replica(node="", size_bytes=size_bytes, available=True))
        kept = msgspec.structs.replace(
            like, node=self._ground.view.names[slot], store="", region="", zone="", endpoint="", available=True
        )
        self.put(msgspec.structs.replace(obj, status=msgspec.structs.replace(obj.status, replicas=(*copies, kept))))

    def expect(self, producer: core.Pod, urn: str, end: spread.End, size_bytes: int) -> None:
        """A pod that was bound is about to write a key."""
        if not urns.is_key(urn):
            return
        obj = self._of(producer.metadata.namespace, urn)
        one = crd.Expected(
            **self._where(producer.metadata.namespace, urn, end),
            producer=producer.key,
            confidence=self._confidence,
            size_bytes=size_bytes or None,
            since=self._time(),
        )
        status = msgspec.structs.replace(obj.status, expected=(*obj.status.expected, one))
        self._expected.setdefault(producer.key, []).append((obj.metadata.namespace, obj.metadata.name))
        self.put(msgspec.structs.replace(obj, status=status))

    def forsake(self, producer: str) -> None:
        """Nothing is to be expected of a pod any more."""
        for place in self._expected.pop(producer, ()):
            obj = self._objects[place]
            left = tuple(one for one in obj.status.expected if one.producer != producer)
            if left != obj.status.expected:
                self.put(msgspec.structs.replace(obj, status=msgspec.structs.replace(obj.status, expected=left)))

    def _of(self, namespace: str, urn: str) -> crd.DataObject:
        """The object of exactly this key, or a new one."""
        home = self._ground.home_of(namespace, urn)
        name = f"key-{hashlib.sha256(urn.encode()).hexdigest()[:20]}"
        place = self._ground.exactly(namespace, urn) or (home, name)
        if place in self._objects:
            return self._objects[place]
        meta = core.ObjectMeta(name=name, namespace=home, labels={names.BUCKET_LABEL: urn.partition("/")[0]})
        return crd.DataObject(metadata=meta, spec=crd.DataObjectSpec(urn=urn))

    def _where(self, namespace: str, urn: str, end: spread.End) -> dict[str, str]:
        if isinstance(end, network.Site):
            return {"node": names.EXTERNAL, "region": end.region, "zone": end.zone}
        node = self._ground.view.names[end]
        return {"node": node, "store": self._ground.store_at(namespace, urn, node)}
