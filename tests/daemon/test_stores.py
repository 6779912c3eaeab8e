"""Which Services are stores of a node, where they answer, and what is refused in them."""

import pytest

from daemon.stores import model, services
from scheduler import errors
from scheduler.api import core, names, storage


def service(
    *,
    selector: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    ports: tuple[storage.ServicePort, ...] = (storage.ServicePort("api", 9000),),
    cluster_ip: str = "10.0.0.7",
    namespace: str = "data",
) -> storage.Service:
    meta = core.ObjectMeta(name="store", namespace=namespace, uid="u", annotations=annotations or {})
    return storage.Service(
        meta, storage.ServiceSpec({"app": "s3"} if selector is None else selector, cluster_ip, ports)
    )


def pod(labels: dict[str, str], *, namespace: str = "data", phase: str = "Running") -> core.Pod:
    meta = core.ObjectMeta(name="pod", namespace=namespace, labels=labels)
    return core.Pod(meta, status=core.PodStatus(phase=phase))


MARKED = {names.STORAGE_SERVICE: "true"}


@pytest.mark.parametrize(
    ("found", "given", "on_node"),
    [
        pytest.param(True, service(annotations=MARKED), pod({"app": "s3", "x": "y"}), id="annotated"),
        pytest.param(True, service(annotations={names.STORAGE_SERVICE: " True"}), pod({"app": "s3"}), id="spelling"),
        pytest.param(False, service(), pod({"app": "s3"}), id="neither annotated nor a known app"),
        pytest.param(True, service(selector={"app": "minio"}), pod({"app": "minio"}), id="earlier label"),
        pytest.param(
            True,
            service(selector={"app": "minio-edge", "region": "r2"}),
            pod({"app": "minio-edge", "region": "r2"}),
            id="earlier label, one region",
        ),
        pytest.param(
            False,
            service(selector={"app": "minio-edge", "region": "r2"}),
            pod({"app": "minio-edge", "region": "r1"}),
            id="the other region's pod",
        ),
        pytest.param(
            True, service(selector={"role": "central"}), pod({"role": "central", "app": "minio"}), id="by another label"
        ),
        pytest.param(
            False,
            service(selector={"app": "minio"}, annotations={names.STORAGE_SERVICE: "false"}),
            pod({"app": "minio"}),
            id="opted out",
        ),
        pytest.param(False, service(annotations=MARKED), pod({"app": "s3"}, namespace="other"), id="other namespace"),
        pytest.param(False, service(annotations=MARKED, selector={}), pod({"app": "s3"}), id="no selector"),
        pytest.param(False, service(annotations=MARKED), pod({"app": "s3"}, phase="Failed"), id="finished pod"),
        pytest.param(True, service(annotations=MARKED), pod({"app": "s3"}, phase="Pending"), id="starting pod"),
    ],
)
def test_a_store_is_a_service_of_this_nodes_pods(found: bool, given: storage.Service, on_node: core.Pod) -> None:
    assert [store.name for store in services.discover([given], [on_node])] == (["data/store"] if found else [])


@pytest.mark.parametrize(
    ("endpoint", "given"),
    [
        pytest.param("http://10.0.0.7:9000", service(annotations=MARKED), id="cluster address"),
        pytest.param(
            "http://10.0.0.7:9000",
            service(annotations=MARKED, ports=(storage.ServicePort("console", 9001), storage.ServicePort("api", 9000))),
            id="not the console",
        ),
        pytest.param(
            "http://10.0.0.7:9000",
            service(annotations=MARKED, ports=(storage.ServicePort("web", 80), storage.ServicePort("x", 9000))),
            id="MinIO's port",
        ),
        pytest.param(
            "http://10.0.0.7:8333",
            service(annotations=MARKED, ports=(storage.ServicePort("", 8333),)),
            id="the only port",
        ),
        pytest.param(
            "https://store.data.svc:9000",
            service(annotations=MARKED, ports=(storage.ServicePort("https-api", 9000),)),
            id="TLS by port name, with a name that a certificate can carry",
        ),
        pytest.param(
            "https://store.data.svc:9000",
            service(annotations=MARKED, ports=(storage.ServicePort("api", 9000, app_protocol="HTTPS"),)),
            id="TLS by appProtocol",
        ),
        pytest.param("http://store.data.svc:9000", service(annotations=MARKED, cluster_ip="None"), id="headless"),
        pytest.param("http://[fd00::7]:9000", service(annotations=MARKED, cluster_ip="fd00::7"), id="IPv6"),
        pytest.param(
            "https://s3.example.org:443",
            service(annotations=MARKED | {names.STORAGE_ENDPOINT: " https://s3.example.org/"}),
            id="annotation",
        ),
        pytest.param(
            "http://[::1]:7000",
            service(annotations=MARKED | {names.STORAGE_ENDPOINT: "http://[::1]:7000"}),
            id="annotation, IPv6",
        ),
    ],
)
def test_where_a_store_answers(endpoint: str, given: storage.Service) -> None:
    (store,) = services.discover([given], [pod({"app": "s3"})])
    assert (store.endpoint, store.problem) == (endpoint, "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("minio:9000", "write http://HOST:PORT", id="no scheme"),
        pytest.param("", "not a URL of a store", id="empty"),
        pytest.param("ftp://h:21", "not a URL of a store", id="another scheme"),
        pytest.param("http://h:9000/bucket", "no path", id="path"),
        pytest.param("http://h:99999", "Port out of range", id="port"),
        pytest.param("http://[::1", "Invalid IPv6", id="bracket"),
        pytest.param("http://me:hush@h:9000", "name a Secret", id="credentials"),
        pytest.param("http://me:hush@h:x", "write http://HOST:PORT", id="credentials and a bad port"),
    ],
)
def test_a_bad_endpoint_is_one_message_that_repeats_no_credential(text: str, words: str) -> None:
    given = service(annotations=MARKED | {names.STORAGE_ENDPOINT: text})
    (store,) = services.discover([given], [pod({"app": "s3"})])
    assert store.endpoint == ""
    assert words in store.problem
    assert names.STORAGE_ENDPOINT in store.problem
    assert "hush" not in store.problem


def test_a_service_without_ports_says_what_to_add() -> None:
    (store,) = services.discover([service(annotations=MARKED, ports=())], [pod({"app": "s3"})])
    assert "add one, or the annotation" in store.problem


def test_endpoints_in_normal_form_stay() -> None:
    assert services.parse_endpoint("http://h:80") == "http://h:80"
    with pytest.raises(errors.InputError):
        services.parse_endpoint("http://")


@pytest.mark.parametrize(
    ("annotations", "role", "region", "ca"),
    [
        pytest.param({}, "Stores", "", None, id="nothing said"),
        pytest.param({names.STORAGE_ROLE: "gateway"}, "Serves", "", None, id="gateway"),
        pytest.param({names.STORAGE_ROLE: " Distributed "}, "Serves", "", None, id="spread over nodes"),
        pytest.param({names.STORAGE_ROLE: "store"}, "Stores", "", None, id="store"),
        pytest.param({names.STORAGE_REGION: "eu-1"}, "Stores", "eu-1", None, id="region"),
        pytest.param({names.STORAGE_CA: "ca"}, "Stores", "", model.Bundle("ConfigMap", "data", "ca"), id="ConfigMap"),
        pytest.param(
            {names.STORAGE_CA: "configmap/ca"}, "Stores", "", model.Bundle("ConfigMap", "data", "ca"), id="in full"
        ),
        pytest.param({names.STORAGE_CA: "secret/ca"}, "Stores", "", model.Bundle("Secret", "data", "ca"), id="Secret"),
    ],
)
def test_what_a_service_says_of_its_store(
    annotations: dict[str, str], role: str, region: str, ca: model.Bundle | None
) -> None:
    (store,) = services.discover([service(annotations=MARKED | annotations)], [pod({"app": "s3"})])
    assert (store.role, store.region, store.ca, store.problem) == (role, region, ca, "")


@pytest.mark.parametrize(
    ("annotation", "text", "words"),
    [
        pytest.param(names.STORAGE_ROLE, "proxy", "store, gateway, distributed", id="role"),
        pytest.param(names.STORAGE_CA, "other/ca", "in this namespace", id="another namespace's bundle"),
        pytest.param(names.STORAGE_CA, "secret/", "secret/NAME", id="no name"),
    ],
)
def test_a_bad_annotation_is_one_message(annotation: str, text: str, words: str) -> None:
    (store,) = services.discover([service(annotations=MARKED | {annotation: text})], [pod({"app": "s3"})])
    assert annotation in store.problem
    assert words in store.problem
