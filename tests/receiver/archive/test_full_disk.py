"""A real full disk: only stored pictures are acknowledged, and work continues once there is free space."""

import asyncio
import contextlib
import errno
import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from codec.container.bitstream import Bitstream, Header
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from layercast_common.errors import ArchiveError
from receiver.archive import Archive, RetentionPolicy
from receiver.archive.writer import LOCK_NAME
from receiver.events import Event, PictureCompleted, PictureFailed
from receiver.receiver import Receiver
from sender.connection.options import SenderIdentity
from sender.connection.sender import Sender
from sender.outbox.outbox import Outbox
from sender.outbox.relay import OutboxRelay

#: Longest that something may take on a busy machine, in seconds.
PATIENCE = 120.0

#: Room for the labels of what was removed, and for a few streams.
DISK_SIZE = "1m"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system, if this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(line, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill a disk, and return the file that fills it."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def stream(number: int) -> Bitstream:
    pattern = encode(np.zeros((64, 64, 3), np.uint8), "a lighthouse", EncodeOptions(budget=100))
    return Bitstream(Header(64, 64, number, "mini"), pattern.sections)


def streams_in(folder: Path) -> list[int]:
    return sorted(Bitstream.load(path).header.seed for path in folder.glob("*.lcast"))


async def until(true: object) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # type: ignore[operator]  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_full_disk_costs_no_picture(
    disk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.archive.writer.MAINTENANCE_SECONDS", 0.1)
    events: list[Event] = []
    folder = disk / "archive"
    with caplog.at_level(logging.WARNING), Outbox(tmp_path / "outbox") as outbox:
        async with Receiver("ws://127.0.0.1:0", model=None, archive=folder, on_event=events.append) as receiver:

            def connect(identity: SenderIdentity) -> Sender:
                return Sender(receiver.url, identity=identity)

            def counts() -> dict[str, int]:
                return {str(state): count for state, count in outbox.counts().items() if count}

            relay = OutboxRelay(outbox, connect, chance=lambda: 0.0)
            await relay.post(stream(1))
            delivering = asyncio.create_task(relay.run())
            await until(lambda: counts() == {"delivered": 1})

            filler = fill(disk)
            for number in (2, 3, 4):
                await relay.post(stream(number))
            await until(lambda: caplog.text.count("trying again in") >= 3)
            assert receiver.condition == "archive failing"
            assert counts()["delivered"] == 1
            assert streams_in(folder) == [1]
            # What could not be kept is not left open, or leaving would wait for it.
            await asyncio.wait_for(receiver._pipeline.wait_until_idle(), PATIENCE)
            assert not [path for path in folder.iterdir() if path.name.startswith(".") and path.name != LOCK_NAME]
            failed = [event for event in events if isinstance(event, PictureFailed)]
            assert any("the archive cannot store it: " in event.reason for event in failed)

            filler.unlink()
            await until(lambda: receiver.condition == "ok")
            await until(lambda: counts() == {"delivered": 4})
            delivering.cancel()
            figures = receiver.metrics.text()[0].decode()
    assert streams_in(folder) == [1, 2, 3, 4]
    assert len([event for event in events if isinstance(event, PictureCompleted)]) == 4
    logged = [record.getMessage() for record in caplog.records if record.name == "receiver.archive.disk"]
    assert len(logged) == 2, logged
    assert "No space left on device; free some disk space, or keep less (--keep)" in logged[0]
    assert "can be written again" in logged[1]
    counted = dict(line.rsplit(" ", 1) for line in figures.splitlines() if not line.startswith("#"))
    assert float(counted["layercast_receiver_archive_failures_total"]) >= 3
    assert counted["layercast_receiver_archive_failing"] == "0.0"
    assert counted["layercast_receiver_archive_pictures"] == "4.0"
    assert float(counted["layercast_receiver_archive_free_bytes"]) > 0


def test_room_can_be_made_on_a_disk_that_has_none(disk: Path) -> None:
    """Recording evicted pictures takes no space."""
    archive = Archive(disk / "archive", RetentionPolicy(size=5 * 4096))
    one = stream(1)
    with contextlib.suppress(ArchiveError):
        for number in range(1, 1000):
            archive.store(f"{number:016x}", archive._clock(), one)
    fill(disk)
    assert archive.failing
    while archive.evict():
        pass
    assert len(streams_in(disk / "archive")) == 5
    assert Archive(disk / "archive").holds(f"{1:016x}")


def test_an_archive_that_cannot_begin_says_so(disk: Path) -> None:
    (disk / "archive").mkdir()
    fill(disk)
    with pytest.raises(ArchiveError, match=r"removed\.labels: No space left on device"):
        Receiver(archive=disk / "archive")


def test_the_error_carries_errno_and_path(disk: Path) -> None:
    archive = Archive(disk / "archive")
    fill(disk)
    with pytest.raises(ArchiveError) as caught:
        archive.store(f"{1:016x}", archive._clock(), stream(1))
    assert caught.value.errno == errno.ENOSPC
    assert str(caught.value.path).startswith(str(archive.folder))
