"""The archive behind a receiver that runs: within its bounds, and nothing told twice."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from codec.container.bitstream import Bitstream
from codec.encoder.encode import encode
from receiver.archive import RetentionPolicy
from receiver.archive.disk import BLOCK
from receiver.archive.writer import ArchiveWriter
from receiver.events import Event, PictureCompleted, PictureOpened
from receiver.incoming_picture import IncomingPicture
from receiver.receiver import Receiver
from sender.connection.options import SenderIdentity
from sender.connection.sender import Sender

#: Longest that something may take on a busy machine, in seconds.
PATIENCE = 120.0


@pytest.fixture(scope="module")
def stream() -> Bitstream:
    return encode(np.zeros((64, 64, 3), np.uint8), "a lighthouse", budget=100)


def streams_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.lcast"))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110 - nobody tells when a file is removed
            await asyncio.sleep(0.01)


async def until_there_are(folder: Path, count: int) -> None:
    await until(lambda: len(streams_in(folder)) == count)


async def test_what_had_to_go_is_not_told_again_not_even_after_a_restart(tmp_path: Path, stream: Bitstream) -> None:
    events: list[Event] = []
    for numbers in (range(1, 7), range(1, 7)):
        async with Receiver(
            "ws://127.0.0.1:0", model=None, archive=tmp_path, keep=3 * BLOCK, on_event=events.append
        ) as receiver:
            for number in numbers:
                async with Sender(receiver.url, identity=SenderIdentity(stream_id=b"ship", epoch=1)) as sender:
                    assert (await sender.send(stream, picture_id=number)).complete
            await until_there_are(tmp_path, 3)
            size = f"layercast_receiver_archive_bytes {3.0 * BLOCK}"
            await until(lambda size=size: size in receiver.metrics.text()[0].decode())  # type: ignore[misc]
    assert len([event for event in events if isinstance(event, PictureOpened)]) == 6
    told = [event.picture for event in events if isinstance(event, PictureCompleted)]
    assert {path.name[16:32] for path in streams_in(tmp_path)} == set(told[3:])


def arrival(stream: Bitstream, number: int) -> IncomingPicture:
    """A picture of which all came."""
    made = IncomingPicture(f"{number:016x}", stream.header, datetime.now(UTC))
    made.sections.update(enumerate(stream.sections))
    return made


async def test_what_is_under_way_stays(tmp_path: Path, stream: Bitstream) -> None:
    in_use = {f"{1:016x}"}
    keeper = ArchiveWriter(tmp_path, RetentionPolicy(size=1), in_use=lambda: in_use)
    keeper.start()
    for number in range(1, 5):
        await keeper.store(arrival(stream, number))
    await until_there_are(tmp_path, 2)
    assert {path.name[16:32] for path in streams_in(tmp_path)} == {f"{1:016x}", f"{4:016x}"}
    in_use.clear()
    await keeper.store(arrival(stream, 5))
    await until_there_are(tmp_path, 1)
    await keeper.finish()


async def test_time_passes_though_nothing_comes(
    tmp_path: Path, stream: Bitstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.archive.writer.TIDY_SECONDS", 0.05)
    keeper = ArchiveWriter(tmp_path, RetentionPolicy(days=1.5 / 86_400))
    keeper.start()
    await keeper.store(arrival(stream, 1))
    await until_there_are(tmp_path, 0)
    await keeper.finish()
    figures = keeper.figures()
    assert figures is not None
    assert (figures.removed, figures.size) == (1, 0)


async def test_whoever_stops_waiting_stops_no_write(tmp_path: Path, stream: Bitstream) -> None:
    keeper = ArchiveWriter(tmp_path)
    storing = asyncio.create_task(keeper.store(arrival(stream, 1)))
    await asyncio.sleep(0)
    storing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await storing
    await keeper.finish()
    assert len(streams_in(tmp_path)) == 1
