"""Where senders arrive: listens, runs one connection per sender, and tells what came.

sender --> transport --> ReceiverConnection --> on_event(OfferReceived | SectionReceived | PictureDone | PictureAborted)
"""

import asyncio
import inspect
import logging
import secrets
import ssl as tls
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from types import TracebackType

from layercast_common.errors import LayercastError, ProtocolError, TransportError, UsageError
from protocol.connection.events import (
    OfferReceived,
    PictureAborted,
    PictureDone,
    ReceiverEvent,
    SectionInfo,
    SectionReceived,
)
from protocol.driver import Driver
from protocol.receiving.connection import ReceiverConnection
from protocol.receiving.options import ReceiverOptions
from protocol.receiving.reassembly import Held, holds_nothing
from protocol.receiving.sessions import Sessions
from protocol.transports.addresses import open_listener
from protocol.transports.base import Listener, ListenOptions, Transport
from protocol.wire.codes import Code
from protocol.wire.limits import Limits
from protocol.wire.seals import SharedKey
from receiver.permissions import Permissions, Right

__all__ = [
    "OfferReceived",
    "PictureAborted",
    "PictureDone",
    "ReceiverEvent",
    "SectionInfo",
    "SectionReceived",
    "Server",
]

#: How long saying goodbye to the senders may take when the intake closes, in seconds.
FAREWELL_SECONDS = 1.0

#: After how long senders are asked to come back when the intake closes, in seconds: a restart takes about as long.
RETRY_SECONDS = 5

#: How often to look for senders that never came back, in seconds.
EXPIRY_SECONDS = 5.0

_log = logging.getLogger("layercast.intake")

OnEvent = Callable[[ReceiverEvent], Awaitable[None] | None]


class Server:
    """Takes pictures from any number of senders. Use it as `async with`.

    Args:
        listen: the address to listen on, or several: `ws://`, `wss://`, `webrtc+http://`, `webrtc+https://`, `mqtt://`
            or `mqtts://`; port 0 takes a free one.
        token: what senders must know; None takes anyone.
        permissions: instead of a token, which tokens may send which streams.
        held: tells of a stream, an epoch and a number whether we have that picture already; then it is not told again.
        on_event: told of what comes, in order for each sender; may be a coroutine function, and while it runs its
            sender is not read from. If it raises, that sender is turned away, and nothing that it still waits for is
            acknowledged.
        ssl: for secure addresses of this machine, the certificate to show.
        trust: towards a broker, which certificates to trust; the system's by default.
        origins: the web pages that may send from a browser.
        ice_servers: STUN and TURN servers for WebRTC, as URLs; none are needed within one network.
        shared_key: what packets are signed with where there is no TLS; senders must have the same.
        limits: what senders may make us hold or wait for.

    Raises:
        UsageError: the token could never be sent, or there is no address.
    """

    def __init__(
        self,
        listen: str | Sequence[str] = "ws://127.0.0.1:8765",
        *,
        on_event: OnEvent,
        token: str | None = None,
        permissions: Permissions | None = None,
        held: Held = holds_nothing,
        ssl: tls.SSLContext | None = None,
        trust: tls.SSLContext | None = None,
        origins: Sequence[str] = (),
        ice_servers: Sequence[str] = (),
        shared_key: SharedKey | None = None,
        limits: Limits | None = None,
    ) -> None:
        if token is not None:
            if permissions is not None:
                raise UsageError("permissions name every token; put this one among them")
            permissions = Permissions.of_token(token)
        self._wanted = (listen,) if isinstance(listen, str) else tuple(listen)
        if not self._wanted:
            raise UsageError("a receiver listens on at least one address")
        self._permissions = permissions
        self._on_event = on_event
        self._options = ListenOptions(
            ssl=ssl, trust=trust, origins=tuple(origins), admits=self._admits, ice_servers=tuple(ice_servers)
        )
        self._limits = limits or Limits()
        self._sessions = Sessions(self._limits)
        self._receiver_options = ReceiverOptions(
            admit=None if permissions is None else permissions.judge,
            limits=self._limits,
            held=held,
            sessions=self._sessions,
            key=shared_key,
        )
        self._expiring: asyncio.Task[None] | None = None
        self._listeners: list[Listener] = []
        self._peers: dict[asyncio.Task[None], tuple[ReceiverConnection, Driver[ReceiverEvent]]] = {}
        self._addresses: Counter[str] = Counter()
        self._bad_packets = 0
        self._leaving = False

    async def __aenter__(self) -> "Server":
        """Begin to listen.

        Raises:
            ListenError: the address cannot be listened on.
            UsageError: it is not an address, or `wss://` lacks its certificate.
        """
        try:
            for address in self._wanted:
                self._listeners.append(await open_listener(address, self._take_in, self._options))
        except BaseException:
            await self._stop_listening()
            raise
        self._expiring = asyncio.create_task(self._expire(), name="sessions that nobody comes back to")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye to the senders, and stop listening. Pictures that are not complete fail."""
        try:
            for connection, driver in self._peers.values():
                connection.close(Code.GOING_AWAY, RETRY_SECONDS)
                driver.wake()
            if self._peers:
                await asyncio.wait(self._peers, timeout=FAREWELL_SECONDS)
        finally:
            for task in self._peers:
                task.cancel()
            await self._stop_listening()
            if self._expiring is not None:
                self._expiring.cancel()
                await asyncio.gather(self._expiring, return_exceptions=True)
            await self._tell_all(self._sessions.close())

    @property
    def url(self) -> str:
        """Where senders reach us, with the port that was really bound; the first of several addresses."""
        assert self._listeners, "a Server listens inside its `async with`"
        return self._listeners[0].url

    @property
    def urls(self) -> tuple[str, ...]:
        """All addresses where senders reach us."""
        return tuple(listener.url for listener in self._listeners)

    def close_doors(self) -> None:
        """Take no new senders; those who are here stay."""
        self._leaving = True

    @property
    def bad_packets(self) -> int:
        """Damaged packets that came, in all connections so far."""
        return self._bad_packets + sum(connection.bad_packets for connection, _ in self._peers.values())

    @property
    def sessions(self) -> tuple[str, ...]:
        """The names of the connections that are open."""
        return tuple(connection.session for connection, _ in self._peers.values())

    async def _take_in(self, transport: Transport) -> None:
        connection = ReceiverConnection(
            session=secrets.token_bytes(4),
            mtu=transport.mtu,
            one_way=transport.one_way,
            stream_id=transport.stream_id,
            now=asyncio.get_running_loop().time(),
            options=self._receiver_options,
        )
        driver = Driver(
            connection, transport, partial(self._tell, connection), stall_seconds=self._limits.stall_seconds
        )
        if self._leaving or self._is_full(transport.peer):
            connection.abort(Code.GOING_AWAY if self._leaving else Code.BUSY)
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
            self._bad_packets += connection.bad_packets
            self._addresses[transport.peer] -= 1
            # A peer that left keeps no entry, or every address that ever came would.
            self._addresses += Counter()

    def _admits(self, token: str) -> bool:
        return self._permissions is None or self._permissions.allows(token, Right.SEND)

    async def _expire(self) -> None:
        """Give up the sessions of senders that never came back."""
        while True:
            await asyncio.sleep(EXPIRY_SECONDS)
            await self._tell_all(self._sessions.expire(asyncio.get_running_loop().time()))

    async def _tell_all(self, events: Sequence[ReceiverEvent]) -> None:
        for event in events:
            await self._pass_on(event)

    async def _pass_on(self, event: ReceiverEvent) -> None:
        told = self._on_event(event)
        if inspect.isawaitable(told):
            await told

    async def _stop_listening(self) -> None:
        await asyncio.gather(*(listener.close() for listener in self._listeners))

    def _is_full(self, address: str) -> bool:
        return (
            len(self._peers) >= self._limits.sessions or self._addresses[address] >= self._limits.sessions_per_address
        )

    async def _tell(self, connection: ReceiverConnection, event: ReceiverEvent) -> None:
        try:
            await self._pass_on(event)
        except Exception as error:
            # What we could not take in must not be acknowledged, nor count as held: the sender is to try again later.
            known = isinstance(error, LayercastError)
            message = "session %s is ended, for what came could not be taken in: %s"
            # One that is known was told already by whom it happened to, once and not for every session.
            level = logging.INFO if known else logging.ERROR
            _log.log(level, message, connection.session, error, exc_info=None if known else error)
            connection.abort(Code.INTERNAL)
