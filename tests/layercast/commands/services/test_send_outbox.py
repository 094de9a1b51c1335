"""`send --outbox` and `outbox`, on the command line; wrong usage of the sending commands."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import layercast
from layercast.cli import main
from layercast.commands.services import send_outbox
from protocol.wire.limits import Limits
from receiver.options import Security
from sender.connection.backoff import Backoff
from sender.outbox import relay
from tests.layercast.commands.services.receivers import done, receiving
from tests.layercast.conftest import Run
from tests.layercast.test_cli import Signalling, taken_port

Fails = Callable[..., str]


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
        assert run("outbox", "box", "--forget").err == "2 removed\n"
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

    monkeypatch.setattr(relay, "Backoff", Failing)
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
    # Newer pictures go first, so the first to arrive is not known.
    err = Signalling(": delivered as", signal.SIGTERM)
    with receiving() as (url, events):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stderr", err)
            patched.setattr(send_outbox, "DRAIN_SECONDS", 20.0)
            assert main(["send", ".", "--outbox", "box", "--to", url, "--rate", "50000"]) == 0
        states = [row["state"] for row in json.loads(run("outbox", "box", "--json").out)["pictures"]]
        assert done(events) == states.count("delivered") < 31
        assert "sent" not in states
    assert (
        f"{states.count('queued')} pictures wait in box; to continue: layercast send --outbox box --to"
        in err.getvalue()
    )


def test_pictures_that_were_refused_are_an_error_and_can_be_tried_again(run: Run, stream_file: Path) -> None:
    with receiving(security=Security(limits=Limits(peer_bytes=10))) as (url, _):
        outcome = run("send", stream_file, "--outbox", "box", "--to", url, "-q")
        assert outcome.code == 1
        assert "1 pictures were not delivered: house.lcast: the receiver refused the picture" in outcome.err
    assert run("outbox", "box", "--retry").err == "1 queued again\n"
    with receiving() as (url, events):
        assert run("send", "--outbox", "box", "--to", url, "-q").code == 0
        assert done(events) == 1


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (("send", "--to", "ws://127.0.0.1:9"), 2, "name a picture, an .lcast file or a folder"),
        (("send", "--loop", "--outbox", "box", "--to", "ws://127.0.0.1:9"), 2, "exclude each other"),
        (("send", "--outbox", "box", "--to", "ws://127.0.0.1:9", "--stream", "x" * 17), 2, "1 to 16 bytes"),
        (("watch", "--to", "ws://127.0.0.1:9"), 2, "name a folder to watch, or an address"),
        (("watch", "--to", "ws://127.0.0.1:9", "--http", "127.0.0.1:0"), 2, "name an --outbox FILE"),
        (("watch", ".", "--to", "ws://127.0.0.1:9", "--lifetime", "nan"), 2, "a positive number of seconds"),
        (("outbox", "missing"), 1, "missing does not exist"),
        (("outbox", "missing", "--retry"), 1, "missing does not exist"),
        (
            ("receive", "--permissions", "missing.toml", "--viewer", "none"),
            1,
            "missing.toml cannot be read: No such file",
        ),
        (("receive", "--token-file", "missing", "--viewer", "none"), 1, "missing: No such file"),
    ],
)
def test_what_makes_no_sense_fails(fails: Fails, line: tuple[str, ...], code: int, message: str) -> None:
    assert message in fails(code, *line)
