"""The cost of a handshake on a real WebSocket: all bytes between the HTTP upgrade and the text of the first picture."""

import asyncio

from evaluation.wire.links.bottleneck import Bottleneck
from evaluation.wire.many_senders import picture
from layercast_common.tasks import cancel, start_task
from protocol.connection.events import OfferReceived, ReceiverEvent
from receiver.server import Server
from sender.connection.sender import Sender

_END_OF_UPGRADE = b"\r\n\r\n"


async def count_greeting() -> int:
    """Return the bytes both ways from the end of the HTTP upgrade to the first OFFER, without its text.

    The picture has text, lines and colours; the sender announces its rate. WebSocket frames are included.
    """
    arrived = asyncio.Event()

    def on_event(event: ReceiverEvent) -> None:
        if isinstance(event, OfferReceived):
            counted.append(_after_upgrade(proxy.there) + _after_upgrade(proxy.back))
            arrived.set()

    counted: list[int] = []
    sections = picture(1)[:3]
    text = len(sections[0].payload)
    async with (
        Server("ws://127.0.0.1:0", on_event=on_event) as server,
        Bottleneck(server.url, rate=0, delay=0.0) as proxy,
        Sender(proxy.url, rate=2400) as sender,
    ):
        sending = start_task(sender.send_sections(b"\x4c\x01\x08\x08\x00", sections), name="picture")
        await arrived.wait()
        await cancel(sending)
    return counted[0] - text


def _after_upgrade(passed: bytearray) -> int:
    return len(passed) - passed.index(_END_OF_UPGRADE) - len(_END_OF_UPGRADE)
