"""A plain FIFO sender of whole files, without any flaw: the best that a sender without layers can do on a link.

It sends files in the order of coming, in packets as large as the link takes, each as soon as the one before has left.
It knows of every loss one round trip after the packet left, at no cost, and repeats the packet at once. A real sender
is slower; so the comparison favours the rivals.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.simulation.links.clock import DirectionClock, Fate
from evaluation.simulation.links.model import SimulatedLink
from evaluation.simulation.transmission.carriers import CARRIERS
from evaluation.simulation.transmission.events import RunEvent, RunRecord

#: Bytes of a packet that are not the file's: number of the file, offset, check. As few as any protocol needs.
FIFO_FRAMING = 8

#: The most packets of a run: bounds a link that loses nearly everything.
_MAX_PACKETS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FifoRun:
    """What a rival sends.

    Attributes:
        link, transport, seed: as for our system.
        sizes: of the files, in bytes.
        times: when each comes, in seconds.
        joins_at: when the receiver appears, in seconds.
        lifetime: after so many seconds the rest of a file is not sent; 0 for never.
        end: when the simulation stops, in seconds.
    """

    link: SimulatedLink
    transport: str
    seed: int
    sizes: Sequence[int]
    times: Sequence[float]
    joins_at: float
    lifetime: float
    end: float


@dataclass(frozen=True, slots=True, order=True)
class _Piece:
    file: int
    start: int
    size: int
    again: bool = False


def run_fifo(run: FifoRun, record: RunRecord) -> None:
    """Deliver files, and record what happens: "part" events have the bytes of a file that arrived without a gap.

    Args:
        run: what to send over which link.
        record: takes up the events.
    """
    carrier, link = CARRIERS[run.transport], run.link
    clock = DirectionClock(link.there, rng=random.Random(f"there {run.seed}"))
    payload = link.mtu - FIFO_FRAMING
    new: deque[_Piece] = deque()
    for file in sorted(range(len(run.sizes)), key=lambda index: (run.times[index], index)):
        record.add(RunEvent(run.times[file], "offered", file))
        new.extend(
            _Piece(file, start, min(payload, run.sizes[file] - start)) for start in range(0, run.sizes[file], payload)
        )
    lost: list[tuple[float, _Piece]] = []
    arrivals: list[tuple[float, _Piece]] = []
    now, round_trip = run.joins_at, link.there.delay + link.back.delay
    for _ in range(_MAX_PACKETS):
        piece, now = _next_piece(new, lost, run.times, now)
        if piece is None or now >= run.end:
            break
        if run.lifetime and now >= run.times[piece.file] + run.lifetime:
            continue
        packet = piece.size + FIFO_FRAMING
        passage = clock.passage(packet + carrier.overhead, now)
        if passage.start >= run.end or math.isinf(passage.end):
            break
        extra = carrier.overhead + link.there.overhead
        size = packet + extra
        record.packets += 1
        step = link.cost.message_bytes
        record.charged += -(-size // step) * step
        record.airtime += passage.airtime
        cause = "retransmission" if piece.again else "payload"
        record.causes[cause] += packet if piece.again else piece.size
        record.causes["framing"] += 0 if piece.again else FIFO_FRAMING
        record.causes["transport"] += extra
        record.add(RunEvent(passage.start, "sent", piece.file, cause=cause, size=size))
        now = max(now, passage.end)
        if passage.fate is Fate.ARRIVED:
            heapq.heappush(arrivals, (passage.arrivals[0], piece))
            record.add(RunEvent(passage.arrivals[0], "arrived", piece.file, cause=cause, size=size))
        else:
            record.add(RunEvent(passage.end, passage.fate.value, piece.file, cause=cause, size=size))
            again = _Piece(piece.file, piece.start, piece.size, again=True)
            heapq.heappush(lost, (passage.end + round_trip, again))
    _record_parts(run, arrivals, record)


def _next_piece(
    new: "deque[_Piece]", lost: list[tuple[float, _Piece]], times: Sequence[float], now: float
) -> tuple[_Piece | None, float]:
    """Return what to send next and when: lost pieces first, as soon as the loss is known."""
    upcoming = times[new[0].file] if new else math.inf
    if lost and (lost[0][0] <= now or (lost[0][0] <= max(upcoming, now) and upcoming > now)):
        known, piece = heapq.heappop(lost)
        return piece, max(now, known)
    if new:
        return new.popleft(), max(now, upcoming)
    return None, now


def _record_parts(run: FifoRun, arrivals: list[tuple[float, _Piece]], record: RunRecord) -> None:
    held: dict[int, dict[int, int]] = {}
    whole = [0] * len(run.sizes)
    while arrivals:
        at, piece = heapq.heappop(arrivals)
        if at > run.end:
            break
        pieces = held.setdefault(piece.file, {})
        pieces[piece.start] = piece.size
        before = whole[piece.file]
        while whole[piece.file] in pieces:
            whole[piece.file] += pieces.pop(whole[piece.file])
        if whole[piece.file] > before:
            record.add(RunEvent(at, "part", piece.file, size=whole[piece.file]))
            if whole[piece.file] == run.sizes[piece.file]:
                record.add(RunEvent(at, "done", piece.file, size=whole[piece.file]))
