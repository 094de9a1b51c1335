"""The watching side of a stream on a broker: any number of receivers that do not answer."""

from layercast_common.urls import Address
from protocol.transports.mqtt.broker import Broker, BrokerCallbacks
from protocol.transports.mqtt.client import Subscription
from protocol.transports.mqtt.listener import MAX_LINKS, StreamListener
from protocol.transports.mqtt.transport import MqttBroadcastTransport, MqttTransport


class StreamWatcher(StreamListener):
    """Receives the retained and new pictures of a stream, layer by layer, without answering."""

    def _make_broker(self, address: Address) -> Broker:
        return Broker(
            address,
            name=f"layercast-{self._name}",
            ssl=self._options.trust,
            will=None,
            # In order: the broker sends the retained messages of one layer before the next subscription.
            subscriptions=[Subscription(topic) for topic in self._topics.layers()],
            callbacks=BrokerCallbacks(on_message=self._on_message, on_failure=self._on_failure),
        )

    async def open(self) -> None:
        """Connect to the broker, which then sends the retained pictures.

        Raises:
            AuthenticationError: the broker refuses the connection or a subscription.
            ConnectError: there is no broker.
        """
        await self._broker.open()

    def _on_message(self, topic: str, payload: bytes) -> None:
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
            # The same sender may send more pictures later.
            del self._links[link.link]
            await link.close()
