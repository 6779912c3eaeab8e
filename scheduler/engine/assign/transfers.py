"""The flows of a problem made ready: sizes and links by number, what one fetch brings to several pods."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scheduler.engine.assign import problem


class Transfers(NamedTuple):
    """What pods move.

    Attributes:
        of: [pods] the transfers of each.
        links: [transfers, nodes, most] what each goes over; the last link of all stands for none.
        per_byte: [links + 1] what it costs that two transfers share the link, by the bytes of the smaller one.
        sizes_bytes: [sizes] that there are.
        size: [transfers] which of these each has.
        smaller_bytes: [sizes, sizes] the smaller of two.
        fetches: [transfers] the same number where one fetch serves several pods; ``problem.NOWHERE`` where none does.
    """

    of: list[list[int]]
    links: problem.Ints
    per_byte: problem.Floats
    sizes_bytes: problem.Floats
    size: list[int]
    smaller_bytes: problem.Floats
    fetches: list[int]


def made(flows: problem.Flows, pods: int) -> Transfers:
    """The transfers of so many pods; what one pod would fetch twice it fetches once."""
    sizes, places = np.unique(flows.sizes_bytes, return_inverse=True)
    rates = np.append(flows.rates_bytes_per_s, np.inf)
    fetches = _fetches(flows)
    of: list[list[int]] = [[] for _ in range(pods)]
    for transfer, pod in enumerate(flows.pods.tolist()):
        if fetches[transfer] < 0 or fetches[transfer] not in (fetches[other] for other in of[pod]):
            of[pod].append(transfer)
    return Transfers(
        of=of,
        links=np.where(flows.links < 0, len(rates) - 1, flows.links)[flows.routes],
        per_byte=2 * flows.weight / rates,
        sizes_bytes=sizes,
        size=places.tolist(),
        smaller_bytes=np.minimum(sizes[:, None], sizes),
        fetches=fetches,
    )


def _fetches(flows: problem.Flows) -> list[int]:
    """[transfers] the same number for the same thing of the same size by the same route."""
    known: dict[tuple[int, int, float], int] = {}
    return [
        problem.NOWHERE if fetch < 0 else known.setdefault((fetch, route, size), len(known))
        for fetch, route, size in zip(
            flows.fetches.tolist(), flows.routes.tolist(), flows.sizes_bytes.tolist(), strict=True
        )
    ]
