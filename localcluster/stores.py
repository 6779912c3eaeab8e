"""Stores: a real MinIO server for each storage node, and the objects that announce it in Kubernetes.

The server is a process of this machine on a loopback port, with random credentials. The pod bound to the node, played
by KWOK, stands for it in Kubernetes; the Service's annotations lead to the real server (see names).
"""

from __future__ import annotations

import http.client
import io
import pathlib
import signal
from collections.abc import Sequence

import minio

from localcluster import credentials, keeping, names, rest, topology

START_TIMEOUT_S = 60
_CHUNK = bytes(range(256)) * 4096


class Store:
    """One MinIO server, with what a fault test needs to make it fail."""

    def __init__(self, node: topology.Node, keeper: keeping.Keeper, program: pathlib.Path) -> None:
        self.node = node.name
        self.region = node.region
        self.role = names.ROLE_OF_NODE_TYPE[node.type]
        self.namespace = names.STORAGE_NAMESPACE
        self.service = f"minio-{node.name}"
        self.secret = f"minio-{node.name}"
        self.port = keeping.free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.access_key = credentials.random_token()[:20]
        self.secret_key = credentials.random_token()
        self._keeper = keeper
        self._program = program

    def launch(self) -> None:
        """Start the server without waiting for it."""
        data = self._keeper.directory / "stores" / self.node
        data.mkdir(parents=True, exist_ok=True)
        argv = [self._program, "server", "--quiet", "--address", f"127.0.0.1:{self.port}", data]
        environment = {
            "MINIO_ROOT_USER": self.access_key,
            "MINIO_ROOT_PASSWORD": self.secret_key,
            "MINIO_BROWSER": "off",  # else the console listens on a port of its own
            "MINIO_UPDATE": "off",
            "MINIO_CI_CD": "1",  # allows data on the root file system
        }
        self._keeper.start(self.service, argv, environment)

    def wait(self) -> None:
        """Wait until the server takes requests."""
        self._keeper.wait_until(
            self._answers, what=f"store of {self.node}", timeout_s=START_TIMEOUT_S, program=self.service
        )

    def start(self) -> None:
        """Start the server again after ``stop``: same port, same credentials, same data."""
        self.launch()
        self.wait()

    def stop(self) -> None:
        """End the server: connections are refused."""
        self._keeper.stop(self.service)

    def pause(self) -> None:
        """Freeze the server: connections are accepted, and nothing ever answers."""
        self._keeper.signal(self.service, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        self._keeper.signal(self.service, signal.SIGCONT)

    def client(self) -> minio.Minio:
        """A client with the server's root credentials."""
        return minio.Minio(
            f"127.0.0.1:{self.port}", access_key=self.access_key, secret_key=self.secret_key, secure=False
        )

    def upload(self, bucket: str, key: str, content: bytes | int) -> None:
        """Store an object of the given bytes, or of so many bytes of filler; the bucket is made if it is missing."""
        client = self.client()
        if not client.bucket_exists(bucket):
            client.make_bucket(bucket)
        if isinstance(content, int):
            content = (_CHUNK * (content // len(_CHUNK) + 1))[:content]
        client.put_object(bucket, key, io.BytesIO(content), len(content))

    def manifests(self) -> Sequence[tuple[str, rest.Object]]:
        """The objects that announce the store, each with the path to create it under."""
        labels = {
            names.APP_LABEL: names.APP_VALUE,
            names.ROLE_LABEL: self.role,
            names.POD_REGION_LABEL: self.region,
            names.INSTANCE_LABEL: self.service,
        }
        annotations = {
            names.STORAGE_SERVICE_ANNOTATION: "true",
            names.STORAGE_TYPE_ANNOTATION: "object",
            names.STORAGE_ENDPOINT_ANNOTATION: self.endpoint,
            names.STORAGE_SECRET_ANNOTATION: self.secret,
        }
        metadata = {"name": self.service, "namespace": self.namespace, "labels": labels}
        keys = {names.ACCESS_KEY: self.access_key, names.SECRET_KEY: self.secret_key}
        port = {"name": "s3", "containerPort": 9000}
        container = {"name": "minio", "image": "minio/minio", "args": ["server", "/data"], "ports": [port]}
        prefix = f"/api/v1/namespaces/{self.namespace}"
        secret = {"metadata": {**metadata, "name": self.secret}, "type": "Opaque", "stringData": keys}
        service = {
            "metadata": {**metadata, "annotations": annotations},
            "spec": {
                "selector": {names.INSTANCE_LABEL: self.service},
                "ports": [{"name": "s3", "port": 9000, "targetPort": "s3"}],
            },
        }
        pod = {
            "metadata": metadata,
            "spec": {
                "nodeName": self.node,
                "automountServiceAccountToken": False,
                "tolerations": [{"operator": "Exists"}],  # storage nodes may be tainted
                "containers": [container],
            },
        }
        return [(f"{prefix}/secrets", secret), (f"{prefix}/services", service), (f"{prefix}/pods", pod)]

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/minio/health/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
