"""Sends pictures to one receiver."""

import asyncio
import contextlib
import math
import secrets
import ssl as tls
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from layercast_errors import ConnectError, DisconnectedError, LayercastError, RemoteProtocolError
from protocol.codes import Code, error_of
from protocol.cutting import OutgoingSection
from protocol.driver import Driver
from protocol.events import Cost, Event, ImageAcknowledged, ImageRefused, SectionAcknowledged, Welcomed
from protocol.limits import Limits
from protocol.links import LinkProfile, parse_link
from protocol.sending import SenderConnection
from protocol.states import State
from protocol.tokens import check_token
from protocol.transports.addresses import open_transport
from protocol.transports.base import DialOptions, Transport
from protocol.transports.shaped import ShapedTransport
from protocol.transports.urls import public_url
from sender.delivery import Delivery, Progress, SectionDelivery
from sender.orders import INCREMENTAL_LAYERS, urgency_of

if TYPE_CHECKING:
    from codec.bitstream import Bitstream

#: How long a receiver may take to answer the greeting, in seconds.
WELCOME_SECONDS = 30.0


@dataclass(slots=True)
class _Sending:
    """A picture on its way, as its `send` call sees it."""

    sections: Sequence[OutgoingSection]
    began: float
    on_progress: Callable[[Progress], None] | None
    finished: "asyncio.Future[ImageAcknowledged | ImageRefused]"
    acknowledged: dict[int, float]


class Sender:
    """A connection to one receiver. Use it as `async with`; pictures may be sent one after the other or together.

    Args:
        url: the receiver's address: `ws://`, `wss://`, `webrtc+http://`, `webrtc+https://`, `mqtt://` or `mqtts://`.
        token: what the receiver wants to hear, if it wants to hear anything.
        link: a link to emulate around the connection in real time, by name (`protocol.LINKS`) or as a profile.
        rate: the most that may be sent, in bit/s; what is sent is paced to it. With `link` it replaces the link's rate.
        order: in which order the layers travel: a name of `sender.ORDERS`.
        ssl: for secure addresses, which certificates to trust; the system's by default.
        ice_servers: STUN and TURN servers for WebRTC, as URLs; none are needed within one network.
        transport: an open transport to use instead of connecting to `url`.

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
        transport: Transport | None = None,
    ) -> None:
        check_token(token or "")
        urgency_of(order, 0)
        self._url = url
        #: The address as it may be shown: without a broker's password.
        self._shown = public_url(url)
        self._token = token or ""
        self._profile = _profile_of(link, rate)
        self._emulate = link is not None
        self._order = order
        self._dial = DialOptions(ssl=ssl, token=self._token, ice_servers=tuple(ice_servers))
        self._given = transport
        self._slots = asyncio.Semaphore(Limits().open_images)
        self._sending: dict[int, _Sending] = {}
        self._welcome: asyncio.Future[str] | None = None
        self._session = ""

    async def __aenter__(self) -> "Sender":
        """Connect and greet.

        Raises:
            ConnectError: nobody listens there, or does not answer.
            AuthenticationError: the receiver refuses the token.
            RemoteProtocolError: the receiver refuses us for another reason, or is none.
        """
        loop = asyncio.get_running_loop()
        transport = self._given or await open_transport(self._url, self._dial)
        if self._emulate and self._profile is not None:
            transport = ShapedTransport(transport, self._profile)
        self._connection = SenderConnection(
            now=loop.time(),
            token=self._token,
            stream=secrets.token_bytes(4),
            rate=self._profile.rate if self._profile else transport.rate_hint,
            mtu=transport.mtu,
            reliable=transport.reliable,
        )
        self._driver = Driver(self._connection, transport, self._on_event, stall_seconds=Limits().stall_seconds)
        self._welcome = loop.create_future()
        self._running = asyncio.create_task(self._run(), name=f"sender to {self._shown}")
        try:
            async with asyncio.timeout(WELCOME_SECONDS):
                self._session = await asyncio.shield(self._welcome)
        except TimeoutError as error:
            await self._abandon()
            raise ConnectError(f"{self._shown} accepts connections, but no receiver answers there") from error
        except BaseException:
            await self._abandon()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye and disconnect; what is still unsent stays unsent."""
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
        return self._connection.rate

    async def send(
        self,
        stream: "Bitstream",
        *,
        jpeg_size: int = 0,
        lifetime: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Delivery:
        """Send a picture, and wait until the receiver holds all of it. Cancelling the call cancels the picture.

        Args:
            stream: the picture.
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
        return await self.send_sections(
            stream.header.to_bytes(), sections, jpeg_size=jpeg_size, lifetime=lifetime, on_progress=on_progress
        )

    async def send_sections(
        self,
        head: bytes,
        sections: Sequence[OutgoingSection],
        *,
        jpeg_size: int = 0,
        lifetime: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Delivery:
        """Like `send`, of plain sections under an opaque head, with urgencies of the caller's choice."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with self._slots:
            if self._connection.state is not State.READY:
                raise await self._why_closed()
            deadline = math.inf if lifetime is None else began + lifetime
            image = self._connection.offer(head, sections, jpeg_size=jpeg_size, deadline=deadline)
            sending = _Sending(sections, began, on_progress, loop.create_future(), {})
            self._sending[image] = sending
            self._driver.wake()
            try:
                outcome = await sending.finished
            except asyncio.CancelledError:
                self._connection.cancel(image)
                self._driver.wake()
                raise
            finally:
                del self._sending[image]
        if isinstance(outcome, ImageAcknowledged):
            return self._delivery(sending, image, outcome.cost, complete=True, seconds=outcome.at - began)
        if outcome.code is Code.EXPIRED:
            return self._delivery(sending, image, outcome.cost, complete=False, seconds=loop.time() - began)
        if outcome.code is Code.DISCONNECTED:
            raise await self._why_closed()
        raise RemoteProtocolError(f"the receiver gave up the picture: {outcome.code.text}", outcome.code)

    def _delivery(self, sending: _Sending, image: int, cost: Cost, *, complete: bool, seconds: float) -> Delivery:
        return Delivery(
            image=image,
            session=self._session,
            complete=complete,
            sections=tuple(
                SectionDelivery(
                    layer=int(section.layer),
                    size=len(section.payload),
                    sent=cost.sections[index],
                    acknowledged=sending.acknowledged.get(index),
                )
                for index, section in enumerate(sending.sections)
            ),
            packets=cost.packets,
            sent=cost.total,
            seconds=seconds,
        )

    def _on_event(self, event: Event) -> None:
        match event:
            case Welcomed(session=session):
                if self._welcome is not None and not self._welcome.done():
                    self._welcome.set_result(session)
            case SectionAcknowledged(image=image) if image in self._sending:
                self._progress(self._sending[image], event)
            case ImageAcknowledged(image=image) | ImageRefused(image=image) if image in self._sending:
                finished = self._sending[image].finished
                if not finished.done():
                    finished.set_result(event)
            case _:
                pass

    def _progress(self, sending: _Sending, event: SectionAcknowledged) -> None:
        seconds = event.at - sending.began
        sending.acknowledged[event.index] = seconds
        if sending.on_progress is not None:
            sending.on_progress(
                Progress(
                    image=event.image,
                    index=event.index,
                    layer=int(sending.sections[event.index].layer),
                    done=len(sending.acknowledged),
                    total=len(sending.sections),
                    seconds=seconds,
                )
            )

    async def _run(self) -> LayercastError:
        """Run the connection to its end; gives the error that tells why it ended."""
        error: LayercastError
        try:
            await self._driver.run()
            error = error_of(self._connection.ended or Code.DONE)
        except (RemoteProtocolError, DisconnectedError) as failure:
            error = failure
        if self._welcome is not None and not self._welcome.done():
            if isinstance(error, DisconnectedError):
                error = ConnectError(f"{self._shown} ended the connection without a greeting: {error}")
            self._welcome.set_exception(error)
            # Nobody may be waiting any more; then nobody needs to hear of it.
            self._welcome.exception()
        return error

    async def _why_closed(self) -> LayercastError:
        return await asyncio.shield(self._running)

    async def _abandon(self) -> None:
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running


def _profile_of(link: LinkProfile | str | None, rate: float | None) -> LinkProfile | None:
    if isinstance(link, LinkProfile):
        return link
    return parse_link(link, rate)
