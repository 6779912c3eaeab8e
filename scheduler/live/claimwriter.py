"""Writes what claims to devices are given and who uses them, as kube-scheduler does before it binds a pod.

A claim gets its finalizer, then in one write of its status what it is given and the pod that uses it. Whoever was first
prevails: where a claim has changed meanwhile it is read again, and where it has been given something else, or is being
deleted, that is the end of it. For extended resources a claim is made first, and the pod's status names it then.

Source: dynamicresources.go (bindClaim, Unreserve), extendeddynamicresources.go (createExtendedResourceClaimInAPI,
patchPodExtendedResourceClaimStatus, deleteClaim).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import urllib.parse
from collections.abc import Callable
from typing import Final

import msgspec

from scheduler import errors
from scheduler.api import core, devices
from scheduler.kernel import commands
from scheduler.kube import client

ATTEMPTS: Final = 5  # client-go's retry.DefaultRetry
PAUSE_S: Final = 0.01
CHANGED: Final = "Changed"  # the reason of what is not any more as it was decided on
_COLLECTION: Final = "/apis/resource.k8s.io/v1/namespaces/{}/resourceclaims"
_encode = msgspec.json.encode


class _Claim(msgspec.Struct, frozen=True):
    """What matters of a claim as it is now."""

    metadata: core.ObjectMeta
    status: devices.ClaimStatus = devices.ClaimStatus()


class ClaimWriter:
    """See the module.

    Args:
        now: The time of day.
    """

    def __init__(self, api: client.Api, now: Callable[[], datetime.datetime]) -> None:
        self._api = api
        self._now = now

    async def use(self, command: commands.Reserve, one: commands.Used) -> None:
        """Make a claim the pod's, with what it is given.

        Raises:
            ApiError: it could not be written, or is not any more what was decided on.
        """
        path, version = _path(command.namespace, one.name), one.version
        for attempt in range(ATTEMPTS):
            try:
                if one.allocation is not None or attempt:
                    version = await self._look(path, one, f"{command.namespace}/{one.name}")
                await self._write(path, one, version, command)
            except errors.ConflictError:
                if attempt + 1 == ATTEMPTS:
                    raise
                await asyncio.sleep(PAUSE_S)
            else:
                return

    async def extend(self, command: commands.Reserve, what: commands.Extended) -> commands.Used:
        """Make the claim for a pod's extended resources, which is then to be used.

        Raises:
            ApiError: it could not be made.
        """
        owner = {"apiVersion": "v1", "kind": "Pod", "name": command.name, "uid": command.uid, "controller": True}
        meta = {
            "generateName": what.generate_name,
            "namespace": command.namespace,
            "ownerReferences": [owner],
            "annotations": {devices.FOR_EXTENDED_RESOURCES: "true"},
        }
        kind = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim"}
        body = {**kind, "metadata": meta, "spec": {"devices": {"requests": what.requests}}}
        path = _COLLECTION.format(_quote(command.namespace))
        made = core.decode(await self._api.post(path, _encode(body)), _Claim, path).metadata
        return commands.Used(made.name, made.uid, made.resource_version, what.allocation)

    async def tell(self, command: commands.Reserve, what: commands.Extended, name: str) -> None:
        """Have the pod's status name the claim that was made for its extended resources.

        Raises:
            ApiError: it could not be written.
        """
        mappings = [
            {"containerName": container, "resourceName": resource, "requestName": request}
            for container, resource, request in what.mappings
        ]
        told = {"requestMappings": mappings, "resourceClaimName": name}
        body = {"metadata": {"uid": command.uid}, "status": {"extendedResourceClaimStatus": told}}
        path = f"/api/v1/namespaces/{_quote(command.namespace)}/pods/{_quote(command.name)}/status"
        await self._api.patch(path, _encode(body), client.STRATEGIC_PATCH)

    async def release(self, command: commands.Release) -> None:
        """The pod uses no claim any more, and the one that was made for it goes.

        Raises:
            ApiError: not all of it could be written.
        """
        gone = {"reservedFor": [{"$patch": "delete", "uid": command.uid}]}
        for name, uid in command.held.used:
            body = _encode({"metadata": {"uid": uid}, "status": gone})
            await self._api.patch(f"{_path(command.namespace, name)}/status", body, client.STRATEGIC_PATCH)
        if command.held.made:
            path = _path(command.namespace, command.held.made)
            body = _encode({"metadata": {"$deleteFromPrimitiveList/finalizers": [devices.FINALIZER]}})
            with contextlib.suppress(errors.NotFoundError):
                await self._api.patch(path, body, client.STRATEGIC_PATCH)
                await self._api.delete(path)

    async def deallocate(self, command: commands.Deallocate) -> None:
        """A claim has nothing any more, and nobody uses it.

        Raises:
            ApiError: it could not be written, or has changed meanwhile.
        """
        nothing = {"allocation": None, "reservedFor": None, "devices": None}
        body = {"metadata": {"resourceVersion": command.version}, "status": nothing}
        await self._api.patch(f"{_path(command.namespace, command.name)}/status", _encode(body))

    async def _look(self, path: str, one: commands.Used, place: str) -> str:
        """The version of a claim now, with our finalizer where it is given something."""
        if one.allocation is not None:
            body = _encode({"metadata": {"uid": one.uid, "finalizers": [devices.FINALIZER]}})
            data = await self._api.patch(path, body, client.STRATEGIC_PATCH)
        else:
            data = await self._api.get(path)
        now = core.decode(data, _Claim, path)
        problem = ""
        if now.metadata.deletion_timestamp:
            problem = f"claim {place} got deleted in the meantime"
        elif one.allocation is not None and now.status.allocation is not None:
            problem = f"claim {place} got allocated elsewhere in the meantime"
        elif one.allocation is None and now.status.allocation is None:
            problem = f"claim {place} got deallocated elsewhere in the meantime"
        if problem:
            raise errors.ApiError(0, CHANGED, problem)
        return now.metadata.resource_version

    async def _write(self, path: str, one: commands.Used, version: str, command: commands.Reserve) -> None:
        """The status: what is given, and the pod among those that use it."""
        consumer = {"resource": "pods", "name": command.name, "uid": command.uid}
        status: dict[str, object] = {"reservedFor": [consumer]}
        if one.allocation is not None:
            stamp = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
            status["allocation"] = msgspec.structs.replace(one.allocation, allocation_timestamp=stamp)
        body = {"metadata": {"uid": one.uid, "resourceVersion": version}, "status": status}
        await self._api.patch(f"{path}/status", _encode(body), client.STRATEGIC_PATCH)


def _path(namespace: str, name: str) -> str:
    return f"{_COLLECTION.format(_quote(namespace))}/{_quote(name)}"


def _quote(part: str) -> str:
    return urllib.parse.quote(part, safe="")
