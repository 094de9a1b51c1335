"""The receiving side of a stream on a broker: one link per sender."""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any

from layercast_common.errors import LayercastError, ListenError
from layercast_common.tasks import start_task
from layercast_common.urls import Address
from protocol.transports.base import Handler, Listener, ListenOptions
from protocol.transports.mqtt.broker import Broker, BrokerCallbacks
from protocol.transports.mqtt.client import LastWill, Subscription
from protocol.transports.mqtt.topics import RetainedPictures, Topics
from protocol.transports.mqtt.transport import (
    CLOSE_SECONDS,
    KEPT_PICTURES,
    PRESENCE_SECONDS,
    MqttTransport,
    ReceiverLink,
)

#: The most concurrent links of one stream, and the most ended links whose late packets are still recognised.
MAX_LINKS, MAX_ENDED = 1024, 1024

_log = logging.getLogger(__name__)


class StreamListener(Listener):
    """Serves the senders of a stream. The receiver that published its name last is the only one that serves it.

    Args:
        address: the broker's address.
        topics: the topics of the stream.
        name: the receiver's unique name.
        handler: serves each sender.
        options: trusted certificates, and the callback for failures.
    """

    def __init__(self, address: Address, topics: Topics, name: str, handler: Handler, options: ListenOptions) -> None:
        self.url = address.public
        self._host = address.host
        self._topics = topics
        self._name = name
        self._handler = handler
        self._options = options
        self._serving = asyncio.Event()
        self._leaving = False
        self._announcing = False
        self._links: dict[str, tuple[MqttTransport, asyncio.Task[None]]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._retained = RetainedPictures(KEPT_PICTURES)
        self._publications: set[asyncio.Task[None]] = set()
        self._broker = self._make_broker(address)

    def _make_broker(self, address: Address) -> Broker:
        return Broker(
            address,
            name=f"layercast-{self._name}",
            ssl=self._options.trust,
            will=LastWill(self._topics.receiver, retained=True),
            subscriptions=[Subscription(self._topics.receiver), Subscription(self._topics.to_receiver("+"))],
            callbacks=BrokerCallbacks(
                on_message=self._on_message, on_failure=self._on_failure, on_connect=self._announce
            ),
        )

    async def open(self) -> None:
        """Connect to the broker, and publish the receiver's name.

        Raises:
            AuthenticationError: the broker refuses the connection or a subscription.
            ConnectError: there is no broker.
            ListenError: the broker does not deliver the stream's topics.
        """
        await self._broker.open()
        try:
            async with asyncio.timeout(PRESENCE_SECONDS):
                await self._serving.wait()
        except BaseException as error:
            await self._broker.close()
            if not isinstance(error, TimeoutError):
                raise
            raise ListenError(
                f"the broker at {self.url} does not let us read {self._topics.root}/#; its access rules must allow it"
            ) from error

    async def close(self) -> None:
        """See `Listener.close`."""
        self._leaving = True
        await self._end_links()
        if self._serving.is_set():
            with contextlib.suppress(TimeoutError, LayercastError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._broker.publish(self._topics.receiver, b"", confirmed=True, retain=True)
        await self._broker.close()

    async def _end_links(self) -> None:
        links = list(self._links.values())
        await asyncio.gather(*(link.close() for link, _ in links))
        await asyncio.gather(*(task for _, task in links), return_exceptions=True)
        for publication in self._publications:
            publication.cancel()
        await asyncio.gather(*self._publications, return_exceptions=True)

    async def _announce(self) -> None:
        try:
            await self._broker.publish(self._topics.receiver, self._name.encode(), confirmed=True, retain=True)
        finally:
            self._announcing = False

    def _on_failure(self, error: Exception) -> None:
        self._stop_serving()
        if self._options.on_failure is not None:
            self._options.on_failure(error)

    def _on_message(self, topic: str, payload: bytes) -> None:
        match self._topics.read(topic):
            case ("rx",):
                self._on_receiver_name(payload.decode("utf-8", "replace"))
            case ("in", link):
                self._on_packet(link, payload)
            case ("pic", link, *_) if payload:
                self._on_packet(link, payload)
                self._clear(self._retained.add(topic))
            case _:
                pass

    def _on_receiver_name(self, name: str) -> None:
        if name == self._name:
            self._serving.set()
        elif not name and not self._leaving and not self._announcing:
            # The will of an earlier receiver, or of one that took over and left.
            self._announcing = True
            self._start(self._announce(), "receiver announcement")
        elif name and self._serving.is_set():
            _log.error("another receiver took over %s; give each receiver its own stream", self._topics.root)
            self._stop_serving()

    def _stop_serving(self) -> None:
        self._serving.clear()
        for link, _ in self._links.values():
            link.inbox.end()

    def _on_packet(self, name: str, payload: bytes) -> None:
        if name in self._links:
            link, _ = self._links[name]
            if payload:
                link.inbox.put(payload)
            else:
                link.inbox.end()
        elif payload and self._serving.is_set() and name not in self._ended and len(self._links) < MAX_LINKS:
            self._open_link(name, ReceiverLink, payload)

    def _open_link(self, name: str, kind: type[MqttTransport], payload: bytes) -> None:
        link = kind(self._broker, self._topics, name, f"{self._host}/{name}")
        link.inbox.put(payload)
        self._links[name] = (link, start_task(self._serve_guarded(link), name=f"handler of {link.peer}"))

    async def _serve_guarded(self, link: MqttTransport) -> None:
        try:
            await self._serve(link)
        except Exception:
            _log.exception("serving %s on %s failed", link.peer, self._topics.root)

    async def _serve(self, link: MqttTransport) -> None:
        pictures = self._topics.pictures(link.link)
        try:
            link.limit_mtu()
            # Before the first answer, so that no packet of a picture is missed.
            await self._broker.subscribe(Subscription(pictures, retained=False))
            await self._handler(link)
        except LayercastError as error:
            _log.warning("cannot serve a sender on %s: %s", self._topics.root, error)
        finally:
            try:
                await link.close()
                await self._broker.unsubscribe(pictures)
            finally:
                self._forget(link)

    def _forget(self, link: MqttTransport) -> None:
        del self._links[link.link]
        self._ended[link.link] = None
        if len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)

    def _clear(self, topics: list[str]) -> None:
        async def clear() -> None:
            for topic in topics:
                await self._broker.publish(topic, b"", retain=True)

        if topics:
            self._start(clear(), "clearing of old pictures")

    def _start(self, publication: Coroutine[Any, Any, None], what: str) -> None:
        async def run() -> None:
            try:
                await publication
            except LayercastError as error:
                _log.warning("%s on %s failed: %s", what, self._topics.root, error)
            except Exception:
                _log.exception("%s on %s failed", what, self._topics.root)

        task = start_task(run(), name=f"{what} on {self._topics.root}")
        self._publications.add(task)
        task.add_done_callback(self._publications.discard)
