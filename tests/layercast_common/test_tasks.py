import asyncio
import logging

import pytest

from layercast_common.tasks import BackgroundTasks, cancel, notify, start_task


async def _forever() -> None:
    await asyncio.Event().wait()


async def _fail() -> None:
    await asyncio.sleep(0)
    raise ValueError("broken")


async def test_leaving_the_block_cancels_and_awaits_its_tasks() -> None:
    async with BackgroundTasks("a test") as tasks:
        task = tasks.start(_forever(), name="waiting")
        await asyncio.sleep(0)
        assert not task.done()
    assert task.cancelled()
    assert tasks.failure is None


async def test_a_failing_task_ends_its_owner_and_the_other_tasks(caplog: pytest.LogCaptureFixture) -> None:
    failures: list[Exception] = []
    others: list[asyncio.Task[None]] = []

    async def own() -> None:
        async with BackgroundTasks("a test", failures.append) as tasks:
            others.append(tasks.start(_forever(), name="waiting"))
            tasks.start(_fail(), name="failing")
            await _forever()

    with pytest.raises(ValueError, match="broken"):
        await own()
    assert others[0].cancelled()
    assert [str(failure) for failure in failures] == ["broken"]
    assert "a test: the task 'failing' failed" in caplog.text


async def test_an_error_of_the_block_is_not_wrapped() -> None:
    async def own() -> None:
        async with BackgroundTasks("a test") as tasks:
            tasks.start(_forever(), name="waiting")
            raise KeyError

    with pytest.raises(KeyError):
        await own()


async def test_cancelling_the_owner_cancels_its_tasks() -> None:
    started = asyncio.Event()
    inner: list[asyncio.Task[None]] = []

    async def own() -> None:
        async with BackgroundTasks("a test") as tasks:
            inner.append(tasks.start(_forever(), name="waiting"))
            started.set()
            await _forever()

    owner = start_task(own(), name="owner")
    await started.wait()
    await cancel(owner)
    assert owner.cancelled()
    assert inner[0].cancelled()


async def test_a_cancelled_task_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def resist() -> None:
        try:
            await _forever()
        finally:
            raise ValueError("broken")

    task = start_task(resist(), name="resisting")
    await asyncio.sleep(0)
    await cancel(task)
    await cancel(None)
    assert "the task 'resisting' failed" in caplog.text


def test_a_failing_callback_is_logged_and_the_caller_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def callback(event: int) -> None:
        raise ValueError(event)

    with caplog.at_level(logging.ERROR):
        notify(callback, 7, what="picture 7")
        notify(None, 7, what="picture 7")
    assert "picture 7: the application's callback failed" in caplog.text
    assert "ValueError: 7" in caplog.text
