"""Runs one connection over one transport: the only module where the protocol meets the event loop.

transport.recv --> connection.receive --> events --> on_event
transport.send <-- connection.next_packet          one writer, which takes a packet when it can leave
"""

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable
from typing import Generic

from layercast_common.errors import DisconnectedError, RemoteProtocolError
from layercast_common.tasks import start_task
from protocol.connection.base import Connection, EventT
from protocol.connection.states import State
from protocol.transports.base import Transport
from protocol.wire.codes import Code

#: How long to wait for the peer's last packets once sending fails, in seconds.
LAST_PACKETS_SECONDS = 5.0


class Driver(Generic[EventT]):
    """Moves packets, events and time for one connection.

    Events are passed to `on_event` before any packet that they caused is sent, and an asynchronous `on_event` is
    awaited. So a picture is acknowledged only after `on_event` has stored it.

    Args:
        connection: the connection to run; only one driver may run it.
        transport: carries its packets; closed when `run` ends.
        on_event: called with every event, in order, one at a time; a slow one slows the peer down.
        stall_seconds: how long sending one packet may block on a peer that does not read.
    """

    def __init__(
        self,
        connection: Connection[EventT],
        transport: Transport,
        on_event: Callable[[EventT], Awaitable[None] | None],
        *,
        stall_seconds: float,
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._on_event = on_event
        self._stall_seconds = stall_seconds
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._emitting = asyncio.Lock()
        connection.wake = self.wake

    async def run(self) -> None:
        """Run until either side closes the connection, or the transport is lost.

        An error that `on_event` raises closes the transport, and `run` raises it.

        Raises:
            RemoteProtocolError: the peer broke a rule, or a timeout expired.
            DisconnectedError: the transport was lost before BYE, or a resumable connection is suspended.
        """
        reader = start_task(self._read(), name=f"packet reader of {self._transport.peer}")
        reader.add_done_callback(lambda _: self._wake.set())
        failure: Exception | None = None
        try:
            await self._write(reader)
        except (RemoteProtocolError, DisconnectedError) as error:
            failure = error
        finally:
            reader.cancel()
            (outcome,) = await asyncio.gather(reader, return_exceptions=True)
            close_code = self._connection.close_code
            self._connection.disconnect(self._loop.time())
            await self._transport.close(close_code or Code.DONE)
            await self._emit_events()
        if isinstance(outcome, Exception):
            failure = outcome if failure is None or isinstance(failure, DisconnectedError) else failure
        if failure is not None and not (isinstance(failure, DisconnectedError) and close_code is not None):
            raise failure

    def wake(self) -> None:
        """Run the connection's new work; called after any call that gives it work."""
        self._wake.set()

    async def _read(self) -> None:
        while True:
            packet = await self._transport.recv()
            try:
                self._connection.receive(packet, self._loop.time())
            finally:
                self._wake.set()
                await self._emit_events()

    async def _write(self, reader: "asyncio.Task[None]") -> None:
        failure: RemoteProtocolError | None = None
        while not self._connection.finished and self._connection.state is not State.SUSPENDED:
            if reader.done() and self._connection.state is not State.CLOSED:
                return
            try:
                self._connection.tick(self._loop.time())
            except RemoteProtocolError as error:
                failure = error
            await self._emit_events()
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
            message = f"the peer read nothing for {self._stall_seconds:g} s"
            if self._connection.on_stall(self._loop.time()):
                raise DisconnectedError(message) from error
            raise RemoteProtocolError(message, Code.SLOW) from error
        except DisconnectedError:
            await asyncio.wait([reader], timeout=LAST_PACKETS_SECONDS)
            raise

    async def _sleep(self, until: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._wake.wait()
        self._wake.clear()

    async def _emit_events(self) -> None:
        async with self._emitting:
            while events := self._connection.take_events():
                for event in events:
                    result = self._on_event(event)
                    if inspect.isawaitable(result):
                        await result
