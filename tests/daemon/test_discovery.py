"""Which stores a node's daemon looks after, from Services, the configuration and volumes."""

import collections
import ipaddress
import random

import hypothesis
import pytest
from hypothesis import strategies as st

from daemon import config
from daemon.stores import discovery, model
from scheduler.api import core, names, storage

HOSTNAME = "kubernetes.io/hostname"


def node(name: str = "n1", *, labels: dict[str, str] | None = None, taints: tuple[str, ...] = ()) -> core.Node:
    meta = core.ObjectMeta(name=name, labels={HOSTNAME: f"host-{name}", **(labels or {})})
    return core.Node(meta, core.NodeSpec(taints=tuple(core.Taint(key=key) for key in taints)))


def requirement(key: str, operator: str, *values: str) -> core.Requirement:
    return core.Requirement(key, operator, values)


def volume(
    *expressions: core.Requirement,
    name: str = "pv1",
    bucket: str | None = "photos",
    fields: tuple[core.Requirement, ...] = (),
    local: str = "/mnt/photos",
    host_path: str = "",
    affinity: bool = True,
) -> storage.PersistentVolume:
    labels = {} if bucket is None else {names.STORAGE_BUCKET: bucket}
    selector = core.NodeSelector((core.NodeSelectorTerm(expressions, fields),))
    return storage.PersistentVolume(
        core.ObjectMeta(name=name, labels=labels),
        storage.PersistentVolumeSpec(
            local=storage.DirectorySource(local) if local else None,
            host_path=storage.DirectorySource(host_path) if host_path else None,
            node_affinity=storage.VolumeNodeAffinity(selector) if affinity else None,
        ),
    )


MINE = requirement(HOSTNAME, "In", "host-n1")


@pytest.mark.parametrize(
    ("given", "directory"),
    [
        pytest.param(volume(MINE), "/host/mnt/photos", id="local, of this node"),
        pytest.param(volume(MINE, local="", host_path="/data"), "/host/data", id="hostPath, of this node"),
        pytest.param(volume(requirement(HOSTNAME, "In", "host-n2")), None, id="of another node"),
        pytest.param(volume(requirement(HOSTNAME, "In", "host-n2", "host-n1")), "/host/mnt/photos", id="of two nodes"),
        pytest.param(volume(requirement(HOSTNAME, "NotIn", "host-n2")), "/host/mnt/photos", id="not of another"),
        pytest.param(volume(requirement("disk", "Exists")), None, id="of nodes with a label"),
        pytest.param(volume(requirement("disk", "DoesNotExist")), "/host/mnt/photos", id="of nodes without a label"),
        pytest.param(volume(requirement("disk", "Gt", "3")), None, id="an operator that ties to no node"),
        pytest.param(volume(MINE, requirement("disk", "Exists")), None, id="one requirement of two"),
        pytest.param(volume(fields=(requirement("metadata.name", "In", "n1"),)), "/host/mnt/photos", id="by name"),
        pytest.param(volume(), None, id="an empty term ties to no node"),
        pytest.param(volume(affinity=False), None, id="without affinity it could be anywhere"),
        pytest.param(volume(MINE, bucket=None), None, id="without the label"),
        pytest.param(volume(MINE, local=""), None, id="no directory"),
    ],
)
def test_volumes(given: storage.PersistentVolume, directory: str | None) -> None:
    found = discovery.find(discovery.Cluster(node(), volumes=[given]), config.Settings(volumes_root="/host"))
    assert [(store.name, store.bucket, store.directory) for store in found] == (
        [("volume:pv1", "photos", directory)] if directory else []
    )
    assert all(not store.problem and store.technology == "local" for store in found)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param(volume(MINE, bucket="No Bucket"), "not an S3 bucket name", id="bucket name"),
        pytest.param(volume(MINE, local="/mnt/../../etc"), 'not an absolute path without ".."', id="out of the root"),
    ],
)
def test_a_volume_that_cannot_be_a_bucket_says_why(given: storage.PersistentVolume, words: str) -> None:
    (found,) = discovery.find(discovery.Cluster(node(), volumes=[given]), config.Settings())
    assert words in found.problem


def configured(name: str, nodes: config.Nodes, place: model.Place | None = None) -> config.ConfiguredStore:
    return config.ConfiguredStore(model.Store("ns", "", "", "http://s:1", "", alias=name, place=place), nodes)


def test_configured_stores_and_paths_of_this_node() -> None:
    settings = config.Settings(
        volumes_root="/",
        stores=(
            configured("mine", config.Nodes(("n1",))),
            configured("by-label", config.Nodes((), {"rack": "r7"})),
            configured("not-mine", config.Nodes(("n2",))),
        ),
        paths=(config.Directory("photos", "/srv/photos"), config.Directory("scans", "/s", config.Nodes(("n2",)))),
    )
    found = discovery.find(discovery.Cluster(node(labels={"rack": "r7"})), settings)
    assert [store.name for store in found] == ["by-label", "mine", "path:/srv/photos"]
    assert (found[2].directory, found[2].endpoint) == ("/srv/photos", "file:///srv/photos")


def test_announced_configured_and_local_stores_stand_beside_each_other() -> None:
    meta = core.ObjectMeta(name="s", namespace="data", annotations={names.STORAGE_SERVICE: "true"})
    service = storage.Service(meta, storage.ServiceSpec({"app": "x"}, "10.0.0.7", (storage.ServicePort("api", 9000),)))
    pod = core.Pod(core.ObjectMeta(name="p", namespace="data", labels={"app": "x"}))
    settings = config.Settings(stores=(configured("a", config.Nodes()),))
    found = discovery.find(discovery.Cluster(node(), [service], [pod], [volume(MINE)]), settings)
    assert [store.name for store in found] == ["a", "data/s", "volume:pv1"]


OUTSIDE = model.Place("west", "west-1")
GATEWAYS = config.Nodes((), {"gateway": "yes"})


def gateway(name: str, *taints: str) -> core.Node:
    return node(name, labels={"gateway": "yes"}, taints=taints)


def askers(store: str, nodes: list[core.Node]) -> list[str]:
    """The nodes whose daemons would ask an outside store, each by what it knows itself."""
    settings = config.Settings(stores=(configured(store, GATEWAYS, OUTSIDE),))
    return [each.metadata.name for each in nodes if discovery.find(discovery.Cluster(each, nodes=nodes), settings)]


def test_one_node_asks_an_outside_store_and_several_stores_spread() -> None:
    nodes = [gateway(f"g{i}") for i in range(4)] + [node("plain")]
    chosen = collections.Counter(askers(f"s{i}", nodes)[0] for i in range(60) if len(askers(f"s{i}", nodes)) == 1)
    assert chosen.total() == 60
    assert set(chosen) == {"g0", "g1", "g2", "g3"}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda one: [], id="gone"),
        pytest.param(lambda one: [gateway(one, "node.kubernetes.io/unreachable")], id="unreachable"),
        pytest.param(lambda one: [node(one)], id="relabelled"),
    ],
)
def test_another_node_takes_over(change: "collections.abc.Callable[[str], list[core.Node]]") -> None:
    (first,) = askers("s", [gateway(f"g{i}") for i in range(4)])
    rest = [gateway(f"g{i}") for i in range(4) if f"g{i}" != first]
    now = [name for name in askers("s", rest + change(first)) if name != first]
    assert len(now) == 1


def test_only_nodes_that_may_ask_need_to_know_the_others() -> None:
    settings = config.Settings(stores=(configured("s", GATEWAYS, OUTSIDE), configured("in", config.Nodes(("plain",)))))
    assert discovery.fellows(gateway("g"), settings) == [GATEWAYS]
    assert discovery.fellows(node("plain"), settings) == []


@pytest.mark.parametrize(
    ("volumes_root", "directory"),
    [
        pytest.param("", "/mounted/srv/photos", id="where the node is mounted"),
        pytest.param("/other", "/other/srv/photos", id="configured"),
    ],
)
def test_where_the_nodes_directories_are(volumes_root: str, directory: str) -> None:
    settings = config.Settings(volumes_root, paths=(config.Directory("photos", "/srv/photos"),))
    (store,) = discovery.find(discovery.Cluster(node()), settings, host_root="/mounted")
    assert store.directory == directory


def announced(namespace: str, name: str = "s", endpoint: str = "") -> tuple[storage.Service, core.Pod]:
    annotations = {names.STORAGE_SERVICE: "true"} | ({names.STORAGE_ENDPOINT: endpoint} if endpoint else {})
    meta = core.ObjectMeta(name=name, namespace=namespace, annotations=annotations)
    service = storage.Service(meta, storage.ServiceSpec({"app": name}, "10.0.0.7", (storage.ServicePort("api", 9000),)))
    return service, core.Pod(core.ObjectMeta(name=f"p-{name}", namespace=namespace, labels={"app": name}))


def test_only_stores_of_shared_namespaces_the_configuration_and_volumes_speak_for_everybody() -> None:
    pairs = [announced("home"), announced("pool"), announced("tenant")]
    settings = config.Settings(stores=(configured("lake", config.Nodes()),), paths=(config.Directory("b", "/b"),))
    services, pods = [service for service, _ in pairs], [pod for _, pod in pairs]
    seen = discovery.Cluster(node(), services, pods, [volume(MINE)], shared=frozenset({"home", "pool"}))
    assert {store.name: store.speaks_for for store in discovery.find(seen, settings)} == {
        "home/s": "",
        "lake": "",
        "path:/b": "",
        "pool/s": "",
        "tenant/s": "tenant",
        "volume:pv1": "",
    }


def test_a_tenants_endpoint_may_lead_neither_to_the_node_nor_to_the_api_server() -> None:
    of_node = core.NodeStatus(
        addresses=(core.NodeAddress("InternalIP", "10.9.0.4"), core.NodeAddress("Hostname", "n1"))
    )
    mine = core.Node(node().metadata, status=of_node)
    api = frozenset({ipaddress.ip_address("10.96.0.1")})

    def fault(endpoint: str, *allowed: ipaddress.IPv4Network) -> bool:
        service, pod = announced("tenant", endpoint=f"http://{endpoint}:9000")
        seen = discovery.Cluster(mine, [service], [pod], refused=api)
        (store,) = discovery.find(seen, config.Settings(allowed_endpoints=allowed))
        assert store.guard is not None
        return bool(store.guard.fault(endpoint))

    refused = ("10.9.0.4", "10.96.0.1", "127.0.0.1", "169.254.169.254")
    assert [fault(endpoint) for endpoint in (*refused, "10.9.0.5")] == [True, True, True, True, False]
    allowed = ipaddress.IPv4Network("10.9.0.0/24")
    assert [fault(endpoint, allowed) for endpoint in refused] == [False, True, True, True]


def private(namespace: str, name: str) -> model.Store:
    return model.Store(namespace, name, "u", "http://s", "", speaks_for=namespace)


def test_a_namespace_early_in_the_alphabet_pushes_out_nobodys_stores() -> None:
    greedy = [private("aaa", f"s{number:03}") for number in range(200)]
    others = [private(f"tenant-{number}", "s") for number in range(20)]
    everybodys = [model.Store("home", "s", "u", "http://s", ""), configured("lake", config.Nodes()).store]
    kept, left = discovery.shared_out([*greedy, *others, *everybodys])
    assert len(kept) == discovery.MAX_STORES
    assert {*others, *everybodys} <= set(kept)
    assert {store.namespace for store in left} == {"aaa"}


@hypothesis.given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 12), min_size=1), st.integers(1, 40), st.randoms()
)
def test_room_for_stores_is_shared_alike_by_namespace(many: dict[str, int], limit: int, order: random.Random) -> None:
    found = [private(namespace, str(number)) for namespace, count in many.items() for number in range(count)]
    order.shuffle(found)
    kept, left = discovery.shared_out(found, limit)
    assert sorted([*kept, *left], key=repr) == sorted(found, key=repr)
    assert len(kept) == min(limit, len(found))
    has = collections.Counter(store.namespace for store in kept)
    lacks = {store.namespace for store in left}
    assert all(has[namespace] + 1 >= count for namespace in lacks for count in has.values())
    assert discovery.shared_out(found[::-1], limit) == (kept, left)
