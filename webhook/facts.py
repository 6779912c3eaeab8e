"""What the webhook knows of a pod beside the pod itself, in the form in which the pure functions take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

SizeOf = Callable[[str], int | None]
"""The size in bytes of exactly this urn for a pod's namespace, None where none is known."""


class Source(msgspec.Struct, frozen=True):
    """Something whose annotations hold for a pod where nothing nearer to the pod says otherwise.

    Events are one too: what they said stands in the annotation ``knative.event-data``.
    """

    title: str
    """What it is, for people: "Knative Service default/fmask", "namespace default"."""

    annotations: Mapping[str, str]


class Consumer(msgspec.Struct, frozen=True):
    """Whose pods read what events tell of: a Knative Service, or the workload that stands above a pod."""

    namespace: str
    name: str
