"""The pods of our own format: which there are, when they come, what they read and write, and after whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.api import core, decoding, names, units
from scheduler.simulate import scenario
from scheduler.simulate.reading import making, ours

_RUNNING: Final = "Running"


def works(entries: Sequence[ours.Pod], known: Mapping[str, int], where: str) -> Iterator[scenario.Work]:
    """All pods, written out; those that run already have their node.

    Args:
        entries: As given.
        known: By urn, in bytes, how big what they may read is.
        where: The file.

    Raises:
        InputError: something cannot be used.
    """
    named = _named(entries)
    waits = 0
    for index, entry in enumerate(entries):
        at = f"{where}: pods[{index}]"
        template = _template(entry, at)
        arrivals_s = _arrivals_s(entry, index, at)
        works_s = making.seconds(entry.works, f"{at}.works")
        declares_s = works_s if entry.declares is None else making.seconds(entry.declares, f"{at}.declares")
        for place, number in enumerate(making.numbers(entry.count)):
            name = making.numbered_name(entry.name, number, f"{at}.name")
            intent = _intent(entry, number, declares_s, known, at)
            if twice := sorted(entry.annotations.keys() & intents.format(intent).keys()):
                raise errors.InputError(
                    f"{at}.annotations", twice[0], "inputs and outputs say it, too; keep one of them"
                )
            after = _after(entry, number, named)
            waits += len(after)
            if waits > making.MAX_WAITS:
                most = f"so many waits of one pod for one other, and more; write at most {making.MAX_WAITS}"
                raise errors.InputError(f"{at}.after", waits, most)
            yield scenario.Work(
                pod=making.pod(
                    name,
                    namespace=entry.namespace,
                    intent=intent,
                    resources={"cpu": entry.cpu, "memory": entry.memory, **entry.resources},
                    image=entry.image,
                    labels=entry.labels,
                    notes=entry.annotations,
                    spec=template,
                ),
                arrives_s=arrivals_s[place],
                after=after,
                works_s=works_s,
            )


def _template(entry: ours.Pod, at: str) -> core.PodSpec:
    """What all pods of an entry have in common."""
    making.named(entry.namespace, f"{at}.namespace")
    if problem := units.refused({"cpu": entry.cpu, "memory": entry.memory, **entry.resources}, at):
        raise problem
    if problems := intents.parse(entry.annotations)[1]:
        raise problems[0].at(f"{at}.annotations[{decoding.shown_key(problems[0].where)}]")
    spec = decoding.convert({"schedulerName": names.SCHEDULER_NAME, **entry.spec}, core.PodSpec, f"{at}.spec")
    if spec.node_name:
        raise errors.InputError(f"{at}.spec.nodeName", spec.node_name, "write it as node, of a pod that runs already")
    return msgspec.structs.replace(spec, node_name=entry.node, priority=entry.priority or spec.priority)


def _arrivals_s(entry: ours.Pod, index: int, at: str) -> Sequence[float]:
    """When each of an entry's pods comes."""
    first_s = making.seconds(entry.arrives, f"{at}.arrives")
    count = entry.count or 1
    arrivals = entry.arrivals
    if arrivals is None:
        return [first_s] * count
    if (arrivals.every is None) == (arrivals.poisson_per_second is None):
        raise errors.InputError(f"{at}.arrivals", "", "write either every or poissonPerSecond")
    bursts = -(-count // arrivals.burst)
    if arrivals.poisson_per_second is not None:
        chance = np.random.default_rng([arrivals.seed, index])
        waits_s: NDArray[np.floating[Any]] = np.cumsum(chance.exponential(1 / arrivals.poisson_per_second, bursts))
    else:
        waits_s = making.seconds(arrivals.every or 0.0, f"{at}.arrivals.every") * np.arange(bursts)
    return [first_s + float(wait_s) for wait_s in np.repeat(waits_s, arrivals.burst)[:count]]


# ------------------------------------------------------------------------------------------------ data


def written(entries: Sequence[ours.Pod], where: str) -> Iterator[tuple[str, int]]:
    """What all pods write, with sizes in bytes.

    Raises:
        InputError: a size is none.
    """
    for index, entry in enumerate(entries):
        for urn, size in entry.outputs.items():
            at = f"{where}: pods[{index}].outputs[{decoding.shown_key(urn)}]"
            size_bytes = making.amount(size, at)
            for number in making.numbers(entry.count):
                yield making.numbered(urn, number), size_bytes


def _intent(
    entry: ours.Pod, number: int | None, declares_s: float, known: Mapping[str, int], at: str
) -> intents.Intent:
    inputs = [_transfer(making.numbered(urn, number), entry.inputs, urn, known, f"{at}.inputs") for urn in entry.inputs]
    outputs = [
        _transfer(making.numbered(urn, number), entry.outputs, urn, known, f"{at}.outputs") for urn in entry.outputs
    ]
    for kind, transfers in (("inputs", inputs), ("outputs", outputs)):
        if len(transfers) > intents.MAX_TRANSFERS:
            most = f"more than a pod may name; write at most {intents.MAX_TRANSFERS}, or prefixes"
            raise errors.InputError(f"{at}.{kind}", len(transfers), most)
    declaring = inputs or outputs  # the first of them says it for all
    if declaring:
        declaring[0] = msgspec.structs.replace(declaring[0], processing_s=declares_s)
    return intents.Intent(inputs=tuple(inputs), outputs=tuple(outputs))


def _transfer(
    urn: str, given: tuple[str, ...] | Mapping[str, core.Quantity], key: str, known: Mapping[str, int], at: str
) -> intents.Transfer:
    at = f"{at}[{decoding.shown_key(key)}]"
    making.urn(urn, at)
    if not isinstance(given, tuple):
        return intents.Transfer(urn, making.amount(given[key], at))
    if urn not in known:
        raise errors.InputError(at, urn, "of unknown size; write inputs as urn: size, or list it under objects")
    return intents.Transfer(urn, known[urn])


# ------------------------------------------------------------------------------------------------ order


def _named(entries: Sequence[ours.Pod]) -> Mapping[str, list[str]]:
    """By entry, namespace/name as written, the pods (namespace/name) that it stands for."""
    named: dict[str, list[str]] = {}
    for entry in entries:
        if entry.count is not None:
            pods = [
                f"{entry.namespace}/{making.numbered_name(entry.name, number, entry.name)}"
                for number in making.numbers(entry.count)
            ]
            named.setdefault(f"{entry.namespace}/{entry.name}", []).extend(pods)
    return named


def _after(entry: ours.Pod, number: int | None, named: Mapping[str, list[str]]) -> tuple[str, ...]:
    found: list[str] = []
    for told in entry.after:
        name = making.numbered(told, number)
        key = name if "/" in name else f"{entry.namespace}/{name}"
        found += named.get(key, [key])
    return tuple(dict.fromkeys(found))
