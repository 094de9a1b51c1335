"""Sends pictures to one receiver."""

import asyncio
import contextlib
import math
import secrets
import ssl as tls
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from layercast_common.errors import ConnectError, DisconnectedError, LayercastError, RemoteProtocolError
from protocol.connection.events import Closed, Event, PictureRefused, SenderEvent, Welcomed
from protocol.connection.states import State
from protocol.driver import Driver
from protocol.link_profiles import LinkProfile
from protocol.recovery.path import PathOptions
from protocol.sending.connection import SenderConnection
from protocol.sending.fragmentation import OutgoingSection
from protocol.sending.handshake import SenderIdentity
from protocol.transports.base import DialOptions, Transport
from protocol.wire.codes import Code, error_of
from protocol.wire.limits import Limits
from protocol.wire.seals import SharedKey
from protocol.wire.tokens import check_token
from sender.connection.delivery import Delivery, Progress
from sender.connection.layer_order import INCREMENTAL_LAYERS, urgency_of
from sender.connection.reconnect import Connector
from sender.connection.tracking import Tracked, Tracker, refused_for

if TYPE_CHECKING:
    from codec.container.bitstream import Bitstream

#: How long a receiver may take to answer the greeting, in seconds.
WELCOME_SECONDS = 30.0

#: How long a broken link may take to come back, in seconds; receivers keep what came of a picture for as long.
PATIENCE_SECONDS = 120.0

#: Bytes of a stream's id that is made up. Archives tell pictures apart by it, so it must not be hit twice by chance.
STREAM_ID_BYTES = 6


class Sender:
    """A connection to one receiver. Use it as `async with`; pictures may be sent one after the other or together.

    A link that breaks is opened again, and what was under way goes on where it stood.

    Args:
        url: the receiver's address: `ws://`, `wss://`, `webrtc+http://`, `webrtc+https://`, `mqtt://` or `mqtts://`.
        token: what the receiver wants to hear, if it wants to hear anything.
        link: a link to emulate around the connection in real time, by name (`protocol.LINKS`) or as a profile.
        rate: the most that may be sent, in bit/s; what is sent is paced to it. With `link` it replaces the link's rate.
        order: in which order the layers travel: a name of `sender.ORDERS`.
        ssl: for secure addresses, which certificates to trust; the system's by default.
        ice_servers: STUN and TURN servers for WebRTC, as URLs; none are needed within one network.
        shared_key: what packets are signed with where there is no TLS; the receiver must have the same.
        transport: an open transport to use instead of connecting to `url`; it cannot be opened again.
        stream: our id, up to 16 bytes, by which receivers know us and our pictures again; made up if None.
        epoch: which run of the stream the numbers of the pictures belong to; if None, a stream that was given counts
            anew from this second on.
        patience: how long to try to open a broken link again, in seconds.

    Raises:
        UsageError: there is no such link or order, or the rate or the token makes no sense.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        link: LinkProfile | str | None = None,
        rate: float | None = None,
        order: str = "paper",
        ssl: tls.SSLContext | None = None,
        ice_servers: Sequence[str] = (),
        shared_key: SharedKey | None = None,
        transport: Transport | None = None,
        stream: bytes | None = None,
        epoch: int | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        check_token(token or "")
        urgency_of(order, 0)
        self._token = token or ""
        options = DialOptions(ssl=ssl, token=self._token, ice_servers=tuple(ice_servers))
        self._dialler = Connector(url, options, link=link, rate=rate, transport=transport, patience=patience)
        self._order = order
        self._shared_key = shared_key
        self._stream = secrets.token_bytes(STREAM_ID_BYTES) if stream is None else stream
        self._epoch = (0 if stream is None else int(time.time())) if epoch is None else epoch
        self._slots = asyncio.Semaphore(Limits().open_pictures)
        self._tracker = Tracker()
        self._closing = asyncio.Event()
        self._welcome: asyncio.Future[str] | None = None
        self._session = ""
        #: After how many seconds the receiver wants us to come back, once it has ended the connection.
        self.retry_after = 0.0

    async def __aenter__(self) -> "Sender":
        """Connect and greet.

        Raises:
            ConnectError: nobody listens there, or does not answer.
            AuthenticationError: the receiver refuses the token.
            RemoteProtocolError: the receiver refuses us for another reason, or is none.
        """
        loop = asyncio.get_running_loop()
        transport = await self._dialler.open()
        self._connection = SenderConnection(
            now=loop.time(),
            resumable=self._dialler.comes_back,
            key=self._shared_key,
            identity=SenderIdentity(token=self._token, stream_id=self._stream, epoch=self._epoch),
            path=self._path_over(transport),
        )
        self._driver = self._drive(transport)
        self._welcome = loop.create_future()
        self._running = asyncio.create_task(self._run(), name=f"sender to {self._dialler.shown}")
        if transport.one_way:
            return self
        try:
            async with asyncio.timeout(WELCOME_SECONDS):
                self._session = await asyncio.shield(self._welcome)
        except TimeoutError as error:
            await self._abandon()
            raise ConnectError(f"{self._dialler.shown} accepts connections, but no receiver answers there") from error
        except BaseException:
            await self._abandon()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye and disconnect; what is still unsent stays unsent."""
        self._closing.set()
        self._connection.close(Code.DONE)
        self._driver.wake()
        try:
            await asyncio.shield(self._running)
        except asyncio.CancelledError:
            await self._abandon()
            raise

    @property
    def session(self) -> str:
        """The receiver's name of the connection."""
        return self._session

    @property
    def rate(self) -> float:
        """The link's rate as told or measured, in bit/s."""
        return self._connection.statistics.rate

    @property
    def round_trip(self) -> float:
        """The link's round trip, smoothed, in seconds."""
        return self._connection.statistics.round_trip

    @property
    def unacknowledged(self) -> int:
        """Bytes in flight."""
        return self._connection.statistics.bytes_in_flight

    @property
    def packets_sent(self) -> int:
        """Packets that left, repeated ones included."""
        return self._connection.statistics.packets_sent

    @property
    def packets_lost(self) -> int:
        """Packets that were lost on the way, and sent again where they still mattered."""
        return self._connection.statistics.packets_lost

    async def wait_closed(self) -> LayercastError:
        """Wait until the connection has ended for good; gives the error that tells why."""
        return await asyncio.shield(self._running)

    async def send(
        self,
        stream: "Bitstream",
        *,
        image: int | None = None,
        jpeg_size: int = 0,
        lifetime: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Delivery:
        """Send a picture, and wait until the receiver holds all of it. Cancelling the call cancels the picture.

        Args:
            stream: the picture.
            image: its number, where it has one already; a picture that the receiver holds is not taken in twice.
            jpeg_size: bytes of a JPEG of the original, for the receiver to compare with; 0 if unknown.
            lifetime: after how many seconds what is still unsent is no longer worth sending; None for never.
            on_progress: told of every section that arrives.

        Raises:
            DisconnectedError: the connection ended first.
            LocalProtocolError: the picture breaks a limit of the protocol or of the link.
            RemoteProtocolError: the receiver refused the picture, or broke the protocol.
        """
        sections = [
            OutgoingSection(
                layer=section.layer,
                coder=section.coder,
                payload=section.payload,
                urgency=urgency_of(self._order, section.layer),
                incremental=section.layer in INCREMENTAL_LAYERS,
            )
            for section in stream.sections
        ]
        head = stream.header.to_bytes()
        return await self.send_sections(
            head, sections, image=image, jpeg_size=jpeg_size, lifetime=lifetime, on_progress=on_progress
        )

    async def send_sections(
        self,
        head: bytes,
        sections: Sequence[OutgoingSection],
        *,
        image: int | None = None,
        jpeg_size: int = 0,
        lifetime: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Delivery:
        """Like `send`, of plain sections under an opaque head, with urgencies of the caller's choice."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with self._slots:
            if self._connection.state is State.CLOSED:
                raise await self.wait_closed()
            deadline = math.inf if lifetime is None else began + lifetime
            image = self._connection.offer(head, sections, jpeg_size=jpeg_size, deadline=deadline, picture_id=image)
            tracked = Tracked(sections, began, on_progress)
            with self._tracker.tracking(image, tracked):
                self._driver.wake()
                try:
                    outcome = await tracked.outcome
                except asyncio.CancelledError:
                    self._connection.cancel(image)
                    self._driver.wake()
                    raise
        if not isinstance(outcome, PictureRefused) or refused_for(outcome, Code.EXPIRED):
            return tracked.delivery(outcome, session=self._session, now=loop.time())
        if refused_for(outcome, Code.DISCONNECTED):
            raise await self.wait_closed()
        raise RemoteProtocolError(f"the receiver gave up the picture: {outcome.code.text}", outcome.code)

    def _on_event(self, event: Event) -> None:
        match event:
            case Welcomed(session=session):
                self._session = session
                if self._welcome is not None and not self._welcome.done():
                    self._welcome.set_result(session)
            case Closed(retry=retry):
                self.retry_after = float(retry)
            case _:
                self._tracker.take(event)

    async def _run(self) -> LayercastError:
        """Run the connection to its end, over as many transports as it takes; gives why it ended."""
        while True:
            error = await self._run_once()
            if self._connection.state is not State.SUSPENDED:
                break
            transport = await self._dialler.open_again(self._closing)
            if transport is None:
                self._connection.close(Code.DISCONNECTED)
                self._drain_events()
                break
            now = asyncio.get_running_loop().time()
            self._connection.resume(now, self._path_over(transport))
            self._driver = self._drive(transport)
        if self._welcome is not None and not self._welcome.done():
            if isinstance(error, DisconnectedError):
                hint = "if it signs with a shared key, give the same one"
                error = ConnectError(f"{self._dialler.shown} ended the connection without a greeting ({error}); {hint}")
            self._welcome.set_exception(error)
            # Nobody may be waiting any more; then nobody needs to hear of it.
            self._welcome.exception()
        return error

    async def _run_once(self) -> LayercastError:
        try:
            await self._driver.run()
        except (RemoteProtocolError, DisconnectedError) as failure:
            return failure
        return error_of(self._connection.close_code or Code.DONE)

    def _path_over(self, transport: Transport) -> PathOptions:
        return PathOptions(
            rate=self._dialler.rate_over(transport),
            mtu=transport.mtu,
            overhead=transport.overhead,
            reliable=transport.reliable,
            one_way=transport.one_way,
        )

    def _drive(self, transport: Transport) -> Driver[SenderEvent]:
        return Driver(self._connection, transport, self._on_event, stall_seconds=Limits().stall_seconds)

    def _drain_events(self) -> None:
        """Tell what no driver tells any more."""
        for event in self._connection.take_events():
            self._on_event(event)

    async def _abandon(self) -> None:
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
