"""Whatever Services and configurations say: one message each, and nothing that a status or a path cannot hold."""

import re
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from daemon import config
from daemon.facts import machine
from daemon.status import dataobject, nodecapability
from daemon.stores import addresses, contents, model, services
from scheduler import errors
from scheduler.api import core, crd, names, storage

TEXTS = st.text(max_size=40) | st.sampled_from([
    "true", "http://[::1]:80", "http://[fe80::1%25eth0]", "https://a b", "http://h\x00", "http://" + "h" * 5000,
    "http://h:99999", "http://u:p@h", "//", "http://%41", "../../home/secrets/lake", "x?watch=1", "a/b", "secret/../x",
    "eu\r\nX-Amz-Security-Token: y", "ｈｔｔｐ://ｈ", "http://ho\u2024st", "gateway", "configmap/", "\ud7ff" * 300,
])  # fmt: skip
ANNOTATIONS = st.dictionaries(
    st.sampled_from([
        names.STORAGE_ENDPOINT, names.STORAGE_SECRET, names.STORAGE_CA, names.STORAGE_ROLE, names.STORAGE_REGION,
    ]),
    TEXTS,
)  # fmt: skip
PORTS = st.lists(
    st.builds(
        storage.ServicePort,
        TEXTS,
        st.integers(0, 65535),
        TEXTS,
        st.integers(0, 65535) | TEXTS,
        st.sampled_from(["", "TCP"]),
    ),
    max_size=3,
)
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def found(annotations: dict[str, str], ports: list[storage.ServicePort], cluster_ip: str = "") -> model.Store:
    meta = core.ObjectMeta("s", "tenant", "u", annotations={**annotations, names.STORAGE_SERVICE: "true"})
    service = storage.Service(meta, storage.ServiceSpec({"app": "x"}, cluster_ip, tuple(ports)))
    pod = core.Pod(core.ObjectMeta("p", "tenant", "v", labels={"app": "x"}), status=core.PodStatus(pod_ip="10.1.0.1"))
    (store,) = services.discover([service], [pod])
    return store


@hypothesis.given(ANNOTATIONS, PORTS)
def test_whatever_a_service_says_leads_nowhere_else(
    annotations: dict[str, str], ports: list[storage.ServicePort]
) -> None:
    store = found(annotations, ports)
    for name in (store.secret, store.ca.name if store.ca else ""):
        assert name == "" or NAME.fullmatch(name), "it becomes part of a path at the API server"
    assert re.fullmatch(r"[A-Za-z0-9._-]*", store.region), "it becomes part of a header"
    assert store.endpoint == "" or re.fullmatch(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+):[0-9]+", store.endpoint)
    assert re.fullmatch(r"([0-9a-f.:\[\]]+:[0-9]+)?", store.address)
    assert store.problem.isprintable()
    assert store.guard is not None or store.address, "who wrote it is not trusted"


@hypothesis.given(ANNOTATIONS, PORTS)
def test_whatever_a_service_says_the_nodes_description_can_be_written(
    annotations: dict[str, str], ports: list[storage.ServicePort]
) -> None:
    """One entry that the schema refuses would keep all others from being written, those of other namespaces too."""
    store = found(annotations, ports)
    outcome = contents.Failure("BadAnnotation", store.problem) if store.problem else contents.Listing("s3")
    body = nodecapability.status_to_apply(
        crd.NodeCapability(core.ObjectMeta("n1")),
        node=core.Node(core.ObjectMeta("n1")),
        seen=machine.NOTHING,
        discovered=[store],
        views={store.name: dataobject.View(store, outcome, "2026-01-02T03:04:05Z")},
        now="2026-01-02T03:04:05Z",
    )
    assert body is not None
    (entry,) = body["status"]["stores"]
    assert (len(entry.get("endpoint", "")) <= 2048, len(entry.get("message", "")) <= 1024) == (True, True)
    assert len(msgspec.json.encode(body)) < 20_000


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXTS | st.sampled_from(["name", "nodes"]), inner, max_size=3)
    ),
    max_leaves=10,
)
KEYS = ["volumesRoot", "stores", "paths", "allowedEndpoints", "else"]
ENTRY = st.fixed_dictionaries({}, optional=dict.fromkeys(
    ["name", "endpoint", "secret", "caBundle", "region", "role", "place", "probeFrom", "nodes", "bucket", "path"],
    VALUES,
))  # fmt: skip


@hypothesis.given(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, VALUES | st.lists(ENTRY, max_size=2))))
def test_any_configuration_is_taken_or_refused_by_name(data: dict[str, Any]) -> None:
    said = ""
    try:
        config.parse(data, "daemon.yaml")
    except errors.InputError as error:
        said = str(error)
    assert said == "" or "daemon.yaml" in said


@pytest.mark.parametrize(
    "secret", ["../../../kube-system/secrets/x", "x?watch=1", "x/../y", "x#y", "X", "x\r\ny", "x" * 300, "%2e%2e"]
)
def test_a_secret_that_is_no_name_is_never_asked_for(secret: str) -> None:
    store = found({names.STORAGE_SECRET: secret, names.STORAGE_ENDPOINT: "http://h"}, [])
    assert (store.secret, names.STORAGE_SECRET in store.problem) == ("", True)


@hypothesis.given(st.text(max_size=60))
def test_any_host_is_judged(host: str) -> None:
    assert isinstance(addresses.Guard().fault(host), str)
