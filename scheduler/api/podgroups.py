"""Pods that are to be placed together, as typed structs like those of core: scheduling.k8s.io/v1beta1.

Kubernetes has them since 1.37, and there they are off by default (the feature gate GenericWorkload).
"""

from __future__ import annotations

from typing import Any

import msgspec

from scheduler.api import core


class _Object(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, gc=False):
    """Base of the parts here, with the habits of core's."""


class Gang(_Object, frozen=True):
    """All or none: at least so many pods at the same time."""

    min_count: int = 1


class Policy(_Object, frozen=True):
    """How the pods of a group are placed: each for itself (``basic``), or together."""

    basic: dict[str, Any] | None = None
    gang: Gang | None = None


class PodGroupSpec(_Object, frozen=True):
    """What is wanted of a group. What is read only to refuse it stays as given."""

    scheduling_policy: Policy = Policy()
    scheduling_constraints: dict[str, Any] | None = None
    parent_composite_pod_group_name: str | None = None


class PodGroup(_Object, frozen=True):
    """A group of pods, which name it in ``spec.schedulingGroup``."""

    metadata: core.ObjectMeta = core.ObjectMeta()
    spec: PodGroupSpec = PodGroupSpec()
