"""What a greeting costs on a real WebSocket: every byte between the upgrade and the first picture's text is counted."""

import asyncio

from evaluation.wire.bottleneck import Bottleneck
from evaluation.wire.many_senders import picture
from protocol.connection.events import OfferReceived, ReceiverEvent
from receiver.server import Server
from sender.connection.sender import Sender

_END_OF_UPGRADE = b"\r\n\r\n"


async def count_greeting() -> int:
    """Bytes both ways from the end of the HTTP upgrade until the first OFFER has arrived, without its text.

    Of a picture with text, lines and colours, from a sender that says its rate; WebSocket frames included.
    """
    arrived = asyncio.Event()

    def note(event: ReceiverEvent) -> None:
        if isinstance(event, OfferReceived):
            counted.append(_after_upgrade(proxy.there) + _after_upgrade(proxy.back))
            arrived.set()

    counted: list[int] = []
    sections = picture(1)[:3]
    text = len(sections[0].payload)
    async with (
        Server("ws://127.0.0.1:0", on_event=note) as intake,
        Bottleneck(intake.url, rate=0, delay=0.0) as proxy,
        Sender(proxy.url, rate=2400) as sender,
    ):
        sending = asyncio.create_task(sender.send_sections(b"\x4c\x01\x08\x08\x00", sections))
        await arrived.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return counted[0] - text


def _after_upgrade(passed: bytearray) -> int:
    return len(passed) - passed.index(_END_OF_UPGRADE) - len(_END_OF_UPGRADE)
