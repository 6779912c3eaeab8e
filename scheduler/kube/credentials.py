"""Where the API server is and how to prove who we are, from a kubeconfig or from the pod we run in.

kubernetes_asyncio does the reading (contexts, merged files, exec plugins, OIDC, client certificates) and nothing else.
What it finds becomes a plain value here, so that neither its generated models nor its sessions reach the rest of the
project. Tokens and certificates are rotated under a running process, hence a login can be read again: in passing once a
minute (a token file, a certificate file, an exec plugin's credential that ran out), and afresh, the kubeconfig itself
included, when the server answers 401.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import pathlib
import ssl
import urllib.parse
import urllib.request
from typing import Any

import structlog

from scheduler import errors

log = structlog.get_logger(__name__)


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
        # 40 MB and 0.2 s: only processes that talk to a server pay that.
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
