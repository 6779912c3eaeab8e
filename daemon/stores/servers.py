"""Which server stands behind a Service on this node: on which of the Service's ports it speaks S3, and where it is.

A Service spreads its clients over all of its pods, so its address leads to any node's server. What lies on this node
is what the pod on this node says, so that one is asked: at the pod's own address, on the port that the Service's port
leads to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from scheduler.api import core, storage

MINIO_PORT: Final = 9000

# What port names are made of, as MinIO's chart and operator, Bitnami's chart and others write them: http-minio, s3-api.
_API_WORDS: Final = frozenset({"api", "s3", "minio"})
_OTHER_WORDS: Final = frozenset({"console", "metrics", "ui", "webui", "dashboard", "admin"})
# Among several of a Service that says itself that it is a store, the surest first.
_BY_NAME: Final = ("api", "s3", "https-api", "http-api")
_PLAIN: Final = ("https", "http")


def api_port(ports: Iterable[storage.ServicePort], pod: core.Pod) -> storage.ServicePort | None:
    """The port that by its name or number stands for the S3 API, None where none does.

    ``http`` may be anything: the console of MinIO's chart has a Service of its own, with that name and the same labels.
    """
    found = [port for port in ports if _is_api(port, pod)]
    return min(found, key=_rank, default=None)


def likely_port(ports: Sequence[storage.ServicePort], pod: core.Pod) -> storage.ServicePort:
    """The port of a Service that says that it is a store: as ``api_port``, else the likeliest."""
    port = api_port(ports, pod)
    if port is not None:
        return port
    others = [port for port in ports if not _OTHER_WORDS & _words(port.name)] or list(ports)
    named = {port.name: port for port in reversed(others)}
    return next((named[name] for name in _PLAIN if name in named), others[0])


def is_secure(port: storage.ServicePort) -> bool:
    """Whether TLS is spoken there."""
    return port.name.startswith("https") or port.app_protocol.lower() == "https" or port.port == 443


def target(port: storage.ServicePort, pod: core.Pod) -> int:
    """The pod's port that the Service's leads to; 0 where the pod has none of that name."""
    wanted = port.target_port or port.port
    if isinstance(wanted, int):
        return wanted
    if wanted.isdecimal():
        return int(wanted)
    containers = (*pod.spec.containers, *pod.spec.init_containers)
    named = [one.container_port for container in containers for one in container.ports if one.name == wanted]
    return next(iter(named), 0)


def address(pod: core.Pod, port: int) -> str:
    """Where the pod answers on ``port``, as host:port; "" where its address is not known."""
    ip = pod.status.pod_ip
    if not ip:
        return ""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def is_ready(pod: core.Pod) -> bool:
    """Whether the pod takes requests, by its own probes; one that says nothing does, once it has begun to run."""
    said = next((condition.status for condition in pod.status.conditions if condition.type == "Ready"), "")
    return said == "True" if said else pod.status.phase != "Pending"


def _is_api(port: storage.ServicePort, pod: core.Pod) -> bool:
    words = _words(port.name)
    wanted = port.target_port if isinstance(port.target_port, str) else ""
    words_behind = _words(wanted)
    if port.protocol not in {"", "TCP"} or _OTHER_WORDS & (words | words_behind):
        return False
    return bool(_API_WORDS & (words | words_behind)) or (target(port, pod) or port.port) == MINIO_PORT


def _rank(port: storage.ServicePort) -> tuple[int, int, str]:
    by_name = _BY_NAME.index(port.name) if port.name in _BY_NAME else len(_BY_NAME)
    return by_name, not _API_WORDS & _words(port.name), port.name


def _words(name: str) -> frozenset[str]:
    return frozenset(re.split(r"[^a-z0-9]+", name.lower()))
