"""Whom a daemon takes for the nodes of its zone: those that the API server lists, nobody from a list that failed."""

import pathlib

import pytest

from daemon.links import directory
from scheduler import errors
from scheduler.api import names
from scheduler.kube import client
from tests.fakeapi import faults, server


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        pytest.param(410, errors.GoneError, id="expired"),
        pytest.param(403, errors.DeniedError, id="refused"),
        pytest.param(503, errors.ApiError, id="failed"),
    ],
)
async def test_a_node_that_cannot_list_its_zone_does_not_stand_for_it(
    tmp_path: pathlib.Path, status: int, kind: type[errors.ApiError]
) -> None:
    async with server.running() as fake:
        probe = {"address": "10.0.0.1", "port": 8082}
        for node in ("n1", "n2", "n3", "n4"):
            status_of = {"region": "west", "zone": "a", "probe": probe, "stores": []}
            labels = {names.REGION_LABEL: "west", names.ZONE_LABEL: "a"}
            fake.store.create(
                names.NODE_CAPABILITIES, {"metadata": {"name": node, "labels": labels}, "status": status_of}
            )
        api = await client.Api.connect(fake.kubeconfig(tmp_path))
        try:
            for node in ("n1", "n2", "n3", "n4"):
                fake.faults = [faults.Fault("GET", "labelSelector", 1, status=status)]
                found = directory.Directory(api, node)
                own = await found.own()
                assert own is not None
                with pytest.raises(kind):
                    await found.look(own)
        finally:
            await api.close()
        assert [method for method, _ in fake.requests if method != "GET"] == []
