"""What is read without kubernetes_asyncio is what it would have read."""

import base64
import dataclasses
import pathlib
import sys
from typing import Any

import pytest
import yaml
from kubernetes_asyncio.config import incluster_config

from scheduler.kube import credentials
from tests.fakeapi import certificates

Json = dict[str, Any]

CLUSTER: Json = {"server": "https://127.0.0.1:6443/"}


def kubeconfig(directory: pathlib.Path, cluster: Json, user: Json) -> str:
    path = directory / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [
            {"name": "there", "context": {"cluster": "none", "user": "none"}},
            {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "ours"}},
        ],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "other", "user": {"token": "wrong"}}, {"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


async def by_library(path: str | None, patch: pytest.MonkeyPatch) -> credentials.Credentials:
    def refuse(*_: Any) -> credentials.Credentials:
        raise ValueError

    with patch.context() as inner:
        inner.setattr(credentials, "_plain", refuse)
        inner.setattr(credentials, "_service_account", refuse)
        return await credentials.Login(path).read(afresh=True)


def contents(found: credentials.Credentials) -> Json:
    """The credentials, files by what is in them: those written from a kubeconfig have names of their own."""
    values = dataclasses.asdict(found)
    for key in ("ca_file", "cert_file", "key_file"):
        if values[key] is not None:
            values[key] = pathlib.Path(values[key]).read_bytes()
    return values


@pytest.mark.parametrize(
    ("cluster", "user"),
    [
        pytest.param({}, {"token": "secret"}, id="token"),
        pytest.param({}, {"tokenFile": "token"}, id="a file with a token, beside the kubeconfig"),
        pytest.param({}, {"token": "secret", "tokenFile": "token"}, id="both"),
        pytest.param({"insecure-skip-tls-verify": True}, {}, id="nobody"),
        pytest.param({"tls-server-name": "api.example"}, {"token": "a"}, id="another name"),
        pytest.param({"server": "http://127.0.0.1:8080"}, {"token": "a"}, id="no TLS"),
        pytest.param({"certificate-authority": "ca.crt"}, {"token": "a"}, id="a file of an authority"),
        pytest.param({"proxy-url": "http://proxy:3128"}, {"token": "a"}, id="a proxy"),
        pytest.param({}, {"username": "me", "password": "secret"}, id="a password"),
        pytest.param({}, {"client-certificate": "ca.crt", "client-key": "ca.key"}, id="a certificate"),
        pytest.param("data", {"token": "a"}, id="an authority within"),
        pytest.param({}, "data", id="a certificate within"),
    ],
)
async def test_a_kubeconfig_is_read_as_by_the_library(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, cluster: Json | str, user: Json | str
) -> None:
    authority = certificates.make(tmp_path, "authority")
    (tmp_path / "ca.crt").write_bytes(authority.cert.read_bytes())
    (tmp_path / "ca.key").write_bytes(authority.key.read_bytes())
    (tmp_path / "token").write_text("from-file\n")
    cert, key = (base64.b64encode((tmp_path / name).read_bytes()).decode() for name in ("ca.crt", "ca.key"))
    if isinstance(cluster, str):
        cluster = {"certificate-authority-data": cert}
    if isinstance(user, str):
        user = {"client-certificate-data": cert, "client-key-data": key}
    path = kubeconfig(tmp_path, CLUSTER | cluster, user)
    expected = await by_library(path, monkeypatch)
    assert contents(await credentials.Login(path).read(afresh=True)) == contents(expected)


async def test_a_service_account_is_read_as_by_the_library(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "ca.crt").write_text("an authority\n")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setattr(credentials, "_SERVICE_ACCOUNT", tmp_path)
    expected = await by_library(None, monkeypatch)
    found = await credentials.Login(None).read(afresh=True)
    assert contents(found) == contents(expected)
    assert found.server == "https://[fd00::1]:443"


async def test_what_is_plain_needs_no_library(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes_asyncio", None)
    found = await credentials.Login(kubeconfig(tmp_path, CLUSTER, {"token": "secret"})).read(afresh=True)
    assert found.authorization == "Bearer secret"
