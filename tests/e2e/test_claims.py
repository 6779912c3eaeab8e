"""Claims to devices on a real API server, with the real controllers, beside kube-scheduler, which writes the same.

Each side has a driver, a class and devices of its own, alike but for their names; no driver runs, the test plays it.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster import cluster, topology
from scheduler.api import devices
from tests import clusterfixture
from tests.e2e import process

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

NODES = tuple(topology.Node(name=f"n{number}", cpu="16", memory="32Gi", zone=f"z{number}") for number in range(2))
SCHEDULERS = {"ours": "data-locality-scheduler", "stock": "default-scheduler"}
RESOURCE = "/apis/resource.k8s.io/v1"


class Side:
    """One scheduler, with what it has to hand out, in a namespace of its own."""

    def __init__(self, running: cluster.Cluster, name: str) -> None:
        self.name = name
        self._api = running.api
        self._space = f"/api/v1/namespaces/{name}"
        self._claims = f"{RESOURCE}/namespaces/{name}/resourceclaims"
        self._api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    def devices(self, kind: str, node: str, *names: str, **more: Any) -> None:
        """Publish devices of a kind on a node, and their class, which an extended resource stands for, too."""
        driver = f"{kind}.{self.name}.example.com"
        listed = [{"name": each, "attributes": {"model": {"string": "a"}}, **more} for each in names]
        pool = {"name": f"{node}-{kind}", "generation": 1, "resourceSliceCount": 1}
        spec = {"driver": driver, "nodeName": node, "pool": pool, "devices": listed}
        self._api.request(
            "POST", f"{RESOURCE}/resourceslices", {"metadata": {"name": f"{driver}-{node}"}, "spec": spec}
        )
        selectors = [{"cel": {"expression": f'device.driver == "{driver}"'}}]
        body: Json = {"selectors": selectors, "extendedResourceName": f"{driver}/{kind}"}
        if not more:
            body["config"] = [self._told(driver)]
        self._api.request(
            "POST", f"{RESOURCE}/deviceclasses", {"metadata": {"name": f"{kind}-{self.name}"}, "spec": body}
        )

    def _told(self, driver: str) -> Json:
        """Parameters in another order than JSON has them in elsewhere, and, as they are sent here, with spaces."""
        return {"opaque": {"driver": driver, "parameters": {"speed": 9, "mode": "fast"}}}

    def claim(self, name: str, kind: str, *, template: bool = False) -> None:
        exactly = {"deviceClassName": f"{kind}-{self.name}"}
        wanted: Json = {"requests": [{"name": "one", "exactly": exactly}]}
        if kind != "slow":
            wanted["config"] = [self._told(f"{kind}.{self.name}.example.com")]
        spec: Json = {"devices": wanted}
        path, body = self._claims, {"metadata": {"name": name}, "spec": spec}
        if template:
            path, body = path.replace("resourceclaims", "resourceclaimtemplates"), {**body, "spec": {"spec": spec}}
        self._api.request("POST", path, body)

    def pod(self, name: str, reference: Json | None = None, *, limits: Json | None = None, by: str = "") -> None:
        container: Json = {"name": "main", "image": "example/main:1", "resources": {"limits": limits or {}}}
        spec: Json = {"schedulerName": SCHEDULERS[by or self.name], "containers": [container]}
        if reference is not None:
            spec["resourceClaims"] = [{"name": "device", **reference}]
            container["resources"]["claims"] = [{"name": "device"}]
        self._api.request("POST", f"{self._space}/pods", {"metadata": {"name": name}, "spec": spec})

    def delete(self, name: str) -> None:
        self._api.request("DELETE", f"{self._space}/pods/{name}?gracePeriodSeconds=0")

    def get(self, name: str) -> Json:
        return dict(self._api.request("GET", f"{self._space}/pods/{name}"))

    def claimed(self, name: str) -> Json:
        return dict(self._api.request("GET", f"{self._claims}/{name}"))

    def freed(self) -> None:
        """Wait until no claim is left."""
        process.until(lambda: not self._api.request("GET", self._claims)["items"], f"claims of {self.name} are gone")

    def lacks(self, name: str) -> set[str]:
        """Wait until a pod is told that there is no device for it; the notes of the Events that say so."""

        def notes() -> set[str]:
            return {one for one in self.told(name) if "cannot allocate all claims" in one}

        process.until(lambda: "cannot allocate all claims" in self.refused(name)["message"], f"{name} waits")
        process.until(notes, f"an Event says why {name} of {self.name} waits")
        return notes()

    def given_back(self, claim: str) -> None:
        """Wait until a claim has nothing any more."""
        process.until(lambda: "allocation" not in self.claimed(claim).get("status", {}), f"{claim} is deallocated")

    def node_of(self, name: str) -> str:
        return str(self.get(name)["spec"].get("nodeName", ""))

    def placed(self, *names: str) -> None:
        process.until(lambda: all(map(self.node_of, names)), f"{names} are placed by {self.name}")

    def refused(self, name: str) -> Json:
        """The condition that says why a pod waits."""

        def condition() -> Json:
            conditions = self.get(name)["status"].get("conditions", [])
            return next((one for one in conditions if one["type"] == "PodScheduled" and one.get("message")), {})

        process.until(condition, f"{name} is told by {self.name} why it waits")
        return {key: condition()[key] for key in ("status", "reason", "message")}

    def told(self, name: str) -> set[str]:
        """The notes of the Events of a pod that waits."""
        listed = self._api.request("GET", f"/apis/events.k8s.io/v1/namespaces/{self.name}/events")["items"]
        of_pod = [one for one in listed if one["regarding"]["name"] == name]
        return {one["note"] for one in of_pod if one["reason"] == "FailedScheduling"}

    def ready(self, claim: str, kind: str) -> None:
        """What a driver says of the devices of a claim."""
        found = self.claimed(claim)
        conditions = [{"type": kind, "status": "True", "reason": "Said", "message": "so it is",
                       "lastTransitionTime": "2026-01-01T00:00:00Z"}]  # fmt: skip
        listed = [
            {**{key: one[key] for key in ("driver", "pool", "device")}, "conditions": conditions}
            for one in found["status"]["allocation"]["devices"]["results"]
        ]
        path = f"{self._claims}/{claim}/status"
        self._api.request("PUT", path, {**found, "status": {**found["status"], "devices": listed}})

    def plain(self, value: object) -> Any:
        """A value without what is this side's alone."""
        return json.loads(json.dumps(value).replace(self.name, "side"))

    def written(self, name: str) -> Json:
        """What was written to a claim, without names of this side, uids and times."""
        found = self.claimed(name)
        status = found["status"]
        assert status["allocation"].pop("allocationTimestamp")
        for user in status["reservedFor"]:
            assert user.pop("uid") == self.get(user["name"])["metadata"]["uid"]
        meta = {key: found["metadata"].get(key) for key in ("finalizers", "annotations")}
        return dict(self.plain({"metadata": meta, "spec": found["spec"], "status": status}))


@pytest.fixture(scope="module")
def sides(
    cluster_factory: clusterfixture.ClusterFactory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Side, Side]]:
    directory: pathlib.Path = tmp_path_factory.mktemp("claims")
    with (
        cluster_factory(topology.Topology(NODES), kube_scheduler=True, crds=True) as running,
        process.Scheduler(process.account(running), directory),
    ):
        yield Side(running, "ours"), Side(running, "stock")


def test_a_device_is_allocated_and_freed_when_its_pod_is_gone(sides: tuple[Side, Side]) -> None:
    written = []
    for side in sides:
        side.devices("gpu", "n1", "g0", "g1")
        side.claim("template", "gpu", template=True)
        side.pod("a", {"resourceClaimTemplateName": "template"})
        side.placed("a")
        assert side.node_of("a") == "n1"
        [made] = side.get("a")["status"]["resourceClaimStatuses"]
        written.append(side.written(made["resourceClaimName"]))
    assert written[0]["status"]["allocation"]["devices"]["results"] == [
        {"request": "one", "driver": "gpu.side.example.com", "pool": "n1-gpu", "device": "g0"}
    ]
    assert written[0]["metadata"]["finalizers"] == [devices.FINALIZER]
    for one in written:
        one["metadata"]["annotations"] = None  # of whom a claim is made, the controller notes
    assert written[0] == written[1]
    for side in sides:
        side.delete("a")
        side.freed()


def test_of_two_pods_that_want_one_device_one_waits_and_comes_when_the_other_is_gone(
    sides: tuple[Side, Side],
) -> None:
    said = []
    for side in sides:
        side.devices("nic", "n0", "only")
        side.claim("nics", "nic", template=True)
        side.pod("first", {"resourceClaimTemplateName": "nics"})
        side.placed("first")
        side.pod("second", {"resourceClaimTemplateName": "nics"})
        said.append((side.lacks("second"), side.refused("second")))
    assert said[0] == said[1]
    for side in sides:
        side.delete("first")
        side.placed("second")
        assert side.node_of("second") == "n0"
        side.delete("second")
        side.freed()


def test_an_extended_resource_is_had_by_a_claim_that_is_made_for_it(sides: tuple[Side, Side]) -> None:
    written = []
    for side in sides:
        side.devices("fpga", "n1", "f0", "f1", "f2")
        side.pod("extended", limits={f"fpga.{side.name}.example.com/fpga": "2"})
        side.placed("extended")
        pod = side.get("extended")
        name = pod["status"]["extendedResourceClaimStatus"]["resourceClaimName"]
        assert name.startswith("extended-extended-resources-")
        [owner] = side.claimed(name)["metadata"]["ownerReferences"]
        assert owner.pop("uid") == pod["metadata"]["uid"]
        mappings = side.plain(pod["status"]["extendedResourceClaimStatus"]["requestMappings"])
        written.append((owner, mappings, side.written(name)))
    assert written[0] == written[1]
    assert len(written[0][2]["status"]["allocation"]["devices"]["results"]) == 2
    for side in sides:
        side.delete("extended")
        side.freed()


def test_two_pods_share_a_claim_where_its_device_is(sides: tuple[Side, Side]) -> None:
    written = []
    for side in sides:
        side.devices("tpu", "n0", "t0")
        side.claim("shared", "tpu")
        side.pod("left", {"resourceClaimName": "shared"})
        side.placed("left")
        side.pod("right", {"resourceClaimName": "shared"})
        side.placed("right")
        assert side.node_of("left") == side.node_of("right") == "n0"
        written.append(side.written("shared"))
        assert [user["name"] for user in written[-1]["status"]["reservedFor"]] == ["left", "right"]
        for name in ("left", "right"):
            side.delete(name)
        side.given_back("shared")
    assert written[0] == written[1]


def test_a_claim_that_kube_scheduler_allocated_is_used_as_it_is(sides: tuple[Side, Side]) -> None:
    _, stock = sides
    stock.devices("npu", "n1", "x0")
    stock.claim("theirs", "npu")
    stock.pod("before", {"resourceClaimName": "theirs"})
    stock.placed("before")
    given = stock.claimed("theirs")["status"]["allocation"]
    stock.pod("after", {"resourceClaimName": "theirs"}, by="ours")
    stock.placed("after")
    assert stock.node_of("after") == "n1"
    status = stock.claimed("theirs")["status"]
    assert status["allocation"] == given
    assert [user["name"] for user in status["reservedFor"]] == ["before", "after"]


def test_a_pod_waits_until_its_device_is_ready(sides: tuple[Side, Side]) -> None:
    side = sides[0]
    side.devices("slow", "n0", "s0", bindsToNode=True, bindingConditions=["up"], bindingFailureConditions=["down"])
    side.claim("waits", "slow")
    side.pod("patient", {"resourceClaimName": "waits"})
    process.until(lambda: "reservedFor" in side.claimed("waits")["status"], "the device is allocated")
    assert side.node_of("patient") == ""
    side.ready("waits", "up")
    side.placed("patient")
