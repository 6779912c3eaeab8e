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
from scheduler.kube import client, protobuf

ATTEMPTS: Final = 5  # client-go's retry.DefaultRetry
PAUSE_S: Final = 0.01
CHANGED: Final = "Changed"  # the reason of what is not any more as it was decided on
_COLLECTION: Final = "/apis/resource.k8s.io/v1/namespaces/{}/resourceclaims"
_INVALID: Final = 422
# The numbers of fields in the API server's own encoding: of a claim, its metadata and its status.
_METADATA, _STATUS, _FINALIZERS, _RESERVED_FOR = 1, 3, 14, 2
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
        path, place = _path(command.namespace, one.name), f"{command.namespace}/{one.name}"
        consumer = devices.Consumer(resource="pods", name=command.name, uid=command.uid)
        version, users = one.version, one.users
        for attempt in range(ATTEMPTS):
            try:
                if one.allocation is not None or attempt:
                    now = _usable(await self._look(path, one), one, place)
                    version, users = now.metadata.resource_version, now.status.reserved_for
                await self._write(path, one, version, (*users, consumer))
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

    async def _look(self, path: str, one: commands.Used) -> _Claim:
        """A claim as it is now, with our finalizer where it is given something."""
        if one.allocation is None:
            return core.decode(await self._api.get(path), _Claim, path)
        body = _encode({"metadata": {"uid": one.uid, "finalizers": [devices.FINALIZER]}})
        try:
            data = await self._api.patch(path, body, client.STRATEGIC_PATCH)
        except errors.ApiError as error:
            if error.status != _INVALID:
                raise
            await self._append(path, path, protobuf.message(_METADATA, protobuf.text(_FINALIZERS, devices.FINALIZER)))
            data = await self._api.get(path)
        return core.decode(data, _Claim, path)

    async def _write(self, path: str, one: commands.Used, version: str, users: tuple[devices.Consumer, ...]) -> None:
        """The status: what is given, and who uses it."""
        status: dict[str, object] = {"reservedFor": users}
        if one.allocation is not None:
            stamp = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
            status["allocation"] = msgspec.structs.replace(one.allocation, allocation_timestamp=stamp)
        body = _encode({"metadata": {"uid": one.uid, "resourceVersion": version}, "status": status})
        try:
            await self._api.patch(f"{path}/status", body)
        except errors.ApiError as error:
            if error.status != _INVALID or one.allocation is not None:
                raise
            user = users[-1]
            piece = protobuf.message(
                _RESERVED_FOR, protobuf.text(3, user.resource), protobuf.text(4, user.name), protobuf.text(5, user.uid)
            )
            await self._append(path, f"{path}/status", protobuf.message(_STATUS, piece))

    async def _append(self, path: str, to: str, piece: bytes) -> None:
        """Add to a claim and leave all else of it as it is, to the byte.

        Parameters of drivers are kept as they came, and may not be changed. JSON has them in an order and with spaces
        of its own, so that the server refuses claims whose parameters were written otherwise. In its own encoding what
        comes twice of a field of one value is merged.
        """
        now = protobuf.contents(await self._api.get(path, accept=protobuf.MEDIA_TYPE))
        body = protobuf.obj("resource.k8s.io/v1", "ResourceClaim", now, piece)
        await self._api.put(to, body, content_type=protobuf.MEDIA_TYPE)


def _usable(now: _Claim, one: commands.Used, place: str) -> _Claim:
    """The claim, if it still is what was decided on.

    Raises:
        ApiError: it is not.
    """
    problem = ""
    if now.metadata.deletion_timestamp:
        problem = f"claim {place} got deleted in the meantime"
    elif one.allocation is not None and now.status.allocation is not None:
        problem = f"claim {place} got allocated elsewhere in the meantime"
    elif one.allocation is None and now.status.allocation is None:
        problem = f"claim {place} got deallocated elsewhere in the meantime"
    if problem:
        raise errors.ApiError(0, CHANGED, problem)
    return now


def _path(namespace: str, name: str) -> str:
    return f"{_COLLECTION.format(_quote(namespace))}/{_quote(name)}"


def _quote(part: str) -> str:
    return urllib.parse.quote(part, safe="")
