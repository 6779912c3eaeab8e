"""Of all ConfigMaps the webhook writes only those in which it keeps what events said: tried with its own token.

Here nothing but what manifests/base gives it is allowed, so what is refused is refused by its role or by its policy.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from localcluster import cluster
from scheduler.api import names
from tests.manifests import test_manifests as manifests
from tests.manifests.sending import MERGE, Send, sender
from webhook import facts
from webhook.events import keeping

pytestmark = pytest.mark.e2e

HOME = "data-locality-scheduler"
MAPS = f"/api/v1/namespaces/{HOME}/configmaps"
DAEMONS = "data-locality-daemon-config"
OURS = keeping.name_of(facts.Consumer("default", "fmask"))
LABELS = {names.EVENTS_LABEL: "true"}
NOT_ITS_OWN = "it writes only those named events.*"


def config_map(name: str, labels: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels or {}}, "data": {"events": "{}"}, **more}


@pytest.fixture(scope="module")
def webhook(running: cluster.Cluster) -> Send:
    running.apply(manifests.BASE / "rbac-webhook.yaml", manifests.BASE / "policy-webhook.yaml")
    for found in (config_map(DAEMONS), config_map("events.of-somebody"), config_map("labelled", LABELS)):
        running.api.request("POST", MAPS, found)
    send = sender(running.service_account_kubeconfig(HOME, "data-locality-webhook"))
    deadline_s = time.monotonic() + 60
    while NOT_ITS_OWN not in send("POST", f"{MAPS}?dryRun=All", config_map("probe"))[1]:
        assert time.monotonic() < deadline_s, "the policy never came to hold"
        time.sleep(0.1)
    return send


def test_the_webhook_keeps_its_own_config_maps(webhook: Send) -> None:
    status, words = webhook("POST", MAPS, config_map(OURS, LABELS))
    assert status == 201, words
    status, words = webhook("PUT", f"{MAPS}/{OURS}", config_map(OURS, LABELS, data={"events": '{"a": 1}'}))
    assert status == 200, words
    assert webhook("DELETE", f"{MAPS}/{OURS}")[0] == 200


@pytest.mark.parametrize(
    ("method", "name", "body", "words"),
    [
        ("PUT", DAEMONS, config_map(DAEMONS), NOT_ITS_OWN),
        ("PUT", DAEMONS, config_map(DAEMONS, LABELS), NOT_ITS_OWN),
        ("DELETE", DAEMONS, None, NOT_ITS_OWN),
        ("PUT", "events.of-somebody", config_map("events.of-somebody", LABELS), NOT_ITS_OWN),
        ("DELETE", "events.of-somebody", None, NOT_ITS_OWN),
        ("DELETE", "labelled", None, NOT_ITS_OWN),
        ("POST", "", config_map("other"), NOT_ITS_OWN),
        ("POST", "", config_map("events.other"), NOT_ITS_OWN),
        ("POST", "", config_map("other", LABELS), NOT_ITS_OWN),
        ("POST", "", {"metadata": {"generateName": "other-", "labels": LABELS}}, NOT_ITS_OWN),
        (
            "POST",
            "",
            config_map("events.x", LABELS, data={"config.yaml": "stores: []"}),
            'nothing but the key "events"',
        ),
        ("POST", "", config_map("events.x", LABELS, binaryData={"a": "YQ=="}), 'nothing but the key "events"'),
    ],
)
def test_no_other_config_map_is_written(webhook: Send, method: str, name: str, body: Any, words: str) -> None:
    status, said = webhook(method, f"{MAPS}/{name}" if name else MAPS, body)
    assert (status, words in said) == (403, True), said


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/namespaces/default/configmaps"),
        ("PATCH", f"{MAPS}/{DAEMONS}"),
        ("DELETE", MAPS),
        ("GET", f"/api/v1/namespaces/{HOME}/secrets"),
        ("POST", f"/api/v1/namespaces/{HOME}/secrets"),
        ("POST", f"/api/v1/namespaces/{HOME}/pods"),
        ("POST", f"/apis/{names.API_VERSION}/namespaces/{HOME}/dataobjects"),
        ("POST", "/api/v1/namespaces"),
    ],
)
def test_nothing_else_is_written_at_all(webhook: Send, method: str, path: str) -> None:
    assert webhook(method, path, config_map(OURS, LABELS), MERGE if method == "PATCH" else "application/json")[0] == 403


def test_the_administrator_may_go_on_editing_all_of_them(running: cluster.Cluster, webhook: Send) -> None:
    assert running.api.request("PUT", f"{MAPS}/{DAEMONS}", config_map(DAEMONS))["metadata"]["name"] == DAEMONS
