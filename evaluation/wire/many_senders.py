"""Many sessions at one receiver: the memory of an idle one, and the fairness among many that send at once."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from evaluation.wire.receiving import Receiving, raise_file_limit
from layercast_common.errors import LayercastError
from protocol.sending.pictures.fragmentation import OutgoingSection
from sender.connection.sender import Sender

#: The thresholds: the most memory of an idle session at the receiver, in bytes, and the longest time of the slowest of
#: many concurrent senders, relative to the median.
IDLE_BYTES = 25 * 1024
STARVED = 3.0

#: Sessions that are opened concurrently.
AT_A_TIME = 50

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleReport:
    """The memory of idle sessions at the receiver, over WebSockets.

    Attributes:
        sessions: the number of sessions.
        bytes_each: the growth of the receiver's memory per session, in bytes.
    """

    sessions: int
    bytes_each: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RushReport:
    """The results of many concurrent senders, over WebSockets.

    Attributes:
        sessions: the number of senders.
        pictures: the number of pictures of all senders.
        complete: how many of them arrived, as counted by the receiver.
        dropped: sessions that ended with an error.
        seconds: the duration of the measurement.
        median, slowest: the time of a sender for its pictures, in seconds.
    """

    sessions: int
    pictures: int
    complete: int
    dropped: int
    seconds: float
    median: float
    slowest: float


async def measure_idle(sessions: int = 1000, *, progress: Progress = lambda *_: None) -> IdleReport:
    """Open sessions, and measure the growth of the receiver's memory. Linux only."""
    raise_file_limit()
    async with Receiving() as receiving, contextlib.AsyncExitStack() as stack:
        # The first session initialises caches that the others share.
        warm_up = await stack.enter_async_context(Sender(receiving.url))
        await warm_up.send_sections(b"head", picture(0))
        before = await receiving.look()
        for opened in range(0, sessions, AT_A_TIME):
            senders = (Sender(receiving.url) for _ in range(min(AT_A_TIME, sessions - opened)))
            await asyncio.gather(*(stack.enter_async_context(sender) for sender in senders))
            progress("idle sessions", opened, sessions)
        after = await receiving.look()
        each = (after.resident - before.resident) // sessions
        there = after.sessions - before.sessions
    return IdleReport(sessions=there, bytes_each=each)


async def measure_rush(sessions: int = 200, pictures: int = 3, *, progress: Progress = lambda *_: None) -> RushReport:
    """Run many concurrent senders in this process, against a receiver in another one."""
    raise_file_limit()
    seconds: list[float] = []
    dropped = 0

    async def send(sender: Sender, number: int) -> None:
        nonlocal dropped
        began = time.perf_counter()
        try:
            for _ in range(pictures):
                await sender.send_sections(b"head", picture(number))
        except LayercastError:
            dropped += 1
        else:
            seconds.append(time.perf_counter() - began)
        progress("senders at once", len(seconds) + dropped, sessions)

    async with Receiving() as receiving, contextlib.AsyncExitStack() as stack:
        senders = [await stack.enter_async_context(Sender(receiving.url)) for _ in range(sessions)]
        began = time.perf_counter()
        await asyncio.gather(*(send(sender, number) for number, sender in enumerate(senders)))
        took = time.perf_counter() - began
        complete = (await receiving.look()).done
    median, slowest = (statistics.median(seconds), max(seconds)) if seconds else (0.0, 0.0)
    return RushReport(
        sessions=sessions,
        pictures=sessions * pictures,
        complete=complete,
        dropped=dropped,
        seconds=round(took, 3),
        median=round(median, 3),
        slowest=round(slowest, 3),
    )


def picture(number: int) -> list[OutgoingSection]:
    """Return a picture of typical size: 18 bytes of text, 500 of lines, 50 of colours, 3,000 of detail."""
    sizes = ((0, 0, 18), (1, 2, 500), (2, 3, 50), (3, 6, 3000))
    return [
        OutgoingSection(layer=layer, coder=0, payload=bytes([number % 256]) * size, urgency=urgency)
        for layer, urgency, size in sizes
    ]
