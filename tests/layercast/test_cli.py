import asyncio
import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import layercast
from layercast import Bitstream, cli
from layercast.cli import build_parser, main
from layercast_common.errors import LayercastError
from sender.connection.sender import Sender
from tests.layercast.conftest import Run

Fails = Callable[..., str]

COMMANDS = list(cli._COMMANDS)


class Signalling(StringIO):
    """An output that sends this process a signal, once, when a text is written to it."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__()
        self._text, self._number, self._sent = text, number, False

    def write(self, written: str) -> int:
        if self._text in written and not self._sent:
            self._sent = True
            os.kill(os.getpid(), self._number)
        return super().write(written)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(run: Run, command: str) -> None:
    outcome = run(command, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    example = re.split(r"^examples?:\n", outcome.out, maxsplit=1, flags=re.MULTILINE)[1].strip()
    assert example.startswith(f"layercast {command}")
    for line in re.findall(r"^ *layercast (.+)$", example.replace("\\\n", " "), re.MULTILINE):
        build_parser().parse_args(shlex.split(line))


def test_the_whole_command_line_has_help_and_a_version(run: Run) -> None:
    out = run("--help").out
    assert all(re.search(rf"^    {command}\s", out, re.MULTILINE) for command in COMMANDS)
    assert run("--version").out == f"layercast {layercast.__version__}\n"


@pytest.mark.parametrize(
    "line",
    [
        ("paint",),
        ("encode",),
        ("encode", "a.png"),
        ("encode", "a.png", "-o", "b", "--budget", "300", "--bpp", "0.02"),
        ("encode", "a.png", "-o", "b", "--prompt", "x", "--prompts", "y"),
        ("encode", "a.png", "-o", "b", "--edges", "x", "--structure", "hed"),
        ("encode", "a.png", "-o", "b", "--order", "alphabetical"),
        ("encode", "a.png", "-o", "b", "--budget", "many"),
        ("info", "a.lcast", "-v", "-q"),
        ("models",),
        ("models", "paint"),
        ("models", "fetch"),
        ("--print-completion", "cmd"),
    ],
)
def test_wrong_usage_exits_with_2_and_tells_the_usage(run: Run, line: tuple[str, ...]) -> None:
    outcome = run(*line)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("usage: layercast")
    assert re.match(r"layercast( \w+)*: error: ", outcome.err.splitlines()[-1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--headless",), "--headless and --out DIR go together"),
        (("--out", "x"), "--headless and --out DIR go together"),
        (("--link", "string"), "no link is called 'string'; there are acoustic, fast, gsm"),
        (("--rate", "0"), "a rate is a positive number of bit/s, not 0"),
        (("--viewer", "here"), "an address is HOST:PORT, such as 127.0.0.1:8080, not 'here'"),
    ],
)
def test_a_demo_that_makes_no_sense_fails(fails: Fails, house: Path, options: tuple[str, ...], message: str) -> None:
    assert message in fails(2, "demo", "--image", house, "-q", *options)


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (("absent.png",), 2, "absent.png does not exist"),
        (("note.md",), 2, "note.md is neither a picture nor an .lcast file"),
        (("house.png", "--link", "string"), 2, "no link is called 'string'"),
        (("house.png", "--rate", "-5"), 2, "a rate is a positive number"),
        (("house.png", "--canvas", "1x1"), 2, "multiple of 64"),
        (("house.png", "--token", "x" * 300), 2, "a token is at most 256 characters"),
        (("house.png", "--to", "ftp://x"), 2, "the schemes are ws://"),
        (("house.png", "--to", "ws://127.0.0.1:99999"), 2, "is not an address"),
    ],
)
def test_a_sending_that_makes_no_sense_fails(
    fails: Fails, house: Path, line: tuple[str, ...], code: int, message: str
) -> None:
    house.with_name("note.md").touch()
    assert message in fails(code, "send", "--to", "ws://127.0.0.1:9", *line)


def test_a_receiver_that_is_not_there_is_told_with_the_way_out(fails: Fails, house: Path) -> None:
    with taken_port() as port:
        url = f"ws://127.0.0.1:{port}"
    assert fails(1, "send", house, "--to", url) == (
        f"no receiver listens at {url}; start one there: layercast receive --listen {url}"
    )


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--listen", "here"), 2, "'here' is not an address that layercast supports"),
        (("--listen", "wss://127.0.0.1:0"), 2, "wss:// needs a certificate"),
        (("--viewer", "here"), 2, "an address is HOST:PORT"),
        (("--viewer", "127.0.0.1:99999"), 2, "an address is HOST:PORT"),
        (("--steps", "0"), 2, "rendering takes at least 1 step, not 0"),
        (("--archive", "house.png"), 1, "house.png is a file, not a folder"),
        (("--keep", "1GB"), 2, "name it with --archive DIR"),
        (("--archive", "archive", "--keep", "10"), 2, "a size is a number with MB, GB or TB"),
        (("--archive", "archive", "--keep-days", "0"), 2, "kept for more than 0 and up to 36500 days, not 0"),
        (("--model", "sd15"), 1, "layercast models fetch sd15"),
        (("--model", "sd16"), 1, "no model is called 'sd16'"),
    ],
)
def test_a_receiver_that_cannot_be_fails(
    fails: Fails, house: Path, options: tuple[str, ...], code: int, message: str
) -> None:
    common = ("receive", "-q", "--listen", "ws://127.0.0.1:0", "--viewer", "127.0.0.1:0")
    assert message in fails(code, *common, *options)


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_taken_ports_are_told_before_anything_is_loaded(fails: Fails, house: Path) -> None:
    with taken_port() as port:
        taken = f"127.0.0.1:{port}"
        line = fails(1, "receive", "-q", "--model", "sd16", "--viewer", taken, "--listen", "ws://127.0.0.1:0")
        assert line.startswith(f"the viewer cannot listen on {taken} (")
        assert line.endswith("choose another --viewer")
        line = fails(1, "receive", "-q", "--model", "sd16", "--viewer", "none", "--listen", f"ws://{taken}")
        assert line.startswith(f"cannot listen on port {port} of 127.0.0.1 (")
        assert "the viewer cannot" in fails(1, "demo", "-q", "--model", "sd16", "--viewer", taken, "--image", house)


@pytest.mark.parametrize(
    ("number", "code", "last"), [(signal.SIGINT, 130, "layercast: stopped\n"), (signal.SIGTERM, 0, "")]
)
def test_signals_end_a_receiver_cleanly(
    tiny_model: Path, place: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int, last: str
) -> None:
    out, err = Signalling("Listening", number), StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    line = ["receive", "--json", "--listen", "ws://127.0.0.1:0", "--viewer", "127.0.0.1:0", "--model", str(tiny_model)]
    assert main(line) == code
    assert json.loads(out.getvalue())["event"] == "Listening"
    assert err.getvalue() == last


@pytest.mark.parametrize(
    ("number", "code", "last"), [(signal.SIGINT, 130, ["layercast: stopped"]), (signal.SIGTERM, 0, [])]
)
def test_signals_end_a_demo_cleanly(
    tiny_model: Path, house: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int, last: list[str]
) -> None:
    err = Signalling("page at", number)
    monkeypatch.setattr(sys, "stderr", err)
    line = ["demo", "--image", str(house), "--prompt", "a house", "--viewer", "127.0.0.1:0", "--model", str(tiny_model)]
    assert main(line) == code
    watch, *rest = err.getvalue().splitlines()
    assert re.fullmatch(r"page at http://127.0.0.1:\d+/; link: iridium, 2,400 bit/s, 0.9 s delay; Ctrl-C stops", watch)
    # The page comes first. The signal may come before or while the model loads.
    assert [line for line in rest if line != f"loading {tiny_model} ..."] == last


@pytest.fixture
def environment(place: Path) -> dict[str, str]:
    """The environment of a process; it shows warnings of unclosed resources."""
    root = str(Path(layercast.__file__).parents[1])
    return os.environ | {"PYTHONPATH": root, "PYTHONWARNINGS": "default::ResourceWarning", "PYTHONUNBUFFERED": "1"}


class Process:
    """`layercast receive --json` in a process of its own."""

    def __init__(self, environment: dict[str, str], *options: object) -> None:
        line = [sys.executable, "-m", "layercast", "receive", "--json", "--listen", "ws://127.0.0.1:0", *options]
        self.process = subprocess.Popen(
            [str(part) for part in line],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # So that reading its output always ends.
        self.watchdog = threading.Timer(300, self.process.kill)
        self.watchdog.start()

    def next_event(self, name: str) -> dict[str, Any]:
        """Read on up to an event of that name; a failed picture fails the test."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event: dict[str, Any] = json.loads(line)
            assert event["event"] != "PictureFailed", event
            if event["event"] == name:
                return event
        raise AssertionError(f"no {name} came")

    def end(self, number: int) -> tuple[int, str]:
        self.watchdog.cancel()
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=120)
        return self.process.returncode, err


def test_pictures_travel_from_command_to_command(
    run: Run, fails: Fails, house: Path, tiny_model: Path, environment: dict[str, str]
) -> None:
    options = ("--viewer", "none", "--archive", "archive", "--model", tiny_model, "--steps", 2)
    receiver = Process(environment | {"LAYERCAST_TOKEN": "secret"}, *options)
    try:
        url = receiver.next_event("Listening")["url"]
        common = ("send", house, "--to", url, "--prompt", "a house")
        for token in ((), ("--token", "wrong")):
            outcome = run(*common, *token)
            assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1)
            assert "token" in outcome.err
        outcome = run(*common, "--token", "secret", "--json")
        (row,) = json.loads(outcome.out)["pictures"]
        assert (outcome.code, outcome.err, row["complete"]) == (0, "", True)
        layers = [layer["layer"] for layer in row["layers"]]
        assert list(dict.fromkeys(layers)) == ["semantic", "structure", "texture", "detail"]
        opened = receiver.next_event("PictureOpened")
        assert [section["bytes"] for section in opened["sections"]] == [layer["size"] for layer in row["layers"]]
        assert receiver.next_event("FrameRendered")["steps"] == 2
        assert receiver.next_event("PictureCompleted")["received"] == row["sent"]
        outcome = run(*common, "--token", "secret", "--order", "cheapest", "--rate", "100000")
        assert outcome.err.startswith(f"{house}: {row['bytes']} bytes as ")
        assert "arrived: semantic" in outcome.err
        receiver.next_event("PictureCompleted")
    finally:
        code, err = receiver.end(signal.SIGINT)
    assert (code, err.splitlines()[-1]) == (130, "layercast: stopped")
    streams = sorted(Path("archive").glob("*.lcast"))
    assert [path.stat().st_size for path in streams] == [row["bytes"]] * 2
    assert Bitstream.load(streams[0]).decode() == layercast.encode(house, prompt="a house").decode()
    assert [*Path("archive").glob("*.detail.png")]
    assert [path.name for path in Path("archive").glob(".*")] == [".lock"]


class Unread(StringIO):
    """An output whose reader went away after the first line."""

    def write(self, written: str) -> int:
        if self.getvalue():
            raise BrokenPipeError
        return super().write(written)


async def _send_to(url: str, stream: Bitstream) -> None:
    async with Sender(url) as sender:
        await sender.send(stream)


def test_a_reader_that_goes_away_ends_the_receiver(
    stream: Bitstream, place: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with taken_port() as port:
        url = f"ws://127.0.0.1:{port}"
    out, err = Unread(), StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)

    ended = threading.Event()

    def send() -> None:
        while not ended.wait(0.05):
            with contextlib.suppress(LayercastError):
                asyncio.run(_send_to(url, stream))

    sending = threading.Thread(target=send)
    sending.start()
    assert main(["receive", "--json", "--listen", url, "--viewer", "none", "--model", str(tiny_model)]) == 1
    ended.set()
    sending.join()
    assert json.loads(out.getvalue())["event"] == "Listening"
    assert err.getvalue() == ""


def test_the_name_alone_shows_the_help(run: Run) -> None:
    assert run().out == run("--help").out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed(run: Run, shell: str) -> None:
    assert "layercast" in run("--print-completion", shell).out


def test_the_public_names_are_listed() -> None:
    assert set(dir(layercast)) == {*layercast.__all__, "__version__"}
