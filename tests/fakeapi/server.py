"""The HTTP side of the fake server: routing, verbs, discovery, faults."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import pathlib
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import yaml
from aiohttp import web

from localcluster import keeping
from tests.fakeapi import faults, protobuf, selectors, store, watches

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Target:
    """What a path speaks of."""

    kind: store.Kind
    namespace: str
    name: str
    subresource: str


class FakeApi:
    """A running fake server. Tests read and write ``store``, add to ``faults``, and look at what was asked."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.store = store.Store()
        self.faults: list[faults.Fault] = []
        self.requests: list[tuple[str, str]] = []  # (method, path with query), in the order of arrival
        self.bindings: list[tuple[str, str, str, str]] = []  # (namespace, pod, uid, node) that took effect
        self.tokens: set[str] | None = None  # bearer tokens that are let in; None: no authentication
        self.bookmark_s = 0.2
        self.hung = False  # watches stay open and say nothing, not even bookmarks
        self.gone_as_event = False  # a 410 comes in a watch that was opened, rather than as its status
        self.watches: list[watches.Watch] = []
        self.url = ""
        self._tls = tls
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._pages: dict[str, tuple[int, list[Json]]] = {}  # continue token -> (version, what is left)
        self.store.on_change.append(self._notice)

    # -- running -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen; after a stop, on the same port again."""
        app = web.Application(client_max_size=16 * 1024**2)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        # Not a port that the kernel chooses: while the server is stopped, it may give such a port to any client.
        self._port = self._port or keeping.free_port()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls)
        await site.start()
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Be gone: connections are cut, new ones refused."""
        self.drop_watches()
        if self._runner:
            await self._runner.cleanup()

    def kubeconfig(self, directory: pathlib.Path, *, user: Json | None = None, cluster: Json | None = None) -> str:
        """Write a kubeconfig for this server; ``user`` and ``cluster`` are added to its entries."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "tester"}}],
            "clusters": [{"name": "fake", "cluster": {"server": self.url} | (cluster or {})}],
            "users": [{"name": "tester", "user": user or {}}],
        }
        path = directory / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return str(path)

    # -- what tests do to the open watches ---------------------------------------------------------------------------

    def drop_watches(self) -> None:
        """Cut the connections, as a network does."""
        self._order(watches.Ended(abruptly=True))

    def end_watches(self) -> None:
        """End the answers, as a server does after timeoutSeconds."""
        self._order(watches.Ended())

    def send_to_watches(self, data: bytes) -> None:
        """Send bytes of the test's choice."""
        self._order(data)

    def _order(self, what: bytes | watches.Ended) -> None:
        for watch in self.watches:
            watch.order(what)

    def _notice(self) -> None:
        for watch in self.watches:
            watch.notice()

    # -- requests ----------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        await request.read()  # at once: what has arrived takes effect, even if the client does not wait for it
        self.requests.append((request.method, request.path_qs))
        fault = next((fault for fault in self.faults if fault.take(request.method, request.path_qs)), None)
        if fault and fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault and fault.drop == "before":
            return _cut(request)
        if fault and fault.status:
            body = _refusal(request, fault.status, fault.reason, fault.message).body
            return web.Response(
                status=fault.status, body=body if fault.body is None else fault.body, headers=fault.headers
            )
        try:
            self._authenticate(request)
            answer = await self._answer(request)
        except store.Refused as error:
            answer = _refusal(request, error.code, error.reason, error.message)
        return _cut(request) if fault and fault.drop == "after" else answer

    def _authenticate(self, request: web.Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if self.tokens is not None and (scheme != "Bearer" or token not in self.tokens):
            raise store.Refused(401, "Unauthorized", "Unauthorized")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        target = _target(request.path)
        if target is None:
            return _json(_discovery(request.path))
        if request.method == "GET" and not target.name:
            if request.query.get("watch") in {"1", "true"}:
                return await self._watch(request, target)
            return self._list(request, target)
        return self._object(request, target, await request.read())

    def _object(self, request: web.Request, target: Target, data: bytes) -> web.Response:
        plural, place = target.kind.plural, (target.name, target.namespace)
        body: Json = {}
        if request.content_type == protobuf.MEDIA_TYPE:
            body = protobuf.decode(data)
        elif data:
            body = msgspec.json.decode(data)
        if request.method == "GET":
            return _json(self.store.get(plural, *place))
        if request.method == "DELETE":
            return _json(self.store.delete(plural, *place, uid=body.get("preconditions", {}).get("uid", "")))
        if request.method == "POST" and target.subresource == "binding":
            self.store.bind(target.namespace, target.name, body)
            self.bindings.append(
                (target.namespace, target.name, body["metadata"].get("uid", ""), body["target"]["name"])
            )
            return _json(watches.status(201, "", ""), 201)
        if request.method == "POST" and not target.name:
            if target.kind.namespaced:
                self.store.get("namespaces", target.namespace)
                body.setdefault("metadata", {})["namespace"] = target.namespace
            if plural == "events":
                _validate_event(body)
            return _json(self.store.create(plural, body), 201)
        if request.method == "PUT":
            return _json(self.store.replace(plural, self._half(target, body, whole=True)))
        if request.method == "PATCH":
            return self._patch(request, target, self._half(target, body, whole=False))
        raise store.Refused(405, "MethodNotAllowed", f"{request.method} {request.path}")

    def _patch(self, request: web.Request, target: Target, body: Json) -> web.Response:
        plural, place = target.kind.plural, (target.name, target.namespace)
        if request.content_type == "application/apply-patch+yaml":
            body = _owned(body, request.query.get("fieldManager", ""))
            try:
                self.store.get(plural, *place)
            except store.Refused:
                meta = body.setdefault("metadata", {}) | {"name": target.name, "namespace": target.namespace}
                return _json(self.store.create(plural, body | {"metadata": meta}), 201)
        elif request.content_type not in {"application/merge-patch+json", "application/strategic-merge-patch+json"}:
            raise store.Refused(415, "UnsupportedMediaType", request.content_type)
        strategic = request.content_type != "application/merge-patch+json"
        return _json(self.store.patch(plural, target.name, body, target.namespace, strategic=strategic))

    def _half(self, target: Target, body: Json, *, whole: bool) -> Json:
        """Keep of a body what this endpoint may write: the status alone, or everything but it."""
        if not target.kind.status:
            return body
        if target.subresource == "status":
            return (self.store.get(target.kind.plural, target.name, target.namespace) if whole else {}) | {
                key: body[key] for key in ("status",) if key in body
            }
        rest = {key: value for key, value in body.items() if key != "status"}
        if whole:
            before = self.store.get(target.kind.plural, target.name, target.namespace)
            rest |= {key: before[key] for key in ("status",) if key in before}
        return rest

    def _list(self, request: web.Request, target: Target) -> web.Response:
        token = request.query.get("continue", "")
        if token:
            version, items = self._pages.pop(token, (0, []))
            if version < self.store.floor:
                raise store.Refused(410, "Expired", "The provided continue parameter is too old")
        else:
            matches = _selector(request)
            version = self.store.version
            items = [obj for obj in self.store.all(target.kind.plural, target.namespace) if matches(obj)]
        limit = int(request.query.get("limit", 0)) or len(items)
        meta: Json = {"resourceVersion": str(version)}
        if items[limit:]:
            meta["continue"] = secrets.token_hex(8)
            self._pages[meta["continue"]] = (version, items[limit:])
        kind = {"apiVersion": target.kind.api_version, "kind": f"{target.kind.kind}List"}
        # As in a real list, the items do not repeat their kind.
        bare = [{key: value for key, value in obj.items() if key not in kind} for obj in items[:limit]]
        return _json(kind | {"metadata": meta, "items": bare})

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        version = int(request.query.get("resourceVersion") or 0)
        if version < self.store.floor and not self.gone_as_event:
            raise store.Refused(410, "Expired", f"too old resource version: {version} ({self.store.floor})")
        watch = watches.Watch(
            self.store,
            target.kind,
            matches=_selector(request),
            version=version,
            bookmarks=request.query.get("allowWatchBookmarks") in {"1", "true"},
        )
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self.watches.append(watch)
        try:
            await watch.serve(response, bookmark_s=self.bookmark_s, hung=lambda: self.hung)
        except watches.Ended as end:
            if end.abruptly:
                _cut(request)
        except ConnectionError:
            pass  # the client went away
        finally:
            self.watches.remove(watch)
        return response


@contextlib.asynccontextmanager
async def running(tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeApi]:
    """Run a fake server on a loopback port of its own."""
    fake = FakeApi(tls)
    await fake.start()
    try:
        yield fake
    finally:
        await fake.stop()


async def until(condition: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait for what is bound to happen; on a busy machine it may take its time."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another program's state
            await asyncio.sleep(0.005)


def _owned(body: Json, manager: str) -> Json:
    """An applied body that notes who applied its labels: as much of server-side apply as anybody here looks at."""
    labels = body.get("metadata", {}).get("labels")
    if labels is None or not manager:
        return body
    fields: Json = {"f:metadata": {"f:labels": {f"f:{key}": {} for key in labels}}}
    entry = {"manager": manager, "operation": "Apply", "fieldsV1": fields}
    return body | {"metadata": body["metadata"] | {"managedFields": [entry]}}


def _selector(request: web.Request) -> Any:
    try:
        return selectors.compile_selector(
            request.query.get("fieldSelector", ""), request.query.get("labelSelector", "")
        )
    except selectors.SelectorError as error:
        raise store.Refused(400, "BadRequest", str(error)) from error


def _target(path: str) -> Target | None:
    """Take a path apart; None for discovery."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, rest = "", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, rest = parts[1], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
        namespace, rest = rest[1], rest[2:]
    kind = store.KINDS.get(rest[0])
    if kind is None or kind.group != group:
        raise store.Refused(404, "NotFound", "the server could not find the requested resource")
    name, subresource = ([*rest[1:], "", ""])[:2]
    return Target(kind, namespace, name, subresource)


def _discovery(path: str) -> Json:
    kinds = store.KINDS.values()
    groups = {kind.group: kind.version for kind in kinds if kind.group}
    if path == "/version":
        return {"major": "1", "minor": "37", "gitVersion": "v1.37.0-fake"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        versions = {
            group: {"groupVersion": f"{group}/{version}", "version": version} for group, version in groups.items()
        }
        listed = [{"name": name, "versions": [found], "preferredVersion": found} for name, found in versions.items()]
        return {"kind": "APIGroupList", "groups": listed}
    resources: list[Json] = []
    for kind in kinds:
        if path in {f"/api/{kind.api_version}", f"/apis/{kind.api_version}"}:
            entry = {
                "name": kind.plural,
                "singularName": kind.kind.lower(),
                "kind": kind.kind,
                "namespaced": kind.namespaced,
            }
            resources.append(entry | {"verbs": ["create", "delete", "get", "list", "patch", "update", "watch"]})
            resources += [entry | {"name": f"{kind.plural}/status", "verbs": ["get", "patch", "update"]}] * kind.status
    if not resources:
        raise store.Refused(404, "NotFound", "the server could not find the requested resource")
    return {"kind": "APIResourceList", "resources": resources}


def _validate_event(event: Json) -> None:
    """Refuse what events.k8s.io/v1 refuses."""
    required = ("eventTime", "reportingController", "reportingInstance", "action", "reason", "regarding", "type")
    missing = [field for field in required if not event.get(field)]
    if missing:
        raise store.Refused(422, "Invalid", f"{', '.join(missing)}: Required value")
    if len(event.get("note", "").encode()) > 1024:
        raise store.Refused(422, "Invalid", "note: can have at most 1024 bytes")
    if event.get("series") and event["series"]["count"] < 2:
        raise store.Refused(422, "Invalid", "series.count: should be at least 2")


def _json(body: Json, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


def _refusal(request: web.Request, status: int, reason: str, message: str) -> web.Response:
    """A failure in the encoding that was asked for first, as the API server answers."""
    if not request.headers.get("Accept", "").startswith(protobuf.MEDIA_TYPE):
        return _json(watches.status(status, reason, message), status)
    body = protobuf.status(status, reason, message)
    return web.Response(status=status, body=body, content_type=protobuf.MEDIA_TYPE)


def _cut(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()
