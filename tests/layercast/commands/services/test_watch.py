"""`watch` on the command line, and its tasks: a failing one ends the command with its error."""

import asyncio
import json
import os
import signal
import sys
import threading
from io import StringIO
from pathlib import Path

import httpx
import pytest

import layercast
from layercast.cli import main
from layercast.commands.services.watch import _run_until_drained
from layercast_common.errors import OutboxError, StorageError
from tests.layercast.commands.services.receivers import done, receiving
from tests.layercast.conftest import Run
from tests.layercast.test_cli import Signalling, taken_port


def test_a_folder_is_watched_until_told_to_stop(
    run: Run, house: Path, stream_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = house.parent / "camera"
    camera.mkdir()
    stream_file.rename(camera / "house.lcast")
    err = Signalling("house.lcast: delivered", signal.SIGTERM)
    with receiving() as (url, events):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stderr", err)
            assert main(["watch", "camera", "--to", url, "--done", "sent"]) == 0
        assert done(events) == 1
    assert "house.lcast: accepted as picture 1" in err.getvalue()
    assert Path("sent/house.lcast").exists()
    (row,) = json.loads(run("outbox", "camera/.layercast.outbox", "--json").out)["pictures"]
    assert row["state"] == "delivered"


def test_pictures_are_taken_over_http(
    run: Run, house: Path, stream: layercast.Bitstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    with taken_port() as port:
        base = f"http://127.0.0.1:{port}"
    told: list[httpx.Response] = []

    def post() -> None:
        with httpx.Client(base_url=base, headers={"authorization": "Bearer secret"}, timeout=120) as client:
            told.append(client.post("/images", content=stream.to_bytes()))
            with client.stream("GET", "/images/1/events") as events:
                events.read()
                told.append(events)
            told.append(client.get("/metrics"))
        os.kill(os.getpid(), signal.SIGTERM)

    class Starting(StringIO):
        def write(self, written: str) -> int:
            if "Ctrl-C stops" in written:
                threading.Thread(target=post).start()
            return super().write(written)

    Path("token").write_text("secret\n")
    with receiving() as (url, events):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stderr", Starting())
            line = [
                "watch",
                "--http",
                f"127.0.0.1:{port}",
                "--http-token-file",
                "token",
                "--outbox",
                "box",
                "--to",
                url,
            ]
            assert main(line) == 0
        assert done(events) == 1
    posted, followed, metrics = told
    assert posted.status_code == 202
    assert followed.text.rstrip().rpartition("event: ")[2].startswith("delivered")
    assert 'layercast_sender_pictures_total{state="delivered"} 1.0' in metrics.text


def test_the_network_may_not_post_without_a_token(run: Run, place: Path) -> None:
    outcome = run("watch", "--to", "ws://127.0.0.1:9", "--http", "0.0.0.0:0", "--outbox", "box")
    assert outcome.code == 2
    assert "lets the whole network upload; add an --http-token-file FILE" in outcome.err


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
