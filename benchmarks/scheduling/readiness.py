"""How soon somebody schedules: after a start, and after the leader of two replicas is gone.

Both with as many pods placed as the cluster was made with, and one pod that waits.
"""

from __future__ import annotations

import asyncio

from benchmarks.scheduling import contenders, procfs, turns, work, world

SETTLE_S = 5.0  # for the second replica to have begun; then it is waited for until it only follows
STOP_LIMIT_S = 30.0  # as Kubernetes gives a pod
TAKEOVER_LIMIT_S = 90.0


async def start(scene: world.World, contender: contenders.Contender, turn: turns.Turn) -> None:
    """From the start of the process to the first binding."""
    async with scene.turn_namespace(1) as namespace, turns.following(scene.client, namespace, turns.BOUND) as bound:
        await scene.client.request("POST", world.pods_of(namespace), _pod(contender, "first"))
        await scene.until_quiet()
        before = scene.sample()
        contender.start(scene.running)
        try:
            if not await bound.until(1, turns.START_LIMIT_S):
                turn.fault = f"nothing was bound: {scene.running.log_tail(contender.program)}"
                return
            end = scene.sample([contender.program])
            turn.figures = {
                "first_bind_s": bound.at_s["first"] - before.at_s,
                "scheduler_cpu_s": end.since(before)[contender.program],
                "apiserver_cpu_s": end.since(before)["kube-apiserver"],
                "peak_memory_mb": procfs.peak_memory_mb(contender.pid(scene.running)),
                "others_cores": end.others_cores(before),
            }
        finally:
            scene.running.end(contender.program)


async def takeover(scene: world.World, contender: contenders.Contender, turn: turns.Turn) -> None:
    """From the end of the leader, asked for and then by SIGKILL, to the other's first binding."""
    for figure, grace_s in (("clean_stop_s", STOP_LIMIT_S), ("kill_s", 0.0)):
        took_s = await _take_over(scene, contender, grace_s)
        if took_s is None:
            turn.fault = f"{figure}: nobody took over: {scene.running.log_tail(f'{contender.program}-2')}"
            return
        turn.figures[figure] = took_s


async def _take_over(scene: world.World, contender: contenders.Contender, grace_s: float) -> float | None:
    leader, follower = contender.program + "-1", contender.program + "-2"
    async with scene.turn_namespace(1) as namespace, turns.following(scene.client, namespace, turns.BOUND) as bound:
        path = world.pods_of(namespace)
        contender.launch(scene.running, "-1", True)
        try:
            await scene.client.request("POST", path, _pod(contender, "leads"))
            if not await bound.until(1, TAKEOVER_LIMIT_S):  # a lease that was not released runs out before
                return None
            contender.launch(scene.running, "-2", True)
            await asyncio.sleep(SETTLE_S)
            await scene.until_quiet([leader, follower])
            began_s = scene.sample().at_s
            scene.running.end(leader, grace_s=grace_s)
            await scene.client.request("POST", path, _pod(contender, "next"))
            return bound.at_s["next"] - began_s if await bound.until(2, TAKEOVER_LIMIT_S) else None
        finally:
            for program in {leader, follower} & set(scene.running.pids()):
                scene.running.end(program)


def _pod(contender: contenders.Contender, name: str) -> work.Json:
    return work.pod({"name": name}, {"schedulerName": contender.scheduler_name})
