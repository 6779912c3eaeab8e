"""The only file of the webhook that knows Kopf: admission requests become calls of the pure functions.

A handler that raises denies the request, so nothing but a refusal that was asked for leaves one. None has side effects:
a dry run gets the same answer.

The check of each kind is a handler of its own (``check-pods``), for configurations that Kopf writes: a path there is a
handler's name. One handler for all kinds would make Kopf scan all APIs when it starts, and one aggregated API that is
down would keep the webhook from starting. Kopf watches nothing here, so that none of its watches can end the process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import kopf
import structlog

from scheduler import errors
from scheduler.kube import client, kopfsettings
from webhook import metrics
from webhook.admission import enrich, server, validate
from webhook.cluster import known
from webhook.events import ledger

log = structlog.get_logger(__name__)

MANAGED_NAME: Final = "data-locality.scheduler.thesis"
# On what a kubelet shows of a pod that it got from a file.
_MIRROR: Final = "kubernetes.io/config.mirror"
CHECKED: Final = (
    ("", "v1", "pods"),
    ("", "v1", "namespaces"),
    ("apps", "v1", "deployments"),
    ("apps", "v1", "statefulsets"),
    ("batch", "v1", "jobs"),
    ("batch", "v1", "cronjobs"),
    ("serving.knative.dev", "v1", "services"),
)


class Answers:
    """What admission requests are answered with.

    Args:
        said: What events told.
        refuses: Whether malformed annotations are refused rather than warned of.
    """

    def __init__(
        self, facts: known.Known, said: ledger.Ledger, figures: metrics.Metrics, *, refuses: bool = False
    ) -> None:
        self._facts = facts
        self._said = said
        self._figures = figures
        self._refuses = refuses

    async def complete(self, body: kopf.Body, patch: kopf.Patch, warnings: list[str], **_: Any) -> None:
        """Add to a pod what the cluster knows of its data, and check what somebody wrote on it."""
        pod = dict(body)
        try:
            found = await self._enrichment(pod)
            was_written_by_somebody = not _has_controller(pod)
        except Exception as error:
            log.warning(
                "pod not understood, so admitted as it is",
                namespace=body.metadata.namespace,
                error=str(error),
                exc_info=not isinstance(error, errors.InputError),
            )
            self._figures.pod("not_understood")
            warnings.append(f"no data annotations were added, as the pod could not be understood: {error}"[:256])
            return
        warnings += found.warnings
        if found.annotations:
            patch.metadata.annotations.update(found.annotations)
        if found.scheduler_name is not None:
            patch.spec["schedulerName"] = found.scheduler_name
        is_enriched = bool(found.annotations) or found.scheduler_name is not None
        self._figures.pod("enriched" if is_enriched else "not_understood" if found.warnings else "untouched")
        if is_enriched:
            log.debug("pod enriched", namespace=body.metadata.namespace, name=body.metadata.name, **found.annotations)
        # Here, so that the API server need not ask twice for a pod. A controller does not read warnings.
        if was_written_by_somebody:
            self._check(pod, None, warnings)

    async def check(self, body: kopf.Body, warnings: list[str], old: kopf.Body | None = None, **_: Any) -> None:
        """Warn of malformed annotations, or refuse them if asked to."""
        self._check(dict(body), old, warnings)

    def _check(self, obj: Mapping[str, Any], old: kopf.Body | None, warnings: list[str]) -> None:
        try:
            found = validate.warnings(obj)
            refused = validate.malformed(obj) if self._refuses and found else []
            if refused and old is not None:
                # What was there before is let through: else no controller could change such an object any more, not
                # even to let go of it.
                before = set(validate.malformed(dict(old)))
                refused = [line for line in refused if line not in before]
        except Exception as bug:  # noqa: BLE001 (then the object is admitted unchecked)
            self._figures.failures.caught("check", bug, kind=obj.get("kind"))
            return
        warnings += found
        if refused:
            self._figures.refused()
            raise kopf.AdmissionError("; ".join(refused), code=422)

    async def _enrichment(self, pod: Mapping[str, Any]) -> enrich.Enrichment:
        if _is_settled(pod):
            return enrich.Enrichment()
        sources = list(await self._facts.sources(pod))
        consumer = self._facts.consumer_of(pod)
        if consumer is not None and (said := self._said.source(consumer)) is not None:
            sources.append(said)
        return enrich.enrich(pod, sources, self._facts.size_of(pod["metadata"].get("namespace", "")))


def _has_controller(pod: Mapping[str, Any]) -> bool:
    return any(owner.get("controller") for owner in pod["metadata"].get("ownerReferences") or ())


def _is_settled(pod: Mapping[str, Any]) -> bool:
    """Whether the pod's node is settled before any scheduler sees it.

    The API server could tell by a condition, too, but would spend more on that, for every pod, than on asking.
    """
    metadata = pod["metadata"]
    owners = metadata.get("ownerReferences") or ()
    return (
        bool(pod["spec"].get("nodeName"))
        or _MIRROR in (metadata.get("annotations") or ())
        or any(owner.get("kind") == "DaemonSet" for owner in owners)
    )


def build(
    api: client.Api,
    answers: Answers,
    admission: server.Server,
    *,
    managed: bool,
    on_stop: Callable[[], None],
) -> tuple[kopf.OperatorRegistry, kopf.OperatorSettings]:
    """A registry with the handlers, and the settings they need, both for ``kopf.operator``.

    Args:
        managed: Kopf writes the webhook configurations itself, and empties them when it ends.
        on_stop: Called when Kopf was told to stop, by a signal for example.
    """
    registry = kopf.OperatorRegistry()
    settings = kopf.OperatorSettings()
    kopfsettings.harden(settings, reads_only=True)
    settings.admission.server = admission
    settings.admission.managed = MANAGED_NAME if managed else None
    kopf.on.login(registry=registry)(kopfsettings.login(api))
    kopf.on.mutate(
        "",
        "v1",
        "pods",
        id="enrich",
        operations=["CREATE"],
        side_effects=False,
        ignore_failures=True,
        registry=registry,
    )(answers.complete)
    for group, version, plural in CHECKED:
        kopf.on.validate(
            group,
            version,
            plural,
            id=f"check-{plural}",
            operations=["CREATE", "UPDATE"],
            side_effects=False,
            ignore_failures=True,
            registry=registry,
        )(answers.check)

    @kopf.on.cleanup(registry=registry)
    async def stopping(**_: Any) -> None:
        on_stop()

    return registry, settings
