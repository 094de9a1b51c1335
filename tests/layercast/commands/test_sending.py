"""`send --outbox`, `outbox` and `watch`, as people and scripts meet them."""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import httpx
import pytest

import layercast
from layercast.cli import main
from layercast.commands.services import send_outbox as sending
from protocol.connection.events import PictureDone, ReceiverEvent
from protocol.wire.limits import Limits
from receiver.server import Server
from sender.connection.backoff import Backoff
from sender.outbox import relay as courier
from tests.layercast.conftest import Run
from tests.layercast.test_cli import Signalling, taken_port

Fails = Callable[..., str]


@contextmanager
def receiving(**options: object) -> Iterator[tuple[str, list[ReceiverEvent]]]:
    """A receiver in a thread of its own: its address, and what it is told."""
    events: list[ReceiverEvent] = []
    started, url, loop = threading.Event(), [""], asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        async with Server("ws://127.0.0.1:0", on_event=events.append, **options) as intake:  # type: ignore[arg-type]
            url[0] = intake.url
            started.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(30)
    try:
        yield url[0], events
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def done(events: list[ReceiverEvent]) -> int:
    return sum(isinstance(event, PictureDone) for event in events)


def test_what_was_accepted_is_sent_once_however_often_it_is_asked_for(run: Run, house: Path, stream_file: Path) -> None:
    with receiving() as (url, events):
        for _ in range(2):
            outcome = run("send", house, stream_file, "--prompt", "a house", "--outbox", "box", "--to", url, "--json")
            assert (outcome.code, outcome.err) == (0, "")
            rows = json.loads(outcome.out)["pictures"]
            assert [(row["id"], row["name"], row["state"]) for row in rows] == [
                (1, "house.png", "delivered"),
                (2, "house.lcast", "delivered"),
            ]
        outcome = run("send", "--outbox", "box", "--to", url)
        assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
        assert done(events) == 2
        looked = json.loads(run("outbox", "box", "--json").out)["pictures"]
        assert looked == rows
        table = run("outbox", "box").out
        assert "house.png" in table
        assert "delivered" in table
        assert run("outbox", "box", "--forget").err == "2 forgotten\n"
        assert json.loads(run("outbox", "box", "--json").out)["pictures"] == []


def test_progress_is_told_to_people(run: Run, stream_file: Path) -> None:
    with receiving() as (url, _):
        outcome = run("send", stream_file, "--outbox", "box", "--to", url)
    assert outcome.err.startswith("house.lcast: delivered as ")


def test_ctrl_c_leaves_everything_in_the_outbox(run: Run, stream_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with taken_port() as port:
        url = f"ws://127.0.0.1:{port}"
    tried = threading.Event()

    class Failing(Backoff):
        def next_wait(self, at_least: float = 0.0) -> float:
            if not tried.is_set():
                os.kill(os.getpid(), signal.SIGINT)
            tried.set()
            return super().next_wait(at_least)

    monkeypatch.setattr(courier, "Backoff", Failing)
    outcome = run("send", stream_file, "--outbox", "box", "--to", url)
    assert (outcome.code, outcome.err.splitlines()[-1]) == (130, "layercast: stopped")
    (row,) = json.loads(run("outbox", "box", "--json").out)["pictures"]
    assert (row["state"], row["attempts"]) == ("queued", 0)
    with receiving() as (there, events):
        assert run("send", "--outbox", "box", "--to", there).code == 0
        assert done(events) == 1


def test_sigterm_finishes_what_is_under_way_and_says_what_waits(
    run: Run, stream_file: Path, stream: layercast.Bitstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        stream.save(stream_file.with_name(f"{number:02}.lcast"))
    # Newer pictures go first, so nobody knows which is the first to arrive.
    err = Signalling(": delivered as", signal.SIGTERM)
    with receiving() as (url, events):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stderr", err)
            patched.setattr(sending, "DRAIN_SECONDS", 20.0)
            assert main(["send", ".", "--outbox", "box", "--to", url, "--rate", "50000"]) == 0
        states = [row["state"] for row in json.loads(run("outbox", "box", "--json").out)["pictures"]]
        assert done(events) == states.count("delivered") < 31
        assert "sent" not in states
    assert (
        f"{states.count('queued')} pictures wait in box; to go on: layercast send --outbox box --to" in err.getvalue()
    )


def test_pictures_that_were_refused_are_an_error_and_can_be_tried_again(run: Run, stream_file: Path) -> None:
    with receiving(limits=Limits(peer_bytes=10)) as (url, _):
        outcome = run("send", stream_file, "--outbox", "box", "--to", url, "-q")
        assert outcome.code == 1
        assert "1 pictures were not delivered: house.lcast: the receiver gave up the picture" in outcome.err
    assert run("outbox", "box", "--retry").err == "1 queued again\n"
    with receiving() as (url, events):
        assert run("send", "--outbox", "box", "--to", url, "-q").code == 0
        assert done(events) == 1


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
            if "Ctrl-C ends it" in written:
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


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (("send", "--to", "ws://127.0.0.1:9"), 2, "name a picture, an .lcast file or a folder"),
        (("send", "--loop", "--outbox", "box", "--to", "ws://127.0.0.1:9"), 2, "give one of them"),
        (("send", "--outbox", "box", "--to", "ws://127.0.0.1:9", "--stream", "x" * 17), 2, "1 to 16 bytes"),
        (("watch", "--to", "ws://127.0.0.1:9"), 2, "name a folder to watch, or an address"),
        (("watch", "--to", "ws://127.0.0.1:9", "--http", "127.0.0.1:0"), 2, "name an --outbox FILE"),
        (("watch", ".", "--to", "ws://127.0.0.1:9", "--lifetime", "nan"), 2, "a positive number of seconds"),
        (("outbox", "missing"), 1, "missing does not exist"),
        (("outbox", "missing", "--retry"), 1, "missing does not exist"),
        (("receive", "--permissions", "missing.toml", "--viewer", "none"), 2, "missing.toml: No such file"),
        (("receive", "--token-file", "missing", "--viewer", "none"), 2, "missing: No such file"),
    ],
)
def test_what_makes_no_sense_fails(fails: Fails, line: tuple[str, ...], code: int, message: str) -> None:
    assert message in fails(code, *line)


def test_the_network_may_not_post_without_a_token(run: Run, place: Path) -> None:
    outcome = run("watch", "--to", "ws://127.0.0.1:9", "--http", "0.0.0.0:0", "--outbox", "box")
    assert outcome.code == 2
    assert "lets the whole network post; give it an --http-token-file FILE" in outcome.err


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "must hold a token"), (b"a\nb", "must hold a token"), (b"\xff", "holds no text")]
)
def test_files_that_hold_no_token(run: Run, stream_file: Path, content: bytes, why: str) -> None:
    Path("token").write_bytes(content)
    outcome = run("send", stream_file, "--to", "ws://127.0.0.1:9", "--token-file", "token")
    assert (outcome.code, why in outcome.err) == (2, True)


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ({"LAYERCAST_TOKEN": "secret"}, ()),
        ({"LAYERCAST_TOKEN_FILE": "token"}, ()),
        ({"LAYERCAST_TOKEN": "wrong"}, ("--token-file", "token")),
        ({"LAYERCAST_TOKEN": "wrong"}, ("--token", "secret")),
    ],
)
def test_where_a_token_comes_from(
    run: Run, stream_file: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], options: tuple[str, ...]
) -> None:
    Path("token").write_text("secret\n")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with receiving(token="secret") as (url, _):
        assert run("send", stream_file, "--to", url, *options).code == 0
