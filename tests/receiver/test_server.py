"""The server on real sockets: it receives pictures and closes the connections of misbehaving peers."""

import asyncio
import dataclasses
import gc
from collections.abc import Callable

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from layercast_common import token_attempts
from layercast_common.errors import (
    AuthenticationError,
    ConnectError,
    DisconnectedError,
    ListenError,
    RemoteProtocolError,
    TransportError,
    UsageError,
)
from protocol.connection.events import OfferReceived, PictureAborted, PictureDone, ReceiverEvent, SectionReceived
from protocol.wire.codes import Code
from protocol.wire.encoding import decode_packet, encode_packet
from protocol.wire.limits import Limits
from protocol.wire.packets import Err, Hello, Packet
from protocol.wire.seals import SharedKey
from receiver.options import Security
from receiver.server import Server
from sender import ConnectOptions, Sender
from tests.support.connection_pair import section

HELLO = Hello(versions=1, stream=b"")
PICTURE = [section(b"a red cat", urgency=0, layer=0), section(bytes(3000), urgency=2)]


def by_hand(url: str) -> connect:
    """A plain WebSocket connection."""
    return connect(url, subprotocols=["layercast.v1"], proxy=None)  # type: ignore[list-item]


async def last_words(connection: ClientConnection) -> tuple[Packet | None, int]:
    """Return the last packet from the server, and its close code."""
    packet: Packet | None = None
    while True:
        try:
            message = await connection.recv()
        except ConnectionClosed as closed:
            return packet, closed.rcvd.code if closed.rcvd else 0
        assert isinstance(message, bytes)
        packet = decode_packet(message)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(120.0):
        while not condition():  # noqa: ASYNC110 (what is waited for happens at the other end of a socket)
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("patient", [False, True])
async def test_pictures_of_two_senders(patient: bool) -> None:
    events: list[ReceiverEvent] = []

    async def slowly(event: ReceiverEvent) -> None:
        await asyncio.sleep(0.001)
        events.append(event)

    async with Server("ws://127.0.0.1:0", on_event=slowly if patient else events.append, token="secret") as server:
        async with Sender(server.url, token="secret") as one, Sender(server.url, token="secret") as other:
            assert set(server.sessions) == {one.session, other.session}
            deliveries = await asyncio.gather(
                *(sender.send_sections(b"head", PICTURE, jpeg_size=9) for sender in (one, other, one))
            )
        await until(lambda: not server.sessions)
    assert all(delivery.complete for delivery in deliveries)
    for delivery in deliveries:
        own = [
            event for event in events if (event.session, event.picture_id) == (delivery.session, delivery.picture_id)
        ]
        assert [type(event) for event in own] == [OfferReceived, SectionReceived, SectionReceived, PictureDone]
        assert own[-1].received == delivery.sent
        received = [event.received for event in own]
        assert received == sorted(received)
    with pytest.raises(dataclasses.FrozenInstanceError):
        events[0].picture_id = 9  # type: ignore[misc]


async def test_a_wrong_token() -> None:
    async with Server("ws://127.0.0.1:0", on_event=print, token="secret") as server:
        for token in (None, "wrong"):
            with pytest.raises(AuthenticationError):
                await Sender(server.url, token=token).__aenter__()
        async with by_hand(server.url) as connection:
            await connection.send(encode_packet(HELLO))
            assert await last_words(connection) == (Err(code=Code.AUTHENTICATION, image=0), 4003)


async def test_who_guesses_tokens_waits_and_the_right_token_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_attempts, "MAX_TRIES", 2)
    monkeypatch.setattr(token_attempts, "WAIT_SECONDS", 0.3)
    clock = asyncio.get_running_loop().time
    async with Server("ws://127.0.0.1:0", on_event=print, token="secret") as server:
        for _ in range(2):
            with pytest.raises(AuthenticationError):
                await Sender(server.url, token="wrong").__aenter__()
        began = clock()
        with pytest.raises(AuthenticationError):
            await Sender(server.url, token="wrong").__aenter__()
        assert clock() - began >= 0.3
        async with Sender(server.url, token="secret"):
            assert clock() - began >= 0.6
        # One that waits does not delay the end of the server.
        monkeypatch.setattr(token_attempts, "WAIT_SECONDS", 600.0)
        waiting = asyncio.create_task(Sender(server.url, token="secret").__aenter__())
        await until(lambda: bool(server._peers._arriving))
    with pytest.raises(TransportError):
        await waiting


async def test_a_shared_key() -> None:
    """A sender without the key gets no answer and no reason."""
    events: list[ReceiverEvent] = []
    ours, theirs = SharedKey(b"a long secret of both"), SharedKey(b"a long secret of one side")
    async with Server("ws://127.0.0.1:0", on_event=events.append, security=Security(shared_key=ours)) as server:
        async with Sender(server.url, connect=ConnectOptions(shared_key=ours)) as sender:
            await sender.send_sections(b"", [section(bytes(3000))])
        assert isinstance(events[-1], PictureDone)
    impatient = Security(shared_key=ours, limits=Limits(hello_seconds=0.2))
    async with Server("ws://127.0.0.1:0", on_event=events.append, security=impatient) as server:
        for other in (theirs, None):
            with pytest.raises(ConnectError, match="if the receiver has a shared key, use the same one"):
                await Sender(server.url, connect=ConnectOptions(shared_key=other)).__aenter__()


async def test_a_taken_port() -> None:
    async with Server("ws://127.0.0.1:0", on_event=print) as server:
        with pytest.raises(ListenError, match=server.url.rsplit(":", 1)[1]):
            await Server(server.url, on_event=print).__aenter__()


def test_an_impossible_token() -> None:
    with pytest.raises(UsageError):
        Server(on_event=print, token="x" * 1000)


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([], Code.HELLO_TIMEOUT),
        ([b"junk"] * 3, Code.BAD_PACKETS),
        (["text"] * 3, Code.BAD_PACKETS),
        ([bytes(1401)] * 3, Code.BAD_PACKETS),
        ([encode_packet(Err(code=1, image=1))], Code.PROTOCOL),
        ([encode_packet(Hello(versions=1, stream=b"", role=1))], Code.ROLE),
    ],
    ids=["silence", "junk", "text", "too large", "out of turn", "another receiver"],
)
async def test_bad_manners_end_the_connection(messages: list[bytes | str], code: Code) -> None:
    # Only silence waits for the end of this time.
    limits = Limits() if messages else Limits(hello_seconds=0.2)
    async with (
        Server("ws://127.0.0.1:0", on_event=print, security=Security(limits=limits)) as server,
        by_hand(server.url) as connection,
    ):
        for message in messages:
            await connection.send(message)
        assert await last_words(connection) == (Err(code=code, image=0), 4000 + code)
        await until(lambda: not server.sessions)


async def test_one_address_does_not_take_every_place() -> None:
    async with Server(
        "ws://127.0.0.1:0", on_event=print, security=Security(limits=Limits(sessions_per_address=2))
    ) as server:
        async with Sender(server.url), Sender(server.url):
            with pytest.raises(RemoteProtocolError, match="too many connections") as caught:
                await Sender(server.url).__aenter__()
            assert caught.value.code == Code.BUSY
        await until(lambda: not server.sessions)
        async with Sender(server.url):
            pass
    assert not server._peers._addresses


async def test_a_sender_that_vanishes_fails_its_pictures() -> None:
    events: list[ReceiverEvent] = []
    async with Server("ws://127.0.0.1:0", on_event=events.append) as server:
        async with Sender(server.url, rate=9600) as sender:
            sending = asyncio.create_task(sender.send_sections(b"", PICTURE))
            await until(lambda: len(events) >= 2)
        await until(lambda: any(isinstance(event, PictureAborted) for event in events))
        with pytest.raises(DisconnectedError):
            await sending
    assert isinstance(events[-1], PictureAborted)
    assert (events[-1].code, events[-1].picture_id) == (Code.DISCONNECTED, 1)
    assert events[-1].received > 0


async def test_closing_says_goodbye_and_leaves_nothing_behind() -> None:
    events: list[ReceiverEvent] = []
    server = await Server("ws://127.0.0.1:0", on_event=events.append).__aenter__()
    async with Sender(server.url, rate=9600) as sender:
        sending = asyncio.create_task(sender.send_sections(b"", PICTURE))
        await until(lambda: bool(events))
        await server.__aexit__(None, None, None)
        with pytest.raises(DisconnectedError, match="shutting down"):
            await sending
    assert isinstance(events[-1], PictureAborted)
    assert events[-1].code is Code.GOING_AWAY
    gc.collect()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelling_leaves_nothing_behind() -> None:
    listening = asyncio.Event()
    url = ""

    async def serve() -> None:
        nonlocal url
        async with Server("ws://127.0.0.1:0", on_event=print) as server:
            url = server.url
            listening.set()
            await asyncio.Event().wait()

    serving = asyncio.create_task(serve())
    await listening.wait()
    async with Sender(url):
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
    gc.collect()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_broken_callback_drops_the_sender_and_not_the_intake(caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: ReceiverEvent) -> None:
        raise ValueError("a bug of the caller")

    async with Server("ws://127.0.0.1:0", on_event=fail) as server:
        for _ in range(2):
            async with Sender(server.url) as sender:
                with pytest.raises((DisconnectedError, RemoteProtocolError)):
                    await sender.send_sections(b"", PICTURE)
        await until(lambda: not server.sessions)
    assert "a bug of the caller" in caplog.text
