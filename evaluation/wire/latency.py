"""Latency samples of pictures on a link."""

import asyncio
import math
import statistics
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from protocol.connection.events import OfferReceived, PictureDone, ReceiverEvent, SectionReceived

#: The sections of a picture: layer, urgency and payload size in bytes. Text, lines, colours and detail of 512 x 512 px.
SECTIONS = ((0, 0, 32), (1, 2, 250), (2, 3, 90), (3, 6, 3000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """The latency of a part of the pictures, from the offer on, in seconds."""

    median: float
    p95: float
    worst: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Latency":
        """Summarise samples; NaN if there are none."""
        if not values:
            return cls(median=math.nan, p95=math.nan, worst=math.nan)
        ordered = sorted(values)
        return cls(
            median=round(statistics.median(ordered), 3),
            p95=round(ordered[math.ceil(0.95 * len(ordered)) - 1], 3),
            worst=round(ordered[-1], 3),
        )


class LatencyRecorder:
    """The latencies of the text, the base and the whole of each picture.

    Args:
        loop: its clock.

    Attributes:
        text, base, whole: the samples, in seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._began: dict[int, float] = {}
        self._base: dict[int, int] = {}
        self.text, self.base, self.whole = array("d"), array("d"), array("d")

    def start(self, number: int) -> None:
        """Record the offer of a picture."""
        self._began[number] = self._loop.time()
        self._base[number] = len(SECTIONS) - 1

    def on_event(self, event: ReceiverEvent) -> None:
        """Record an event of the receiver."""
        match event:
            case OfferReceived():
                self.text.append(self._latency(event.picture_id))
            case SectionReceived() if event.index < len(SECTIONS) - 1:
                self._base[event.picture_id] -= 1
                if not self._base[event.picture_id]:
                    self.base.append(self._latency(event.picture_id))
            case PictureDone():
                self.whole.append(self._latency(event.picture_id))
                del self._began[event.picture_id], self._base[event.picture_id]
            case _:
                pass

    def _latency(self, number: int) -> float:
        return self._loop.time() - self._began[number]
