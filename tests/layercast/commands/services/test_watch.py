"""The tasks of `watch`: a failing one ends the command with its error."""

import asyncio
import sys
from io import StringIO
from pathlib import Path

import pytest

from layercast.cli import main
from layercast.commands.services.watch import _run_until_drained
from layercast_common.errors import OutboxError, StorageError
from tests.layercast.commands.services.test_services import receiving


class Drains:
    """A relay that ends its delivery when drained."""

    def __init__(self) -> None:
        self.drained = asyncio.Event()

    def drain(self) -> None:
        self.drained.set()


async def fail(error: Exception) -> None:
    await asyncio.sleep(0.01)
    raise error


@pytest.mark.parametrize("error", [StorageError("the folder is gone"), OutboxError("the disk is gone")])
@pytest.mark.parametrize("part", ["source", "delivery"])
async def test_a_failing_part_ends_all_of_them(part: str, error: Exception) -> None:
    relay = Drains()
    failing, steady = asyncio.create_task(fail(error)), asyncio.create_task(asyncio.sleep(60))
    delivery, source = (failing, steady) if part == "delivery" else (steady, failing)
    with pytest.raises(type(error), match="is gone"):
        await _run_until_drained(asyncio.Event(), relay, delivery, [source])  # type: ignore[arg-type]
    assert steady.cancelled()


async def test_draining_ends_the_sources_and_waits_for_the_delivery() -> None:
    relay, draining = Drains(), asyncio.Event()
    delivery, source = asyncio.create_task(relay.drained.wait()), asyncio.create_task(asyncio.sleep(60))
    asyncio.get_running_loop().call_later(0.01, draining.set)
    await _run_until_drained(draining, relay, delivery, [source])  # type: ignore[arg-type]
    assert delivery.result()
    assert source.cancelled()


class Unread(StringIO):
    """A stdout whose reader has closed it."""

    def write(self, written: str) -> int:
        raise BrokenPipeError


def test_a_closed_stdout_ends_the_command(stream_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    err = StringIO()
    camera = stream_file.parent / "camera"
    camera.mkdir()
    stream_file.rename(camera / "house.lcast")
    with receiving() as (url, _):
        monkeypatch.setattr(sys, "stdout", Unread())
        monkeypatch.setattr(sys, "stderr", err)
        assert main(["watch", "camera", "--to", url, "--json"]) == 1
    assert err.getvalue() == ""
