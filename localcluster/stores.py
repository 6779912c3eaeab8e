"""Stores: a real S3 server for each storage node, and the objects that announce it in Kubernetes.

The server, MinIO or versitygw, is a process of this machine on a loopback port, with random credentials and, where the
topology says so, TLS. The pod bound to the node, played by KWOK, stands for it in Kubernetes; the Service's annotations
lead to the real server (see names).
"""

from __future__ import annotations

import http.client
import io
import pathlib
import signal
import ssl
from collections.abc import Iterable, Sequence

import minio
import urllib3
from minio import commonconfig, datatypes
from minio.credentials import providers

from localcluster import certificates, credentials, keeping, names, rest, topology

START_TIMEOUT_S = 60
REGION = "us-east-1"
HEALTH_PATH = {"minio": "/minio/health/ready", "versitygw": "/health"}
_CHUNK = bytes(range(256)) * 4096


class Store:
    """One S3 server, with what a fault test needs to make it fail.

    Attributes:
        kind: The server, one of topology.STORES.
        host: Its loopback address; all of 127.0.0.0/8 are this machine's, so that several servers can have one port.
        ca_pem: The authority that its certificate is from; "" for one that speaks plain HTTP.
        environment: More of the server's settings, from the next start on.
    """

    def __init__(
        self,
        node: topology.Node,
        keeper: keeping.Keeper,
        program: pathlib.Path,
        authority: certificates.Authority | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.node = node.name
        self.kind = node.store_kind
        self.region = node.region
        self.role = names.ROLE_OF_NODE_TYPE[node.type]
        self.namespace = names.STORAGE_NAMESPACE
        self.service = f"{self.kind}-{node.name}"
        self.secret = self.service
        self.ca = f"{self.service}-ca"
        self.host = host
        self.port = port or keeping.free_port()
        self.ca_pem = ""
        self.environment: dict[str, str] = {}
        self.endpoint = f"http://{self.host}:{self.port}"
        self.certificates = keeper.directory / "certificates" / node.name
        self.access_key = credentials.random_token()[:20]
        self.secret_key = credentials.random_token()
        self._data = keeper.directory / "stores" / node.name
        self._keeper = keeper
        self._program = program
        if authority is not None:
            self.certify(authority)

    def certify(self, authority: certificates.Authority, *, expired: bool = False) -> None:
        """Speak TLS with a certificate of this authority, from the next start on."""
        self.endpoint = f"https://{self.host}:{self.port}"
        self.ca_pem = authority.pem
        made = authority.issue(expired=expired)
        self.certificates.mkdir(parents=True, exist_ok=True)
        # The names by which MinIO finds them.
        (self.certificates / "public.crt").write_text(made.pem)
        credentials.write_private(self.certificates / "private.key", made.key_pem)

    def launch(self) -> None:
        """Start the server without waiting for it."""
        self._data.mkdir(parents=True, exist_ok=True)
        command = _minio if self.kind == "minio" else _versitygw
        argv, environment = command(self, self._data)
        self._keeper.start(self.service, [self._program, *argv], environment | self.environment)

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

    def crash(self) -> None:
        """Kill the server, as a power cut does."""
        self._keeper.stop(self.service, grace_s=0)

    def rotate(self) -> None:
        """Take other root credentials, from the next start on."""
        self.access_key = credentials.random_token()[:20]
        self.secret_key = credentials.random_token()

    def pause(self) -> None:
        """Freeze the server: connections are accepted, and nothing ever answers."""
        self._keeper.signal(self.service, signal.SIGSTOP)
        # On a busy machine, a thread that runs goes on for a while and answers.
        tasks = pathlib.Path(f"/proc/{self._keeper.pids()[self.service]}/task")
        self._keeper.wait_until(
            lambda: all(_is_stopped(task) for task in tasks.iterdir()), what="the server to stand still", timeout_s=60
        )

    def resume(self) -> None:
        """Let a frozen server go on."""
        self._keeper.signal(self.service, signal.SIGCONT)

    def client(self) -> minio.Minio:
        """A client with the server's root credentials, which trusts its authority."""
        context = ssl.create_default_context(cadata=self.ca_pem) if self.ca_pem else None
        return minio.Minio(
            f"{self.host}:{self.port}",
            access_key=self.access_key,
            secret_key=self.secret_key,
            secure=bool(self.ca_pem),
            region=REGION,
            http_client=urllib3.PoolManager(maxsize=8, ssl_context=context),  # tests use one in several threads
        )

    def admin(self) -> minio.MinioAdmin:
        """A client of MinIO's administration, for a server that speaks plain HTTP."""
        root = providers.StaticProvider(self.access_key, self.secret_key)
        return minio.MinioAdmin(endpoint=f"{self.host}:{self.port}", credentials=root, secure=False)

    def upload(self, bucket: str, key: str, content: bytes | int) -> None:
        """Store an object of the given bytes, or of so many bytes of filler; the bucket is made if it is missing."""
        client = self.client()
        if not client.bucket_exists(bucket):
            client.make_bucket(bucket)
        if isinstance(content, int):
            content = (_CHUNK * (content // len(_CHUNK) + 1))[:content]
        client.put_object(bucket, key, io.BytesIO(content), len(content))

    def fill(self, bucket: str, keys: Iterable[str], *, size_bytes: int) -> None:
        """Store many objects at once in a bucket that is there, without a request for each of them."""
        content = _CHUNK[:size_bytes]
        if self.kind == "minio":
            packed = [commonconfig.SnowballObject(key, data=io.BytesIO(content), length=size_bytes) for key in keys]
            self.client().upload_snowball_objects(bucket, packed)
            return
        for key in keys:
            file = self._data / bucket / key
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def manifests(self) -> Sequence[tuple[str, rest.Object]]:
        """The objects that announce the store, each with the path to create it under."""
        labels = {
            names.APP_LABEL: self.kind,
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
        if self.ca_pem:
            annotations[names.STORAGE_CA_ANNOTATION] = self.ca
        metadata = {"name": self.service, "namespace": self.namespace, "labels": labels}
        keys = {names.ACCESS_KEY: self.access_key, names.SECRET_KEY: self.secret_key}
        port = {"name": "s3", "containerPort": 9000}
        container = {"name": self.kind, "image": self.kind, "ports": [port]}
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
        bundle = {"metadata": {**metadata, "name": self.ca}, "data": {names.CA_KEY: self.ca_pem}}
        bundles = [(f"{prefix}/configmaps", bundle)] if self.ca_pem else []
        return [*bundles, (f"{prefix}/secrets", secret), (f"{prefix}/services", service), (f"{prefix}/pods", pod)]

    def _answers(self) -> bool:
        connection: http.client.HTTPConnection
        if self.ca_pem:  # ready is ready, even with a certificate that nobody should accept
            context = ssl._create_unverified_context()  # noqa: S323, SLF001
            connection = http.client.HTTPSConnection(self.host, self.port, timeout=5, context=context)
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=5)
        try:
            connection.request("GET", HEALTH_PATH[self.kind])
            healthy = connection.getresponse()
            healthy.read()
            # MinIO says that it is well before it takes requests: those it answers with 503 for a moment.
            connection.request("GET", "/")
            return healthy.status == 200 and connection.getresponse().status != 503
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def replicate(*servers: Store) -> None:
    """Have MinIO servers keep each other's buckets and objects: site replication, which makes all buckets versioned.

    All but the first must be empty.
    """
    peers = [
        datatypes.PeerSite(server.node, server.endpoint, server.access_key, server.secret_key) for server in servers
    ]
    servers[0].admin().add_site_replication(peers)


def _minio(store: Store, data: pathlib.Path) -> tuple[list[object], dict[str, str]]:
    environment = {
        "MINIO_ROOT_USER": store.access_key,
        "MINIO_ROOT_PASSWORD": store.secret_key,
        "MINIO_BROWSER": "off",  # else the console listens on a port of its own
        "MINIO_UPDATE": "off",
        "MINIO_CI_CD": "1",  # allows data on the root file system
    }
    tls = ["--certs-dir", store.certificates] if store.ca_pem else []
    return ["server", "--quiet", "--address", f"{store.host}:{store.port}", *tls, data], environment


def _versitygw(store: Store, data: pathlib.Path) -> tuple[list[object], dict[str, str]]:
    environment = {
        "ROOT_ACCESS_KEY": store.access_key,
        "ROOT_SECRET_KEY": store.secret_key,
        "VGW_PORT": f"{store.host}:{store.port}",
        "VGW_REGION": REGION,
        "VGW_QUIET": "true",
        "VGW_HEALTH": HEALTH_PATH["versitygw"],
    }
    if store.ca_pem:
        environment |= {
            "VGW_CERT": str(store.certificates / "public.crt"),
            "VGW_KEY": str(store.certificates / "private.key"),
        }
    return ["posix", data], environment


def _is_stopped(task: pathlib.Path) -> bool:
    """Whether a thread, by its folder below /proc, stands still."""
    try:
        return (task / "stat").read_text().rpartition(") ")[2].startswith("T")
    except OSError:  # it has ended
        return True
