"""A pending pod made ready for decisions: read once, decided as often as needed."""

from __future__ import annotations

from dataclasses import dataclass

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.api import core, waits
from scheduler.plugins.data import wanted
from scheduler.state import demand, podterms


@dataclass(frozen=True, slots=True)
class PodRequest:
    """What the engine knows of a pod.

    Attributes:
        pod: As seen.
        intent: What its annotations ask for.
        problems: Annotations that could not be used, and were ignored.
        asked: Its resource requests.
        ports: The host ports it takes.
        terms: What it asks of other pods.
        transfers: What it moves.
        max_delay_s: For how long it may wait for room where its data is; None: as long as is usual.
    """

    pod: core.Pod
    intent: intents.Intent
    problems: tuple[errors.InputError, ...]
    asked: demand.Demand
    ports: tuple[demand.Port, ...]
    terms: podterms.Terms
    transfers: tuple[wanted.Wanted, ...]
    max_delay_s: float | None


def prepare(pod: core.Pod) -> PodRequest:
    """Read a pod's annotations, requests and ports.

    Raises:
        InputError: a resource quantity cannot be read (the API server lets none such through).
    """
    intent, problems = intents.parse(pod.metadata.annotations)
    waiting, more = waits.parse(pod.metadata.annotations)
    return PodRequest(
        pod=pod,
        intent=intent,
        problems=(*problems, *more),
        asked=demand.of(pod, runs=False),
        ports=demand.host_ports(pod),
        terms=podterms.of(pod),
        transfers=wanted.of(intent, pod.metadata.annotations),
        max_delay_s=waiting.max_delay_s,
    )
