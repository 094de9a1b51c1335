"""Runs one connection over one transport: the only place where the protocol meets the event loop.

transport.recv --> connection.receive --> events --> on_event
transport.send <-- connection.next_packet          one writer, which asks for a packet when it can leave
"""

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable

from layercast_common.errors import DisconnectedError, RemoteProtocolError
from protocol.connection.base import Connection
from protocol.connection.events import Event
from protocol.connection.states import State
from protocol.transports.base import Transport
from protocol.wire.codes import Code

OnEvent = Callable[[Event], Awaitable[None] | None]

#: How long a peer's last words are waited for once nothing can be sent to it any more, in seconds.
LAST_WORDS_SECONDS = 5.0


class Driver:
    """Moves packets and time for one connection.

    An event is told, and an asynchronous `on_event` awaited, before any packet leaves that it was the reason of: so a
    picture is never acknowledged that `on_event` has not taken.

    Args:
        connection: the end to run; nobody else may run it.
        transport: what carries its packets; closed when `run` ends.
        on_event: told of every event, in order, one at a time; a slow one slows the peer down.
        stall_seconds: how long one packet may wait for a peer that does not read.
    """

    def __init__(
        self, connection: Connection, transport: Transport, on_event: OnEvent, *, stall_seconds: float
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._on_event = on_event
        self._stall_seconds = stall_seconds
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._telling = asyncio.Lock()
        connection.wake = self.wake

    async def run(self) -> None:
        """Run until the connection is closed, by either side, or the transport is gone.

        Raises:
            RemoteProtocolError: the peer broke a rule, or was silent or slow for too long.
            DisconnectedError: the transport went away without a word of farewell; or a connection that can be resumed
                is suspended, for whatever reason.
        """
        reader = asyncio.create_task(self._read(), name=f"packets from {self._transport.peer}")
        reader.add_done_callback(lambda _: self._wake.set())
        failure: Exception | None = None
        try:
            await self._write(reader)
        except (RemoteProtocolError, DisconnectedError) as error:
            failure = error
        finally:
            reader.cancel()
            (outcome,) = await asyncio.gather(reader, return_exceptions=True)
            ended = self._connection.ended
            self._connection.disconnect(self._loop.time())
            await self._transport.close(ended or Code.DONE)
            await self._tell()
        if isinstance(outcome, Exception):
            failure = outcome if failure is None or isinstance(failure, DisconnectedError) else failure
        if failure is not None and not (isinstance(failure, DisconnectedError) and ended is not None):
            raise failure

    def wake(self) -> None:
        """Look again: the connection was given something to do."""
        self._wake.set()

    async def _read(self) -> None:
        while True:
            packet = await self._transport.recv()
            try:
                self._connection.receive(packet, self._loop.time())
            finally:
                self._wake.set()
                await self._tell()

    async def _write(self, reader: "asyncio.Task[None]") -> None:
        failure: RemoteProtocolError | None = None
        while not self._connection.finished and self._connection.state is not State.SUSPENDED:
            if reader.done() and self._connection.state is not State.CLOSED:
                return
            try:
                self._connection.tick(self._loop.time())
            except RemoteProtocolError as error:
                failure = error
            await self._tell()
            packet = self._connection.next_packet(self._loop.time(), self._transport.backlog)
            if packet is not None:
                await self._send(packet, reader)
            elif not self._connection.finished:
                await self._sleep(self._connection.next_wakeup())
        if failure is not None:
            raise failure

    async def _send(self, packet: bytes, reader: "asyncio.Task[None]") -> None:
        try:
            async with asyncio.timeout(self._stall_seconds):
                await self._transport.send(packet)
        except TimeoutError as error:
            message = "the peer does not read what it is sent"
            if self._connection.stall(self._loop.time()):
                raise DisconnectedError(message) from error
            raise RemoteProtocolError(message, Code.SLOW) from error
        except DisconnectedError:
            await asyncio.wait([reader], timeout=LAST_WORDS_SECONDS)
            raise

    async def _sleep(self, until: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._wake.wait()
        self._wake.clear()

    async def _tell(self) -> None:
        async with self._telling:
            while events := self._connection.take_events():
                for event in events:
                    told = self._on_event(event)
                    if inspect.isawaitable(told):
                        await told
