"""The receiving side of a stream on a broker: a link for each sender that comes."""

import asyncio
import contextlib
import logging
import ssl as tls
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any

from layercast_common.errors import LayercastError, ListenError
from layercast_common.urls import Address
from protocol.transports.base import Handler, Listener
from protocol.transports.mqtt.broker import Broker, Subscription
from protocol.transports.mqtt.client import LastWill
from protocol.transports.mqtt.topics import RetainedPictures, Topics
from protocol.transports.mqtt.transport import (
    FAREWELL_SECONDS,
    KEPT_PICTURES,
    PRESENCE_SECONDS,
    MqttBroadcastTransport,
    MqttTransport,
    ReceiverLink,
)

#: Links of one stream at a time, and ended ones whose late packets are still recognised.
MAX_LINKS, MAX_ENDED = 1024, 1024

_log = logging.getLogger("protocol.mqtt")


class StreamListener(Listener):
    """Answers the senders of a stream. There is one who does: whoever said so last.

    Args:
        address: the broker's.
        topics: the stream's.
        name: our name, unique.
        handler: what to do with each sender.
        ssl: as for `Broker`.
    """

    def __init__(
        self, address: Address, topics: Topics, name: str, handler: Handler, *, ssl: tls.SSLContext | None
    ) -> None:
        self.url = address.public
        self._host = address.host
        self._topics = topics
        self._name = name
        self._handler = handler
        self._answers = asyncio.Event()
        self._leaving = False
        self._announcing = False
        self._links: dict[str, tuple[MqttTransport, asyncio.Task[None]]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._shelf = RetainedPictures(KEPT_PICTURES)
        self._chores: set[asyncio.Task[None]] = set()
        self._broker = self._make_broker(address, ssl)

    def _make_broker(self, address: Address, ssl: tls.SSLContext | None) -> Broker:
        return Broker(
            address,
            name=f"layercast-{self._name}",
            ssl=ssl,
            will=LastWill(self._topics.receiver, retained=True),
            subscriptions=[Subscription(self._topics.receiver), Subscription(self._topics.to_receiver("+"))],
            on_message=self._hear,
            on_connect=self._announce,
        )

    async def open(self) -> None:
        """Connect to the broker, and say that we are there.

        Raises:
            AuthenticationError: the broker refuses us.
            ConnectError: there is no broker.
            ListenError: it does not let us read the stream.
        """
        await self._broker.open()
        try:
            async with asyncio.timeout(PRESENCE_SECONDS):
                await self._answers.wait()
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
        if self._answers.is_set():
            with contextlib.suppress(TimeoutError, LayercastError):
                async with asyncio.timeout(FAREWELL_SECONDS):
                    await self._broker.publish(self._topics.receiver, b"", careful=True, retain=True)
        await self._broker.close()

    async def _end_links(self) -> None:
        links = list(self._links.values())
        await asyncio.gather(*(link.close() for link, _ in links))
        await asyncio.gather(*(task for _, task in links), return_exceptions=True)
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)

    async def _announce(self) -> None:
        try:
            await self._broker.publish(self._topics.receiver, self._name.encode(), careful=True, retain=True)
        finally:
            self._announcing = False

    def _hear(self, topic: str, payload: bytes) -> None:
        match self._topics.read(topic):
            case ("rx",):
                self._note_receiver(payload.decode("utf-8", "replace"))
            case ("in", link):
                self._take(link, payload)
            case ("pic", link, *_) if payload:
                self._take(link, payload)
                self._clear(self._shelf.note(topic))
            case _:
                pass

    def _note_receiver(self, name: str) -> None:
        if name == self._name:
            self._answers.set()
        elif not name and not self._leaving and not self._announcing:
            # The will of one that was there before us, or of one that took over and is gone.
            self._announcing = True
            self._start(self._announce())
        elif name and self._answers.is_set():
            _log.error("another receiver answers on %s now; give each a stream of its own", self._topics.root)
            self._answers.clear()
            for link, _ in self._links.values():
                link.inbox.end()

    def _take(self, name: str, payload: bytes) -> None:
        if name in self._links:
            link, _ = self._links[name]
            if payload:
                link.inbox.put(payload)
            else:
                link.inbox.end()
        elif payload and self._answers.is_set() and name not in self._ended and len(self._links) < MAX_LINKS:
            self._open_link(name, ReceiverLink, payload)

    def _open_link(self, name: str, kind: type[MqttTransport], payload: bytes) -> None:
        link = kind(self._broker, self._topics, name, f"{self._host}/{name}")
        link.inbox.put(payload)
        self._links[name] = (link, asyncio.create_task(self._serve(link), name=f"link of {link.peer}"))

    async def _serve(self, link: MqttTransport) -> None:
        pictures = self._topics.pictures(link.link)
        try:
            link.fit()
            # Before our first answer: nothing of a picture comes until then.
            await self._broker.subscribe(Subscription(pictures, retained=False))
            await self._handler(link)
        except LayercastError as error:
            _log.warning("a sender on %s could not be answered: %s", self._topics.root, error)
        finally:
            self._forget(link)
            await link.close()
            await self._broker.unsubscribe(pictures)

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
            self._start(clear())

    def _start(self, chore: Coroutine[Any, Any, None]) -> None:
        async def do() -> None:
            try:
                await chore
            except LayercastError as error:
                _log.warning("%s", error)

        task = asyncio.create_task(do(), name=f"chore on {self._topics.root}")
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)


class StreamWatcher(StreamListener):
    """Reads what lies on a stream and what comes, layer by layer, and answers nobody."""

    def _make_broker(self, address: Address, ssl: tls.SSLContext | None) -> Broker:
        return Broker(
            address,
            name=f"layercast-{self._name}",
            ssl=ssl,
            will=None,
            # One after the other: the second layer is asked for when the first has come.
            subscriptions=[Subscription(topic) for topic in self._topics.layers()],
            on_message=self._hear,
        )

    async def open(self) -> None:
        """Connect to the broker; what lies there already comes then.

        Raises:
            AuthenticationError: the broker refuses us.
            ConnectError: there is no broker.
        """
        await self._broker.open()

    def _hear(self, topic: str, payload: bytes) -> None:
        match self._topics.read(topic):
            case ("pic", link, *_) if payload:
                if link in self._links:
                    self._links[link][0].inbox.put(payload)
                elif len(self._links) < MAX_LINKS:
                    self._open_link(link, MqttBroadcastTransport, payload)
            case _:
                pass

    async def _serve(self, link: MqttTransport) -> None:
        try:
            await self._handler(link)
        finally:
            # Whoever watched one picture may want the next of the same sender.
            del self._links[link.link]
            await link.close()
