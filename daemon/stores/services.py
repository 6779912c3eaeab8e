"""What a store is, and which S3 stores this node serves as Services say it, together with the node's pods.

A store is a Service that stands before at least one pod of this node, and that says it is a store: by the annotation
``scheduler.thesis/storage-service: "true"``, or, without that annotation, by selecting pods that bear one of the
labels ``app`` that MinIO deployments of the earlier implementation carry, on a port that stands for the S3 API (the
console's Service selects the same pods). ``"false"`` opts out. Several Services of one server are one store: one that
says that it is a store goes before one that does not, then one that names an endpoint or a Secret, then the name.

Where it answers: the annotation ``scheduler.thesis/storage-endpoint`` (a store outside the cluster network, or behind
another name), else the Service's own address and API port. A cluster address is preferred for plain HTTP, because it
needs no DNS; the DNS name is used for HTTPS, because certificates carry names, and for a headless Service, which has
no address. That is where pods find it; the daemon itself asks the pod on its own node (see servers), unless the store
is one system of which any server tells the same (``storage-role``). Who may read it: the Secret that
``scheduler.thesis/storage-secret`` names, in the Service's own namespace (so nobody can borrow another namespace's
credentials; daemon.stores.credentials says which keys); without the annotation the store is asked anonymously. Which
CAs vouch for it: ``ca.crt`` in the ConfigMap that ``scheduler.thesis/storage-ca`` names (``secret/NAME`` for a Secret),
likewise of that namespace.

``scheduler.thesis/storage-role: gateway`` (or ``distributed``) says that the pod's node hands out data that does not
lie there, or not wholly; ``scheduler.thesis/storage-region`` is the region that requests are signed for.

A store speaks for its Service's namespace alone, unless that namespace is one of those that speak for everybody.
Stores that no Service announces are found by daemon.stores.discovery.
"""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from daemon.stores import addresses, model, servers
from scheduler import errors
from scheduler.api import core, names, storage

APP_LABEL: Final = "app"
STORE_APPS: Final = frozenset(
    {"minio", "minio-edge", "minio-central"}
)  # labels in the earlier implementation's manifests

# What may be written as a store's role, and what it makes of a replica (see the CRD).
ROLES: Final = {"store": "Stores", "gateway": "Serves", "distributed": "Serves"}

# What goes into paths, headers and statuses: names of objects and hosts, and regions.
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?\.?")
_REGION: Final = re.compile(r"[A-Za-z0-9._-]{0,63}")
_FINISHED: Final = frozenset({"Succeeded", "Failed"})
_GUARD: Final = addresses.Guard()

_Announced = tuple[storage.Service, core.Pod]


def discover(
    services: Iterable[storage.Service],
    pods: Iterable[core.Pod],
    *,
    everybodys: Collection[str] = (),
    guard: addresses.Guard = _GUARD,
) -> tuple[model.Store, ...]:
    """The stores that ``pods`` (this node's) serve, in the order of their names.

    Args:
        everybodys: The namespaces whose stores speak for everybody.
        guard: What the Services of other namespaces may not have the daemon ask.
    """
    running = [pod for pod in pods if pod.status.phase not in _FINISHED]
    announced = []
    for service in services:
        behind = [pod for pod in running if serves(pod, service)]
        if behind:  # of several the one that can be asked, and always the same
            pod = min(behind, key=lambda pod: (not servers.is_ready(pod), pod.metadata.name))
            announced.append((service, pod))
    stores = [
        _store(service, pod, is_everybodys=service.metadata.namespace in everybodys, guard=guard)
        for service, pod in _of_different_servers(announced)
    ]
    return tuple(sorted(stores, key=lambda store: store.name))


def serves(pod: core.Pod, service: storage.Service) -> bool:
    """Whether ``pod`` stands behind ``service`` and the two make a store."""
    selector = service.spec.selector
    labels = pod.metadata.labels
    if not selector or pod.metadata.namespace != service.metadata.namespace:
        return False
    if any(labels.get(key) != value for key, value in selector.items()):
        return False
    word = service.metadata.annotations.get(names.STORAGE_SERVICE)
    if word is not None:
        return word.strip().lower() == "true"
    return labels.get(APP_LABEL) in STORE_APPS and _api_port(service, pod) is not None


def _of_different_servers(announced: Iterable[_Announced]) -> list[_Announced]:
    """One Service for each server: chart and operator make two for the same pods, with and without an address."""
    kept, taken = [], set()
    for service, pod in sorted(announced, key=_preference):
        annotations = service.metadata.annotations
        port = _api_port(service, pod) or next(iter(service.spec.ports), None)
        server = (pod.key, servers.target(port, pod) if port else 0)
        endpoint = annotations.get(names.STORAGE_ENDPOINT)
        # An endpoint that somebody wrote may be another server's; with another Secret it may show other buckets.
        found = (
            server if endpoint is None else (endpoint, annotations.get(names.STORAGE_SECRET), pod.metadata.namespace)
        )
        if found not in taken:
            kept.append((service, pod))
        taken |= {found, server}
    return kept


def _preference(announced: _Announced) -> tuple[bool, bool, bool, str, str]:
    meta = announced[0].metadata
    wanted = (names.STORAGE_SERVICE, names.STORAGE_ENDPOINT, names.STORAGE_SECRET)
    marked, placed, closed = (annotation not in meta.annotations for annotation in wanted)
    return marked, placed, closed, meta.namespace, meta.name


def _store(service: storage.Service, pod: core.Pod, *, is_everybodys: bool, guard: addresses.Guard) -> model.Store:
    meta, annotations = service.metadata, service.metadata.annotations
    endpoint = address = secret = region = problem = ""
    role, ca = "Stores", None
    try:
        endpoint = _endpoint(service, pod)
        secret = _secret(annotations)
        region = _region(annotations)
        role = _role(annotations)
        ca = _bundle(annotations, meta.namespace)
        if role == "Stores" and names.STORAGE_ENDPOINT not in annotations:
            address = _address(service, pod)
    except errors.InputError as error:
        problem = str(error)
    return model.Store(
        namespace=meta.namespace,
        service=meta.name,
        service_uid=meta.uid,
        endpoint=endpoint,
        secret=secret,
        problem=problem,
        ca=ca,
        region=region,
        role=role,
        speaks_for="" if is_everybodys else meta.namespace,
        address=address,
        tls_name=_dns_name(service) if address else "",
        waits_for="" if servers.is_ready(pod) else f"its pod {pod.key} on this node is not ready",
        guard=None if is_everybodys or address else guard,
    )


def faults(annotations: Mapping[str, str]) -> tuple[errors.InputError, ...]:
    """What cannot be used of what a Service's annotations say of its store, each with what to write instead."""
    found = []
    for read in (_written_endpoint, _secret, _region, _role, _bundle):
        try:
            read(annotations)
        except errors.InputError as error:
            found.append(error)
    return tuple(found)


def _address(service: storage.Service, pod: core.Pod) -> str:
    port = servers.likely_port(service.spec.ports, pod)
    number = servers.target(port, pod)
    if not number:
        remedy = f"no container of pod {pod.metadata.name} has a port of that name"
        raise errors.InputError("spec.ports.targetPort", port.target_port, remedy)
    return servers.address(pod, number)


def _secret(annotations: Mapping[str, str]) -> str:
    written = annotations.get(names.STORAGE_SECRET, "").strip()
    if written and not _NAME.fullmatch(written):
        raise errors.InputError(names.STORAGE_SECRET, written, "write the name of a Secret in this namespace")
    return written


def _region(annotations: Mapping[str, str]) -> str:
    written = annotations.get(names.STORAGE_REGION, "").strip()
    if not _REGION.fullmatch(written):
        raise errors.InputError(
            names.STORAGE_REGION, written, "write a region as the store calls it, such as eu-west-1"
        )
    return written


def _role(annotations: Mapping[str, str]) -> str:
    written = annotations.get(names.STORAGE_ROLE, "store").strip().lower()
    if written not in ROLES:
        raise errors.InputError(names.STORAGE_ROLE, written, f"write {', '.join(ROLES)}, or leave it out")
    return ROLES[written]


def _bundle(annotations: Mapping[str, str], namespace: str = "") -> model.Bundle | None:
    written = annotations.get(names.STORAGE_CA, "").strip()
    if not written:
        return None
    kind, slash, name = written.rpartition("/")
    if not _NAME.fullmatch(name) or (slash and kind not in {"configmap", "secret"}):
        remedy = "write the name of a ConfigMap with the key ca.crt in this namespace, or secret/NAME"
        raise errors.InputError(names.STORAGE_CA, written, remedy)
    return model.Bundle("Secret" if kind == "secret" else "ConfigMap", namespace, name)


def _written_endpoint(annotations: Mapping[str, str]) -> str:
    written = annotations.get(names.STORAGE_ENDPOINT)
    return "" if written is None else parse_endpoint(written)


def _endpoint(service: storage.Service, pod: core.Pod) -> str:
    if written := _written_endpoint(service.metadata.annotations):
        return written
    if not service.spec.ports:
        raise errors.InputError("spec.ports", "", f"no port: add one, or the annotation {names.STORAGE_ENDPOINT}")
    port = servers.likely_port(service.spec.ports, pod)
    address = service.spec.cluster_ip
    if servers.is_secure(port) or address in {"", "None"}:
        host = _dns_name(service)
    else:
        host = f"[{address}]" if ":" in address else address
    return f"{'https' if servers.is_secure(port) else 'http'}://{host}:{port.port}"


def _dns_name(service: storage.Service) -> str:
    return f"{service.metadata.name}.{service.metadata.namespace}.svc"


def _api_port(service: storage.Service, pod: core.Pod) -> storage.ServicePort | None:
    return servers.api_port(service.spec.ports, pod)


def parse_endpoint(text: str) -> str:
    """The endpoint as ``http(s)://host:port``.

    Raises:
        InputError: not such a URL. Credentials in it are refused too, and not repeated in the message.
    """
    where = names.STORAGE_ENDPOINT
    try:
        parts = urllib.parse.urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise errors.InputError(where, _without_user(text), f"{error}; write http://HOST:PORT") from error
    if parts.username is not None or parts.password is not None:
        raise errors.InputError(
            where, _without_user(text), f"credentials do not belong here: name a Secret with {names.STORAGE_SECRET}"
        )
    if parts.scheme not in {"http", "https"} or not host or not _is_host(host):
        raise errors.InputError(where, text, "not a URL of a store; write http://HOST:PORT or https://HOST:PORT")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise errors.InputError(where, text, "an S3 endpoint has no path; write http://HOST:PORT or https://HOST:PORT")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{port or (443 if parts.scheme == 'https' else 80)}"


def _is_host(host: str) -> bool:
    """Whether something is an address, or can be a host's name."""
    if ":" not in host:
        return _HOST.fullmatch(host) is not None
    try:
        return not ipaddress.IPv6Address(host).scope_id
    except ValueError:
        return False


def _without_user(text: str) -> str:
    return f"...@{text.rsplit('@', 1)[1]}" if "@" in text else text
