"""The command lines of the Kubernetes processes: which flags, and why.

Everything listens on loopback. etcd, which knows no users here, listens on a Unix socket in the cluster's private
directory, so that other users of the machine cannot read the cluster's Secrets through it.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence

from localcluster import credentials, keeping, names

KWOK_STAGES = pathlib.Path(__file__).parent / "kwok-stages.yaml"
SCHEDULER_USER = "system:kube-scheduler"
READY_TIMEOUT_S = 90.0  # three seconds on an idle machine; a busy CI runner takes its time


class ControlPlane:
    """Starts the Kubernetes processes of one cluster in its directory."""

    def __init__(self, keeper: keeping.Keeper, programs: Mapping[str, pathlib.Path]) -> None:
        self._keeper = keeper
        self._programs = programs
        self._directory = keeper.directory
        self.port = keeping.free_port()
        self.server = f"https://127.0.0.1:{self.port}"
        self.admin_token = credentials.random_token()
        self.scheduler_token = credentials.random_token()
        private, public = credentials.service_account_keys()
        self._account_key = credentials.write_private(self._directory / "service-accounts.key", private)
        self._account_public_key = credentials.write_private(self._directory / "service-accounts.pub", public)
        self._tokens = credentials.write_private(
            self._directory / "tokens.csv",
            f'{self.admin_token},admin,admin,"system:masters"\n{self.scheduler_token},{SCHEDULER_USER},scheduler\n',
        )
        self.certificate = self._directory / "certificates" / "apiserver.crt"

    def start_etcd(self) -> None:
        """Start etcd without syncing to disk: the data is thrown away with the cluster."""
        client, peer = (f"unix://{name}:0" for name in ("etcd", "etcd-peer"))
        argv = [self._programs["etcd"], "--data-dir", self._directory / "etcd", "--unsafe-no-fsync"]
        argv += ["--listen-client-urls", client, "--advertise-client-urls", client]
        argv += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        argv += ["--initial-cluster", f"default={peer}", "--log-level", "warn"]
        self._keeper.start("etcd", argv)

    def start_apiserver(self, extra: Sequence[str] = ()) -> None:
        """Start the API server; etcd may still be on its way."""
        flags = {
            "etcd-servers": "unix://etcd:0",  # a socket named etcd:0 in the working directory, which both share
            "bind-address": "127.0.0.1",
            "secure-port": self.port,
            "external-hostname": "127.0.0.1",
            # It makes its own certificate and authority, written to one file, which clients then trust.
            "cert-dir": self.certificate.parent,
            "token-auth-file": self._tokens,
            "authorization-mode": "RBAC",
            "anonymous-auth": "false",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": self._account_public_key,
            "service-account-signing-key-file": self._account_key,
            "service-cluster-ip-range": "10.96.0.0/16",
            # It would taint fresh nodes not-ready, and they would stay out of use until a controller notices them.
            "disable-admission-plugins": "TaintNodesByCondition",
            "allow-privileged": "true",
            "endpoint-reconciler-type": "none",  # it would fail again and again: endpoints refuse loopback addresses
        }
        self._start("kube-apiserver", flags, extra)

    def start_controllers(self, kubeconfig: pathlib.Path) -> None:
        """Start kube-controller-manager and KWOK."""
        flags = {
            "kubeconfig": kubeconfig,
            "secure-port": 0,
            "leader-elect": "false",
            "service-account-private-key-file": self._account_key,
            "root-ca-file": self.certificate,
            "kube-api-qps": 500,  # its default, 20, makes thousands of nodes or pods take minutes
            "kube-api-burst": 1000,
        }
        self._start("kube-controller-manager", flags)
        flags = {
            "kubeconfig": kubeconfig,
            "config": KWOK_STAGES,
            "manage-nodes-with-annotation-selector": f"{names.KWOK_ANNOTATION}={names.KWOK_ANNOTATION_VALUE}",
            "node-lease-duration-seconds": 40,  # what a kubelet has; without leases the nodes would be lost in a minute
            "node-ip": "127.0.0.1",  # all of them are on this machine
            "v": "WARN",  # it would log every pod that it sets running
            "server-address": "",  # nothing asks for logs or metrics of containers that do not exist
        }
        self._start("kwok", flags)

    def start_scheduler(
        self, kubeconfig: pathlib.Path, *, qps: int, burst: int, replica: str = "", leader_elect: bool = False
    ) -> None:
        """Start stock kube-scheduler, or a further replica of it, with the given client limits."""
        name = f"kube-scheduler{replica}"
        configuration = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": leader_elect},
            "clientConnection": {"kubeconfig": str(kubeconfig), "qps": qps, "burst": burst},
        }
        path = credentials.write_private(self._directory / f"{name}.json", json.dumps(configuration))
        self._start("kube-scheduler", {"config": path, "secure-port": 0}, name=name)

    def _start(
        self, program: str, flags: Mapping[str, object], extra: Sequence[str] = (), *, name: str | None = None
    ) -> None:
        argv = [self._programs[program], *(f"--{flag}={value}" for flag, value in flags.items()), *extra]
        self._keeper.start(name or program, argv)
