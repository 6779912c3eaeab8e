"""A part of a scenario out of our own format: entries with a count are written out, names resolved, units read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from scheduler import config, errors
from scheduler.api import core, crd, names, units
from scheduler.simulate import scenario
from scheduler.simulate.reading import assembling, making, ours, working

_BYTES_PER_MBIT: Final = 1_000_000 / 8
_NO_END: Final = "no node of this file, nor the zone of one; name one"
_TWO_ZONES: Final = "zones of several regions are called so; write REGION/ZONE"
_TWO_ENDS: Final = "a node is called so, and a zone with others in it; write REGION/ZONE, or give one another name"


def part(data: Mapping[str, Any], where: str) -> assembling.Part:
    """A file in our own format that is read alone.

    Raises:
        InputError: it says something unusable; names the place in the file.
    """
    file = ours.parse(data, where)
    return expand(file, sizes(file, where), where)


def sizes(file: ours.File, where: str) -> dict[str, int]:
    """How big what a file tells of is, in bytes, by urn: its objects, and what its pods write.

    Raises:
        InputError: an object, or how much a pod writes, is unusable.
    """
    _limit(file.pods, making.MAX_PODS, f"{where}: pods")
    _limit(file.objects, making.MAX_PODS, f"{where}: objects")
    return {urn: size_bytes for urn, size_bytes, _ in _objects(file, where)} | dict(working.written(file.pods, where))


def expand(file: ours.File, known: Mapping[str, int], where: str) -> assembling.Part:
    """A part of a scenario.

    Args:
        file: Within the limits that `sizes` checks.
        known: The sizes, in bytes, by urn, of its own data and of other files' data.
        where: The file.

    Raises:
        InputError: it says something unusable; names the place in the file.
    """
    _limit(file.nodes, making.MAX_NODES, f"{where}: nodes")
    images = [
        scenario.Image(
            name=image.name,
            size_bytes=making.amount(image.size, f"{where}: images[{index}].size"),
            registry=image.registry,
        )
        for index, image in enumerate(file.images)
    ]
    nodes = list(_nodes(file, {image.name: image.size_bytes for image in images}, where))
    pods = list(working.works(file.pods, known, where))
    return assembling.Part(
        where=where,
        name=file.name,
        settings=None if file.settings is None else config.parse(file.settings, f"{where}: settings"),
        nodes=tuple(nodes),
        capabilities=tuple(_capabilities(file, nodes, where)),
        objects=tuple(making.data_object(urn, size_bytes, on) for urn, size_bytes, on in _objects(file, where) if on),
        running=tuple(work.pod for work in pods if work.pod.spec.node_name),
        works=tuple(work for work in pods if not work.pod.spec.node_name),
        images=tuple(images),
        outages=tuple(_outages(file, where)),
        keeps_inputs=file.keeps_inputs,
    )


def _limit(entries: Sequence[ours.Node | ours.Pod | ours.Object], most: int, where: str) -> None:
    total = sum(entry.count or 1 for entry in entries)
    if total > most:
        raise errors.InputError(where, total, f"too many for one simulation; write at most {most}")


# ------------------------------------------------------------------------------------------------ the cluster


def _nodes(file: ours.File, image_bytes: Mapping[str, int], where: str) -> Iterator[core.Node]:
    for index, entry in enumerate(file.nodes):
        at = f"{where}: nodes[{index}]"
        resources = {"cpu": entry.cpu, "memory": entry.memory, "pods": str(entry.pods), **entry.resources}
        if problem := units.refused(resources, at):
            raise problem
        unknown = next((name for name in entry.images if name not in image_bytes), None)
        if unknown is not None:
            raise errors.InputError(f"{at}.images", unknown, "of unknown size; list it under images")
        images = [core.ContainerImage(names=(name,), size_bytes=image_bytes[name]) for name in entry.images]
        for number in making.numbers(entry.count):
            yield making.node(
                making.numbered_name(entry.name, number, f"{at}.name"),
                region=making.numbered(entry.region, number),
                zone=making.numbered(entry.zone, number),
                node_type=entry.type,
                resources=resources,
                labels=entry.labels,
                taints=entry.taints,
                images=images,
            )


def _capabilities(file: ours.File, nodes: Sequence[core.Node], where: str) -> Iterator[crd.NodeCapability]:
    links = _links(file, nodes, where)
    entries = [entry for entry in file.nodes for _ in making.numbers(entry.count)]
    for entry, node in zip(entries, nodes, strict=True):
        name = node.metadata.name
        if entry.buckets or entry.mbit_per_second or name in links:
            yield making.capability(
                name,
                buckets=entry.buckets,
                speed_mbps=entry.mbit_per_second,
                links=tuple(links[name].values()) if name in links else (),
            )


def _links(file: ours.File, nodes: Sequence[core.Node], where: str) -> Mapping[str, Mapping[str, crd.Link]]:
    """By node, what it reports of which peer; a zone's links are reported by the first of its nodes."""
    ends = _ends(nodes)
    found: dict[str, dict[str, crd.Link]] = {}
    for index, entry in enumerate(file.links):
        at = f"{where}: links[{index}]"
        for end in entry.between:
            if problem := ends[end].problem if end in ends else _NO_END:
                raise errors.InputError(f"{at}.between", end, problem)
        latency_s = making.seconds(entry.latency, f"{at}.latency")
        rate = max(1, round(entry.mbit_per_second * _BYTES_PER_MBIT))
        there, back = entry.between
        for source, target in [(there, back)] if entry.one_way else dict.fromkeys([(there, back), (back, there)]):
            pairs = list(_reported(ends[source], ends[target]))
            if not pairs:
                raise errors.InputError(f"{at}.between", source, "both ends are one node; name two nodes or zones")
            for reporter, peer in pairs:
                link = crd.Link(
                    peer=peer,
                    bandwidth_bytes_per_second=rate,
                    bandwidth_low_bytes_per_second=rate,
                    latency_seconds=latency_s,
                )
                if found.setdefault(reporter, {}).setdefault(peer, link) is not link:
                    raise errors.InputError(f"{at}.between", f"{source}, {target}", "another link says it; keep one")
    return found


class _End(msgspec.Struct, frozen=True):
    """The end of a link: the nodes there, how reports call it, and why a name cannot stand for it ("": it can)."""

    nodes: tuple[str, ...]
    peer: str
    is_zone: bool
    problem: str = ""


def _ends(nodes: Sequence[core.Node]) -> Mapping[str, _End]:
    zones: dict[tuple[str, str], list[str]] = {}
    for node in nodes:
        labels = node.metadata.labels
        if zone := labels.get(names.ZONE_LABEL, ""):
            zones.setdefault((labels.get(names.REGION_LABEL, ""), zone), []).append(node.metadata.name)
    ends: dict[str, _End] = {}
    for (region, zone), inside in zones.items():
        end = _End(tuple(inside), f"zone:{region}/{zone}", is_zone=True)
        ends[f"{region}/{zone}"] = end
        ends[zone] = end if zone not in ends else msgspec.structs.replace(end, problem=_TWO_ZONES)
    for node in nodes:
        name = node.metadata.name
        is_else = name in ends and ends[name].nodes != (name,)
        ends[name] = _End((name,), name, is_zone=False, problem=_TWO_ENDS if is_else else "")
    return ends


def _reported(source: _End, target: _End) -> Iterator[tuple[str, str]]:
    """Who reports a link, and of which peer."""
    if source.is_zone and target.is_zone:
        yield source.nodes[0], target.peer
        return
    for reporter in source.nodes:
        for peer in target.nodes:
            if peer != reporter:
                yield reporter, peer


def _outages(file: ours.File, where: str) -> Iterator[scenario.Outage]:
    for index, entry in enumerate(file.outages):
        at = f"{where}: outages[{index}]"
        begins_s = making.seconds(entry.begins, f"{at}.begins")
        if entry.ends is None:
            yield scenario.Outage(node=entry.node, begins_s=begins_s)
            continue
        ends_s = making.seconds(entry.ends, f"{at}.ends")
        if ends_s <= begins_s:
            raise errors.InputError(f"{at}.ends", entry.ends, "not after the beginning; write a later time, or none")
        yield scenario.Outage(node=entry.node, begins_s=begins_s, ends_s=ends_s)


# ------------------------------------------------------------------------------------------------ data and work


def _objects(file: ours.File, where: str) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """The urn, the size in bytes and the places of each."""
    seen: set[str] = set()
    for index, entry in enumerate(file.objects):
        at = f"{where}: objects[{index}]"
        size_bytes = making.amount(entry.size, f"{at}.size")
        if names.EXTERNAL in entry.at:
            raise errors.InputError(f"{at}.at", names.EXTERNAL, f"write {names.EXTERNAL}:REGION/ZONE, or a node")
        for number in making.numbers(entry.count):
            urn = making.urn(making.numbered(entry.urn, number), f"{at}.urn")
            if urn in seen:
                raise errors.InputError(f"{at}.urn", urn, 'another object has this urn; keep one, or write "{n}" in it')
            seen.add(urn)
            yield urn, size_bytes, tuple(making.numbered(place, number) for place in entry.at)
