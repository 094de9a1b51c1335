import asyncio
import threading

import pytest

from layercast_common.tasks import abandoned_threads, run_abandonable


async def test_results_and_errors_reach_the_caller() -> None:
    assert await run_abandonable(lambda: 7, name="counting") == 7
    with pytest.raises(ZeroDivisionError):
        await run_abandonable(lambda: 1 // 0, name="dividing")


async def test_a_cancelled_caller_does_not_wait_and_the_result_is_discarded() -> None:
    begun, go, discarded = threading.Event(), threading.Event(), threading.Event()

    def work() -> threading.Event:
        begun.set()
        go.wait(60)
        return discarded

    task = asyncio.create_task(run_abandonable(work, name="loading", discard=threading.Event.set))
    await asyncio.to_thread(begun.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [thread.name for thread in abandoned_threads()] == ["layercast-loading"]
    go.set()
    assert await asyncio.to_thread(discarded.wait, 60)
