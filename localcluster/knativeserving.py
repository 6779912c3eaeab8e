"""Knative Serving on a local cluster: its real controllers and its real admission webhook.

What they make of a Knative Service is what a cluster makes of it: Configuration, Revision, Deployment, Pod. There is no
ingress, so no Route and hence no Service ever becomes Ready; and no autoscaler, so a Revision starts with the scale of
its annotation initial-scale (1 if it has none), min-scale has no effect, and who wants more or fewer pods scales the
Deployment, as the autoscaler does; the controllers leave that alone.

How the API server finds the webhook. Knative insists on being called through a Service (it sets the authority and the
path in ``clientConfig.service``, and fails where there is only a ``url``), with a certificate for the Service's name.
Cluster addresses lead nowhere on this machine, and endpoints refuse loopback ones. But for a Service of the type
ExternalName the API server connects to that name, at the port that the webhook configuration says, and verifies the
certificate for the Service's name all the same: so a Service that is called 127.0.0.1 leads to any process here.

Deleting a Service in the first half-minute shows late in its pods: the garbage collector looks for new kinds of objects
that often.

Knative's programs listen on every address of the machine, as their code offers no choice: the webhook, which decides
nothing but whether it likes an object, and profiling, which is switched off and answers 404. Both ports are random.
"""

from __future__ import annotations

import json
import pathlib
import socket
from collections.abc import Iterator, Mapping

from localcluster import building, keeping, rest
from scheduler import errors as scheduler_errors

CONTROLLER, WEBHOOK = "knative-controller", "knative-webhook"
NAMESPACE = "knative-serving"
READY_TIMEOUT_S = 90.0

# No container is ever run, so no registry need be asked which image a tag stands for; and it often could not be.
_UNASKED_REGISTRIES = "kind.local,ko.local,dev.local,index.docker.io,docker.io,ghcr.io,gcr.io,quay.io,registry.k8s.io"
_DEPLOYMENT_CONFIG = {
    "queue-sidecar-image": "kind.local/queue:1",
    "registries-skipping-tag-resolving": _UNASKED_REGISTRIES,
}
_COLLECTIONS = {
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "ConfigMap": f"/api/v1/namespaces/{NAMESPACE}/configmaps",
    "Secret": f"/api/v1/namespaces/{NAMESPACE}/secrets",
    "MutatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "ValidatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
}
_LABELS = {"app.kubernetes.io/name": NAMESPACE, "app.kubernetes.io/component": "controller"}
_PROBES: Mapping[str, rest.Object] = {
    "/apis/serving.knative.dev/v1/namespaces/default/services": {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "probe"},
        "spec": {"template": {"spec": {"containers": [{"image": "kind.local/probe:1"}]}}},
    },
    _COLLECTIONS["ConfigMap"]: {"metadata": {"name": "probe", "labels": _LABELS}},
}


def programs(report: building.Report) -> Mapping[str, pathlib.Path]:
    """Knative's programs; built, where they are not in the cache.

    Raises:
        errors.BinariesError: They cannot be built.
    """
    names = (CONTROLLER, WEBHOOK)
    if not all(building.cached(name).exists() for name in names):
        building.build(names, report)
    return {name: building.cached(name) for name in names}


def start(
    keeper: keeping.Keeper, api: rest.Api, found: Mapping[str, pathlib.Path], *, kubeconfig: pathlib.Path
) -> None:
    """Install Knative Serving and start it; returns when Knative Services can be created."""
    webhook_port = keeping.free_port()
    api.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    by_collection: dict[str, list[rest.Object]] = {}
    for item in _objects(webhook_port):
        by_collection.setdefault(_COLLECTIONS[item["kind"]], []).append(item)
    for collection, items in by_collection.items():
        api.create_all(collection, items)
    service = {
        "metadata": {"name": "webhook"},
        "spec": {"type": "ExternalName", "externalName": "127.0.0.1"},
    }
    api.request("POST", f"/api/v1/namespaces/{NAMESPACE}/services", service)
    crds = by_collection[_COLLECTIONS["CustomResourceDefinition"]]
    keeper.wait_until(
        lambda: all(map(api.serves, crds)), what="Knative's CRDs", timeout_s=READY_TIMEOUT_S, program="kube-apiserver"
    )
    controller_port = keeping.free_port()
    _start_program(keeper, found, CONTROLLER, kubeconfig=kubeconfig, profiling_port=controller_port)
    environment = {"WEBHOOK_NAME": "webhook", "WEBHOOK_PORT": str(webhook_port)}
    _start_program(
        keeper,
        found,
        WEBHOOK,
        "--disable-ha",  # there is one: it need not wait for the lease of a killed predecessor
        kubeconfig=kubeconfig,
        profiling_port=keeping.free_port(),
        environment=environment,
    )
    for program, check in ((CONTROLLER, lambda: _listens(controller_port)), (WEBHOOK, lambda: _is_accepted(api))):
        keeper.wait_until(check, what="Knative Serving", timeout_s=READY_TIMEOUT_S, program=program)


def _start_program(
    keeper: keeping.Keeper,
    found: Mapping[str, pathlib.Path],
    name: str,
    *arguments: str,
    kubeconfig: pathlib.Path,
    profiling_port: int,
    environment: Mapping[str, str] | None = None,
) -> None:
    common = {
        "SYSTEM_NAMESPACE": NAMESPACE,
        "CONFIG_LOGGING_NAME": "config-logging",
        "CONFIG_OBSERVABILITY_NAME": "config-observability",
        "POD_NAME": name,
        "PROFILING_PORT": str(profiling_port),
    }
    # Its own limits, ten requests a second or so for each controller, would pass for slowness of the pods' admission.
    argv = [found[name], f"--kubeconfig={kubeconfig}", "--kube-api-qps=500", "--kube-api-burst=1000", *arguments]
    keeper.start(name, argv, {**common, **(environment or {})})


def _objects(webhook_port: int) -> Iterator[rest.Object]:
    for item in json.loads(building.manifests(CONTROLLER).read_text()):
        if item["metadata"]["name"] == "config-deployment":
            item["data"] |= _DEPLOYMENT_CONFIG
        for webhook in item.get("webhooks", ()):
            webhook["clientConfig"]["service"]["port"] = webhook_port
        yield item


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _is_accepted(api: rest.Api) -> bool:
    """Whether objects pass Knative's webhooks: until these are reached and trusted, everything is refused."""
    try:
        for path, probe in _PROBES.items():
            api.request("POST", f"{path}?dryRun=All", probe)
    except scheduler_errors.ApiError:
        return False
    return True
