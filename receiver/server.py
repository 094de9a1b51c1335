"""The network side of a receiver: listens, runs one connection per sender, and hands over the events.

sender --> transport --> ReceiverConnection --> Driver --> on_event(OfferReceived | SectionReceived | ...)
"""

import asyncio
import contextlib
import inspect
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from layercast_common.errors import BitstreamError, LayercastError, ProtocolError, TransportError, UsageError
from layercast_common.tasks import BackgroundTasks
from protocol.connection.events import ReceiverEvent
from protocol.driver import Driver
from protocol.receiving.connection import ReceiverConnection
from protocol.receiving.options import ReceiverOptions
from protocol.receiving.reassembly import Held, holds_nothing
from protocol.receiving.sessions import Sessions
from protocol.transports.addresses import open_listener
from protocol.transports.base import Listener, ListenOptions, Transport
from protocol.wire.codes import Code
from receiver.options import Security
from receiver.peers import Peers
from receiver.permissions import Right

#: Time for the close handshakes with all senders when the server stops, in seconds.
CLOSE_SECONDS = 1.0

#: Delay before senders may reconnect when the server stops, in seconds: about as long as a restart takes.
RETRY_SECONDS = 5

#: Interval of the check for expired sessions, in seconds.
EXPIRY_SECONDS = 5.0

_log = logging.getLogger(__name__)

OnEvent = Callable[[ReceiverEvent], Awaitable[None] | None]


class Server:
    """Receives pictures from any number of senders. Use it as `async with`.

    If a listener or the session expiry fails, the block is cancelled and the error raised.

    Args:
        listen: the address to listen on, or several: `ws://`, `wss://`, `webrtc+http://`, `webrtc+https://`, `mqtt://`
            or `mqtts://`; port 0 takes a free one.
        on_event: called with the events of each sender, in order; may be a coroutine function. While it runs, its
            sender is not read from. If it raises, the sender is disconnected and its unfinished pictures are not
            acknowledged.
        token: short for `Security(token=...)`.
        security: who may send, and how connections are protected.
        held: returns whether the picture of a stream id, an epoch and a picture number is stored already. It is
            acknowledged without any event then.

    Raises:
        UsageError: there is no address, or the security options contradict each other.
    """

    def __init__(
        self,
        listen: str | Sequence[str] = "ws://127.0.0.1:8765",
        *,
        on_event: OnEvent,
        token: str | None = None,
        security: Security | None = None,
        held: Held = holds_nothing,
    ) -> None:
        security = Security.of(security, token)
        self._addresses = (listen,) if isinstance(listen, str) else tuple(listen)
        if not self._addresses:
            raise UsageError("a receiver listens on at least one address")
        self._access = security.access
        self._listener_failures: asyncio.Queue[Exception] = asyncio.Queue()
        self._on_event = on_event
        self._options = ListenOptions(
            ssl=security.ssl,
            trust=security.trust,
            origins=tuple(security.origins),
            admits=self._admits_token,
            ice_servers=tuple(security.ice_servers),
            connections=security.limits.sessions,
            connections_per_address=security.limits.sessions_per_address,
            on_failure=self._listener_failures.put_nowait,
        )
        self._limits = security.limits
        self._sessions = Sessions(self._limits)
        self._receiver_options = ReceiverOptions(
            limits=self._limits,
            held=held,
            sessions=self._sessions,
            key=security.shared_key,
        )
        self._tasks = BackgroundTasks("the server")
        self._stack = contextlib.AsyncExitStack()
        self._listeners: list[Listener] = []
        self._peers = Peers(self._limits)
        self._draining = False

    async def __aenter__(self) -> Self:
        """Start to listen.

        Raises:
            ListenError: an address cannot be listened on.
            UsageError: an address is malformed, or `wss://` lacks its certificate.
        """
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._close_sessions)
            await stack.enter_async_context(self._tasks)
            stack.push_async_callback(self._close_listeners)
            for address in self._addresses:
                self._listeners.append(await open_listener(address, self._run_connection, self._options))
            stack.push_async_callback(self._close_connections)
            self._tasks.start(self._expire_sessions(), name="session expiry")
            self._tasks.start(self._watch_listeners(), name="listeners")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections and stop listening. Incomplete pictures fail."""
        await self._stack.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        """The URL for senders, with the port in use; the first of several."""
        assert self._listeners, "a Server listens inside its `async with`"
        return self._listeners[0].url

    @property
    def urls(self) -> tuple[str, ...]:
        """All URLs for senders."""
        return tuple(listener.url for listener in self._listeners)

    @property
    def failure(self) -> Exception | None:
        """The error of a failed background task, or None."""
        return self._tasks.failure

    @property
    def bad_packets(self) -> int:
        """Number of damaged packets on all connections so far."""
        return self._peers.bad_packets

    @property
    def sessions(self) -> tuple[str, ...]:
        """Names of the open connections' sessions."""
        return self._peers.sessions

    def drain(self) -> None:
        """Refuse new senders; open connections stay."""
        self._draining = True

    async def _watch_listeners(self) -> None:
        """Fail with the error of the first listener that stops by itself."""
        raise await self._listener_failures.get()

    async def _run_connection(self, transport: Transport) -> None:
        options = self._receiver_options
        if self._access is not None:
            with self._peers.arriving():
                await self._access.attempts.wait(transport.peer)
            options = replace(options, admit=partial(self._access.authorize, transport.peer))
        connection = ReceiverConnection(
            session=secrets.token_bytes(4),
            now=asyncio.get_running_loop().time(),
            options=options,
            mtu=transport.mtu,
            one_way=transport.one_way,
            stream_id=transport.stream_id,
        )
        driver = Driver(
            connection, transport, partial(self._handle_event, connection), stall_seconds=self._limits.stall_seconds
        )
        if self._draining or self._peers.is_full(transport.peer):
            connection.abort(Code.GOING_AWAY if self._draining else Code.BUSY)
        with self._peers.connected(transport.peer, connection, driver):
            try:
                await driver.run()
                _log.info("session %s from %s closed", connection.session, transport.peer)
            except (ProtocolError, TransportError) as error:
                _log.info("session %s from %s closed: %s", connection.session, transport.peer, error)

    async def _handle_event(self, connection: ReceiverConnection, event: ReceiverEvent) -> None:
        try:
            await self._call_handler(event)
        except BitstreamError as error:
            _log.warning("refusing picture %d of session %s: %s", event.picture_id, connection.session, error)
            connection.refuse(event.picture_id)
        except Exception as error:
            # The handler logs errors of its own, such as a full disk, once; here they would repeat for every session.
            known = isinstance(error, LayercastError)
            level, trace = (logging.INFO, None) if known else (logging.ERROR, error)
            message = "closing session %s: the application rejected the data: %s"
            _log.log(level, message, connection.session, error, exc_info=trace)
            # Data that was not accepted must not be acknowledged: the sender will retransmit it later.
            connection.abort(Code.INTERNAL)

    async def _call_handler(self, event: ReceiverEvent) -> None:
        result = self._on_event(event)
        if inspect.isawaitable(result):
            await result

    async def _handle_all(self, events: Sequence[ReceiverEvent]) -> None:
        """Hand over events of sessions that have no connection. Errors of the handler are logged."""
        for event in events:
            try:
                await self._call_handler(event)
            except Exception:
                _log.exception(
                    "picture %d of session %s: the application's handler failed", event.picture_id, event.session
                )

    async def _expire_sessions(self) -> None:
        """Expire the sessions of senders that did not reconnect in time."""
        while True:
            await asyncio.sleep(EXPIRY_SECONDS)
            await self._handle_all(self._sessions.expire(asyncio.get_running_loop().time()))

    async def _close_connections(self) -> None:
        await self._peers.close(retry=RETRY_SECONDS, seconds=CLOSE_SECONDS)

    async def _close_listeners(self) -> None:
        await asyncio.gather(*(listener.close() for listener in self._listeners))

    async def _close_sessions(self) -> None:
        await self._handle_all(self._sessions.close())

    async def _admits_token(self, address: str, token: str) -> bool:
        return self._access is None or await self._access.admits(address, token, Right.SEND)
