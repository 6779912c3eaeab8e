"""A run of the kernel with a thousand pods of all kinds, by chance from a seed, to hold records and answers to."""

from __future__ import annotations

import collections
import random
from collections.abc import Iterator
from typing import Any

import msgspec

from scheduler import config
from scheduler.api import core, crd, verdicts
from scheduler.kernel import commands, events, journal, kernel
from tests.kernel import running
from tests.kernel.running import capability, node, pod

PODS = 1000
NODES = 30
BUCKETS = ("raw", "work", "models")


class Run:
    """A kernel and its world: zones of two regions, nodes of all kinds, and buckets with a store or two each."""

    def __init__(self, seed: int, settings: config.Settings = running.SETTINGS) -> None:
        self.seed = seed
        self.settings = settings
        self.rng = rng = random.Random(seed)
        self.bare = bare = running.Bare(kernel.Kernel(settings, "home", seed))
        for number in range(NODES):
            labels = {
                "topology.kubernetes.io/region": f"r{number % 2}",
                "topology.kubernetes.io/zone": f"z{number % 4}",
                "kubernetes.io/hostname": f"n{number}",
            }
            spec: dict[str, Any] = {"unschedulable": number == 7}
            if number % 9 == 0:
                spec["taints"] = [{"key": "k", "effect": rng.choice(["NoSchedule", "PreferNoSchedule"])}]
            bare.nodes(node(f"n{number}", cpu=rng.choice(["2", "4", "8"]), labels=labels, spec=spec))
            kind = rng.choice(["edge", "cloud"])
            bare.kernel.handle(events.CapabilitySeen(bare.now_s, capability(f"n{number}", nodeType=kind)))
        for bucket in BUCKETS:
            copies = [{"node": f"n{rng.randrange(NODES)}", "available": True} for _ in range(rng.randrange(1, 3))]
            data = {"metadata": {"name": bucket, "namespace": "default"}, "spec": {"urn": bucket}}
            obj = core.convert(data | {"status": {"replicas": copies}}, crd.DataObject, bucket)
            bare.kernel.handle(events.ObjectSeen(bare.now_s, obj))

    def decisions(self, pods: int = PODS) -> Iterator[journal.Record]:
        """Decide pods, one or some at a time, of which the older ones go; each record before anything follows it."""
        bare, there, told, number = self.bare, collections.deque[str](), 0, 0
        while number < pods:
            came = [some_pod(number + more, self.rng) for more in range(self.rng.choice([1, 1, 1, 6]))]
            number += len(came)
            bare.pending(*came)
            for _ in range(40):
                given = bare.step(1)
                if bare.kernel.journal.added > told:
                    told = bare.kernel.journal.added
                    assert bare.kernel.journal.latest is not None
                    yield bare.kernel.journal.latest
                self._perform(given)
                bare.now_s += 1 / 64  # in whole microseconds, as it is in questions
            for one in came:
                if bare.kernel.world.pod(one.metadata.uid) is None:
                    bare.kernel.handle(events.PendingGone(bare.now_s, one.metadata.uid))
                else:
                    there.append(one.metadata.name)
            while len(there) > 60:
                bare.gone(there.popleft())

    def _perform(self, given: list[commands.Command]) -> None:
        bare = self.bare
        for one in given:
            if isinstance(one, commands.AskData):
                bare.kernel.handle(events.DataAnswered(bare.now_s, one.pod.metadata.uid, None))
            if isinstance(one, commands.Bind):
                bare.answer(one.name, verdicts.Verdict.BOUND)
                known = bare.kernel.world.pod(one.uid)
                assert known is not None
                bare.seen(msgspec.structs.replace(known, spec=msgspec.structs.replace(known.spec, node_name=one.node)))


def some_pod(number: int, rng: random.Random) -> core.Pod:
    annotations: dict[str, str] = {}
    if rng.random() < 0.6:
        for place in range(rng.randrange(1, 3)):
            urn = f"{rng.choice(BUCKETS)}/{rng.randrange(20)}"
            annotations[f"data.scheduler.thesis/input-{place + 1}"] = f"{urn},{rng.randrange(10**9)},{rng.randrange(9)}"
    if rng.random() < 0.4:
        annotations["data.scheduler.thesis/output-1"] = f"{rng.choice(BUCKETS)}/{rng.randrange(20)},{10**8}"
    if rng.random() < 0.3:
        annotations["scheduler.thesis/prefer-edge"] = "true"
    spec: dict[str, Any] = {"nodeSelector": {"topology.kubernetes.io/zone": "z1"}} if rng.random() < 0.2 else {}
    labels = {"app": rng.choice("xy")}
    if rng.random() < 0.2:
        term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": labels}}
        spec["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    cpu = rng.choice(["100m", "500m", "1", "3", "9"])
    return pod(f"p{number}", cpu=cpu, labels=labels, annotations=annotations, preemptionPolicy="Never", **spec)
