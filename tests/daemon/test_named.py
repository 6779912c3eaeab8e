"""A store is asked for nothing that is named where it does not count, for it hears what it is asked for."""

from daemon.cluster import watches
from daemon.stores import model, named
from scheduler.api import core, crd

PLACES = {
    "tenant": ("photos", "photos/mine.raw"),
    "rival": ("photos", "photos/secret.raw", "photos/plans/"),
    "home": ("photos/common.raw",),
}


def known() -> watches.Objects:
    objects = watches.Objects()
    for namespace, urns in PLACES.items():
        for number, urn in enumerate(urns):
            meta = core.ObjectMeta(name=f"o{number}", namespace=namespace, uid=f"{namespace}{number}")
            objects.put(crd.DataObject(meta, crd.DataObjectSpec(urn)), source=objects)
    return objects


def asked_of(speaks_for: str) -> named.Named:
    return named.Named(known(), model.Store("tenant", "s", "u", "http://s", "", speaks_for=speaks_for))


def test_a_tenants_store_hears_of_its_own_namespaces_keys_alone() -> None:
    mine = asked_of("tenant")
    assert mine.urns("photos") == {"photos/mine.raw"}
    assert set(mine.all()) == {"photos", "photos/mine.raw"}
    assert [mine.has(urn) for urn in ("photos/mine.raw", "photos/secret.raw", "photos/common.raw")] == [
        True,
        False,
        False,
    ]


def test_everybodys_store_is_asked_for_all_that_is_named() -> None:
    everybodys = asked_of("")
    assert set(everybodys.all()) == {urn for urns in PLACES.values() for urn in urns}
    assert everybodys.urns("photos") == {urn for urns in PLACES.values() for urn in urns if "/" in urn}
    assert everybodys.has("photos/secret.raw")
