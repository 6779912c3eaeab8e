"""What admission requests are answered from: an informer for each kind of object that may say something of a pod.

No request asks the API server. A pod may come before its owner does, though, as the watch that brings the owner is some
milliseconds behind the controller that makes the pod; then the request waits for it, a fifth of a second at most, and
only while that watch is well. Knative is looked for every half minute until it is there, since it may be installed at
any time, or never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from scheduler import errors
from scheduler.api import core, names
from scheduler.kube import client, informer, mishaps
from webhook import facts
from webhook.cluster import kept

log = structlog.get_logger(__name__)

WAIT_S: Final = 0.2
_LOOK_AGAIN_S: Final = 30.0
_RETRY_S: Final = 1.0
_KNATIVE: Final = "/apis/serving.knative.dev/v1"
# On a Deployment's pods; the ReplicaSet is named by the Deployment and this.
_HASH_LABEL: Final = "pod-template-hash"

PATHS: Final[Mapping[str, str]] = {
    "namespace": "/api/v1/namespaces",
    "Deployment": "/apis/apps/v1/deployments",
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "Job": "/apis/batch/v1/jobs",
    "CronJob": "/apis/batch/v1/cronjobs",
    "Knative Service": f"{_KNATIVE}/services",
    "DataObject": f"/apis/{names.API_VERSION}/{names.DATA_OBJECTS}",
}
# Need not be there.
OPTIONAL: Final = frozenset({"Knative Service"})


class _Pod(msgspec.Struct):
    """What is read of a pod to find what stands above it."""

    metadata: core.ObjectMeta


class _Owner(NamedTuple):
    """Something above a pod that may say something."""

    kind: str
    place: kept.Place


class Known:
    """All that is known of the cluster.

    Args:
        home: Our own namespace, whose DataObjects count for all.
        look_again_s: How often Knative is looked for while it is not there.
    """

    def __init__(
        self,
        api: client.Api,
        home: str,
        *,
        look_again_s: float = _LOOK_AGAIN_S,
        failures: mishaps.Mishaps | None = None,
    ) -> None:
        self._api = api
        self._home = home
        self._look_again_s = look_again_s
        self._readers = kept.Readers()
        self._sizes = kept.Sizes()
        self._kinds = {
            "namespace": kept.Workloads("namespace"),
            "Deployment": kept.Workloads("Deployment", self._readers, above=names.KNATIVE_SERVICE_LABEL),
            "StatefulSet": kept.Workloads("StatefulSet", self._readers),
            "Job": kept.Workloads("Job", self._readers, above="CronJob"),
            "CronJob": kept.Workloads("CronJob", self._readers),
            "Knative Service": kept.Workloads("Knative Service", self._readers),
        }
        self._informers: dict[str, informer.Informer[Any]] = {
            kind: informer.Informer(api, PATHS[kind], kept.Object, objects, metadata_only=True, failures=failures)
            for kind, objects in self._kinds.items()
        }
        self._informers["DataObject"] = informer.Informer(
            api, PATHS["DataObject"], kept.DataObject, self._sizes, failures=failures
        )
        self._has_knative: bool | None = None

    async def run(self) -> None:
        """Follow the cluster until cancelled."""
        async with asyncio.TaskGroup() as group:
            for kind, following in self._informers.items():
                if kind == "Knative Service":
                    group.create_task(self._follow_knative(following))
                else:
                    group.create_task(following.run())

    def missing(self) -> list[str]:
        """The kinds of which no full list was had yet."""
        return [
            kind
            for kind, following in self._informers.items()
            if not following.synced.is_set() and not (kind == "Knative Service" and self._has_knative is False)
        ]

    def counts(self) -> dict[str, tuple[int, bool]]:
        """How many objects of each kind are known, and whether the kind is being followed now."""
        counted: dict[str, kept.Workloads | kept.Sizes] = {**self._kinds, "DataObject": self._sizes}
        return {kind: (len(objects), self._informers[kind].is_following) for kind, objects in counted.items()}

    async def sources(self, pod: Mapping[str, Any]) -> tuple[facts.Source, ...]:
        """What stands above a pod and says something, nearest first: Knative Service, owners, namespace.

        Raises:
            InputError: it is no pod.
        """
        metadata = _metadata(pod)
        until_s = asyncio.get_running_loop().time() + WAIT_S
        found = []
        for owner in [*_above(metadata), _Owner("namespace", ("", metadata.namespace))]:
            found.append(owner)
            workload = await self._find(owner, until_s)
            if owner.kind == "Job" and workload is not None and workload.above:
                found.append(_Owner("CronJob", (metadata.namespace, workload.above)))
                await self._find(found[-1], until_s)
        said = (self._kinds[owner.kind].source(owner.place) for owner in found)
        return tuple(source for source in said if source is not None)

    def size_of(self, namespace: str) -> facts.SizeOf:
        """Sizes as a pod of this namespace sees them: by its own DataObjects first, then by ours."""

        def look_up(urn: str) -> int | None:
            # Of 0 bytes is what stores of the namespace no longer hold: then theirs counts that speak for everybody.
            return self._sizes.of(namespace, urn) or self._sizes.of(self._home, urn)

        return look_up

    def readers_of(self, bucket: str) -> list[facts.Consumer]:
        """Who says that it reads what lies in this bucket."""
        return self._readers.of(bucket)

    def consumer_of(self, pod: Mapping[str, Any]) -> facts.Consumer | None:
        """By what name events speak of a pod: its Knative Service's, else that of what stands above all.

        Raises:
            InputError: it is no pod.
        """
        for owner in _above(_metadata(pod)):
            workload = self._kinds[owner.kind].get(owner.place)
            namespace, name = owner.place
            return facts.Consumer(namespace, (workload.above if workload else "") or name)
        return None

    async def _find(self, owner: _Owner, until_s: float) -> kept.Workload | None:
        if not self._informers[owner.kind].is_following:
            return self._kinds[owner.kind].get(owner.place)
        return await self._kinds[owner.kind].find(owner.place, until_s)

    async def _follow_knative(self, following: informer.Informer[Any]) -> None:
        while True:
            if await self._is_served():
                break
            await asyncio.sleep(_RETRY_S if self._has_knative is None else self._look_again_s)
        if self._has_knative is False:
            log.info("Knative is there now")
        self._has_knative = True
        await following.run()

    async def _is_served(self) -> bool:
        try:
            await self._api.get(PATHS["Knative Service"], {"limit": "1"})
        except errors.NotFoundError:
            self._has_knative = False
        except errors.DeniedError:
            return True  # the informer says what is to be done about it
        except errors.ApiError as error:
            log.info("whether Knative is there is not known yet", error=str(error))
        else:
            return True
        return False


def _metadata(pod: Mapping[str, Any]) -> core.ObjectMeta:
    return core.convert({"metadata": pod.get("metadata")}, _Pod, "pod").metadata


def _above(metadata: core.ObjectMeta) -> list[_Owner]:
    """What stands above a pod by what it says itself, nearest first."""
    namespace, found = metadata.namespace, []
    if service := metadata.labels.get(names.KNATIVE_SERVICE_LABEL, ""):
        found.append(_Owner("Knative Service", (namespace, service)))
    owner = next((one for one in metadata.owner_references if one.controller), core.OwnerReference())
    tail = f"-{metadata.labels.get(_HASH_LABEL, '')}"
    group = owner.api_version.partition("/")[0]
    if (group, owner.kind) == ("apps", "ReplicaSet") and len(tail) > 1 and owner.name.endswith(tail):
        found.append(_Owner("Deployment", (namespace, owner.name.removesuffix(tail))))
    elif (group, owner.kind) in {("apps", "StatefulSet"), ("batch", "Job")}:
        found.append(_Owner(owner.kind, (namespace, owner.name)))
    return found
