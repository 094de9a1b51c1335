"""The receiver of simulated runs: the shipped protocol core, with limits for very slow links."""

import asyncio

from evaluation.simulation.transmission.events import RunEvent, RunRecord
from protocol.connection.events import OfferReceived, PictureAborted, PictureDone, ReceiverEvent, SectionReceived
from protocol.driver import Driver
from protocol.receiving.connection import ReceiverConnection
from protocol.receiving.options import ReceiverOptions
from protocol.receiving.sessions import Sessions
from protocol.transports.base import Transport
from protocol.wire.limits import Limits

#: A packet to a slow receiver may take longer than the limits of fast links allow.
SLOW_LIMITS = Limits(hello_seconds=86_400.0, stall_seconds=86_400.0, resume_seconds=65_535)


class SimulatedReceiver:
    """The receiver: what outlives its connections, and what is recorded of its events.

    Args:
        record: takes up the events.
    """

    def __init__(self, record: RunRecord) -> None:
        self._loop = asyncio.get_running_loop()
        self._record = record
        self._done: set[tuple[bytes, int]] = set()
        self._count = 0
        self._sessions = Sessions(SLOW_LIMITS)

    def connect(self, transport: Transport) -> Driver[ReceiverEvent]:
        """Return a driver for a new connection."""
        self._count += 1
        options = ReceiverOptions(
            limits=SLOW_LIMITS,
            sessions=self._sessions,
            held=lambda stream_id, _epoch, picture: (stream_id, picture) in self._done,
        )
        session = self._count.to_bytes(4)
        connection = ReceiverConnection(session=session, now=self._loop.time(), options=options, mtu=transport.mtu)
        return Driver(
            connection,
            transport,
            lambda event: self._on_event(event, connection.stream_id),
            stall_seconds=SLOW_LIMITS.stall_seconds,
        )

    def forget(self) -> None:
        """Lose the unfinished pictures, as a restart does. Whole pictures are stored."""
        self._sessions = Sessions(SLOW_LIMITS)

    def _on_event(self, event: ReceiverEvent, stream_id: bytes) -> None:
        index, now = event.picture_id - 1, self._loop.time()
        match event:
            case OfferReceived():
                self._record.add(RunEvent(now, "opened", index, size=event.received))
            case SectionReceived(layer=layer, index=section, payload=payload):
                self._record.add(RunEvent(now, "section", index, layer, size=len(payload), section=section))
            case PictureDone(received=received):
                self._done.add((stream_id, event.picture_id))
                self._record.add(RunEvent(now, "done", index, size=received))
            case PictureAborted(received=received):
                self._record.add(RunEvent(now, "aborted", index, size=received))
