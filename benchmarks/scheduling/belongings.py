"""What some kinds of work need in their cluster: pods that are in the way, volumes, devices, and claims to them.

A claim of one pod can be had again by a pod of the next turn, which is named alike: volumes stay as they are, devices
are given back. So the turns of such a kind share a namespace, and 5,000 claims and volumes are made once.
"""

from __future__ import annotations

from typing import Final

from benchmarks.scheduling import api, claims, storage, work

NAMESPACE: Final = "turns"
LOW_NAMESPACE: Final = "low"
_CORE: Final = "/api/v1"
_STORAGE: Final = "/apis/storage.k8s.io/v1"
_RESOURCE: Final = "/apis/resource.k8s.io/v1"
_LOW: Final = f"{_CORE}/namespaces/{LOW_NAMESPACE}"
_CLAIMS: Final = f"{_RESOURCE}/namespaces/{NAMESPACE}/resourceclaims"


class Belongings:
    """Those of one cluster, whose pods are of one kind."""

    def __init__(self, client: api.Api, kind: work.Kind, nodes: int) -> None:
        self._client = client
        self._kind = kind
        self._nodes = nodes
        self._claims = 0

    @property
    def namespaces(self) -> list[str]:
        """Those that have to be made."""
        kept = [NAMESPACE] if self._kind.keeps_namespace else []
        return [*kept, LOW_NAMESPACE] if self._kind.low else kept

    async def fill(self) -> None:
        """Make what is there from the beginning."""
        create, names = self._client.create_all, [work.node_name(number) for number in range(self._nodes)]
        if self._kind.low:
            await create("/apis/scheduling.k8s.io/v1/priorityclasses", [work.priority_class()])
        if self._kind.volumes:
            await create(f"{_STORAGE}/csidrivers", [storage.driver()])
            await create(f"{_STORAGE}/csinodes", map(storage.csi_node, names))
        if self._kind.devices:
            await create(f"{_RESOURCE}/deviceclasses", [claims.device_class()])
            await create(f"{_RESOURCE}/resourceslices", map(claims.resource_slice, names))

    async def restore(self, pods: int) -> None:
        """Have all as so many pods of the next turn are to find it."""
        if self._kind.low:
            await self._restore_low()
        more = range(self._claims, pods)
        self._claims = max(self._claims, pods)
        if self._kind.volumes:
            await self._client.create_all(
                f"{_CORE}/persistentvolumes", (storage.volume(number, NAMESPACE) for number in more)
            )
            await self._client.create_all(
                f"{_CORE}/namespaces/{NAMESPACE}/persistentvolumeclaims",
                (storage.bound_claim(number, NAMESPACE) for number in more),
            )
        if self._kind.devices:
            await self._release()
            await self._client.create_all(_CLAIMS, (claims.claim(number, NAMESPACE) for number in more))

    async def _restore_low(self) -> None:
        """Those that were evicted come again where they were."""
        await self._client.request("DELETE", f"{_LOW}/events")
        there = await self._client.names(f"{_LOW}/pods")
        gone = (pod for pod in work.low_pods(self._nodes) if pod["metadata"]["name"] not in there)
        await self._client.create_all(f"{_LOW}/pods", gone)

    async def _release(self) -> None:
        """Give back the devices of pods that are gone, as the controller of claims would."""
        listed = await self._client.request("GET", _CLAIMS)
        held = (item for item in listed["items"] if item.get("status"))
        await self._client.send_all(
            "PUT", ((f"{_CLAIMS}/{item['metadata']['name']}/status", item | {"status": {}}) for item in held)
        )
