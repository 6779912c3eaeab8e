"""What a store is: the values that the rest of the daemon passes around. Who finds them: services, discovery."""

from __future__ import annotations

import dataclasses

from daemon.stores import addresses


@dataclasses.dataclass(frozen=True)
class Bundle:
    """Where the CA certificates of a store are: a ConfigMap, a Secret, or a File (then ``name`` is its path)."""

    kind: str
    namespace: str
    name: str
    key: str = "ca.crt"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a store stands that is no part of the cluster."""

    region: str
    zone: str


@dataclasses.dataclass(frozen=True)
class Store:
    """One store that this node's daemon looks after: an S3 server, or a directory of the node.

    Attributes:
        namespace: Where its Service and its Secret are.
        service: The Service that announces it; "" for one that the configuration or a volume names.
        secret: The Secret in ``namespace`` with its credentials; "" to ask anonymously.
        problem: What is wrong with the words that describe it; "" when nothing is.
        alias: Its name where no Service gives it one.
        ca: The CAs that its certificate is checked against; None for the system's.
        region: The region that requests are signed for; "" for the default.
        technology: What it is (see the CRD), where somebody wrote it down; "" to find out.
        role: ``Stores``, or ``Serves`` where the data lies elsewhere (a gateway).
        place: Set for a store outside the cluster, which no node serves.
        directory: For local storage: the directory as the daemon sees it, which stands for the bucket ``bucket``.
        speaks_for: The namespace whose pods it counts for, "" for everybody's.
        address: Where to connect to, as host:port, in place of the endpoint's: the pod on this node, for the endpoint
            may lead to any pod of the Service. "" for the endpoint's.
        tls_name: The name that its certificate has to bear where ``address`` is set and the endpoint is https.
        waits_for: What has to come before it can be asked, such as a pod that is not ready; "" for nothing.
        guard: Which addresses may be asked for it; None for one whose endpoint an administrator wrote, or a kubelet.
    """

    namespace: str
    service: str
    service_uid: str
    endpoint: str
    secret: str
    problem: str = ""
    alias: str = ""
    ca: Bundle | None = None
    region: str = ""
    technology: str = ""
    role: str = "Stores"
    place: Place | None = None
    directory: str = ""
    bucket: str = ""
    speaks_for: str = ""
    address: str = ""
    tls_name: str = ""
    waits_for: str = ""
    guard: addresses.Guard | None = None

    @property
    def name(self) -> str:
        """The name in NodeCapability and in replicas; ``namespace/service`` where a Service announces it."""
        return self.alias or f"{self.namespace}/{self.service}"

    def counts_in(self, namespace: str) -> bool:
        """Whether pods and DataObjects of ``namespace`` count with it."""
        return self.speaks_for in {"", namespace}

    @property
    def secret_name(self) -> str:
        """The Secret's full name for messages, "" where there is none."""
        return f"{self.namespace}/{self.secret}" if self.secret else ""
