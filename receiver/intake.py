"""Where senders arrive: listens, runs one connection per sender, and tells what came.

sender --> transport --> ReceiverConnection --> on_event(OfferReceived | SectionReceived | ImageDone | ImageFailed)
"""

import asyncio
import logging
import secrets
import ssl as tls
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import cast

from layercast_errors import ProtocolError, TransportError
from protocol.codes import Code
from protocol.driver import Driver
from protocol.events import ImageDone, ImageFailed, OfferReceived, ReceiverEvent, SectionInfo, SectionReceived
from protocol.limits import Limits
from protocol.receiving import ReceiverConnection
from protocol.tokens import check_token
from protocol.transports.addresses import open_listener
from protocol.transports.base import Listener, Transport

__all__ = ["ImageDone", "ImageFailed", "Intake", "OfferReceived", "ReceiverEvent", "SectionInfo", "SectionReceived"]

#: How long saying goodbye to the senders may take when the intake closes, in seconds.
FAREWELL_SECONDS = 1.0

_log = logging.getLogger("layercast.intake")

OnEvent = Callable[[ReceiverEvent], Awaitable[None] | None]


class Intake:
    """Takes pictures from any number of senders. Use it as `async with`.

    Args:
        listen: the address to listen on, `ws://host:port` or `wss://host:port`; port 0 takes a free one.
        token: what senders must know; None takes anyone.
        on_event: told of what comes, in order for each sender; may be a coroutine function, and while it runs its
            sender is not read from.
        ssl: for `wss://`, the certificate to show.
        origins: the web pages that may send from a browser.
        limits: what senders may make us hold or wait for.

    Raises:
        UsageError: the token could never be sent.
    """

    def __init__(
        self,
        listen: str = "ws://127.0.0.1:8765",
        *,
        on_event: OnEvent,
        token: str | None = None,
        ssl: tls.SSLContext | None = None,
        origins: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> None:
        if token is not None:
            check_token(token)
        self._address = listen
        self._token = token
        self._on_event = on_event
        self._ssl = ssl
        self._origins = origins
        self._limits = limits or Limits()
        self._listener: Listener | None = None
        self._peers: dict[asyncio.Task[None], tuple[ReceiverConnection, Driver]] = {}
        self._addresses: Counter[str] = Counter()

    async def __aenter__(self) -> "Intake":
        """Begin to listen.

        Raises:
            ListenError: the address cannot be listened on.
            UsageError: it is not an address, or `wss://` lacks its certificate.
        """
        self._listener = await open_listener(self._address, self._take_in, ssl=self._ssl, origins=self._origins)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye to the senders, and stop listening. Pictures that are not complete fail."""
        assert self._listener is not None
        try:
            for connection, driver in self._peers.values():
                connection.close(Code.GOING_AWAY)
                driver.wake()
            if self._peers:
                await asyncio.wait(self._peers, timeout=FAREWELL_SECONDS)
        finally:
            for task in self._peers:
                task.cancel()
            await self._listener.close()

    @property
    def url(self) -> str:
        """Where senders reach us, with the port that was really bound."""
        assert self._listener is not None, "an Intake listens inside its `async with`"
        return self._listener.url

    @property
    def sessions(self) -> tuple[str, ...]:
        """The names of the connections that are open."""
        return tuple(connection.session for connection, _ in self._peers.values())

    async def _take_in(self, transport: Transport) -> None:
        connection = ReceiverConnection(
            session=secrets.token_hex(4),
            token=self._token,
            limits=self._limits,
            mtu=transport.mtu,
            now=asyncio.get_running_loop().time(),
        )
        driver = Driver(connection, transport, self._tell, stall_seconds=self._limits.stall_seconds)
        if self._is_full(transport.peer):
            connection.refuse(Code.BUSY)
        task = asyncio.current_task()
        assert task is not None
        self._peers[task] = (connection, driver)
        self._addresses[transport.peer] += 1
        try:
            await driver.run()
            _log.info("session %s from %s ended", connection.session, transport.peer)
        except (ProtocolError, TransportError) as error:
            _log.info("session %s from %s ended: %s", connection.session, transport.peer, error)
        finally:
            del self._peers[task]
            self._addresses[transport.peer] -= 1
            # A peer that left keeps no entry, or every address that ever came would.
            self._addresses += Counter()

    def _is_full(self, address: str) -> bool:
        return (
            len(self._peers) >= self._limits.sessions or self._addresses[address] >= self._limits.sessions_per_address
        )

    def _tell(self, event: object) -> Awaitable[None] | None:
        return self._on_event(cast(ReceiverEvent, event))
