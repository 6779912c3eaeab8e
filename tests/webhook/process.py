"""The webhook as users run it: its own process, under its own ServiceAccount, asked by a real API server over TLS."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any, Self

import yaml

from localcluster import certificates, cluster, keeping
from scheduler.api import names
from tests.e2e import process

ROOT = pathlib.Path(__file__).parents[2]
HOME = "data-locality-scheduler"
ACCOUNT = "data-locality-webhook"
PROGRAM = pathlib.Path(sys.executable).parent / "data-locality-scheduler"

BASE = ROOT / "manifests" / "base"
CONFIGURATIONS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")

Json = dict[str, Any]

# As much of Knative as there is to be followed. What its controllers make of a Service is tested with these.
KNATIVE_CRD: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "services.serving.knative.dev"},
    "spec": {
        "group": "serving.knative.dev",
        "scope": "Namespaced",
        "names": {"kind": "Service", "plural": "services", "singular": "service"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}

# So that no two registrations share a name, under which the API server counts.
_REGISTRATIONS = itertools.count(1)

# How long the API server waits for an answer before it goes on without: as long as a busy machine may need. Twice that,
# for two webhooks, is less than a client waits for its request.
PATIENCE_S = 20


class Folder:
    """A folder as a mounted Secret is one: tls.crt, tls.key, ca.crt."""

    def __init__(self, directory: pathlib.Path, authority: certificates.Authority) -> None:
        self.directory = directory
        self.authority = authority
        directory.mkdir(exist_ok=True)
        self.put(authority.issue())

    def put(self, certificate: certificates.Certificate) -> None:
        """Write what a kubelet would: each file replaced as a whole."""
        files = {"ca.crt": self.authority.pem, "tls.key": certificate.key_pem, "tls.crt": certificate.pem}
        for name, text in files.items():
            new = self.directory / f".{name}"
            new.write_text(text)
            new.rename(self.directory / name)

    @property
    def bundle(self) -> str:
        return base64.b64encode(self.authority.pem.encode()).decode()


class Webhook:
    """One webhook process; a context manager that ends it, and shows its log where a test fails."""

    def __init__(self, kubeconfig: pathlib.Path, folder: Folder, log: pathlib.Path, *options: str) -> None:
        self.port, self.events_port, self.health_port = (keeping.free_port() for _ in range(3))
        self.folder = folder
        self._log = log
        command: list[str | pathlib.Path] = [PROGRAM, "webhook", "--kubeconfig", kubeconfig]
        command += [f"--tls-dir={folder.directory}", f"--namespace={HOME}", f"--port={self.port}"]
        command += [f"--events-port={self.events_port}", f"--health-port={self.health_port}", "--health-host=127.0.0.1"]
        self._command = [*command, *options]
        self.process = self._run()

    def _run(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as output:
            return subprocess.Popen(self._command, cwd=ROOT, env=os.environ, stdout=output, stderr=output)

    def __enter__(self) -> Self:
        try:
            process.until(self.is_ready, "the webhook is ready")
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        self.kill()
        if failure[0] is not None:
            print(self._log.read_text()[-20_000:])  # noqa: T201 (pytest shows it with the failure)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        return self.get("/readyz")[0] == 200

    def get(self, path: str) -> tuple[int, str]:
        """Ask the health server; status 0 while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def figure(self, name: str, **labels: str) -> float:
        """One of its metrics; 0 while there is none."""
        text = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        start = f"{name}{{{text}}} " if text else f"{name} "
        return next(
            (float(line.split()[-1]) for line in self.get("/metrics")[1].splitlines() if line.startswith(start)), 0
        )

    def kill(self) -> None:
        """SIGKILL, as a node that fails does; harmless if it has ended."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Run it again after its end, at the same ports; returns when it is ready."""
        self.process = self._run()
        process.until(self.is_ready, "the webhook is ready again")

    def stop(self) -> int:
        """SIGTERM, as a kubelet does; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def log(self) -> list[Json]:
        """Its log so far; every line is JSON."""
        return [json.loads(line) for line in self._log.read_text().splitlines(keepends=True) if line.endswith("\n")]


def account(running: cluster.Cluster) -> pathlib.Path:
    """Apply the webhook's account and roles, and return a kubeconfig for it."""
    running.apply(BASE / "namespace.yaml", BASE / "rbac-webhook.yaml", BASE / "policy-webhook.yaml")
    return running.service_account_kubeconfig(HOME, ACCOUNT)


def apply_knative_crd(running: cluster.Cluster) -> None:
    """Have the API server take Knative Services."""
    path = running.directory / "knative-crd.json"
    path.write_text(json.dumps(KNATIVE_CRD))
    running.apply(path)


def register(running: cluster.Cluster, *urls: str, bundle: str, patience_s: int = PATIENCE_S) -> None:
    """Have the API server ask at these URLs, with everything else but its patience as in manifests/base/admission.yaml.

    More than one URL is more than one webhook, each asked in turn, where a Service would choose one. Returns when the
    API server has asked them all, or has tried to, about pods as about what is only checked.
    """
    number = next(_REGISTRATIONS)
    registered: list[str] = []
    for document in yaml.safe_load_all((BASE / "admission.yaml").read_text()):
        if document["kind"] not in CONFIGURATIONS:
            continue
        asked: list[Json] = []
        for url, webhook in itertools.product(urls, document["webhooks"]):
            path = webhook["clientConfig"]["service"]["path"]
            name = f"n{len(asked)}.r{number}.{webhook['name']}"
            where = {"url": f"{url}{path}", "caBundle": bundle}
            asked.append({**webhook, "name": name, "clientConfig": where, "timeoutSeconds": patience_s})
        registered += [webhook["name"] for webhook in asked]
        running.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps({**document, "webhooks": asked}))
    process.until(lambda: all(asked_of(running, name) for name in registered), "the API server asks the webhook")


def unregister(running: cluster.Cluster) -> None:
    running.kubectl("delete", ",".join(f"{kind}s" for kind in CONFIGURATIONS).lower(), "--all")


def configured(running: cluster.Cluster) -> list[str]:
    """The paths or URLs that the API server is told to ask at."""
    found = json.loads(running.kubectl("get", ",".join(f"{kind}s" for kind in CONFIGURATIONS).lower(), "-o", "json"))
    webhooks = (webhook for item in found["items"] for webhook in item.get("webhooks") or ())
    return [webhook["clientConfig"]["url"] for webhook in webhooks]


def asked_of(running: cluster.Cluster, name: str) -> bool:
    """Create a pod and a namespace for nothing, and see whether the API server has asked a webhook of this name yet."""
    pod = {"metadata": {"generateName": "probe-"}, "spec": {"containers": [{"name": "c", "image": "none"}]}}
    running.api.request("POST", "/api/v1/namespaces/default/pods?dryRun=All", pod)
    namespace = {"metadata": {"generateName": "probe-", "annotations": {names.DATA_SOURCES: "probe"}}}
    running.api.request("POST", "/api/v1/namespaces?dryRun=All", namespace)
    return f'name="{name}"' in running.kubectl("get", "--raw", "/metrics")


def failed_open(running: cluster.Cluster) -> int:
    """How often the API server went on without an answer of a webhook, so far."""
    page = running.kubectl("get", "--raw", "/metrics")
    start = "apiserver_admission_webhook_fail_open_count{"
    return sum(int(float(line.split()[-1])) for line in page.splitlines() if line.startswith(start))


def review(pod: Json, *, namespace: str = "default") -> Json:
    """What the API server asks about a pod that is to be created."""
    resource = {"group": "", "version": "v1", "resource": "pods"}
    request = {
        "uid": "u",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": resource,
        "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
        "requestResource": resource,
        "namespace": namespace,
        "operation": "CREATE",
        "userInfo": {"username": "somebody", "groups": ["system:authenticated"]},
        "object": pod,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


def post(webhook: Webhook, path: str, body: bytes) -> tuple[int, Json]:
    """Ask as the API server does; the answer is empty where it is no JSON."""
    context = ssl.create_default_context(cadata=webhook.folder.authority.pem)
    request = urllib.request.Request(f"https://localhost:{webhook.port}{path}", body)
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:  # noqa: S310 (it says https)
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, {}
