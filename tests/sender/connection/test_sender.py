"""Sending pictures: deliveries, progress, and failures."""

import asyncio
import logging
import random

import pytest

from codec.container.bitstream import Bitstream, Coder, Header, Section
from codec.layers import Layer
from evaluation.virtual_time import run_virtual
from layercast_common.errors import (
    AuthenticationError,
    ConnectError,
    DisconnectedError,
    LocalProtocolError,
    RemoteProtocolError,
    UsageError,
)
from protocol.connection.events import OfferReceived, PictureAborted, PictureDone, SectionReceived
from protocol.connection.states import State
from protocol.link_profiles import LINKS
from protocol.transports.addresses import open_listener
from protocol.transports.base import Transport
from protocol.transports.memory import memory_pair
from protocol.wire.codes import Code
from protocol.wire.limits import Limits
from receiver.server import Server
from sender import ConnectOptions, Delivery, Progress, Sender, SenderIdentity
from tests.support.connection_pair import section
from tests.support.sender_link import Cable, connected

IRIDIUM = LINKS["iridium"]
STREAM = Bitstream(
    Header(512, 512, 7, "mini"),
    (
        Section(Layer.SEMANTIC, Coder.TEXT, b"an old red lighthouse at the sea"),
        Section(Layer.STRUCTURE, Coder.EDGES, random.Random(0).randbytes(350)),
        Section(Layer.TEXTURE, Coder.COLORS, random.Random(1).randbytes(90)),
    ),
)


def test_a_picture_and_its_delivery() -> None:
    progress: list[Progress] = []

    async def send() -> tuple[Delivery, list[object]]:
        async with connected(IRIDIUM) as (sender, far):
            assert sender.session == b"far".hex()
            assert sender.rate == 2400
            delivery = await sender.send(STREAM, jpeg_size=41_000, on_progress=progress.append)
            return delivery, [event for _, event in far.events]

    delivery, events = run_virtual(send())
    offered = events[0]
    assert isinstance(offered, OfferReceived)
    assert (offered.head, offered.jpeg_size, offered.rate) == (STREAM.header.to_bytes(), 41_000, 2400)
    rebuilt = [
        Section(Layer(event.layer), Coder(event.coder), event.payload)
        for event in events
        if isinstance(event, SectionReceived)
    ]
    assert tuple(rebuilt) == STREAM.sections
    done = events[-1]
    assert isinstance(done, PictureDone)
    assert delivery.complete
    assert delivery.sent == done.received
    assert sum(delivery.size_of(layer) for layer in (*Layer, None)) == delivery.sent
    assert delivery.size_of(Layer.SEMANTIC) == 32
    assert 350 < delivery.size_of(Layer.STRUCTURE) < 350 * 1.4
    acknowledged = [one.acknowledged for one in delivery.sections]
    assert None not in acknowledged
    assert acknowledged == sorted(acknowledged, key=float)  # type: ignore[arg-type]
    assert delivery.seconds == acknowledged[-1] == pytest.approx(delivery.sent / 300 + 1.8, abs=0.5)
    assert [(one.index, one.layer, one.done, one.total) for one in progress] == [(i, i, i + 1, 3) for i in range(3)]


@pytest.mark.parametrize(("order", "layers"), [("paper", [0, 1, 2]), ("cheapest", [0, 2, 1])])
def test_order_of_layers(order: str, layers: list[int]) -> None:
    async def send() -> list[int]:
        async with connected(IRIDIUM, order=order) as (sender, far):
            await sender.send(STREAM)
            return [event.layer for _, event in far.events if isinstance(event, SectionReceived)]

    assert run_virtual(send()) == layers


def test_a_newer_picture_overtakes() -> None:
    async def send() -> list[int]:
        async with connected(IRIDIUM) as (sender, far):
            slow = asyncio.create_task(sender.send_sections(b"", [section(bytes(3000), urgency=6)]))
            await asyncio.sleep(4.0)
            await sender.send(STREAM)
            assert (await slow).complete
            return [event.picture_id for _, event in far.events if isinstance(event, PictureDone)]

    assert run_virtual(send()) == [2, 1]


def test_more_pictures_than_the_receiver_holds_take_turns() -> None:
    async def send() -> list[Delivery]:
        async with connected() as (sender, far):
            deliveries = await asyncio.gather(*(sender.send(STREAM) for _ in range(20)))
            assert not any(isinstance(event, PictureAborted) for _, event in far.events)
            return deliveries

    deliveries = run_virtual(send())
    assert sorted(delivery.picture_id for delivery in deliveries) == list(range(1, 21))
    assert all(delivery.complete for delivery in deliveries)


def test_cancelling_a_send_cancels_the_picture() -> None:
    async def send() -> list[object]:
        async with connected(IRIDIUM) as (sender, far):
            sending = asyncio.create_task(sender.send_sections(b"", [section(bytes(3000))]))
            await asyncio.sleep(4.0)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert (await sender.send(STREAM)).complete
            return [event for _, event in far.events if isinstance(event, PictureAborted | PictureDone)]

    failed, done = run_virtual(send())
    assert isinstance(failed, PictureAborted)
    assert (failed.picture_id, failed.code) == (1, Code.CANCELLED)
    assert isinstance(done, PictureDone)


def test_a_lifetime() -> None:
    async def send() -> Delivery:
        async with connected(IRIDIUM) as (sender, _):
            sections = [section(b"text", urgency=0), section(bytes(3000))]
            return await sender.send_sections(b"", sections, lifetime=5.0)

    delivery = run_virtual(send())
    assert not delivery.complete
    assert delivery.seconds == pytest.approx(5.0)
    assert delivery.sections[0].acknowledged is not None
    assert delivery.sections[1].acknowledged is None
    assert 0 < delivery.sections[1].sent < 1500 + 80


def test_a_refused_picture() -> None:
    async def send() -> None:
        async with connected(limits=Limits(peer_bytes=100)) as (sender, _):
            with pytest.raises(RemoteProtocolError, match="refused the picture: the picture is larger") as caught:
                await sender.send(STREAM)
            assert caught.value.code == Code.TOO_LARGE

    run_virtual(send())


def test_an_impossible_picture_leaves_the_connection_alone() -> None:
    async def send() -> None:
        async with connected() as (sender, _):
            with pytest.raises(LocalProtocolError, match="1 to 32 sections"):
                await sender.send_sections(b"", [])
            assert (await sender.send(STREAM)).complete

    run_virtual(send())


@pytest.mark.parametrize("during", [True, False])
def test_a_receiver_that_leaves(during: bool) -> None:
    async def send() -> None:
        async with connected(IRIDIUM) as (sender, far):
            if during:
                asyncio.get_running_loop().call_later(2.0, far.close)
            else:
                far.close()
                await asyncio.sleep(5.0)
            with pytest.raises(DisconnectedError, match="the far side ended the connection"):
                await sender.send(STREAM)

    run_virtual(send())


def test_a_link_that_breaks() -> None:
    async def send() -> None:
        async with connected(IRIDIUM) as (sender, far):
            sending = asyncio.create_task(sender.send(STREAM))
            await asyncio.sleep(1.0)
            await far.driver._transport.close()
            with pytest.raises(DisconnectedError, match="the link is closed"):
                await sending

    run_virtual(send())


def test_a_wrong_token() -> None:
    async def send() -> None:
        with pytest.raises(AuthenticationError, match="the receiver refused the token; give the one"):
            async with connected(IRIDIUM, token="secret", limits=Limits()):
                pass

    run_virtual(send())


def test_a_receiver_that_never_answers() -> None:
    async def send() -> float:
        ours, _ = memory_pair()
        with pytest.raises(ConnectError, match="no receiver answers there"):
            await Sender("memory", transport=ours).__aenter__()
        return asyncio.get_running_loop().time()

    assert run_virtual(send()) == pytest.approx(30.0)


async def test_a_receiver_that_hangs_up() -> None:
    async def hang_up(transport: Transport) -> None:
        await transport.recv()

    listener = await open_listener("ws://127.0.0.1:0", hang_up)
    with pytest.raises(ConnectError, match="ended the connection before a welcome"):
        await Sender(listener.url).__aenter__()
    await listener.close()
    with pytest.raises(ConnectError, match="no receiver listens at"):
        await Sender(listener.url).__aenter__()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"link": "irridium"}, "no link is called"),
        ({"rate": -5}, "a positive number"),
        ({"order": "random"}, "no order of layers is called 'random'; there are cheapest, fidelity, paper"),
        ({"token": "x" * 257}, "at most 256 characters"),
        ({"token": "\udcff"}, "must be text"),
    ],
)
def test_nonsense(options: dict[str, object], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Sender("ws://127.0.0.1:1", **options)  # type: ignore[arg-type]


def test_a_rate_paces_without_emulating() -> None:
    async def send() -> float:
        async with connected(rate=2400) as (sender, _):
            return (await sender.send(STREAM)).seconds

    assert run_virtual(send()) == pytest.approx(620 / 300, abs=0.4)


async def test_a_token_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with Server("ws://127.0.0.1:0", on_event=lambda _: None, token="secret") as intake:
        async with Sender(intake.url, token="secret") as sender:
            await sender.send(STREAM)
        with pytest.raises(AuthenticationError):
            await Sender(intake.url, token="another").__aenter__()
    for token in ("secret", "another"):
        assert token not in caplog.text
        assert token.encode().hex(" ") not in caplog.text


async def test_a_link_that_breaks_is_opened_again_and_what_is_missing_is_sent() -> None:
    events: list[object] = []
    async with Server("ws://127.0.0.1:0", on_event=events.append) as intake:
        port = int(intake.url.rpartition(":")[2])
        async with Cable("127.0.0.1", port) as cable, Sender(f"ws://127.0.0.1:{cable.port}", rate=40_000) as sender:
            first = sender.session
            sending = asyncio.create_task(sender.send_sections(b"", [section(bytes(range(250)) * 24)]))
            await asyncio.sleep(0.5)
            cable.pull()
            await asyncio.sleep(0.1)
            cable.plug()
            delivery = await asyncio.wait_for(sending, 120)
            assert sender.session == first
            assert delivery.complete
            assert delivery.sent < 6_000 * 1.4
            assert sender.packets_sent >= delivery.packets
            assert sender.round_trip > 0
    assert sum(isinstance(event, PictureDone) for event in events) == 1


async def test_a_link_that_stays_broken_is_given_up_in_time() -> None:
    async with Server("ws://127.0.0.1:0", on_event=lambda _: None) as intake:
        port = int(intake.url.rpartition(":")[2])
        async with (
            Cable("127.0.0.1", port) as cable,
            Sender(f"ws://127.0.0.1:{cable.port}", rate=8_000, connect=ConnectOptions(reconnect_seconds=1.0)) as sender,
        ):
            sending = asyncio.create_task(sender.send_sections(b"", [section(bytes(6_000))]))
            await asyncio.sleep(0.2)
            cable.pull()
            with pytest.raises(DisconnectedError):
                await asyncio.wait_for(sending, 120)
            with pytest.raises(DisconnectedError):
                await sender.send(STREAM)


async def test_leaving_does_not_wait_for_a_broken_link() -> None:
    async with Server("ws://127.0.0.1:0", on_event=lambda _: None) as intake:
        port = int(intake.url.rpartition(":")[2])
        async with (
            Cable("127.0.0.1", port) as cable,
            asyncio.timeout(120),
            Sender(f"ws://127.0.0.1:{cable.port}") as sender,
        ):
            cable.pull()
            while sender._runner.connection.state is not State.SUSPENDED:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_a_picture_keeps_its_number_and_streams_that_were_named_count_anew() -> None:
    events: list[object] = []
    async with Server("ws://127.0.0.1:0", on_event=events.append) as intake:
        async with Sender(intake.url, identity=SenderIdentity(stream_id=b"ship", epoch=3)) as sender:
            assert (await sender.send(STREAM, picture_id=41)).picture_id == 41
            assert (await sender.send(STREAM, picture_id=7)).picture_id == 7
        async with Sender(intake.url, identity=SenderIdentity(stream_id=b"ship")) as sender:
            await sender.send(STREAM)
        async with Sender(intake.url) as sender:
            await sender.send(STREAM)
    offers = [event for event in events if isinstance(event, OfferReceived)]
    assert [(event.stream_id, event.picture_id) for event in offers[:3]] == [(b"ship", 41), (b"ship", 7), (b"ship", 1)]
    assert offers[0].epoch == 3
    assert offers[2].epoch > 1_700_000_000
    assert (len(offers[3].stream_id), offers[3].epoch) == (6, 0)
