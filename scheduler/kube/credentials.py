"""Where the API server is and how to prove who we are, from a kubeconfig or from the pod we run in.

kubernetes_asyncio does the reading (contexts, merged files, exec plugins, OIDC) and nothing else. What it finds becomes
a plain value here, so that neither its generated models nor its sessions reach the rest of the project. But its import
alone costs a process 0.35 s of CPU and 40 MB: what is plain to read, a pod's service account and one kubeconfig that
names its secrets itself, is read here, and whatever is odd about either is left to it.

Tokens and certificates are rotated under a running process, hence a login can be read again: in passing once a minute
(a token file, a certificate file, an exec plugin's credential that ran out), and afresh, the kubeconfig itself
included, when the server answers 401.
"""

from __future__ import annotations

import atexit
import base64
import dataclasses
import ipaddress
import os
import pathlib
import ssl
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

import structlog
import yaml

from scheduler import errors

log = structlog.get_logger(__name__)

_SERVICE_ACCOUNT: Final = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PLAIN_CLUSTER: Final = frozenset(
    ["server", "certificate-authority", "certificate-authority-data", "insecure-skip-tls-verify", "tls-server-name"]
)
_PLAIN_USER: Final = frozenset(
    ["token", "tokenFile", "client-certificate", "client-certificate-data", "client-key", "client-key-data"]
)
_ODD: Final = (OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError)

_written: dict[
    bytes, str
] = {}  # what a kubeconfig holds itself -> the file that it was written to, for TLS takes files


@dataclasses.dataclass(frozen=True, kw_only=True)
class Credentials:
    """One way to reach an API server. ``authorization`` is the header's whole value, "" where a certificate speaks."""

    server: str
    authorization: str = dataclasses.field(default="", repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    tls_server_name: str | None = None
    proxy: str | None = None

    def ssl_context(self) -> ssl.SSLContext:
        """Build the TLS side; raises InputError where a file is missing or is no certificate."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise errors.InputError("certificate-authority", self.ca_file, f"is no PEM file ({error})") from error
        # Python 3.13 is stricter than kubectl by default, and refuses the CAs of clusters that kubectl works with.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not self.verify:
            log.warning("server certificate is not verified, as insecure-skip-tls-verify asks", server=self.server)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self.load_certificate(context)
        return context

    def load_certificate(self, context: ssl.SSLContext) -> None:
        """Put the client certificate, if any, into a context; connections made later use it."""
        if not self.cert_file:
            return
        try:
            context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:
            raise errors.InputError("client-certificate", self.cert_file, f"cannot be used ({error})") from error


class Login:
    """Reads the credentials, and reads them again.

    Args:
        kubeconfig: A file, or several joined by ``os.pathsep`` as in KUBECONFIG; None inside a pod.
    """

    def __init__(self, kubeconfig: str | None) -> None:
        self._kubeconfig = kubeconfig
        self._loader: Any = None

    async def read(self, *, afresh: bool) -> Credentials:
        """Read the credentials.

        Args:
            afresh: Start from the kubeconfig file again instead of only from the files and plugins that it names. An
                exec plugin that states no expiry runs either way, one that does only when it is due or afresh.

        Raises:
            InputError: there is no usable configuration; the message holds no secret.
        """
        if self._loader is None:
            try:
                return _service_account() if self._kubeconfig is None else _plain(pathlib.Path(self._kubeconfig))
            except _ODD:
                pass  # said below, by whoever reads all of them
        from kubernetes_asyncio import client, config  # noqa: PLC0415

        found: Any = client.Configuration()
        try:
            if self._kubeconfig is None:
                config.load_incluster_config(found, try_refresh_token=False)  # type: ignore[no-untyped-call]
            elif self._loader is None or afresh:
                _require_files(self._kubeconfig)
                self._loader = await config.load_kube_config(config_file=self._kubeconfig, client_configuration=found)
            else:
                await self._loader.load_and_set(found)
        except errors.InputError:
            raise
        except Exception as error:  # noqa: BLE001 - on odd files the loader raises AssertionError, AttributeError, ...
            where = self._kubeconfig or "in-cluster credentials"
            raise errors.InputError("kubeconfig", where, f"cannot be used: {_harmless(error)}") from None
        server = (found.host or "").rstrip("/")
        return Credentials(
            server=server,
            authorization=(found.api_key.get("BearerToken") or "").strip(),
            ca_file=found.ssl_ca_cert,
            cert_file=found.cert_file,
            key_file=found.key_file,
            verify=found.verify_ssl,
            tls_server_name=found.tls_server_name,
            proxy=found.proxy or _environment_proxy(server),
        )


def _service_account() -> Credentials:
    """Read what the kubelet gave to this pod; raises what is among _ODD where it gave none."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"])
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    authority = _SERVICE_ACCOUNT / "ca.crt"
    if not host or not authority.read_text().strip():
        raise ValueError
    return Credentials(
        server=server,
        authorization=f"Bearer {_text(_SERVICE_ACCOUNT / 'token')}",
        ca_file=str(authority),
        proxy=_environment_proxy(server),
    )


def _plain(path: pathlib.Path) -> Credentials:
    """Read a kubeconfig that names what it needs; raises what is among _ODD where that is not all of it."""
    config = yaml.safe_load(path.expanduser().read_text())
    context = _named(config["contexts"], config["current-context"])["context"]
    cluster = _named(config["clusters"], context["cluster"])["cluster"]
    user = _named(config["users"], context["user"])["user"]
    if not (cluster.keys() <= _PLAIN_CLUSTER and user.keys() <= _PLAIN_USER and cluster["server"].startswith("http")):
        raise ValueError
    server = cluster["server"].rstrip("/")
    token = user.get("token") or (_text(path.parent / user["tokenFile"]) if "tokenFile" in user else "")
    verify, tls_server_name = not cluster.get("insecure-skip-tls-verify", False), cluster.get("tls-server-name")
    if not isinstance(token, str) or not isinstance(tls_server_name, str | None):
        raise TypeError
    is_tls = server.startswith("https")
    return Credentials(
        server=server,
        authorization=f"Bearer {token}".strip() if token else "",
        ca_file=_file(cluster, "certificate-authority", path) if is_tls else None,
        cert_file=_file(user, "client-certificate", path) if is_tls else None,
        key_file=_file(user, "client-key", path) if is_tls else None,
        verify=verify,
        tls_server_name=tls_server_name,
        proxy=_environment_proxy(server),
    )


def _named(entries: list[dict[str, Any]], name: str) -> Mapping[str, Any]:
    [found] = [entry for entry in entries if entry["name"] == name]
    return found


def _text(path: pathlib.Path) -> str:
    text = path.read_text().strip()
    if not text:
        raise ValueError
    return text


def _file(entry: Mapping[str, Any], key: str, kubeconfig: pathlib.Path) -> str | None:
    """The file that an entry names, or one with what it holds."""
    if f"{key}-data" in entry:
        content = base64.b64decode(entry[f"{key}-data"])
        if content not in _written:
            descriptor, name = tempfile.mkstemp()
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            atexit.register(pathlib.Path(name).unlink, missing_ok=True)
            _written[content] = name
        return _written[content]
    if key not in entry:
        return None
    path = kubeconfig.parent / entry[key]
    if not path.is_file():
        raise FileNotFoundError
    return str(path)


def _require_files(kubeconfig: str) -> None:
    paths = [pathlib.Path(part).expanduser() for part in kubeconfig.split(os.pathsep) if part]
    if not any(path.is_file() for path in paths):
        raise errors.InputError("kubeconfig", kubeconfig, "no such file; give --kubeconfig the path of a kubeconfig")


def _harmless(error: Exception) -> str:
    """Describe a loader's error without what it quotes: its messages can hold the whole user entry, token included."""
    text = str(error)
    if text.startswith(("exec:", "Service ")):
        return text[:300]
    if text.startswith("Invalid kube-config file"):
        return text.split(" in ", maxsplit=1)[0]
    return type(error).__name__


def _environment_proxy(server: str) -> str | None:
    """Return the proxy that the environment prescribes for a server, as aiohttp's trust_env would.

    trust_env itself is not used: it reads ~/.netrc in a worker thread for every single request, and fails where that
    file names the server. NO_PROXY may hold networks (10.0.0.0/8) as for kubectl, which urllib does not know.
    """
    parts = urllib.parse.urlsplit(server)
    host = parts.hostname or ""
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy is None or urllib.request.proxy_bypass(host):
        return None
    for entry in urllib.request.getproxies().get("no", "").split(","):
        try:
            if ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip(), strict=False):
                return None
        except ValueError:
            continue
    return proxy
