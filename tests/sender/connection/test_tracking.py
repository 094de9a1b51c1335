"""Pictures in flight: progress callbacks, and failures of the connection."""

import asyncio

import pytest

from evaluation.virtual_time import run_virtual
from protocol.link_profiles import LINKS
from sender import Delivery, Progress
from tests.sender.connection.test_sender import STREAM
from tests.support.connection_pair import section
from tests.support.sender_link import connected


def test_an_error_in_on_progress_is_logged_and_the_picture_is_delivered(caplog: pytest.LogCaptureFixture) -> None:
    def on_progress(progress: Progress) -> None:
        raise ValueError(f"section {progress.index}")

    async def send() -> bool:
        async with connected(LINKS["iridium"]) as (sender, _):
            return (await sender.send(STREAM, on_progress=on_progress)).complete

    assert run_virtual(send())
    assert caplog.text.count("picture 1: the application's callback failed") == 3
    assert "ValueError: section 0" in caplog.text


def test_a_failing_connection_ends_every_send_and_the_sender(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send(tasks: list[asyncio.Task[Delivery]]) -> None:
        async with connected(LINKS["iridium"]) as (sender, _):
            tasks.append(asyncio.create_task(sender.send_sections(b"", [section(bytes(3000))])))
            await asyncio.sleep(1.0)
            monkeypatch.setattr(sender._tracker, "apply", lambda event: 1 // 0)
            # The failure interrupts the block.
            await asyncio.sleep(1000.0)

    async def fail() -> BaseException | None:
        tasks: list[asyncio.Task[Delivery]] = []
        with pytest.raises(ZeroDivisionError):
            await send(tasks)
        await asyncio.wait(tasks)
        return tasks[0].exception()

    assert isinstance(run_virtual(fail()), ZeroDivisionError)
    assert "sender to memory: the task 'connection' failed" in caplog.text
