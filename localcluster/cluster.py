"""A running local cluster, from start to end.

``start`` returns when the cluster can be used: the API server answers, every node is Ready, every store takes requests.
What takes time is started at once and waited for together; the API server is the slowest and starts first.
"""

from __future__ import annotations

import base64
import functools
import json
import os
import pathlib
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import localcluster.nodes as node_objects
from localcluster import (
    binaries,
    building,
    certificates,
    controlplane,
    credentials,
    errors,
    keeping,
    knativeserving,
    names,
    rest,
    rights,
    stores,
    topology,
)
from scheduler import errors as scheduler_errors

KUBECONFIG = "kubeconfig"  # in the cluster's directory
NODES_TIMEOUT_S = 120.0
KUBECTL_TIMEOUT_S = 120.0
TOKEN_LIFETIME_S = 24 * 3600


class Cluster:
    """One running cluster. Made by ``start``; ends with ``stop``, as a context manager, or with this process.

    Attributes:
        name: Its name, also that of its directory.
        directory: Everything it writes, logs included; removed when it ends.
        kubeconfig: Path of the kubeconfig of the administrator.
        server: URL of the API server.
        nodes: The nodes, by name.
        stores: The S3 servers, by the name of their node.
        authority: Who signs the certificates of those that speak TLS.
        api: The API server as the administrator sees it, for requests without kubectl.
    """

    def __init__(
        self, keeper: keeping.Keeper, programs: Mapping[str, pathlib.Path], apiserver_arguments: Sequence[str] = ()
    ) -> None:
        self._keeper = keeper
        self._programs = programs
        self._apiserver_arguments = apiserver_arguments
        self._plane = controlplane.ControlPlane(keeper, programs)
        self.directory = keeper.directory
        self.name = keeper.directory.name
        self.server = self._plane.server
        self.kubeconfig = self.directory / KUBECONFIG
        self.nodes: dict[str, topology.Node] = {}
        self.stores: dict[str, stores.Store] = {}
        self.authority = certificates.Authority()
        self.api: rest.Api

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all processes and remove the directory; may be called twice."""
        self._keeper.shutdown()

    def leave_running(self) -> None:
        """Let the cluster outlive this process; ``python -m localcluster down`` ends it."""
        self._keeper.disown()

    def pids(self) -> Mapping[str, int]:
        """The cluster's processes, by name."""
        return self._keeper.pids()

    def log_tail(self, program: str) -> str:
        """The last lines of a program's log, for example of ``kube-apiserver`` or ``minio-NODE``."""
        return self._keeper.log_tail(program)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as the administrator and return what it printed.

        Raises:
            errors.ClusterError: It failed; the message has its words.
        """
        command = [str(self._programs["kubectl"]), f"--cache-dir={self.directory}/kubectl-cache", *arguments]
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        result = subprocess.run(
            command,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=KUBECTL_TIMEOUT_S,
        )
        if result.returncode:
            words = result.stderr.strip() or result.stdout.strip()
            raise errors.ClusterError(f"kubectl {' '.join(arguments)}: {words}")
        return result.stdout

    def apply(self, *paths: os.PathLike[str] | str) -> None:
        """Apply manifests (files or folders) on the server side; returns when new kinds and rights among them hold."""
        files = [part for path in paths for part in ("-f", os.fspath(path))]
        shown = json.loads(self.kubectl("apply", "--server-side", "--force-conflicts", "-o", "json", *files))
        for item in shown["items"] if shown["kind"] == "List" else [shown]:
            if item["kind"] == "CustomResourceDefinition":
                self._until(
                    functools.partial(self.api.serves, item), what=f"custom resource {item['metadata']['name']}"
                )
            elif item["kind"] in {"RoleBinding", "ClusterRoleBinding"}:
                self._wait_until_granted(item)

    def wait_for_account(self, namespace: str) -> None:
        """Return when a controller has made the account without which no pod is admitted to a new namespace."""
        self.kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace, "--timeout=60s")

    def service_account_kubeconfig(self, namespace: str, name: str, *, node: str = "") -> pathlib.Path:
        """The path of a kubeconfig for a ServiceAccount that exists: its holder may do what RBAC grants it, no more.

        With a node, the token is bound to that node and names it, as do the tokens of pods that run there.
        """
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        spec: dict[str, object] = {"expirationSeconds": TOKEN_LIFETIME_S}
        if node:
            uid = self.api.request("GET", f"/api/v1/nodes/{node}")["metadata"]["uid"]
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}
        try:
            answer = self.api.request("POST", path, {"spec": spec})
        except scheduler_errors.NotFoundError as error:
            message = f"there is no ServiceAccount {namespace}/{name}; apply its manifest first"
            raise errors.ClusterError(message) from error
        file_name = ".".join(filter(None, (namespace, name, node, "kubeconfig")))
        return self._write_kubeconfig(file_name, answer["status"]["token"], namespace)

    def add_node(self, node: topology.Node) -> None:
        """Add a node, without a store, and wait until it is Ready."""
        self._create_nodes([node])

    def delete_node(self, name: str) -> None:
        """Remove a node; its pods are deleted by the control plane's garbage collection, after a while."""
        self.api.request("DELETE", f"/api/v1/nodes/{name}")
        del self.nodes[name]

    def start_kube_scheduler(
        self, *, qps: int = 5000, burst: int = 5000, replica: str = "", leader_elect: bool = False
    ) -> None:
        """Start stock kube-scheduler. Its own client limits, 50 and 100, would hide what it can do.

        A further replica is named by what follows ``kube-scheduler`` in its program's name, and wants a leader elected.
        """
        kubeconfig = self._write_kubeconfig("kube-scheduler.kubeconfig", self._plane.scheduler_token)
        self._plane.start_scheduler(kubeconfig, qps=qps, burst=burst, replica=replica, leader_elect=leader_elect)

    def stop_kube_scheduler(self) -> None:
        """End stock kube-scheduler."""
        self._keeper.stop("kube-scheduler")

    def webhook_client_config(self, port: int, path: str = "/") -> rest.Object:
        """The ``clientConfig`` by which the API server calls an admission webhook on a loopback port of this machine.

        It verifies the webhook's certificate, which has to be from ``authority.issue()``.
        """
        authority = base64.b64encode(self.authority.pem.encode()).decode()
        return {"url": f"https://127.0.0.1:{port}{path}", "caBundle": authority}

    def launch(self, name: str, argv: Sequence[object]) -> None:
        """Run another program beside the cluster's own: logged, kept and ended with it."""
        self._keeper.start(name, argv)

    def end(self, name: str, *, grace_s: float = 5.0) -> None:
        """End a launched program and wait until it is gone; without grace it is killed, as in a crash."""
        self._keeper.stop(name, grace_s=grace_s)

    def wait_until(self, check: Callable[[], bool], *, what: str, timeout_s: float, program: str = "keeper") -> None:
        """Poll until the check holds.

        Raises:
            errors.ClusterError: The named program ended, or time is up; the message shows the end of its log.
        """
        self._keeper.wait_until(check, what=what, timeout_s=timeout_s, program=program)

    def restart_apiserver(self) -> None:
        """Crash the API server and start it again, with the same port, certificate and data; meanwhile it refuses."""
        self._keeper.stop("kube-apiserver", grace_s=0)  # a polite end waits for every open watch
        self._plane.start_apiserver(self._apiserver_arguments)
        self._wait_for_apiserver()

    def bring_up(self, wanted: topology.Topology) -> None:
        """Start all processes and create the objects; called once, by ``start``."""
        self._plane.start_etcd()
        self._plane.start_apiserver(self._apiserver_arguments)
        for node in wanted.nodes:
            if node.store_kind:
                program, authority = self._programs[node.store_kind], self.authority if node.tls else None
                store = self.stores[node.name] = stores.Store(node, self._keeper, program, authority)
                store.launch()
        certificate = self._plane.certificate
        self._keeper.wait_until(
            lambda: certificate.exists() and certificate.read_text().rstrip().endswith("-----END CERTIFICATE-----"),
            what="the API server's certificate",
            timeout_s=controlplane.READY_TIMEOUT_S,
            program="kube-apiserver",
        )
        self.api = rest.Api(self._plane.port, certificate.read_text(), self._plane.admin_token)
        self._write_kubeconfig(KUBECONFIG, self._plane.admin_token)
        self._wait_for_apiserver()
        self._plane.start_controllers(self.kubeconfig)
        self._create_namespaces()
        self._create_nodes(wanted.nodes)
        for store in self.stores.values():
            for path, manifest in store.manifests():
                self.api.request("POST", path, manifest)
        for store in self.stores.values():
            store.wait()

    def _create_namespaces(self) -> None:
        metadata = {"name": names.STORAGE_NAMESPACE, "labels": {names.STORES_LABEL: names.SHARED}}
        self.api.request("POST", "/api/v1/namespaces", {"metadata": metadata})
        # The API server calls itself ready before it has made this one.
        self._until(lambda: self.api.answers("/api/v1/namespaces/default"), what="the namespace default")
        # A controller makes these accounts too, a second later; until then every pod would be refused.
        for namespace in ("default", names.STORAGE_NAMESPACE):
            path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
            try:
                self.api.request("POST", path, {"metadata": {"name": "default"}})
            except scheduler_errors.ConflictError:
                continue

    def _create_nodes(self, wanted: Sequence[topology.Node]) -> None:
        self.api.create_all("/api/v1/nodes", [node_objects.manifest(node) for node in wanted])
        self.nodes.update((node.name, node) for node in wanted)
        missing = {node.name for node in wanted}

        def all_ready() -> bool:
            path = f"/api/v1/nodes/{missing.copy().pop()}" if len(missing) == 1 else "/api/v1/nodes?resourceVersion=0"
            answer = self.api.request("GET", path)
            missing.difference_update(
                node["metadata"]["name"] for node in answer.get("items", [answer]) if node_objects.is_ready(node)
            )
            return not missing

        self._keeper.wait_until(all_ready, what="nodes becoming Ready", timeout_s=NODES_TIMEOUT_S, program="kwok")

    def _wait_for_apiserver(self) -> None:
        self._until(lambda: self.api.answers("/readyz"), what="the API server")

    def _wait_until_granted(self, binding: rest.Object) -> None:
        """Whoever decides about rights reads roles and bindings a moment after they are written."""
        review = rights.review(binding, self.api)
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        self._until(
            lambda: review is None or self.api.request("POST", path, review)["status"]["allowed"],
            what=f"{binding['kind']} {binding['metadata']['name']}",
        )

    def _until(self, check: Callable[[], bool], *, what: str) -> None:
        """Wait for what the API server is bound to do."""
        self._keeper.wait_until(check, what=what, timeout_s=controlplane.READY_TIMEOUT_S, program="kube-apiserver")

    def _write_kubeconfig(self, file_name: str, token: str, namespace: str = "default") -> pathlib.Path:
        text = credentials.kubeconfig(
            server=self.server, ca_pem=self._plane.certificate.read_bytes(), token=token, namespace=namespace
        )
        return credentials.write_private(self.directory / file_name, text)


def start(
    wanted: topology.Topology | None = None,
    *,
    name: str | None = None,
    kube_scheduler: bool = False,
    knative: bool = False,
    apiserver_arguments: Sequence[str] = (),
    report: building.Report = binaries.report_to_stderr,
) -> Cluster:
    """Start a cluster and wait until it can be used.

    Args:
        wanted: The nodes; the shipped edge-cloud topology if not given.
        name: The cluster's name; a random one if not given.
        kube_scheduler: Start stock kube-scheduler too.
        knative: Start Knative Serving's controllers and webhook too; see knativeserving for what they do here.
        apiserver_arguments: Further flags of kube-apiserver, for benchmarks, or to have it keep an audit log.
        report: Takes messages about a build, should one be necessary.

    Raises:
        errors.BinariesError: A program is missing and cannot be built.
        errors.ClusterError: A process did not start.
    """
    wanted = wanted or topology.load(topology.EDGE_CLOUD)
    programs = list(binaries.CONTROL_PLANE)
    programs += sorted({node.store_kind for node in wanted.nodes if node.store_kind})
    # Found even when it is not started yet: start_kube_scheduler may be called later.
    programs += ["kube-scheduler"]
    found = {**binaries.resolve(programs, report=report)}
    if knative:
        found |= knativeserving.programs(report)
    keeper = keeping.start_keeper(name or f"c{os.getpid()}-{os.urandom(3).hex()}")
    cluster = Cluster(keeper, found, apiserver_arguments)
    try:
        cluster.bring_up(wanted)
        if kube_scheduler:
            cluster.start_kube_scheduler()
        if knative:
            knativeserving.start(keeper, cluster.api, found, kubeconfig=cluster.kubeconfig)
    except BaseException:  # Ctrl-C too
        cluster.stop()
        raise
    return cluster
