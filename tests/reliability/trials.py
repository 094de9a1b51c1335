"""A transfer between real processes, some of which are killed (kill -9) and restarted during it."""

import contextlib
import functools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec.container.bitstream import Bitstream, Header
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from sender.outbox.entries import EntryState
from sender.outbox.reader import read_outbox
from tests.support.brokers import Mosquitto, free_port

ROOT = Path(__file__).parents[2]

VICTIMS = ("sender", "receiver", "mosquitto")

#: Timeout of one transfer, in seconds; allows for a busy machine.
TRIAL_TIMEOUT = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one transfer.

    Attributes:
        victims: the killed processes, in order.
        killed_after: least number of archived pictures at each kill.
        sent: number of sent pictures.
        arrived: number of different sent pictures in the archive, byte for byte.
        copies: number of surplus files in the archive.
        reported_twice: pictures that the receiver reported as complete more than once.
        undelivered: pictures that the outbox does not count as delivered.
        failure: the last line of the sender's log, if it failed.
        seconds: from the start of the sender to its end.
    """

    victims: tuple[str, ...]
    killed_after: tuple[int, ...]
    sent: int
    arrived: int
    copies: int
    reported_twice: int
    undelivered: int
    failure: str
    seconds: float

    @property
    def good(self) -> bool:
        """Whether every picture arrived, once."""
        flaws = self.copies or self.reported_twice or self.undelivered or self.failure
        return self.arrived == self.sent and not flaws


class Program:
    """A command in a separate process that logs to a file, and can be killed and restarted."""

    def __init__(self, log: Path, *arguments: object) -> None:
        self.log = log
        self._line = [sys.executable, "-m", "layercast", *map(str, arguments)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        with self.log.open("ab") as log, self.log.with_suffix(".err").open("ab") as err:
            self._process = subprocess.Popen(self._line, stdout=log, stderr=err, env=environment, cwd=ROOT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def end(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(120)
            self.kill()

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def last_line(self) -> str:
        """The last line on stderr."""
        return (self.log.with_suffix(".err").read_text().splitlines() or ["nothing"])[-1]

    def rows(self) -> Iterator[dict[str, object]]:
        """Yield the JSON lines of the output; lines that a kill has cut are skipped."""
        for line in self.log.read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                yield json.loads(line)


def run_trial(victims: Sequence[str], *, folder: Path, pictures: int, rate: int, chance: random.Random) -> Outcome:
    """Send pictures from one process to another, kill the victims meanwhile, and count the pictures that arrive.

    Args:
        victims: of `VICTIMS`, each killed once, in this order; with mosquitto the transfer uses a broker.
        folder: an empty folder for all files.
        pictures: number of pictures.
        rate: rate of the emulated link, in bit/s.
        chance: chooses the moments of the kills.
    """
    sent = write_streams(folder / "pictures", pictures)
    archive = folder / "archive"
    broker = Mosquitto(folder, broker_settings(folder)) if "mosquitto" in victims else None
    url = f"mqtt://127.0.0.1:{broker.port}/trial" if broker else f"ws://127.0.0.1:{free_port()}"
    receiver = Program(
        folder / "receiver.log",
        *("receive", "--listen", url, "--viewer", "none", "--model", "none", "--archive", archive, "--json"),
    )
    outbox = folder / "outbox"
    sender = Program(
        folder / "sender.log", "send", folder / "pictures", "--outbox", outbox, "--to", url, "--rate", rate
    )
    programs = {"sender": sender, "receiver": receiver, "mosquitto": broker}
    killed_after = sorted(chance.randrange(pictures) for _ in victims)
    try:
        if broker:
            broker.start()
        receiver.start()
        until(lambda: any(row.get("event") == "Listening" for row in receiver.rows()))
        began = time.monotonic()
        sender.start()
        for victim, after in zip(victims, killed_after, strict=True):
            until(functools.partial(has_archived, archive, after))
            time.sleep(chance.uniform(0.0, 8.0 * 450 / rate))
            chosen = programs[victim]
            assert chosen is not None
            chosen.kill()
            chosen.start()
        until(lambda: sender.code is not None)
        seconds = time.monotonic() - began
        failure = sender.last_line if sender.code else ""
        # Acknowledged pictures are on disk, but their events may be written a moment later.
        receiver.end()
    finally:
        for program in (sender, receiver, broker):
            if program is not None:
                program.kill()
    arrived = Counter(path.read_bytes() for path in archive.glob("*.lcast"))
    reported = Counter(row["picture"] for row in receiver.rows() if row.get("event") == "PictureCompleted")
    states = Counter(entry.state for entry in read_outbox(outbox))
    return Outcome(
        victims=tuple(victims),
        killed_after=tuple(killed_after),
        sent=pictures,
        arrived=len(arrived.keys() & sent),
        copies=arrived.total() - len(arrived.keys() & sent),
        reported_twice=sum(count > 1 for count in reported.values()),
        undelivered=pictures - states[EntryState.DELIVERED],
        failure=failure,
        seconds=seconds,
    )


def write_streams(folder: Path, count: int) -> set[bytes]:
    """Write different streams into a folder; return their bytes."""
    folder.mkdir()
    # Detailed enough that lines and colours take many packets of a slow link.
    tiles = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    picture = np.kron(tiles, np.ones((11, 11, 1), np.uint8))[:256, :256]
    pattern = encode(picture, "a quilt of many colours", EncodeOptions(budget=900))
    sent = set()
    for number in range(count):
        header = Header(pattern.header.width, pattern.header.height, number, pattern.header.model)
        stream = Bitstream(header, pattern.sections)
        stream.save(folder / f"{number:03}.lcast")
        sent.add(stream.to_bytes())
    assert len(sent) == count
    return sent


def broker_settings(folder: Path) -> str:
    """Return the settings of a broker that keeps its state when killed: as docker/mosquitto.conf, but saving often."""
    (folder / "broker").mkdir()
    (folder / "broker").chmod(0o777)
    return f"persistence true\npersistence_location {folder}/broker/\nautosave_interval 1"


def has_archived(archive: Path, count: int) -> bool:
    """Return whether an archive has at least `count` complete pictures."""
    whole = [path for path in archive.glob("*.lcast") if ".part." not in path.name] if archive.is_dir() else []
    return len(whole) >= count


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true.

    Raises:
        TimeoutError: it is still false after `TRIAL_TIMEOUT`.
    """
    ends = time.monotonic() + TRIAL_TIMEOUT
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError("the transfer does not finish")
        time.sleep(0.02)
