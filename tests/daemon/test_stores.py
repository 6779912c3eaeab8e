"""Which Services are stores of a node, where they answer, and what is refused in them."""

import pytest

from daemon.stores import addresses, model, services
from scheduler import errors
from scheduler.api import core, names, storage


def service(
    *,
    selector: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    ports: tuple[storage.ServicePort, ...] = (storage.ServicePort("api", 9000),),
    cluster_ip: str = "10.0.0.7",
    namespace: str = "data",
    name: str = "store",
) -> storage.Service:
    meta = core.ObjectMeta(name=name, namespace=namespace, uid="u", annotations=annotations or {})
    return storage.Service(
        meta, storage.ServiceSpec({"app": "s3"} if selector is None else selector, cluster_ip, ports)
    )


def pod(
    labels: dict[str, str],
    *,
    namespace: str = "data",
    phase: str = "Running",
    name: str = "pod",
    ip: str = "",
    ready: str = "",
    ports: dict[str, int] | None = None,
) -> core.Pod:
    meta = core.ObjectMeta(name=name, namespace=namespace, labels=labels)
    opened = tuple(core.ContainerPort(number, name=word) for word, number in (ports or {}).items())
    said = (core.PodCondition("Ready", ready),) if ready else ()
    status = core.PodStatus(phase=phase, pod_ip=ip, conditions=said)
    return core.Pod(meta, core.PodSpec(containers=(core.Container("c", ports=opened),)), status)


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


def port(name: str, number: int, target: int | str = "", **more: str) -> storage.ServicePort:
    return storage.ServicePort(name, number, target_port=target, **more)


@pytest.mark.parametrize(
    ("address", "given", "on_node"),
    [
        pytest.param(
            "10.1.0.3:9000", service(annotations=MARKED, cluster_ip="None"), pod({"app": "s3"}, ip="10.1.0.3"),
            id="headless",
        ),
        pytest.param(
            "10.1.0.3:9100",
            service(annotations=MARKED, ports=(port("api", 80, 9100),)),
            pod({"app": "s3"}, ip="10.1.0.3"),
            id="a target port by number, behind a cluster address",
        ),
        pytest.param(
            "10.1.0.3:7777",
            service(annotations=MARKED, ports=(port("api", 80, "s3-api"),)),
            pod({"app": "s3"}, ip="10.1.0.3", ports={"console": 9001, "s3-api": 7777}),
            id="a target port by name",
        ),
        pytest.param(
            "[fd00::3]:9000", service(annotations=MARKED), pod({"app": "s3"}, ip="fd00::3"), id="IPv6"
        ),
        pytest.param(
            "",
            service(annotations=MARKED | {names.STORAGE_ENDPOINT: "http://s3.example.org"}),
            pod({"app": "s3"}, ip="10.1.0.3"),
            id="an endpoint that somebody wrote is what is asked",
        ),
        pytest.param(
            "",
            service(annotations=MARKED | {names.STORAGE_ROLE: "distributed"}),
            pod({"app": "s3"}, ip="10.1.0.3"),
            id="one system of many servers is asked by the Service's address",
        ),
        pytest.param(
            "",
            service(annotations=MARKED | {names.STORAGE_ROLE: "gateway"}),
            pod({"app": "s3"}, ip="10.1.0.3"),
            id="so is a gateway",
        ),
    ],
)  # fmt: skip
def test_of_several_servers_behind_a_service_the_one_on_this_node_is_asked(
    address: str, given: storage.Service, on_node: core.Pod
) -> None:
    (store,) = services.discover([given], [on_node])
    assert (store.address, store.problem) == (address, "")
    assert store.endpoint.startswith("http"), "people are shown the Service's address"


def test_a_pods_certificate_is_held_to_the_services_name() -> None:
    given = service(annotations=MARKED, ports=(port("https-minio", 443, 9000),))
    (store,) = services.discover([given], [pod({"app": "s3"}, ip="10.1.0.3")])
    assert (store.endpoint, store.address, store.tls_name) == (
        "https://store.data.svc:443",
        "10.1.0.3:9000",
        "store.data.svc",
    )


def test_a_target_port_that_the_pod_does_not_have_is_named() -> None:
    given = service(annotations=MARKED, ports=(port("api", 80, "s3"),))
    (store,) = services.discover([given], [pod({"app": "s3"}, ip="10.1.0.3")])
    assert "targetPort" in store.problem
    assert store.address == ""


@pytest.mark.parametrize("annotations", [{}, {names.STORAGE_ENDPOINT: "http://h:1"}, {names.STORAGE_ROLE: "gateway"}])
def test_a_pod_that_is_not_ready_does_not_serve(annotations: dict[str, str]) -> None:
    given = service(annotations=MARKED | annotations)
    (waiting,) = services.discover([given], [pod({"app": "s3"}, ip="10.1.0.3", ready="False")])
    assert "data/pod on this node is not ready" in waiting.waits_for
    (starting,) = services.discover([given], [pod({"app": "s3"}, phase="Pending")])
    assert starting.waits_for
    both = [pod({"app": "s3"}, name="a", ready="False"), pod({"app": "s3"}, name="b", ready="True", ip="10.1.0.4")]
    (served,) = services.discover([given], both)
    assert served.waits_for == "", "one of two is enough"


CHART = {"app": "minio", "release": "r"}


@pytest.mark.parametrize(
    ("found", "ports"),
    [
        pytest.param(True, (port("http", 9000, 9000),), id="MinIO's chart"),
        pytest.param(True, (port("https", 443, 9000),), id="MinIO's chart with TLS at another port"),
        pytest.param(True, (port("http-minio", 80, 9000),), id="MinIO's operator"),
        pytest.param(True, (port("https-minio", 443, 9000),), id="MinIO's operator with TLS"),
        pytest.param(True, (port("tcp-api", 80, "api"), port("tcp-console", 9001, "console")), id="Bitnami's chart"),
        pytest.param(True, (port("s3", 8333),), id="by name alone"),
        pytest.param(True, (port("", 9000),), id="by number alone"),
        pytest.param(True, (port("http", 80, "http"),), id="by the container's port, whose number is MinIO's"),
        pytest.param(False, (port("http", 9001, 9001),), id="the console of MinIO's chart"),
        pytest.param(False, (port("https", 443, 9001),), id="the same with TLS at another port"),
        pytest.param(False, (port("http", 80, "http-console"),), id="the same by name"),
        pytest.param(False, (port("http-console", 9090, 9090),), id="the console of MinIO's operator"),
        pytest.param(False, (port("http", 9000, 9001),), id="a console at the API's number"),
        pytest.param(False, (port("minio-console", 9001),), id="a console with the store's name"),
        pytest.param(False, (port("metrics", 9000, protocol="UDP"),), id="another protocol"),
        pytest.param(False, (), id="no port at all"),
    ],
)
def test_by_label_alone_only_a_service_with_an_api_port_is_a_store(
    found: bool, ports: tuple[storage.ServicePort, ...]
) -> None:
    on_node = pod(CHART, ip="10.1.0.3", ports={"http": 9000, "http-console": 9001, "api": 9000, "console": 9001})
    given = service(selector={"app": "minio"}, ports=ports)
    assert bool(services.discover([given], [on_node])) is found
    marked = service(selector={"app": "minio"}, ports=ports, annotations=MARKED)
    assert len(services.discover([marked], [on_node])) == 1, "one that says so itself is believed"


@pytest.mark.parametrize(
    ("names_found", "given"),
    [
        pytest.param(["data/minio"], [service(name="minio"), service(name="minio-svc", cluster_ip="None")], id="chart"),
        pytest.param(
            ["data/minio-hl"],
            [service(name="minio"), service(name="minio-hl", annotations=MARKED, cluster_ip="None")],
            id="the one that says so itself goes first",
        ),
        pytest.param(
            ["data/minio"],
            [service(name="a"), service(name="minio", annotations={names.STORAGE_SECRET: "keys"})],
            id="then the one with a Secret",
        ),
        pytest.param(
            ["data/minio"],
            [
                service(name="minio", annotations=MARKED | {names.STORAGE_ENDPOINT: "http://minio.example.org"}),
                service(name="a"),
            ],
            id="one that names the endpoint stands for its server",
        ),
        pytest.param(
            ["data/a", "data/b"],
            [service(name="a", ports=(port("api", 9000),)), service(name="b", ports=(port("api", 9000, 9100),))],
            id="two servers of one pod",
        ),
        pytest.param(
            ["data/a", "data/b"],
            [
                service(name=name, annotations=MARKED | {names.STORAGE_ENDPOINT: f"http://{name}.example.org"})
                for name in "ab"
            ],
            id="two endpoints that somebody wrote",
        ),
    ],
)
def test_several_services_of_one_server_are_one_store(names_found: list[str], given: list[storage.Service]) -> None:
    alike = [
        storage.Service(one.metadata, storage.ServiceSpec({"app": "minio"}, one.spec.cluster_ip, one.spec.ports))
        for one in given
    ]
    for order in (alike, alike[::-1]):
        found = services.discover(order, [pod({"app": "minio"}, ip="10.1.0.3")])
        assert [store.name for store in found] == names_found


def test_a_store_speaks_for_its_services_namespace_unless_that_is_everybodys() -> None:
    given, on_node = [service(annotations=MARKED)], [pod({"app": "s3"}, ip="10.1.0.3")]
    assert services.discover(given, on_node)[0].speaks_for == "data"
    assert services.discover(given, on_node, everybodys={"data"})[0].speaks_for == ""


def test_what_a_tenant_wrote_is_guarded_and_what_a_kubelet_or_an_administrator_wrote_is_not() -> None:
    written = service(annotations=MARKED | {names.STORAGE_ENDPOINT: "http://169.254.169.254"})
    one_system = service(annotations=MARKED | {names.STORAGE_ROLE: "gateway"}, cluster_ip="None")
    on_node = [pod({"app": "s3"}, ip="10.1.0.3")]
    guard = addresses.Guard()
    assert services.discover([written], on_node, guard=guard)[0].guard == guard
    assert services.discover([one_system], on_node, guard=guard)[0].guard == guard
    assert services.discover([written], on_node, guard=guard, everybodys={"data"})[0].guard is None
    assert services.discover([service(annotations=MARKED)], on_node, guard=guard)[0].guard is None
