"""Our system: the shipped protocol core, senders and a receiver, over a simulated channel."""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from codec.container.bitstream import Bitstream
from evaluation.simulation.links.model import SimulatedLink
from evaluation.simulation.scenario.model import Workload
from evaluation.simulation.transmission.carriers import CARRIERS, Carrier
from evaluation.simulation.transmission.channel import Channel
from evaluation.simulation.transmission.events import RunEvent, RunRecord
from evaluation.simulation.transmission.path import SimulatedTransport
from evaluation.simulation.transmission.receiving import SLOW_LIMITS, SimulatedReceiver
from layercast_common.errors import DisconnectedError, RemoteProtocolError
from layercast_common.tasks import BackgroundTasks, cancel, start_task
from protocol.connection.events import (
    PictureAcknowledged,
    PictureRefused,
    ReceiverEvent,
    SenderEvent,
    Welcomed,
)
from protocol.connection.states import State
from protocol.driver import Driver
from protocol.recovery.path import PathOptions
from protocol.sending.connection import SenderConnection
from protocol.sending.handshake import SenderCredentials
from protocol.wire.codes import Code
from sender.connection.layer_order import prioritize

#: How long a sender waits before it connects again, in seconds.
RECONNECT_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LayeredRun:
    """What our system sends.

    Attributes:
        link: the link.
        transport: the carrier, or its name.
        order: the order of layers.
        repair: whether repair packets are sent.
        seed: of the link's randomness.
        workload: restarts, senders, lifetimes.
        streams: the pictures' streams.
        times: when each picture comes, in seconds.
    """

    link: SimulatedLink
    transport: str | Carrier
    order: str
    repair: bool
    seed: int
    workload: Workload
    streams: Sequence[Bitstream]
    times: Sequence[float]

    @property
    def end(self) -> float:
        """When the simulation stops at the latest, in seconds."""
        return max(self.times) + self.workload.tail


@dataclass(slots=True, eq=False)
class _Sender:
    """One sender: its pictures, and its connection, which is opened again whenever it breaks."""

    run: LayeredRun
    channel: Channel
    receiver: SimulatedReceiver
    number: int
    waiting: "deque[int]" = field(default_factory=deque)
    unfinished: set[int] = field(default_factory=set)
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    connection: SenderConnection | None = None
    end: SimulatedTransport | None = None

    async def deliver(self) -> None:
        """Deliver all pictures."""
        loop, workload = asyncio.get_running_loop(), self.run.workload
        own = range(self.number, len(self.run.streams), workload.senders)
        self.unfinished = set(own)
        for index in own:
            loop.call_at(self.run.times[index], self._come, index)
        await asyncio.sleep(workload.joins_at)
        running = start_task(self._connect_repeatedly(), name=f"simulated sender {self.number}")
        done = start_task(self.finished.wait(), name="end of the pictures")
        try:
            await asyncio.wait([running, done], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        finally:
            await cancel(running)
            await cancel(done)

    def cut(self) -> None:
        """Break the connection, as a receiver that ends does."""
        if self.end is not None:
            self.end.cut()

    async def _connect_repeatedly(self) -> None:
        while True:
            await self._wait_for_link()
            await self._connect()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _wait_for_link(self) -> None:
        """Wait until the link serves, and the receiver is not restarting: a modem reports both."""
        loop = asyncio.get_running_loop()
        while True:
            is_open, change = self.run.link.there.is_open(loop.time())
            away = [at + self.run.workload.away for at in self.run.workload.restarts if at <= loop.time()]
            until = max([change if not is_open else 0.0, *away])
            if until <= loop.time():
                return
            await asyncio.sleep(until - loop.time())

    async def _connect(self) -> None:
        loop, link = asyncio.get_running_loop(), self.run.link
        rate_hint = link.mean_rate / self.run.workload.senders
        near, far = self.channel.connect(
            {index + 1: index for index in range(len(self.run.streams))}, rate_hint=rate_hint
        )
        self.end = near
        path = PathOptions(
            rate=rate_hint, mtu=near.mtu, overhead=near.overhead, reliable=near.reliable, repair=self.run.repair
        )
        now = loop.time()
        if self.connection is not None and self.connection.state is State.SUSPENDED:
            self.connection.resume(now, path)
        else:
            self.connection = SenderConnection(
                now=now,
                credentials=SenderCredentials(stream_id=bytes([self.number + 1])),
                path=path,
                resumable=True,
            )
            self.waiting = deque(sorted(index for index in self.unfinished if self.run.times[index] <= now))
        sending = Driver(self.connection, near, self._on_event, stall_seconds=SLOW_LIMITS.stall_seconds)
        async with BackgroundTasks("simulated receiver") as tasks:
            tasks.start(_until_broken(self.receiver.connect(far)), name="simulated receiver")
            await _until_broken(sending)

    def _come(self, index: int) -> None:
        if index not in self.waiting:
            self.waiting.append(index)
        self._offer()

    def _offer(self) -> None:
        """Offer the waiting pictures for which the protocol has room."""
        connection = self.connection
        while (
            self.waiting
            and connection is not None
            and connection.state in (State.READY, State.SUSPENDED, State.RESUMING)
            and connection.open_pictures < SLOW_LIMITS.open_pictures
        ):
            index = self.waiting.popleft()
            stream, lifetime = self.run.streams[index], self.run.workload.lifetime
            connection.offer(
                stream.header.to_bytes(),
                prioritize(stream.sections, self.run.order),
                deadline=self.run.times[index] + lifetime if lifetime else math.inf,
                picture_id=index + 1,
            )

    def _on_event(self, event: SenderEvent) -> None:
        match event:
            case Welcomed():
                self._offer()
            case PictureAcknowledged(picture_id=number):
                self._finish(number - 1)
            case PictureRefused(picture_id=number, code=Code.EXPIRED):
                self._finish(number - 1)
            case _:
                pass

    def _finish(self, index: int) -> None:
        self.unfinished.discard(index)
        self._offer()
        if not self.unfinished:
            self.finished.set()


async def _until_broken(driver: "Driver[SenderEvent] | Driver[ReceiverEvent]") -> None:
    """Run a driver until its connection ends in any way."""
    with contextlib.suppress(DisconnectedError, RemoteProtocolError):
        await driver.run()


async def run_layered(run: LayeredRun, record: RunRecord) -> None:
    """Deliver the pictures of a run, and record what happens; the event loop must run in virtual time.

    Args:
        run: what to send over which link.
        record: takes up the events.
    """
    loop = asyncio.get_running_loop()
    carrier = run.transport if isinstance(run.transport, Carrier) else CARRIERS[run.transport]
    channel = Channel(run.link, carrier, run.seed, record)
    receiver = SimulatedReceiver(record)
    senders = [_Sender(run, channel, receiver, number) for number in range(run.workload.senders)]
    for index, at in enumerate(run.times):
        record.add(RunEvent(at, "offered", index))
    if run.workload.joins_at:
        record.add(RunEvent(run.workload.joins_at, "joined"))

    def restart() -> None:
        record.add(RunEvent(loop.time(), "restarted"))
        receiver.forget()
        for sender in senders:
            sender.cut()

    timers = [loop.call_at(at, restart) for at in run.workload.restarts]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(run.end):
            await asyncio.gather(*(sender.deliver() for sender in senders))
    for timer in timers:
        timer.cancel()
