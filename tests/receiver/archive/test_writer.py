"""The archive of a running receiver: within its limits, and without duplicates."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from codec.container.bitstream import Bitstream
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from layercast_common.tasks import BackgroundTasks
from receiver.archive import RetentionPolicy
from receiver.archive.disk import BLOCK
from receiver.archive.writer import ArchiveWriter
from receiver.events import Event, PictureCompleted, PictureOpened
from receiver.options import ArchiveOptions
from receiver.receiver import Receiver
from sender.connection.options import SenderIdentity
from sender.connection.sender import Sender

#: Longest that something may take on a busy machine, in seconds.
PATIENCE = 120.0


@pytest.fixture(scope="module")
def stream() -> Bitstream:
    return encode(np.zeros((64, 64, 3), np.uint8), "a lighthouse", EncodeOptions(budget=100))


def streams_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.lcast"))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110 - there is no event for a removed file
            await asyncio.sleep(0.01)


async def until_there_are(folder: Path, count: int) -> None:
    await until(lambda: len(streams_in(folder)) == count)


async def test_what_had_to_go_is_not_told_again_not_even_after_a_restart(tmp_path: Path, stream: Bitstream) -> None:
    events: list[Event] = []
    for numbers in (range(1, 7), range(1, 7)):
        async with Receiver(
            "ws://127.0.0.1:0",
            model=None,
            archive=ArchiveOptions(folder=tmp_path, keep=3 * BLOCK),
            on_event=events.append,
        ) as receiver:
            for number in numbers:
                async with Sender(receiver.url, identity=SenderIdentity(stream_id=b"ship", epoch=1)) as sender:
                    assert (await sender.send(stream, picture_id=number)).complete
            await until_there_are(tmp_path, 3)
            size = f"layercast_receiver_archive_bytes {3.0 * BLOCK}"
            await until(lambda size=size: size in receiver.metrics.text()[0].decode())  # type: ignore[misc]
    assert len([event for event in events if isinstance(event, PictureOpened)]) == 6
    completed = [event.picture for event in events if isinstance(event, PictureCompleted)]
    assert {path.name[16:32] for path in streams_in(tmp_path)} == set(completed[3:])


@asynccontextmanager
async def running(folder: Path, policy: RetentionPolicy, in_use: Collection[str] = ()) -> AsyncIterator[ArchiveWriter]:
    """A writer that evicts pictures."""
    writer = ArchiveWriter(folder, policy, in_use=lambda: in_use)
    async with BackgroundTasks("the test") as tasks:
        tasks.start(writer.maintain(), name="archive maintenance")
        yield writer
    await writer.close()


async def store(writer: ArchiveWriter, stream: Bitstream, number: int) -> None:
    await writer.store(f"{number:016x}", datetime.now(UTC), stream)


async def test_what_is_under_way_stays(tmp_path: Path, stream: Bitstream) -> None:
    in_use = {f"{1:016x}"}
    async with running(tmp_path, RetentionPolicy(size=1), in_use) as writer:
        for number in range(1, 5):
            await store(writer, stream, number)
        await until_there_are(tmp_path, 2)
        assert {path.name[16:32] for path in streams_in(tmp_path)} == {f"{1:016x}", f"{4:016x}"}
        in_use.clear()
        await store(writer, stream, 5)
        await until_there_are(tmp_path, 1)


async def test_time_passes_though_nothing_comes(
    tmp_path: Path, stream: Bitstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.archive.writer.MAINTENANCE_SECONDS", 0.05)
    async with running(tmp_path, RetentionPolicy(days=1.5 / 86_400)) as writer:
        await store(writer, stream, 1)
        await until_there_are(tmp_path, 0)
    stats = writer.stats()
    assert stats is not None
    assert (stats.evicted, stats.size) == (1, 0)


async def test_whoever_stops_waiting_stops_no_write(tmp_path: Path, stream: Bitstream) -> None:
    writer = ArchiveWriter(tmp_path)
    storing = asyncio.create_task(store(writer, stream, 1))
    await asyncio.sleep(0)
    storing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await storing
    await writer.close()
    assert len(streams_in(tmp_path)) == 1
