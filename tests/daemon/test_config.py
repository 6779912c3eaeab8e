"""The daemon's configuration file: what it says, what is refused in it, and how a change takes effect."""

import pathlib

import pytest
import yaml

from daemon import config
from daemon.stores import model
from scheduler import errors

LAKE = """
volumesRoot: /host
stores:
  - name: lake
    endpoint: https://s3.example.org
    secret: storage/lake
    caBundle: storage/lake-ca/bundle.pem
    region: eu-west-1
    technology: minio
    role: gateway
    nodes: {names: [edge-1], labels: {rack: r7}}
  - name: archive
    endpoint: http://archive.example.org:9000/
    caBundle: /etc/ssl/archive.pem
    place: {region: west, zone: west-1}
    probeFrom: {labels: {role: gateway}}
paths:
  - {bucket: photos, path: /srv/photos}
  - {bucket: scans, path: /srv/scans, nodes: {names: [edge-2]}}
"""


def parse(text: str) -> config.Settings:
    return config.parse(yaml.safe_load(text), "daemon.yaml")


def test_everything_that_can_be_said() -> None:
    settings = parse(LAKE)
    lake, archive = settings.stores
    assert settings.volumes_root == "/host"
    assert lake == config.ConfiguredStore(
        model.Store(
            namespace="storage",
            service="",
            service_uid="",
            endpoint="https://s3.example.org:443",
            secret="lake",
            alias="lake",
            ca=model.Bundle("ConfigMap", "storage", "lake-ca", "bundle.pem"),
            region="eu-west-1",
            technology="minio",
            role="Serves",
        ),
        config.Nodes(("edge-1",), {"rack": "r7"}),
    )
    assert archive.store.place == model.Place("west", "west-1")
    assert archive.store.ca == model.Bundle("File", "", "/etc/ssl/archive.pem")
    assert (archive.store.name, archive.store.secret_name, archive.store.role) == ("archive", "", "Stores")
    assert archive.nodes == config.Nodes((), {"role": "gateway"})
    assert settings.paths == (
        config.Directory("photos", "/srv/photos"),
        config.Directory("scans", "/srv/scans", config.Nodes(("edge-2",))),
    )


def test_an_empty_file_gives_the_defaults(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "daemon.yaml"
    file.touch()
    assert config.load(str(file)) == config.Settings()


@pytest.mark.parametrize(
    ("nodes", "name", "labels", "included"),
    [
        pytest.param(config.Nodes(), "n1", {}, True, id="no words, every node"),
        pytest.param(config.Nodes(("n1", "n2")), "n2", {}, True, id="named"),
        pytest.param(config.Nodes(("n1",)), "n2", {}, False, id="not named"),
        pytest.param(config.Nodes((), {"a": "1", "b": "2"}), "n", {"a": "1", "b": "2", "c": "3"}, True, id="labels"),
        pytest.param(config.Nodes((), {"a": "1", "b": "2"}), "n", {"a": "1"}, False, id="one label of two"),
        pytest.param(config.Nodes(("n1",), {"a": "1"}), "n2", {"a": "1"}, True, id="by label where names are given"),
    ],
)
def test_which_nodes_an_entry_counts_for(
    nodes: config.Nodes, name: str, labels: dict[str, str], included: bool
) -> None:
    assert nodes.include(name, labels) is included


GOOD = "name: a, endpoint: 'http://s:1', nodes: {names: [n]}"


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        pytest.param("store: []", "store", "did you mean stores?", id="unknown key"),
        pytest.param("stores: [{endpoint: 'http://s', nodes: {names: [n]}}]", "stores[0].name", "name", id="no name"),
        pytest.param("stores: [{name: a/b, endpoint: 'http://s', nodes: {names: [n]}}]", "name", "hyphens", id="name"),
        pytest.param("stores: [{name: a, nodes: {names: [n]}}]", "stores[0].endpoint", "not a URL", id="no endpoint"),
        pytest.param(
            "stores: [{name: a, endpoint: 'http://s/path', nodes: {names: [n]}}]", "endpoint", "no path", id="path"
        ),
        pytest.param(f"stores: [{{{GOOD}, secret: lake}}]", "stores[0].secret", "namespace/name", id="bare secret"),
        pytest.param(f"stores: [{{{GOOD}, caBundle: lake}}]", "stores[0].caBundle", "ConfigMap", id="bare bundle"),
        pytest.param(f"stores: [{{{GOOD}, role: proxy}}]", "stores[0].role", "gateway", id="unknown role"),
        pytest.param(f"stores: [{{{GOOD}, technology: ftp}}]", "stores[0].technology", "minio or s3", id="technology"),
        pytest.param(f"stores: [{{{GOOD}, place: {{region: w}}}}]", "stores[0].nodes", "either", id="nodes and place"),
        pytest.param("stores: [{name: a, endpoint: 'http://s'}]", "stores[0].nodes", "either", id="neither"),
        pytest.param(
            "stores: [{name: a, endpoint: 'http://s', place: {region: w}}]", "probeFrom", "the nodes", id="no asker"
        ),
        pytest.param(
            "stores: [{name: a, endpoint: 'http://s', place: {zone: z}, probeFrom: {names: [n]}}]",
            "stores[0].place.region", "region", id="no region",
        ),
        pytest.param("stores: [{name: a, endpoint: 'http://s', nodes: {}}]", "stores[0].nodes", "names", id="none"),
        pytest.param(
            "stores: [{name: a, endpoint: 'http://s', nodes: {labels: {a: 1}}}]", "labels", "to texts", id="number"
        ),
        pytest.param(f"stores: [{{{GOOD}}}, {{{GOOD}}}]", "stores", "given twice", id="the same name twice"),
        pytest.param("paths: [{path: /srv}]", "paths[0].bucket", "S3 bucket name", id="path without bucket"),
        pytest.param("paths: [{bucket: photos, path: srv}]", "paths[0].path", "absolute", id="relative path"),
        pytest.param("paths: [{bucket: photos, path: /srv/../etc}]", "paths[0].path", "without ..", id="dots"),
        pytest.param("volumesRoot: host", "volumesRoot", "absolute", id="relative root"),
    ],
)  # fmt: skip
def test_what_is_refused_names_the_key_and_the_remedy(text: str, where: str, words: str) -> None:
    with pytest.raises(errors.InputError) as refused:
        parse(text)
    assert where in str(refused.value)
    assert words in str(refused.value)


def test_all_problems_are_named_at_once_and_no_password_is_shown() -> None:
    with pytest.raises(errors.InputError) as refused:
        parse("stores: [{name: a, endpoint: 'http://me:hush@s', nodes: {names: [n]}}, {name: B}]\npaths: [3]")
    text = str(refused.value)
    assert all(part in text for part in ("stores[0].endpoint", "stores[1].name", "stores[1].endpoint", "paths[0]"))
    assert "hush" not in text


def mount(directory: pathlib.Path, version: str, text: str) -> None:
    """Put a file into a directory as a kubelet does with a ConfigMap: a link to a folder is set to another one."""
    (directory / version).mkdir(parents=True)
    (directory / version / "daemon.yaml").write_text(text)
    new, link, file = directory / "..new", directory / "..data", directory / "daemon.yaml"
    new.symlink_to(version)
    new.replace(link)
    if not file.is_symlink():
        file.symlink_to("..data/daemon.yaml")


def test_a_change_counts_without_a_restart_and_a_bad_one_changes_nothing(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mount(tmp_path, "1", "paths: [{bucket: photos, path: /a}]")
    source = config.Source(str(tmp_path / "daemon.yaml"))
    assert [entry.path for entry in source.settings.paths] == ["/a"]
    assert not source.refresh()

    mount(tmp_path, "2", "paths: [{bucket: photos, path: /b}]")
    assert source.refresh()
    assert [entry.path for entry in source.settings.paths] == ["/b"]

    mount(tmp_path, "3", "paths: [{bucket: P, path: b}]")
    assert [source.refresh() for _ in range(3)] == [False] * 3
    assert ([entry.path for entry in source.settings.paths], source.is_good) == (["/b"], False)
    assert capsys.readouterr().out.count("not taken over") == 1

    (tmp_path / "daemon.yaml").unlink()
    assert not source.refresh()
    assert ([entry.path for entry in source.settings.paths], source.is_good) == (["/b"], False)

    mount(tmp_path, "4", "paths: [{bucket: photos, path: /c}]")
    assert source.refresh()
    assert ([entry.path for entry in source.settings.paths], source.is_good) == (["/c"], True)


def test_the_same_words_again_are_no_change(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "daemon.yaml"
    file.write_text("paths: [{bucket: photos, path: /a}]")
    source = config.Source(str(file))
    file.write_text("# nothing new\npaths: [{bucket: photos, path: /a}]")
    assert not source.refresh()


def test_a_daemon_does_not_start_with_a_file_that_it_cannot_use(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.InputError, match="cannot be read"):
        config.Source(str(tmp_path / "missing.yaml"))
    assert config.Source(None).settings == config.Settings()


def test_networks_that_services_may_name() -> None:
    settings = parse("allowedEndpoints: [127.0.0.0/8, 'fd00:7::/64', 10.3.0.17]")
    assert [str(network) for network in settings.allowed_endpoints] == ["127.0.0.0/8", "fd00:7::/64", "10.3.0.17/32"]


@pytest.mark.parametrize("written", ["[10.0.0.1/8]", "[s3.example.org]", "[7]", "10.0.0.0/8", "[10.0.0.0/33]"])
def test_networks_that_are_none_are_refused_by_name(written: str) -> None:
    with pytest.raises(errors.InputError, match="allowedEndpoints"):
        parse(f"allowedEndpoints: {written}")
