"""Have kube-scheduler's own hints and ours say whom hostile events wake: ``make parity-waking COUNT=10000 SEED=1``.

A question is one of the comparison's with something that happens beside it: a node, a pod, a claim or what claims
depend on is new, changes or goes, or the pod that waits changes itself. Asked are upstream's plugins as its queue asks
them, and ours, each that could have refused the pod. We must wake whenever upstream does; what we wake beyond is one of
`MORE`, and is counted.

``--keep`` writes some of each kind, with upstream's answer, to the corpus that every test run asks of ours.
"""

from __future__ import annotations

import argparse
import copy
import json
import pathlib
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from scheduler import config, errors
from scheduler.api import core, volumes
from scheduler.plugins import contract, events, registry, request
from tests.parity import program
from tests.parity.hostile import question
from tests.parity.hostile.chance import Chance, Object

THEMES: Final = (
    "affinity",
    "company",
    "features",
    "plain",
    "ports",
    "resources",
    "spread",
    "taints",
    "volumes",
    "attached",
    "zoned",
    "provisioned",
)
# Where a pod waits for the sweep upstream, and is woken here: docs/queue.md says why.
MORE: Final = frozenset({("InterPodAffinity", "Node"), ("InterPodAffinity", "AssignedPod")})
_STORED: Final[Mapping[str, tuple[str, type[volumes.Object]]]] = {
    "PersistentVolumeClaim": ("pvcs", volumes.PersistentVolumeClaim),
    "PersistentVolume": ("pvs", volumes.PersistentVolume),
    "storage.k8s.io/StorageClass": ("storageClasses", volumes.StorageClass),
    "storage.k8s.io/CSINode": ("csiNodes", volumes.CSINode),
    "storage.k8s.io/CSIDriver": ("csiDrivers", volumes.CSIDriver),
    "storage.k8s.io/CSIStorageCapacity": ("csiStorageCapacities", volumes.CSIStorageCapacity),
    "storage.k8s.io/VolumeAttachment": ("volumeAttachments", volumes.VolumeAttachment),
}
CORPUS: Final = pathlib.Path(__file__).parent / "hints.jsonl"
_KEPT: Final = 2  # of each class
_OTHERS: Final = 10**7  # seeds of the questions that give what things turn into
_SHOWN: Final = 2  # examples of a class


class Said(NamedTuple):
    """What one plugin says of one event, upstream's and ours."""

    plugin: str
    resource: str
    theirs: bool
    ours: bool


def asked(seed: int) -> Object | None:
    """The question of a seed; None where nothing happens in it."""
    chance = Chance(seed)
    found, other = question.question(seed, THEMES), question.question(seed + _OTHERS, THEMES)
    found["pod"]["spec"].pop("nodeName", None)  # it waits
    resource = chance.choice(["Node", "Node", "AssignedPod", "AssignedPod", "TargetPod", *_STORED])
    old, new = _happening(chance, resource, found, other)
    if old == new:
        return None
    return found | {"event": {"resource": resource, "old": old, "new": new}}


def _happening(chance: Chance, resource: str, found: Object, other: Object) -> tuple[Object | None, Object | None]:
    if resource == "TargetPod":
        return found["pod"], _changed_pod(chance, found["pod"], other["pod"])
    key = {"Node": "nodes", "AssignedPod": "pods"}.get(resource) or _STORED[resource][0]
    there, others = found.get(key) or [], other.get(key) or []
    if resource == "AssignedPod":
        there, others = ([one for one in each if one["spec"].get("nodeName")] for each in (there, others))
    if not there or not others:
        return None, None
    one, another = chance.choice(there), chance.choice(others)
    what = chance.choice(["new", "gone", "other", "other"])
    if what == "new":
        return None, one
    if what == "gone":
        return one, None
    return one, _changed_pod(chance, one, another) if resource == "AssignedPod" else _changed(chance, one, another)


def _changed(chance: Chance, one: Object, another: Object) -> Object:
    """The same object with a part of another."""
    made = copy.deepcopy(one)
    part = chance.choice([key for key in (*another, *one) if key not in {"apiVersion", "kind"}])
    was, given = made.get(part) or {}, another.get(part)
    if not isinstance(was, dict) or not isinstance(given, dict | None):
        return made | {part: given}
    fields = [key for key in (*was, *(given or {})) if key not in {"name", "namespace", "uid"}]
    if fields:
        field = chance.choice(fields)
        made[part] = was | {field: (given or {}).get(field)}
    return made


def _changed_pod(chance: Chance, one: Object, another: Object) -> Object:
    """The same pod as far as the API server lets it change."""
    made = copy.deepcopy(one)
    what = chance.choice(["labels", "annotations", "tolerations", "resources", "status"])
    if what in {"labels", "annotations"}:
        made["metadata"][what] = another["metadata"].get(what)
    elif what == "tolerations":
        made["spec"][what] = [*(one["spec"].get(what) or ()), *(another["spec"].get(what) or ())]
    elif what == "resources":
        was, given = ((each["spec"]["containers"][0].get(what) or {}).get("requests") or {} for each in (one, another))
        made["spec"]["containers"][0][what] = {"requests": was | given}  # none can be taken away
    else:
        made["status"] = (one.get("status") or {}) | {"conditions": [{"type": "Seen", "status": "True"}]}
    return made


def ours(told: Object, settings: config.Settings) -> dict[str, bool]:
    """What our plugins say, of those that could have refused the pod.

    Raises:
        InputError: an object cannot be read.
    """
    event = _event(told["event"])
    # A pod that changes is asked about as it is now.
    pod = event.new if isinstance(event, events.OwnPodChanged) else core.convert(told["pod"], core.Pod, "pod")
    waits = request.prepare(pod)
    found = {}
    for plugin in registry.FILTERS:
        read = plugin.compile(waits, settings)
        if read is not None and not isinstance(read, contract.Refuse):
            found[plugin.name] = plugin.wakes(event, read)
    return found


def _event(told: Object) -> events.Event:
    resource = told["resource"]
    old, new = (_read(told[key], resource) for key in ("old", "new"))
    if resource == "Node":
        return events.NodeGone(old) if new is None else events.NodeChanged(old, new)
    if resource == "AssignedPod":
        return events.AssignedPodChanged(old, new)
    return events.OwnPodChanged(old, new) if resource == "TargetPod" else events.StorageChanged(old, new)


def _read(one: Object | None, resource: str) -> Any:
    if one is None:
        return None
    kind: Any = core.Node if resource == "Node" else core.Pod
    return core.convert(one, _STORED[resource][1] if resource in _STORED else kind, resource)


def compared(told: Object, answer: Mapping[str, Any], settings: config.Settings) -> Iterator[Said]:
    mine = ours(told, settings)
    for plugin, wakes in answer["wakes"].items():
        if plugin in mine:
            yield Said(plugin, told["event"]["resource"], wakes, mine[plugin])


class Tally:
    """What was found, by class."""

    def __init__(self) -> None:
        self.agreed: Counter[tuple[str, str, bool]] = Counter()
        self.more: Counter[tuple[str, str]] = Counter()
        self.differing: dict[tuple[str, str, bool], list[Object]] = {}
        self.skipped: Counter[str] = Counter()
        self.kept: dict[str, Object] = {}  # by id

    def take(self, told: Object, answer: Mapping[str, Any], said: Said) -> None:
        if said.theirs == said.ours:
            self.agreed[said.plugin, said.resource, said.ours] += 1
            if self.agreed[said.plugin, said.resource, said.ours] <= _KEPT:
                self.kept[told["id"]] = {key: told[key] for key in ("id", "pod", "event")} | {"wakes": answer["wakes"]}
        elif said.ours and (said.plugin, said.resource) in MORE:
            self.more[said.plugin, said.resource] += 1
        else:
            self.differing.setdefault((said.plugin, said.resource, said.ours), []).append(told)

    def lines(self) -> Iterator[str]:
        for (plugin, resource, wakes), times in sorted(self.agreed.items()):
            yield f"{times:7}  {plugin} {'wakes' if wakes else 'sleeps on'} after {resource}"
        for (plugin, resource), times in sorted(self.more.items()):
            yield f"{times:7}  {plugin} wakes after {resource}, and upstream's does not, as docs/queue.md says"
        for why, times in sorted(self.skipped.items()):
            yield f"{times:7}  questions skipped: {why}"
        for (plugin, resource, wakes), examples in sorted(self.differing.items()):
            what = "wakes" if wakes else "sleeps on"
            yield f"DIFFER {len(examples)}: {plugin} {what} after {resource}, and only ours"
            for told in examples[:_SHOWN]:
                yield f"    {json.dumps({key: told[key] for key in ('id', 'pod', 'event')})}"


def main(count: int, seed: int, *, keeps: bool) -> int:
    try:
        upstream = program.Upstream(program.build(), "hint")
    except program.UnavailableError as error:
        sys.stdout.write(f"Skipped: {error}\n")
        return 0
    settings, tally = config.Settings(), Tally()
    for each in range(seed, seed + count):
        told = asked(each)
        answer = upstream.ask(told) if told is not None else {}
        if told is None or answer.get("fault"):
            tally.skipped["nothing happens" if told is None else "upstream cannot tell"] += 1
            continue
        try:
            for said in compared(told, answer, settings):
                tally.take(told, answer, said)
        except errors.InputError:
            tally.skipped["we cannot read it"] += 1
    upstream.close()
    if keeps:
        CORPUS.write_text("".join(f"{json.dumps(one)}\n" for one in tally.kept.values()))
    sys.stdout.writelines(f"{line}\n" for line in tally.lines())
    return bool(tally.differing)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    given = parser.parse_args()
    sys.exit(main(given.count, given.seed, keeps=given.keep))
