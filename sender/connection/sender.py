"""Sends pictures to one receiver."""

import asyncio
import math
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from layercast_common.errors import ConnectError, DisconnectedError, LayercastError, RemoteProtocolError
from layercast_common.tasks import BackgroundTasks
from protocol.connection.events import Closed, Event, PictureRefused, Welcomed
from protocol.connection.states import State
from protocol.link_profiles import LinkProfile
from protocol.sending.pictures.fragmentation import OutgoingSection
from protocol.transports.base import Transport
from protocol.wire.codes import Code
from protocol.wire.limits import Limits
from protocol.wire.tokens import check_token
from sender.connection.delivery import Delivery, Progress
from sender.connection.layer_order import prioritize, urgency_of
from sender.connection.options import WELCOME_SECONDS, ConnectOptions, SenderIdentity
from sender.connection.reconnect import Connector
from sender.connection.runner import ConnectionRunner
from sender.connection.tracking import Tracked, Tracker, refused_for

if TYPE_CHECKING:
    from codec.container.bitstream import Bitstream


class Sender:
    """A connection to one receiver. Use it as `async with`; `send` may be called concurrently.

    If the transport breaks, the sender reconnects, and pictures in flight continue where they stopped.

    Args:
        url: the receiver's address: `ws://`, `wss://`, `webrtc+http://`, `webrtc+https://`, `mqtt://` or `mqtts://`.
        token: the token that the receiver asks for, if any; at most 256 characters.
        link: a link to emulate around the connection in real time, by name (`protocol.LINKS`) or as a profile.
        rate: rate limit in bit/s; packets are paced to it. With `link` it replaces the link's rate.
        order: the order of the layers: a name of `sender.ORDERS`.
        identity: the stream id and epoch by which receivers recognise us; generated if None.
        connect: certificates, ICE servers, packet signing and reconnecting; the defaults if None.
        transport: an open transport to use instead of connecting to `url`; it is never opened again.

    Raises:
        UsageError: the link or order does not exist, or the rate or token is out of range.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        link: LinkProfile | str | None = None,
        rate: float | None = None,
        order: str = "paper",
        identity: SenderIdentity | None = None,
        connect: ConnectOptions | None = None,
        transport: Transport | None = None,
    ) -> None:
        check_token(token or "")
        urgency_of(order, 0)
        connect = connect or ConnectOptions()
        self._token = token or ""
        self._connector = Connector(
            url,
            connect.dialling(self._token),
            link=link,
            rate=rate,
            transport=transport,
            reconnect_seconds=connect.reconnect_seconds,
        )
        self._order = order
        self._shared_key = connect.shared_key
        self._identity = identity or SenderIdentity.generate()
        self._slots = asyncio.Semaphore(Limits().open_pictures)
        self._tracker = Tracker()
        self._runner = ConnectionRunner(self._connector, self._on_event)
        self._tasks = BackgroundTasks(f"sender to {self._connector.shown}", self._on_failure)
        self._welcome: asyncio.Future[str] | None = None
        #: The receiver's name of the session.
        self.session = ""
        #: The wait that the receiver asked for when it closed the connection, in seconds.
        self.retry_after = 0.0

    async def __aenter__(self) -> "Sender":
        """Connect, and wait for the receiver's WELCOME; over a one-way transport, do not wait.

        Raises:
            ConnectError: the receiver cannot be reached, or does not answer.
            AuthenticationError: the receiver refuses the token.
            RemoteProtocolError: the receiver refuses the connection for another reason, or breaks the protocol.
            UsageError: the address is not valid.
            MissingExtraError: the address needs an optional dependency.
        """
        one_way = await self._runner.open(self._identity, self._token, self._shared_key)
        self._welcome = asyncio.get_running_loop().create_future()
        await self._tasks.__aenter__()
        self._running = self._tasks.start(self._run(), name="connection")
        if one_way:
            return self
        try:
            async with asyncio.timeout(WELCOME_SECONDS):
                self.session = await asyncio.shield(self._welcome)
        except BaseException as error:
            await self._tasks.__aexit__(type(error), error, error.__traceback__)
            if isinstance(error, TimeoutError):
                message = f"{self._connector.shown} accepts connections, but no receiver answers there"
                raise ConnectError(message) from error
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection. Pictures in flight are abandoned."""
        self._runner.close()
        try:
            await asyncio.wait([self._running])
        finally:
            await self._tasks.__aexit__(kind, error, trace)

    @property
    def rate(self) -> float:
        """The link's rate, configured or measured, in bit/s."""
        return self._runner.connection.statistics.rate

    def limit_rate(self, rate: float) -> None:
        """Send at another rate from now on, in bit/s, such as after a change of the link; 0 measures it."""
        self._runner.limit_rate(rate)

    @property
    def round_trip(self) -> float:
        """The smoothed round-trip time, in seconds."""
        return self._runner.connection.statistics.round_trip

    @property
    def unacknowledged(self) -> int:
        """Bytes in flight."""
        return self._runner.connection.statistics.bytes_in_flight

    @property
    def packets_sent(self) -> int:
        """Packets sent, retransmissions included."""
        return self._runner.connection.statistics.packets_sent

    @property
    def packets_lost(self) -> int:
        """Packets declared lost."""
        return self._runner.connection.statistics.packets_lost

    async def wait_closed(self) -> LayercastError:
        """Wait until the connection has ended for good, and return the error that ended it."""
        return await asyncio.shield(self._running)

    async def send(
        self,
        stream: "Bitstream",
        *,
        picture_id: int | None = None,
        jpeg_size: int = 0,
        lifetime: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Delivery:
        """Send a picture, and wait until the receiver has all of it. Cancelling the call cancels the picture.

        Args:
            stream: the picture.
            picture_id: its number, if it has one already. Receivers do not store a picture id twice.
            jpeg_size: bytes of a JPEG of the original, which the receiver shows for comparison; 0 if unknown.
            lifetime: after this many seconds, unsent parts are dropped; None for never.
            on_progress: called for each acknowledged section; its errors are logged.

        Raises:
            DisconnectedError: the connection ended first.
            LocalProtocolError: the picture exceeds a limit of the protocol or of the link.
            RemoteProtocolError: the receiver refused the picture, or broke the protocol.
            AuthenticationError: after reconnecting, the receiver refused the token.
        """
        head, sections = stream.header.to_bytes(), prioritize(stream.sections, self._order)
        return await self.send_sections(
            head, sections, picture_id=picture_id, jpeg_size=jpeg_size, lifetime=lifetime, on_progress=on_progress
        )

    async def send_sections(
        self,
        head: bytes,
        sections: Sequence[OutgoingSection],
        *,
        picture_id: int | None = None,
        jpeg_size: int = 0,
        lifetime: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Delivery:
        """Send plain sections under an opaque header, with the caller's urgencies; otherwise like `send`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with self._slots:
            if self._runner.connection.state is State.CLOSED:
                raise await self.wait_closed()
            deadline = math.inf if lifetime is None else began + lifetime
            picture_id = self._runner.connection.offer(
                head, sections, jpeg_size=jpeg_size, deadline=deadline, picture_id=picture_id
            )
            tracked = Tracked(sections, began, on_progress)
            with self._tracker.tracking(picture_id, tracked):
                self._runner.wake()
                try:
                    outcome = await tracked.outcome
                except asyncio.CancelledError:
                    self._runner.connection.cancel(picture_id)
                    self._runner.wake()
                    raise
        if not isinstance(outcome, PictureRefused) or refused_for(outcome, Code.EXPIRED):
            return tracked.delivery(outcome, session=self.session, now=loop.time())
        if refused_for(outcome, Code.DISCONNECTED):
            raise await self.wait_closed()
        raise RemoteProtocolError(f"the receiver refused the picture: {outcome.code.text}", outcome.code)

    def _on_event(self, event: Event) -> None:
        match event:
            case Welcomed(session=session):
                self.session = session
                if self._welcome is not None and not self._welcome.done():
                    self._welcome.set_result(session)
            case Closed(retry=retry):
                self.retry_after = float(retry)
            case _:
                self._tracker.apply(event)

    def _on_failure(self, error: Exception) -> None:
        """End everything that waits for the connection: its task has failed."""
        self._tracker.fail(error)
        self._refuse_welcome(error)

    async def _run(self) -> LayercastError:
        error = await self._runner.run()
        self._refuse_welcome(error)
        return error

    def _refuse_welcome(self, error: Exception) -> None:
        """Pass on an error that came before WELCOME."""
        if self._welcome is None or self._welcome.done():
            return
        if isinstance(error, DisconnectedError):
            hint = "if the receiver has a shared key, use the same one"
            error = ConnectError(f"{self._connector.shown} ended the connection before a welcome ({error}); {hint}")
        self._welcome.set_exception(error)
        # Mark the error as retrieved: with one-way transports there is no reader.
        self._welcome.exception()
