"""Endurance test: a real receiver in real time, and the curve of its memory, threads and descriptors.

`layercast receive` runs as its users run it: with `mini`, the page, a watcher that loads every picture, and an archive
within a limit. Pictures come one after the other, each over a connection of its own. `soak.py` covers the
protocol in virtual time; this test covers what only time and real memory show.
"""

import asyncio
import contextlib
import dataclasses
import json
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec.container.bitstream import Bitstream
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from layercast_common.tasks import cancel, start_task
from sender.connection.sender import Sender

#: Growth of the anonymous memory that counts as flat, in MB per hour, after the first third of the time: caches and
#: the allocator's arenas fill up first.
FLAT_MB_PER_HOUR = 30.0

#: Size limit of the archive, so that it evicts during the test.
KEEP = "40MB"

#: Interval between two samples, in seconds.
SAMPLE_SECONDS = 30.0

#: Size of the pictures and their streams.
CANVAS, BUDGET = (512, 512), 655


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The receiver at one moment.

    Attributes:
        minutes: since the first picture.
        pictures: complete pictures.
        anonymous_mb, resident_mb: its memory without and with mapped files.
        threads, descriptors: their numbers.
    """

    minutes: float
    pictures: int
    anonymous_mb: float
    resident_mb: float
    threads: int
    descriptors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnduranceReport:
    """The whole curve.

    Attributes:
        samples: the samples, in order of time.
        mb_per_hour: slope of the anonymous memory, by least squares, after the first third.
        largest_step_mb: the largest growth between two samples in that time.
        flat: whether the slope is below `FLAT_MB_PER_HOUR`.
    """

    samples: tuple[Sample, ...]
    mb_per_hour: float
    largest_step_mb: float
    flat: bool

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "EnduranceReport":
        """Build the report of at least two samples."""
        late = samples[len(samples) // 3 :]
        minutes = np.array([one.minutes for one in late])
        memory = np.array([one.anonymous_mb for one in late])
        slope = 0.0 if len(late) < 2 else float(np.polyfit(minutes, memory, 1)[0]) * 60
        return cls(
            samples=tuple(samples),
            mb_per_hour=round(slope, 2),
            largest_step_mb=round(float(np.diff(memory).max(initial=0.0)), 2),
            flat=slope <= FLAT_MB_PER_HOUR,
        )


def read_sample(process: int, *, minutes: float, pictures: int) -> Sample:
    """Read the figures of a process. Linux alone has them."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    figures = {name: int(number) for name, number in re.findall(r"(\w+):\s+(\d+)", status)}
    return Sample(
        minutes=round(minutes, 2),
        pictures=pictures,
        anonymous_mb=round(figures["RssAnon"] / 1000, 1),
        resident_mb=round(figures["VmRSS"] / 1000, 1),
        threads=figures["Threads"],
        descriptors=sum(1 for _ in Path(f"/proc/{process}/fd").iterdir()),
    )


async def endure(seconds: float, interval: float, *, show: bool = False) -> EnduranceReport:
    """Run a receiver and send it pictures.

    Args:
        seconds: the duration, in real seconds.
        interval: seconds between two pictures.
        show: whether to write every sample to stderr.

    Raises:
        LayercastError: a picture cannot be sent.
    """
    with tempfile.TemporaryDirectory() as archive:
        command = (sys.executable, "-m", "layercast", "receive", "--json", "--archive", archive, "--keep", KEEP)
        process = await asyncio.create_subprocess_exec(
            *(*command, "--listen", "ws://127.0.0.1:0", "--viewer", "127.0.0.1:0"), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        watching = None
        try:
            listening = json.loads(await process.stdout.readline())
            events = _Events(process.stdout)
            watching = start_task(events.read(listening["viewer"]), name="watcher")
            return await _send_all(listening["url"], events, process.pid, seconds, interval, show=show)
        finally:
            await cancel(watching)
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


class _Events:
    """Reads the receiver's events, counts complete pictures, and loads each final frame from the page."""

    def __init__(self, stdout: asyncio.StreamReader) -> None:
        self.complete = 0
        self._stdout = stdout

    async def read(self, page: str) -> None:
        """Read until the receiver ends."""
        while line := await self._stdout.readline():
            event = json.loads(line)
            if event["event"] == "PictureCompleted":
                self.complete += 1
                await asyncio.to_thread(_load, f"{page}api/pictures/{event['picture']}/frame.jpg")


async def _send_all(
    url: str, events: _Events, process: int, seconds: float, interval: float, *, show: bool
) -> EnduranceReport:
    began, samples = time.monotonic(), list[Sample]()
    for number, stream in enumerate(_streams()):
        passed = time.monotonic() - began
        if passed >= SAMPLE_SECONDS * len(samples):
            samples.append(read_sample(process, minutes=passed / 60, pictures=events.complete))
            if show:
                sys.stderr.write(f"{json.dumps(dataclasses.asdict(samples[-1]))}\n")
        if passed >= seconds:
            break
        async with Sender(url) as sender:
            await sender.send(stream)
        await asyncio.sleep(max(0.0, began + (number + 1) * interval - time.monotonic()))
    return EnduranceReport.of(samples)


def _streams() -> Iterator[Bitstream]:
    """Yield different pictures without end."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0 : CANVAS[1], 0 : CANVAS[0]]
    number = 0
    while True:
        number += 1
        waves = [np.sin(rows * a + columns * b) for a, b in rng.uniform(-0.1, 0.1, (3, 2))]
        picture = (np.stack(waves, axis=-1) * 127 + 128).astype(np.uint8)
        yield encode(picture, f"a house on hill {number}", EncodeOptions(budget=BUDGET, canvas=CANVAS))


def _load(url: str) -> None:
    # The URL is the receiver's own.
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310
        response.read()


def describe_endurance(report: EnduranceReport) -> str:
    """Return a report in a sentence."""
    first, last = report.samples[0], report.samples[-1]
    return (
        f"{last.pictures} pictures in {last.minutes:.0f} minutes: anonymous memory {first.anonymous_mb:.0f} to "
        f"{last.anonymous_mb:.0f} MB, {report.mb_per_hour:+.1f} MB per hour after the first third, largest step "
        f"{report.largest_step_mb:.1f} MB; {last.threads} threads, {last.descriptors} descriptors"
    )
