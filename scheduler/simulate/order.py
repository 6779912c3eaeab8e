"""Who comes after whom: pods in an order in which each follows those whose end, or whose data, it waits for."""

from __future__ import annotations

import collections
import heapq
from collections.abc import Collection, Mapping


def ordered(after: Mapping[str, Collection[str]], reads: Mapping[str, Collection[str]] | None = None) -> list[str]:
    """The pods, each after those that it waits for, and else as they come.

    Args:
        after: By pod, those whose end it waits for, which are pods of these, too. Those that come after themselves
            that way, and who comes after such, are left out.
        reads: By pod, those that write what it reads. Where that makes a circle, the first pod of it that waits for
            nobody's end reads what was there before.
    """
    reads = reads or {}
    ends = {pod: set(waits) for pod, waits in after.items()}
    data = {pod: set(reads.get(pod, ())) - {pod} for pod in after}
    followers: dict[str, list[str]] = {pod: [] for pod in after}
    for pod in after:
        for before in ends[pod] | data[pod]:
            followers[before].append(pod)
    numbers = {pod: number for number, pod in enumerate(after)}
    pods = list(after)
    free = collections.deque(pod for pod in pods if not ends[pod] and not data[pod])
    stuck = [numbers[pod] for pod in pods if not ends[pod] and data[pod]]  # a heap: waiting for data alone
    found: dict[str, None] = {}
    while free or stuck:
        pod = free.popleft() if free else pods[heapq.heappop(stuck)]
        if pod in found:
            continue
        found[pod] = None
        for follower in followers[pod]:
            ends[follower].discard(pod)
            data[follower].discard(pod)
            if not ends[follower] and follower not in found:
                if data[follower]:
                    heapq.heappush(stuck, numbers[follower])
                else:
                    free.append(follower)
    return list(found)
