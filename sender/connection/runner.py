"""Runs one connection to its end, over as many transports as it takes."""

import asyncio
from collections.abc import Callable

from layercast_common.errors import DisconnectedError, LayercastError, RemoteProtocolError
from protocol.connection.events import SenderEvent
from protocol.connection.states import State
from protocol.driver import Driver
from protocol.recovery.path import PathOptions
from protocol.sending.connection import SenderConnection
from protocol.sending.handshake import SenderCredentials
from protocol.transports.base import Transport
from protocol.wire.codes import Code, error_of
from protocol.wire.limits import Limits
from protocol.wire.seals import SharedKey
from sender.connection.options import SenderIdentity
from sender.connection.reconnect import Connector


class ConnectionRunner:
    """A connection, its current transport, and the driver that joins them. Call `open`, then `run` in a task.

    Args:
        connector: opens the transports.
        on_event: called for each event of the connection.
    """

    def __init__(self, connector: Connector, on_event: Callable[[SenderEvent], None]) -> None:
        self._connector = connector
        self._on_event = on_event
        self._closing = asyncio.Event()
        self.connection: SenderConnection
        self._driver: Driver[SenderEvent]

    async def open(self, identity: SenderIdentity, token: str, shared_key: SharedKey | None) -> bool:
        """Open the first transport and create the connection. Return whether the transport is one-way.

        Raises:
            ConnectError: the receiver cannot be reached.
            AuthenticationError: the receiver or broker refuses the credentials.
            UsageError: the address is not valid.
            MissingExtraError: the address needs an optional dependency.
        """
        transport = await self._connector.open()
        self.connection = SenderConnection(
            now=asyncio.get_running_loop().time(),
            credentials=SenderCredentials(stream_id=identity.stream_id, epoch=identity.epoch, token=token),
            path=self._path_over(transport),
            resumable=self._connector.reconnects,
            key=shared_key,
        )
        self._driver = self._new_driver(transport)
        return transport.one_way

    async def run(self) -> LayercastError:
        """Run the connection until it has ended for good, and return the error that ended it."""
        while True:
            error = await self._run_once()
            if self.connection.state is not State.SUSPENDED:
                return error
            transport = await self._connector.reopen(self._closing)
            if transport is None:
                self.connection.close(Code.DISCONNECTED)
                # No driver reports these events.
                for event in self.connection.take_events():
                    self._on_event(event)
                return error
            self.connection.resume(asyncio.get_running_loop().time(), self._path_over(transport))
            self._driver = self._new_driver(transport)

    def wake(self) -> None:
        """Make the driver look at the connection: it has something to send."""
        self._driver.wake()

    def limit_rate(self, rate: float) -> None:
        """Send at another rate from now on, in bit/s; 0 if it must be measured."""
        self._connector.limit_rate(rate)
        self.connection.path.pacer.configure(rate)
        self.wake()

    def close(self) -> None:
        """Close the connection; `run` returns once the peer knows, or soon after."""
        self._closing.set()
        self.connection.close(Code.DONE)
        self.wake()

    async def _run_once(self) -> LayercastError:
        """Run the connection over one transport."""
        try:
            await self._driver.run()
        except (RemoteProtocolError, DisconnectedError) as error:
            return error
        return error_of(self.connection.close_code or Code.DONE)

    def _path_over(self, transport: Transport) -> PathOptions:
        return PathOptions(
            rate=self._connector.rate_over(transport),
            mtu=transport.mtu,
            overhead=transport.overhead,
            reliable=transport.reliable,
            one_way=transport.one_way,
        )

    def _new_driver(self, transport: Transport) -> Driver[SenderEvent]:
        return Driver(self.connection, transport, self._on_event, stall_seconds=Limits().stall_seconds)
