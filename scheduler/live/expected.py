"""Outputs that do not exist yet: where a pod that was just bound will write, so that its consumers can be placed.

When a pod is bound, each key that it declares as an output gets a DataObject (on demand) whose status.expected names
the store nearest to the chosen node, which is where the decision itself reckoned that the output would go. Placing
treats the key as lying there with the stated confidence, as long as no copy is available.

An expectation ends when it is no longer one:

    a copy is available that was written since the pod was bound       the output is there
    the pod failed, or is gone without having succeeded                it will not come from this pod
    the pod succeeded, and no copy has been seen for LOOKED_S           daemons have long looked: it was not written

Everything is kept in the DataObjects. After a restart the producers are read again, each once.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from scheduler import config, errors
from scheduler.api import core, crd, names, units, urns
from scheduler.engine import decision
from scheduler.kube import client
from scheduler.live import clerk, feed, metrics, ondemand, places

LOOKED_S: Final = 600.0  # a daemon lists its stores about once a minute, so a copy would have been seen
# Between our clock, which dates promises, those of stores, which date copies, and the API server's, which dates pods.
# Nobody keeps clocks of edge nodes within seconds. To take an older copy for the output costs little: one that is there
# is what placing goes by, promised or not.
CLOCK_SKEW_S: Final = 300.0
MAX_EXPECTED: Final = 64  # the schema's bound

Place = places.Place


class Outputs:
    """Keeps status.expected of the DataObjects.

    Args:
        now: The time of day.
        assigned: The pods that run, as the watch shows them; finished ones are not among them.
    """

    def __init__(
        self,
        *,
        api: client.Api,
        settings: config.Settings,
        keys: ondemand.Keys,
        resources: feed.CustomResources,
        assigned: feed.AssignedPods,
        writer: clerk.Clerk,
        counters: metrics.Metrics,
        clock: Callable[[], float],
        now: Callable[[], datetime.datetime],
    ) -> None:
        self._api = api
        self.settings = settings
        self._keys = keys
        self._resources = resources
        self._assigned = assigned
        self._clerk = writer
        self._metrics = counters
        self._clock = clock
        self._now = now
        # What was promised and is not seen written yet: urn -> (the pod's namespace, node, store) -> the entry.
        self._promised: dict[str, dict[tuple[str, str, str], crd.Expected]] = {}
        self._of_producer: dict[str, set[Place]] = {}  # namespace/name -> where it is named
        self._producers: dict[Place, frozenset[str]] = {}
        self._uids: dict[str, str] = {}  # producers that were bound here -> which pods of those names they are
        self._succeeded: dict[str, float] = {}  # producers that did, and when that was found out

    # ------------------------------------------------------------------------------------------------ what is seen

    def bound(self, pod: core.Pod, transfers: Iterable[decision.Transfer]) -> None:
        """A pod was bound: its outputs are to be expected."""
        since = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self._succeeded.pop(pod.key, None)
        for transfer in transfers:
            if not transfer.is_output or not urns.is_key(transfer.urn):
                continue
            self._uids[pod.key] = pod.metadata.uid
            node, region, zone = _split(transfer.partner)
            one = crd.Expected(
                node=node,
                store=self._store_at(pod.metadata.namespace, transfer.urn.partition("/")[0], node),
                region=region,
                zone=zone,
                producer=pod.key,
                confidence=self.settings.expected_confidence,
                size_bytes=transfer.size_bytes or None,
                since=since,
            )
            namespace = pod.metadata.namespace
            self._promised.setdefault(transfer.urn, {})[namespace, one.node, one.store] = one
            self._clerk.ask(
                ("promise", namespace, transfer.urn),
                functools.partial(self._promise, namespace, transfer.urn),
                group=namespace,
            )

    def object_seen(self, place: Place, obj: crd.DataObject | None) -> None:
        """A DataObject is new, changed, or (None) gone."""
        standing = obj.status.expected if obj is not None else ()
        producers = frozenset(one.producer for one in standing)
        for producer in self._producers.pop(place, frozenset()) - producers:
            places = self._of_producer[producer]
            places.discard(place)
            if not places:
                del self._of_producer[producer]
                self._succeeded.pop(producer, None)
        if obj is None:
            return
        if producers:
            self._producers[place] = producers
        for producer in producers:
            self._of_producer.setdefault(producer, set()).add(place)
        urn = obj.spec.urn
        if urn in self._promised:
            left = {key: one for key, one in self._promised[urn].items() if one not in standing}
            self._promised[urn] = left
            if not left:
                del self._promised[urn]
        if urn in self._promised or any(_has_come(one, obj.status.replicas) for one in standing):
            self._ask(place)

    def pod_gone(self, pod: core.Pod) -> None:
        """An assigned pod finished or was deleted: what became of it is read, for the watch does not tell."""
        for urn, promised in list(self._promised.items()):
            left = {key: one for key, one in promised.items() if one.producer != pod.key}
            if left:
                self._promised[urn] = left
            else:
                del self._promised[urn]
        self._review(pod.key)

    def sweep(self) -> None:
        """Look after expectations whose producer is not seen at work, as after a restart."""
        now = self._clock()
        promising = {one.producer for promised in self._promised.values() for one in promised.values()}
        self._uids = {key: uid for key, uid in self._uids.items() if key in self._of_producer or key in promising}
        for producer in list(self._of_producer):
            if not self._is_at_work(producer) and now - self._succeeded.get(producer, -LOOKED_S) >= LOOKED_S:
                self._review(producer)

    # ------------------------------------------------------------------------------------------------------ writing

    def _review(self, producer: str) -> None:
        for place in self._of_producer.get(producer, ()):
            self._ask(place)

    def _ask(self, place: Place) -> None:
        self._clerk.ask(("expect", *place), functools.partial(self._look, place))

    async def _promise(self, namespace: str, urn: str) -> None:
        """Write what was promised by a namespace's pods; the object is made if it is missing."""
        if urn not in self._promised:
            return
        try:
            obj = await self._keys.ensure(namespace, urn)
            if obj is not None:
                await self._bring(obj, namespace)
        except (errors.UnreachableError, errors.ThrottledError, errors.ConflictError):
            raise  # tried again, or when the watch shows the object
        except errors.ApiError:
            self._promised.pop(urn, None)
            raise

    async def _look(self, place: Place) -> None:
        obj = self._resources.data_object(place)
        if obj is not None:
            await self._bring(obj, "")

    async def _bring(self, obj: crd.DataObject, namespace: str) -> None:
        """Bring an object's status.expected to what is expected now; ``namespace``'s promises certainly go there."""
        meta, urn = obj.metadata, obj.spec.urn
        place = (meta.namespace, meta.name)
        over = [one for one in obj.status.expected if not await self._may_come(one)]
        # From here to the request nothing is awaited: what the watch has shown meanwhile counts.
        obj = self._resources.data_object(place) or obj
        wanted = {
            (one.node, one.store): one
            for one in obj.status.expected
            if one not in over and not _has_come(one, obj.status.replicas)
        }
        for (whose, node, store), one in self._promised.get(urn, {}).items():
            if whose == namespace or self._keys.place_of(whose, urn) == place:
                wanted[node, store] = one
        kept = tuple(wanted.values())[-MAX_EXPECTED:]
        if kept == obj.status.expected:
            return
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "DataObject",
            "metadata": {"name": meta.name, "namespace": meta.namespace},
            "status": {"expected": [{"store": "", "confidence": 0.0, **msgspec.to_builtins(one)} for one in kept]},
        }
        await self._api.patch(
            f"{places.path(*place)}/status",
            msgspec.json.encode(body),
            client.APPLY_PATCH,
            params={"fieldManager": names.SCHEDULER_FIELD_MANAGER, "force": "true"},
        )
        self._metrics.upkeep("expected")

    async def _may_come(self, one: crd.Expected) -> bool:
        """Whether an output may still appear.

        Raises:
            ApiError: what became of the producer could not be read.
        """
        producer = one.producer
        bound = self._uids.get(producer)
        if self._assigned.uid_of(producer) is not None:
            return self._is_at_work(producer)
        if producer in self._succeeded:
            return self._clock() - self._succeeded[producer] < LOOKED_S
        namespace, _, name = producer.partition("/")
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        try:
            pod = core.decode(await self._api.get(path), core.Pod, path)
        except errors.NotFoundError:
            return False
        if _is_another(pod, bound, one):
            return False
        if pod.status.phase == "Succeeded":
            self._succeeded[producer] = self._clock()
        return pod.status.phase != "Failed"

    def _is_at_work(self, producer: str) -> bool:
        """Whether the producer runs, and not just a pod of its name."""
        there = self._assigned.uid_of(producer)
        return there is not None and self._uids.get(producer, there) == there

    def _store_at(self, namespace: str, bucket: str, node: str) -> str:
        """The name of the store on a node that has a namespace's pods' bucket, their own first; "" if not known."""
        for capability in self._resources.capabilities():
            if capability.metadata.name == node:
                found = {one.namespace: one.name for one in reversed(capability.status.stores) if bucket in one.buckets}
                return found.get(namespace) or found.get("", "")
        return ""


def _split(partner: str) -> tuple[str, str, str]:
    """Node, region and zone of a transfer's other end."""
    prefix = f"{names.EXTERNAL}:"
    if not partner.startswith(prefix):
        return partner, "", ""
    region, _, zone = partner.removeprefix(prefix).partition("/")
    return names.EXTERNAL, region, zone


def _is_another(pod: core.Pod, bound: str | None, one: crd.Expected) -> bool:
    """Whether a pod is not the producer, but made anew under its name; after a restart, only times can tell."""
    if bound is not None:
        return pod.metadata.uid != bound
    created_s, since_s = units.time_s(pod.metadata.creation_timestamp), units.time_s(one.since)
    return created_s is not None and since_s is not None and created_s > since_s + CLOCK_SKEW_S


def _has_come(one: crd.Expected, copies: Iterable[crd.Replica]) -> bool:
    """Whether one of the copies is the output: it can be had, and was written (else seen) since the pod was bound."""
    since_s = units.time_s(one.since)
    if since_s is None:
        return True  # nothing would ever end it
    written = (units.time_s(copy.last_modified or copy.last_probe_time) for copy in copies if copy.available)
    return any(when_s is not None and when_s >= since_s - CLOCK_SKEW_S for when_s in written)
