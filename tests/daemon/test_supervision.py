"""A task that serves others goes on after what nobody foresaw, and says so once."""

import asyncio

import pytest

from daemon import supervision
from scheduler.kube import mishaps


async def test_a_task_that_raises_is_counted_and_begun_anew_until_it_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "_AGAIN_S", (0.001, 0.002))
    counted: list[str] = []
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(lane())

    async def lane() -> None:
        if begun < 4:
            raise ZeroDivisionError

    await supervision.run(work, mishaps.Mishaps(counted.append), "store", "team/s3")
    assert (begun, counted) == (4, ["store"] * 3)


async def test_it_ends_when_it_is_cancelled() -> None:
    counted: list[str] = []
    task = asyncio.create_task(supervision.run(asyncio.Event().wait, mishaps.Mishaps(counted.append), "links"))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert counted == []
