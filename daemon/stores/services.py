"""What a store is, and which S3 stores this node serves as Services say it, together with the node's pods.

A store is a Service that stands before at least one pod of this node, and that says it is a store: by the annotation
``scheduler.thesis/storage-service: "true"``, or, without that annotation, by selecting pods that bear one of the
labels ``app`` that MinIO deployments of the earlier implementation carry. ``"false"`` opts out.

Where it answers: the annotation ``scheduler.thesis/storage-endpoint`` (a store outside the cluster network, or behind
another name), else the Service's own address and API port. A cluster address is preferred for plain HTTP, because it
needs no DNS; the DNS name is used for HTTPS, because certificates carry names, and for a headless Service, which has
no address. Who may read it: the Secret that ``scheduler.thesis/storage-secret`` names, in the Service's own namespace
(so nobody can borrow another namespace's credentials), with the keys ``accessKey`` and ``secretKey``; without the
annotation the store is asked anonymously. Which CAs vouch for it: ``ca.crt`` in the ConfigMap that
``scheduler.thesis/storage-ca`` names (``secret/NAME`` for a Secret), likewise of that namespace.

``scheduler.thesis/storage-role: gateway`` (or ``distributed``) says that the pod's node hands out data that does not
lie there, or not wholly; ``scheduler.thesis/storage-region`` is the region that requests are signed for.

Stores that no Service announces are found by daemon.stores.discovery.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Final

from daemon.stores import model
from scheduler import errors
from scheduler.api import core, names, storage

APP_LABEL: Final = "app"
STORE_APPS: Final = frozenset(
    {"minio", "minio-edge", "minio-central"}
)  # labels in the earlier implementation's manifests

# What may be written as a store's role, and what it makes of a replica (see the CRD).
ROLES: Final = {"store": "Stores", "gateway": "Serves", "distributed": "Serves"}

# Port names that stand for the S3 API, the surest first; a MinIO Service often has a "console" port beside it.
_API_PORTS: Final = ("api", "s3", "https-api", "http-api", "https", "http", "minio")
_MINIO_PORT: Final = 9000
_FINISHED: Final = frozenset({"Succeeded", "Failed"})


def discover(services: Iterable[storage.Service], pods: Iterable[core.Pod]) -> tuple[model.Store, ...]:
    """The stores that ``pods`` (this node's) serve, in the order of their names."""
    running = [pod for pod in pods if pod.status.phase not in _FINISHED]
    found = [_store(service) for service in services if any(serves(pod, service) for pod in running)]
    return tuple(sorted(found, key=lambda store: store.name))


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
    return labels.get(APP_LABEL) in STORE_APPS


def _store(service: storage.Service) -> model.Store:
    annotations = service.metadata.annotations
    endpoint = problem = ""
    role, ca = "Stores", None
    try:
        endpoint = _endpoint(service)
        role = _role(annotations)
        ca = _bundle(annotations, service.metadata.namespace)
    except errors.InputError as error:
        problem = str(error)
    return model.Store(
        namespace=service.metadata.namespace,
        service=service.metadata.name,
        service_uid=service.metadata.uid,
        endpoint=endpoint,
        secret=annotations.get(names.STORAGE_SECRET, "").strip(),
        problem=problem,
        ca=ca,
        region=annotations.get(names.STORAGE_REGION, "").strip(),
        role=role,
    )


def _role(annotations: Mapping[str, str]) -> str:
    written = annotations.get(names.STORAGE_ROLE, "store").strip().lower()
    if written not in ROLES:
        raise errors.InputError(names.STORAGE_ROLE, written, f"write {', '.join(ROLES)}, or leave it out")
    return ROLES[written]


def _bundle(annotations: Mapping[str, str], namespace: str) -> model.Bundle | None:
    written = annotations.get(names.STORAGE_CA, "").strip()
    if not written:
        return None
    kind, slash, name = written.rpartition("/")
    if not name or (slash and kind not in {"configmap", "secret"}):
        remedy = "write the name of a ConfigMap with the key ca.crt in this namespace, or secret/NAME"
        raise errors.InputError(names.STORAGE_CA, written, remedy)
    return model.Bundle("Secret" if kind == "secret" else "ConfigMap", namespace, name)


def _endpoint(service: storage.Service) -> str:
    written = service.metadata.annotations.get(names.STORAGE_ENDPOINT)
    if written is not None:
        return parse_endpoint(written)
    if not service.spec.ports:
        raise errors.InputError("spec.ports", "", f"no port: add one, or the annotation {names.STORAGE_ENDPOINT}")
    port = _api_port(service.spec.ports)
    secure = port.name.startswith("https") or port.app_protocol.lower() == "https" or port.port == 443
    address = service.spec.cluster_ip
    if secure or address in {"", "None"}:
        host = f"{service.metadata.name}.{service.metadata.namespace}.svc"
    else:
        host = f"[{address}]" if ":" in address else address
    return f"{'https' if secure else 'http'}://{host}:{port.port}"


def _api_port(ports: tuple[storage.ServicePort, ...]) -> storage.ServicePort:
    for name in _API_PORTS:
        for port in ports:
            if port.name == name:
                return port
    return next((port for port in ports if port.port == _MINIO_PORT), ports[0])


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
    if parts.scheme not in {"http", "https"} or not host:
        raise errors.InputError(where, text, "not a URL of a store; write http://HOST:PORT or https://HOST:PORT")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise errors.InputError(where, text, "an S3 endpoint has no path; write http://HOST:PORT or https://HOST:PORT")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{port or (443 if parts.scheme == 'https' else 80)}"


def _without_user(text: str) -> str:
    return f"...@{text.rsplit('@', 1)[1]}" if "@" in text else text
