"""Where nodes pull images from, as far as an operator says it: the ``registries`` of the configuration file."""

from __future__ import annotations

import dataclasses
from typing import Final

from scheduler import sections

_DEFAULT_HOST: Final = "docker.io"


@dataclasses.dataclass(frozen=True)
class Registry:
    """A registry: the host as it stands in images' names, and how it is reached."""

    host: str
    """``host``: as in the name registry.example:5000/app:1; docker.io for names without one."""

    region: str = ""
    """``region``: where it is, by which links to nodes are reckoned; unknown is as far as another region."""

    zone: str = ""
    """``zone``: where in that region."""

    bandwidth_bytes_per_s: float | None = None
    """``bandwidthBytesPerSecond``: at what rate nodes pull from it; without it, at that of the links."""


def read(top: sections.Section) -> tuple[Registry, ...]:
    """The registries that a configuration file names."""
    found: dict[str, Registry] = {}
    for one in top.sections("registries"):
        host = one.text("host", "")
        bandwidth = one.number("bandwidthBytesPerSecond", 0, 1, 1e15) if one.has("bandwidthBytesPerSecond") else None
        registry = Registry(host, one.text_or_empty("region"), one.text_or_empty("zone"), bandwidth or None)
        one.finish()
        if not host:
            one.report("host", "missing; write the registry's host, such as docker.io")
        elif host in found:
            one.report("host", "given twice; keep one")
        found[host] = registry
    return tuple(found.values())


def host_of(reference: str) -> str:
    """The host in an image's name, by the rule of docker's reference grammar."""
    first, slash, _ = reference.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else _DEFAULT_HOST
