"""The cluster of docs/kubectl-locality.md, as kubectl and the scheduler's port tell of it, at a fixed time."""

import datetime
import http.server
import json
import pathlib
import threading
import urllib.parse
from collections.abc import Mapping
from typing import Any

from scheduler.api import units

Json = dict[str, Any]

NOW_S = units.time_s("2026-05-28T20:26:40Z") or 0.0
API = "/apis/scheduler.thesis/v1alpha1"
HOME = "data-locality-scheduler"


def ago(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(NOW_S - seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node(name: str, kind: str, region: str, zone: str, *, is_ready: bool = True) -> Json:
    labels = {
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": zone,
        "node-capability/node-type": kind,
    }
    ready = {"type": "Ready", "status": "True" if is_ready else "Unknown"}
    return {"metadata": {"name": name, "labels": labels}, "status": {"conditions": [ready]}}


def store(name: str, asked_s: float, *buckets: str, **more: Any) -> Json:
    told = {"name": name, "technology": "minio", "available": True, "buckets": list(buckets)}
    return told | {"endpoint": "http://10.0.0.7:9000", "lastProbeTime": ago(asked_s)} | more


def link(peer: str, rate: int, latency_s: float, age_s: float, **more: Any) -> Json:
    told = {"peer": peer, "direction": "To", "bandwidthBytesPerSecond": rate, "latencySeconds": latency_s}
    return told | {"samples": 12, "confidence": 0.9, "lastProbeTime": ago(age_s)} | more


def capability(name: str, stores: list[Json], links: list[Json] | None = None) -> Json:
    return {"metadata": {"name": name}, "status": {"stores": stores, "links": links or []}}


def replica(where: str, kept_in: str, size: int | None, age_s: float, **more: Any) -> Json:
    told: Json = {"node": where, "store": kept_in, "available": True, "lastProbeTime": ago(age_s)}
    return told | ({"sizeBytes": size} if size is not None else {}) | more


def data(name: str, urn: str, replicas: list[Json], namespace: str = "default", **more: Any) -> Json:
    spec = {"urn": urn, **more.pop("spec", {})}
    meta = {"name": name, "namespace": namespace}
    return {"metadata": meta, "spec": spec, "status": {"replicas": replicas, **more}}


def pod(name: str, where: str, annotations: Mapping[str, str], message: str = "") -> Json:
    waits = [{"type": "PodScheduled", "status": "False", "message": message}] if message else []
    spec = {"schedulerName": HOME, "nodeName": where}
    meta = {"name": name, "namespace": "default", "annotations": dict(annotations)}
    return {"metadata": meta, "spec": spec, "status": {"phase": "Running" if where else "Pending", "conditions": waits}}


def objects() -> dict[str, list[Json]]:
    """What the API server has, by path."""
    input_1, output_1 = "data.scheduler.thesis/input-1", "data.scheduler.thesis/output-1"
    lake = store("lake", 30, "archive", role="Probes", endpoint="https://s3.example.org", technology="s3")
    lake |= {"available": False, "message": "the store's certificate is not trusted; name its CA with caBundle"}
    return {
        "/api/v1/nodes": [
            node("edge-1", "edge", "west", "west-1"),
            node("edge-2", "edge", "west", "west-2", is_ready=False),
            node("cloud-1", "cloud", "east", "east-1"),
        ],
        f"{API}/nodecapabilities": [
            capability(
                "cloud-1", [lake, store("storage/minio", 1400, "photos")], [link("edge-1", 31_250_000, 0.02, 1500)]
            ),
            capability("edge-1", [store("default/minio", 20, "photos", "thumbs", namespace="default")]),
            capability("edge-2", [store("default/minio", 90, "photos", namespace="default")]),
        ],
        f"{API}/namespaces/default/dataobjects": [
            data(
                "photos",
                "photos",
                [
                    replica("edge-1", "default/minio", 52_000_000_000, 20),
                    replica("edge-2", "default/minio", 52_000_000_000, 90),
                ],
                sizeBytes=52_000_000_000,
                objectCount=8123,
            ),
            data(
                "harbour",
                "photos/2024/harbour.raw",
                [
                    replica("edge-1", "default/minio", 48_000_000, 20, etag="b", lastModified=ago(400)),
                    replica("edge-2", "default/minio", 48_000_000, 90, etag="b", lastModified=ago(400)),
                ],
                sizeBytes=48_000_000,
            ),
            data(
                "small",
                "thumbs/harbour.png",
                [],
                expected=[
                    {"node": "edge-1", "store": "default/minio", "producer": "default/resize", "confidence": 0.8}
                ],
            ),
        ],
        f"{API}/namespaces/{HOME}/dataobjects": [
            data("photos", "photos", [replica("cloud-1", "storage/minio", 9_000_000, 1400)], HOME),
            data(
                "archive",
                "archive",
                [replica("external", "lake", 4_000_000_000_000, 30, region="north", zone="n1", available=False)],
                HOME,
            ),
            data("tiles", "tiles/", [], HOME, spec={"urn": "tiles", "locations": [{"node": "cloud-1"}]}),
        ],
        "/api/v1/namespaces/default/pods": [
            pod(
                "resize", "edge-1", {input_1: "photos/2024/harbour.raw,48000000", output_1: "thumbs/harbour.png,200000"}
            ),
            pod("index", "edge-1", {"scheduler.thesis/data-sources": "photos"}),
            pod(
                "huge", "", {}, "0/3 nodes are available: 1 node(s) were not ready, 2 Insufficient cpu. preemption: no"
            ),
            pod("large", "", {}, "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes"),
            pod("done", "", {}) | {"status": {"phase": "Succeeded"}},
        ],
        "/api/v1/namespaces/storage/services": [{"metadata": {"name": "minio"}}],
        "/api/v1/namespaces/default/services": [
            {"metadata": {"name": "minio", "annotations": {"scheduler.thesis/storage-secret": "minio-reader"}}}
        ],
    }


METRICS = """\
# TYPE scheduler_schedule_attempts_total counter
scheduler_schedule_attempts_total{profile="data-locality-scheduler",result="scheduled"} 1204.0
scheduler_schedule_attempts_total{profile="data-locality-scheduler",result="unschedulable"} 14.0
# TYPE scheduler_pending_pods gauge
scheduler_pending_pods{queue="active"} 0.0
scheduler_pending_pods{queue="unschedulable"} 2.0
# TYPE scheduler_data_transfer_bytes_total counter
scheduler_data_transfer_bytes_total{path="local"} 4.8e+09
scheduler_data_transfer_bytes_total{path="remote"} 1.2e+09
"""
STORAGE_INFO: Json = {
    "nodes": {},
    "buckets": {},
    "links": [],
    "dataObjects": 5,
    "bandwidth": {
        "local": {"bandwidthBytesPerSecond": 1_000_000_000, "latencySeconds": 0.0001},
        "sameZone": {"bandwidthBytesPerSecond": 500_000_000, "latencySeconds": 0.001},
        "sameRegion": {"bandwidthBytesPerSecond": 200_000_000, "latencySeconds": 0.005},
        "crossRegion": {"bandwidthBytesPerSecond": 50_000_000, "latencySeconds": 0.03},
        "edgeCloud": {"bandwidthBytesPerSecond": 25_000_000, "latencySeconds": 0.04},
    },
    "maxWitnessAgeSeconds": 900.0,
}


def decision(name: str, where: str, *moves: Json) -> Json:
    """One of the last, as /world has it."""
    record = {"pod": f"default/{name}", "uid": name, "time": ago(60), "attempt": 1, "outcome": "bound", "node": where}
    return {"pod": {"metadata": {"name": name}}, "decision": record | {"transfers": list(moves)}}


def move(urn: str, partner: str, size: int, *, is_output: bool = False, remote: bool = False) -> Json:
    told = {"urn": urn, "partner": partner, "size_bytes": size, "seconds": 0.05, "remote": remote}
    return told | {"is_output": is_output, "bandwidth_bytes_per_s": 1e9, "source": "local"}


def world() -> Json:
    """What /world says, as far as it is read here."""
    found = objects()
    return {
        "nodes": found["/api/v1/nodes"],
        "nodeCapabilities": found[f"{API}/nodecapabilities"],
        "dataObjects": [one for path, some in found.items() if path.endswith("dataobjects") for one in some],
        "recent": [
            decision(
                "resize",
                "edge-1",
                move("photos/2024/harbour.raw", "edge-1", 48_000_000),
                move("thumbs/harbour.png", "edge-1", 200_000, is_output=True),
            ),
            decision("index", "edge-1", move("photos", "edge-1", 250_000_000)),
            decision("publish", "edge-1", move("tiles", "cloud-1", 12_000_000, remote=True)),
        ],
    }


class Cluster:
    """A kubectl that answers with objects, and a port of the scheduler's.

    Attributes:
        address: Of the port.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        for path, items in objects().items():
            self.has(path, items)
        program = folder / "kubectl"
        # "kubectl get --raw PATH" answers with the file of that name, or as the API server forbids it.
        program.write_text(
            "#!/bin/sh\n"
            f'cd "{folder}"\n'
            'echo "$*" >> asked\n'
            'case "$*" in *"get --raw "*) path=$(echo "$*" | sed "s/.*--raw //; s/[/]/_/g")\n'
            '  [ -f "$path" ] && exec cat "$path"\n'
            '  echo "Error from server (Forbidden): user cannot list that" >&2; exit 1;;\n'
            '*"config view"*) printf default;;\n'
            "*) exit 1;; esac\n"
        )
        program.chmod(0o755)
        self._answers = {"/metrics": METRICS, "/storage-info": json.dumps(STORAGE_INFO), "/world": json.dumps(world())}
        handler = type("Handler", (_Handler,), {"answers": self._answers})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def has(self, path: str, items: list[Json]) -> None:
        (self._folder / path.replace("/", "_")).write_text(json.dumps({"kind": "List", "items": items}))

    def says(self, path: str, answer: str) -> None:
        """Have the scheduler answer so."""
        self._answers[path] = answer

    def asked(self) -> list[str]:
        """With what kubectl was called."""
        return (self._folder / "asked").read_text().splitlines()

    def forbids(self, path: str) -> None:
        (self._folder / path.replace("/", "_")).unlink()


class _Handler(http.server.BaseHTTPRequestHandler):
    answers: dict[str, str]

    def do_GET(self) -> None:
        body = self.answers[urllib.parse.urlsplit(self.path).path].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
