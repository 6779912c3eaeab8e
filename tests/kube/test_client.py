"""The client against a server that misbehaves in each known way."""

from __future__ import annotations

import asyncio
import pathlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest
import structlog.testing
from kubernetes_asyncio.config import incluster_config

from scheduler import errors
from scheduler.kube import client
from tests.fakeapi import certificates, faults, objects, server

PODS = "/api/v1/namespaces/default/pods"


async def test_requests_carry_parameters_bodies_and_content_types(fake: server.FakeApi, api: client.Api) -> None:
    await api.post(PODS, b'{"metadata": {"name": "web"}, "spec": {"nodeName": ""}}')
    await api.patch(f"{PODS}/web/status", b'{"status": {"phase": "Running"}}')
    await api.put(f"{PODS}/web", b'{"metadata": {"name": "web"}, "spec": {"nodeName": "n1"}}')
    assert fake.store.get("pods", "web", "default")["status"]["phase"] == "Running"
    assert b'"nodeName":"n1"' in await api.get(PODS, {"fieldSelector": "spec.nodeName!=,metadata.name=web"})
    assert b'"items":[]' in await api.get(PODS, {"fieldSelector": "spec.nodeName="})
    await api.delete(f"{PODS}/web")
    assert fake.store.all("pods") == []


@pytest.mark.parametrize(
    ("fault", "kind", "retry_after_s"),
    [
        pytest.param(faults.Fault(status=400), errors.ApiError, 0, id="bad-request"),
        pytest.param(faults.Fault(status=401), errors.DeniedError, 0, id="unauthorized"),
        pytest.param(faults.Fault(status=403), errors.DeniedError, 0, id="forbidden"),
        pytest.param(faults.Fault(status=404), errors.NotFoundError, 0, id="not-found"),
        pytest.param(faults.Fault(status=409), errors.ConflictError, 0, id="conflict"),
        pytest.param(faults.Fault(status=410), errors.GoneError, 0, id="gone"),
        pytest.param(faults.Fault(status=422), errors.ApiError, 0, id="invalid"),
        pytest.param(faults.Fault(status=429, headers={"Retry-After": "7"}), errors.ThrottledError, 7, id="throttled"),
        pytest.param(faults.Fault(status=429), errors.ThrottledError, 0, id="throttled-without-a-time"),
        pytest.param(
            faults.Fault(status=503, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
            errors.ThrottledError,
            1,
            id="retry-after-as-a-date",
        ),
        pytest.param(
            faults.Fault(status=500, body=b'{"code":500,"reason":"ServerTimeout","details":{"retryAfterSeconds":3}}'),
            errors.ApiError,
            3,
            id="retry-after-in-the-status",
        ),
        pytest.param(faults.Fault(status=500), errors.ApiError, 0, id="internal-error"),
        pytest.param(faults.Fault(status=302, headers={"Location": "/"}), errors.ApiError, 0, id="redirect"),
        pytest.param(faults.Fault(drop="before"), errors.UnreachableError, 0, id="cut-off"),
    ],
)
async def test_each_failure_has_its_error(
    fake: server.FakeApi, api: client.Api, fault: faults.Fault, kind: type[errors.ApiError], retry_after_s: float
) -> None:
    fault.times = 3
    fault.method = "POST"
    fake.faults.append(fault)
    with pytest.raises(errors.ApiError) as caught:
        await api.post(PODS, b"{}")
    assert type(caught.value) is kind
    assert caught.value.status == fault.status
    assert caught.value.retry_after_s == retry_after_s
    assert len(fake.requests) == 1  # nothing is retried: only the caller knows whether that is harmless


async def test_an_answer_that_is_no_status_is_quoted(fake: server.FakeApi, api: client.Api) -> None:
    fake.faults.append(faults.Fault(status=502, body=b"<html>Bad \xff Gateway</html>"))
    with pytest.raises(errors.ApiError, match="502 HTTP: <html>Bad \ufffd Gateway</html>"):
        await api.get(PODS)


async def read(api: client.Api, deadline_s: float = 30.0) -> None:
    await api.get(PODS, deadline_s=deadline_s)


async def write(api: client.Api, deadline_s: float = 30.0) -> None:
    pod = objects.pod(f"p{time.monotonic_ns()}")
    await api.post(PODS, msgspec.json.encode(pod), deadline_s=deadline_s)


Request = Callable[..., Awaitable[None]]
either = pytest.mark.parametrize("ask", [pytest.param(read, id="read"), pytest.param(write, id="write")])


@either
async def test_a_late_answer_misses_the_deadline(fake: server.FakeApi, api: client.Api, ask: Request) -> None:
    fake.faults.append(faults.Fault(delay_s=30))
    with pytest.raises(errors.UnreachableError, match="no answer in time"):
        await ask(api, deadline_s=0.1)


@either
async def test_a_server_that_is_not_there(fake: server.FakeApi, api: client.Api, ask: Request) -> None:
    await ask(api)
    await fake.stop()
    with pytest.raises(errors.UnreachableError, match=fake.url):
        await ask(api)
    await fake.start()
    await ask(api)


async def test_stream_yields_whole_lines_however_long(fake: server.FakeApi, api: client.Api) -> None:
    # Longer than any buffer on the way, and cut by the network wherever it likes.
    big = objects.pod("big")
    big["metadata"]["annotations"] = {"example/blob": "x" * 3_000_000}
    fake.store.create("pods", big)
    fake.store.create("pods", objects.pod("small"))
    lines = api.stream(PODS, {"watch": "1", "resourceVersion": "100"}, silence_s=60)
    first, second = [await anext(lines) for _ in range(2)]
    await lines.aclose()
    assert (len(first) > 3_000_000, b'"name":"small"' in second) == (True, True)


async def test_stream_notices_silence(fake: server.FakeApi, api: client.Api) -> None:
    fake.hung = True
    with pytest.raises(errors.UnreachableError, match="no answer in time"):
        await _lines(api.stream(PODS, {"watch": "1", "resourceVersion": "100"}, silence_s=0.2))


async def test_half_a_line_before_an_orderly_end_is_no_line(fake: server.FakeApi, api: client.Api) -> None:
    stream = api.stream(PODS, {"watch": "1", "resourceVersion": str(fake.store.version)}, silence_s=60)
    following = asyncio.create_task(_lines(stream))
    await server.until(lambda: fake.watches)
    fake.send_to_watches(b'{"type":"ADDED"}\n{"type":"MOD')
    fake.end_watches()
    assert await following == [b'{"type":"ADDED"}']


async def test_stream_notices_a_cut_in_the_middle_of_a_line(fake: server.FakeApi, api: client.Api) -> None:
    seen: list[bytes] = []

    async def follow() -> None:
        version = str(fake.store.version)
        async for line in api.stream(PODS, {"watch": "1", "resourceVersion": version}, silence_s=60):
            seen.append(line)  # noqa: PERF401 - what came before the failure is wanted

    following = asyncio.create_task(follow())
    await server.until(lambda: fake.watches)
    fake.send_to_watches(b'{"type":"ADDED"}\n{"type":"MOD')
    fake.drop_watches()
    with pytest.raises(errors.UnreachableError):
        await following
    assert seen == [b'{"type":"ADDED"}']


async def _lines(stream: AsyncIterator[bytes]) -> list[bytes]:
    return [line async for line in stream]


# -- credentials -----------------------------------------------------------------------------------------------------


async def test_a_rotated_token_file_is_picked_up_after_a_401(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    fake.tokens = {"first"}
    api = await client.Api.connect(fake.kubeconfig(tmp_path, user={"tokenFile": str(token)}))
    await api.get(PODS)
    token.write_text("second\n")
    fake.tokens = {"second"}
    await asyncio.gather(*(api.get(PODS) for _ in range(20)))  # all of them meet the 401 at once
    fake.tokens = {"third"}
    with pytest.raises(errors.DeniedError):  # the file still says "second"
        await api.get(PODS)
    await api.close()


async def test_a_token_file_is_read_again_before_the_old_token_expires(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    fake.tokens = {"first", "second"}
    api = await client.Api.connect(fake.kubeconfig(tmp_path, user={"tokenFile": str(token)}), reread_s=0)
    token.write_text("second")
    await api.get(PODS)
    assert api.credentials.authorization == "Bearer second"
    await api.close()


async def test_a_kubeconfig_that_is_rewritten_is_picked_up_after_a_401(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    fake.tokens = {"first"}
    api = await client.Api.connect(fake.kubeconfig(tmp_path, user={"token": "first"}))
    fake.tokens = {"second"}
    fake.kubeconfig(tmp_path, user={"token": "second"})
    await api.get(PODS)
    await api.close()


async def test_a_token_file_that_vanished_leaves_the_old_token_in_use(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    fake.tokens = {"first"}
    api = await client.Api.connect(fake.kubeconfig(tmp_path, user={"tokenFile": str(token)}), reread_s=0)
    token.unlink()
    with structlog.testing.capture_logs() as logs:
        await api.get(PODS)
    assert logs[0]["log_level"] == "warning"
    assert "first" not in str(logs)
    await api.close()


async def test_in_cluster_credentials(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = certificates.make(tmp_path, "authority")
    async with server.running(authority.server_context()) as secure:
        host, _, port = secure.url.removeprefix("https://").partition(":")
        (tmp_path / "token").write_text("first")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority.cert))
        secure.tokens = {"first"}
        api = await client.Api.connect()
        await api.get(PODS)
        (tmp_path / "token").write_text("second")
        secure.tokens = {"second"}
        await api.get(PODS)
        await api.close()


@either
async def test_tls_is_verified(tmp_path: pathlib.Path, ask: Request) -> None:
    right, wrong = certificates.make(tmp_path, "right"), certificates.make(tmp_path, "wrong")
    async with server.running(right.server_context()) as fake:
        for authority, trusted in ((right, True), (wrong, False), (None, False)):
            cluster = {"certificate-authority": str(authority.cert)} if authority else {}
            api = await client.Api.connect(fake.kubeconfig(tmp_path, cluster=cluster))
            if trusted:
                await ask(api)
            else:
                with pytest.raises(
                    errors.UnreachableError, match=r"its certificate is not trusted: .*certificate-auth"
                ):
                    await ask(api)
            await api.close()


@either
async def test_a_client_certificate_identifies_us(tmp_path: pathlib.Path, ask: Request) -> None:
    ours, theirs, other = (certificates.make(tmp_path, name) for name in ("ours", "theirs", "other"))
    async with server.running(theirs.server_context(client_authority=ours.cert)) as fake:
        cluster = {"certificate-authority": str(theirs.cert)}
        for identity, accepted in ((ours, True), (other, False)):
            user = {"client-certificate": str(identity.cert), "client-key": str(identity.key)}
            api = await client.Api.connect(fake.kubeconfig(tmp_path, user=user, cluster=cluster))
            if accepted:
                await ask(api)
            else:
                with pytest.raises(errors.UnreachableError):
                    await ask(api)
            await api.close()


async def test_an_exec_plugin_gives_the_token(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    plugin = tmp_path / "plugin"
    answer = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}'
    plugin.write_text(f"#!/bin/sh\necho '{answer % 'first'}'\n")
    plugin.chmod(0o755)
    run = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}
    fake.tokens = {"first"}
    api = await client.Api.connect(fake.kubeconfig(tmp_path, user={"exec": run}))
    await api.get(PODS)
    plugin.write_text(f"#!/bin/sh\necho '{answer % 'second'}'\n")
    fake.tokens = {"second"}
    await api.get(PODS)
    await api.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(None, "no such file; give --kubeconfig", id="missing"),
        pytest.param("{", "cannot be used: ", id="no-yaml"),
        pytest.param("{}", "cannot be used: ", id="empty"),
        pytest.param(
            "{current-context: a, contexts: [{name: b, context: {cluster: c, user: u}}], clusters: [], "
            "users: [{name: u, user: {token: hush}}]}",
            "Expected object with name a",
            id="no-such-context",
        ),
        pytest.param(
            "{current-context: a, contexts: [{name: a, context: {cluster: c, user: u}}], "
            "clusters: [{name: c, cluster: {server: 'https://127.0.0.1'}}], "
            "users: [{name: u, user: {auth-provider: {name: oidc, config: {refresh-token: hush}}}}]}",
            "Expected key client-id",
            id="half-an-auth-provider",
        ),
        pytest.param(
            "{current-context: a, contexts: [{name: a, context: {cluster: c, user: u}}], "
            "clusters: [{name: c, cluster: {server: 'https://127.0.0.1', certificate-authority: /no/such}}], "
            "users: [{name: u, user: {token: hush}}]}",
            "cannot be used: ",
            id="no-such-authority",
        ),
    ],
)
async def test_an_unusable_kubeconfig_is_refused_without_its_secrets(
    tmp_path: pathlib.Path, text: str | None, message: str
) -> None:
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    with pytest.raises(errors.InputError, match=message) as caught:
        await client.Api.connect(str(path))
    assert "hush" not in str(caught.value)


async def test_outside_a_cluster_a_kubeconfig_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(errors.InputError, match=r"in-cluster.*Service host/port is not set"):
        await client.Api.connect()


@either
async def test_skipping_verification_is_obeyed_and_said(tmp_path: pathlib.Path, ask: Request) -> None:
    authority = certificates.make(tmp_path, "authority")
    async with server.running(authority.server_context()) as fake:
        with structlog.testing.capture_logs() as logs:
            api = await client.Api.connect(fake.kubeconfig(tmp_path, cluster={"insecure-skip-tls-verify": True}))
        await ask(api)
        await api.close()
    assert [entry["log_level"] for entry in logs] == ["warning"]


@pytest.mark.parametrize(
    ("no_proxy", "used"),
    [
        pytest.param("", True, id="none"),
        pytest.param("127.0.0.1", False, id="the-address"),
        pytest.param("10.0.0.0/8,127.0.0.0/8", False, id="its-network"),
        pytest.param("10.0.0.0/8,example.com", True, id="others"),
    ],
)
async def test_the_proxy_of_the_environment(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, no_proxy: str, used: bool
) -> None:
    for name in ("http_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", no_proxy)
    api = await client.Api.connect(fake.kubeconfig(tmp_path))
    assert (api.credentials.proxy is not None) is used
    await api.close()
