"""What is special about data channels: how they are arranged, who may, which packet rides where, and how they end."""

import asyncio
import http.client
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aioice.ice
import pytest
from aiortc import RTCPeerConnection

from layercast_common.errors import AuthenticationError, ConnectError, DisconnectedError, ListenError, UsageError
from protocol.transports.addresses import open_listener, open_transport
from protocol.transports.base import DialOptions, Listener, ListenOptions, Transport
from protocol.transports.webrtc import endpoint as webrtc
from protocol.transports.webrtc import signalling
from protocol.transports.webrtc.data_channels import MAX_IN_FLIGHT, DataChannelTransport
from protocol.wire.encoding import encode_packet
from protocol.wire.packets import Ack, Bye, Data, Hello
from tests.support.transport_fixtures import GREETING, KINDS, PATIENCE, at_address, certificate, missing, packet

pytestmark = pytest.mark.skipif(
    missing(next(kind for kind in KINDS if kind.name == "webrtc")) is not None, reason="there is no network"
)


async def wait_for_end(transport: Transport) -> None:
    """Take packets until there are no more."""
    try:
        while True:
            await transport.recv()
    except DisconnectedError:
        return


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    """A receiver that wants to hear a token."""

    async def admits(_: str, token: str) -> bool:
        return token == "s\u00e9same"

    options = ListenOptions(admits=admits, origins=("https://pictures.example",))
    made = await open_listener("webrtc+http://127.0.0.1:0/offers", wait_for_end, options)
    yield made
    await made.close()


async def post(listener: Listener, body: bytes, **headers: str) -> int:
    """The status of a request by hand."""

    def ask() -> int:
        host, port = listener.url.removeprefix("webrtc+http://").partition("/")[0].split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=120.0)
        connection.request("POST", "/offers", body=body, headers=headers)
        status = connection.getresponse().status
        connection.close()
        return status

    return await asyncio.to_thread(ask)


async def test_the_token_is_asked_for_before_anything_is_made(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def make(connection: Any, peer: str) -> DataChannelTransport:
        made.append(peer)
        return DataChannelTransport(connection, peer)

    monkeypatch.setattr(webrtc, "DataChannelTransport", make)
    for token in ("", "wrong"):
        with pytest.raises(AuthenticationError, match="refused the token"):
            await open_transport(listener.url, DialOptions(token=token))
    assert len(made) == 2, "the ends of those who asked, and none of the receiver"
    transport = await open_transport(listener.url, DialOptions(token="s\u00e9same"))
    await transport.close()
    assert "token" not in listener.url


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {"Authorization": "Bearer wrong"}, 401),
        (b"", {}, 401),
        (b"v=0", {"Origin": "https://evil.example"}, 403),
        (b"v=0", {"Origin": "https://pictures.example"}, 400),
        (b"v=0", {"Content-Type": "application/json"}, 415),
        (b"v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", {}, 400),
        (b"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n" * 2, {}, 400),
        (b"v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", {}, 400),
        (b"\xff" * 100, {}, 400),
        (b"x" * (signalling.MAX_SDP + 1), {}, 413),
    ],
)
async def test_what_is_no_offer_is_refused(
    listener: Listener, body: bytes, headers: dict[str, str], status: int
) -> None:
    known = {"Authorization": "Bearer s%C3%A9same", "Content-Type": "application/sdp"}
    if body or headers:
        headers = known | headers
    assert await post(listener, body, **headers) == status


async def test_too_many_at_a_time(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webrtc, "MAX_OPENING", 0)
    with pytest.raises(ConnectError, match="too many connections; try again later"):
        await open_transport(listener.url, DialOptions(token="s\u00e9same"))


async def test_who_says_nothing_is_cut_off(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webrtc, "REQUEST_SECONDS", 0.2)
    host, port = listener.url.removeprefix("webrtc+http://").partition("/")[0].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /offers HTTP/1.1\r\nHost: ")
    async with asyncio.timeout(PATIENCE):
        assert await reader.read() == b""
    writer.close()


async def test_an_offer_that_nobody_follows_is_forgotten(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webrtc, "OPEN_SECONDS", 0.3)
    lonely = RTCPeerConnection()
    DataChannelTransport(lonely, "nobody")
    await lonely.setLocalDescription(await lonely.createOffer())
    offer = lonely.localDescription.sdp.encode()
    await lonely.close()
    headers = {"Authorization": "Bearer s%C3%A9same", "Content-Type": "application/sdp"}
    assert await post(listener, offer, **headers) == 201
    assert isinstance(listener, webrtc.WebRtcListener)
    assert len(listener._open) == 1
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait(listener._open)
    assert not listener._opening


async def test_nobody_listens() -> None:
    with pytest.raises(ConnectError, match=r"no receiver listens at webrtc\+http://127\.0\.0\.1:1; start one there"):
        await open_transport("webrtc+http://127.0.0.1:1")


async def test_a_taken_port(listener: Listener) -> None:
    with pytest.raises(ListenError, match=r"cannot listen on port \d+ of 127\.0\.0\.1.*take another"):
        await open_listener(listener.url, wait_for_end)


async def test_something_else_listens() -> None:
    async with at_address("ws://127.0.0.1:0") as station:
        with pytest.raises(ConnectError, match="answers, but is no layercast receiver"):
            await open_transport(station.url.replace("ws://", "webrtc+http://"))


async def test_a_certificate_belongs_to_https(tmp_path: Path) -> None:
    shown, trusted = certificate(tmp_path)
    with pytest.raises(UsageError, match="needs a certificate"):
        await open_listener("webrtc+https://127.0.0.1:0", wait_for_end)
    with pytest.raises(UsageError, match="takes none"):
        await open_listener("webrtc+http://127.0.0.1:0", wait_for_end, ListenOptions(ssl=shown))
    async with at_address("webrtc+https://127.0.0.1:0", listening=ListenOptions(ssl=shown)) as station:
        with pytest.raises(ConnectError, match="no secure connection to"):
            await open_transport(station.url)
        transport = await open_transport(station.url, DialOptions(ssl=trusted))
        await transport.close()


@pytest.mark.parametrize("server", ["stun.example", "http://stun.example", "turn:"])
async def test_no_ice_servers(server: str) -> None:
    with pytest.raises(UsageError, match="an ICE server is written stun:HOST:PORT"):
        await open_transport("webrtc+http://127.0.0.1:1", DialOptions(ice_servers=(server,)))


async def test_each_packet_rides_where_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_address("webrtc+http://127.0.0.1:0") as station:
        ours, theirs = await station.pair()
        assert isinstance(ours, DataChannelTransport)
        sent: list[tuple[str, bytes]] = []
        for name, channel in (("control", ours._control), ("detail", ours._detail)):
            monkeypatch.setattr(channel, "send", lambda data, name=name: sent.append((name, data)))
        said_once = [encode_packet(one) for one in (Hello(versions=1, role=0, stream=b"s"), Bye())]
        repeated = [encode_packet(one) for one in (Data(1, 1, 0, 0, b"x"), Ack(largest=1))]
        strange = [b"", b"text", bytes([0x91, 0xCC, 40]), bytes([0xDC, 0, 1, 0])]
        for one in [*said_once, *repeated, *strange]:
            await ours.send(one)
        assert sent == [
            *(("control", one) for one in said_once),
            *(("detail", one) for one in repeated),
            *(("control", one) for one in strange),
        ]
        assert (ours._detail.ordered, ours._detail.maxRetransmits) == (False, 0)
        assert ours._control.ordered
        del theirs


async def test_few_packets_are_under_way_at_a_time() -> None:
    async with at_address("webrtc+http://127.0.0.1:0") as station:
        ours, theirs = await station.pair()
        assert isinstance(ours, DataChannelTransport)
        reading = asyncio.create_task(wait_for_end(theirs))
        most = 0
        for number in range(500):
            await ours.send(packet(number, 1000))
            most = max(most, ours._in_flight())
        assert most <= MAX_IN_FLIGHT
        reading.cancel()


async def test_a_peer_that_vanishes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.1)
    monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 2)
    async with at_address("webrtc+http://127.0.0.1:0") as station:
        ours, theirs = await station.pair()
        assert isinstance(ours, DataChannelTransport)
        assert ours._connection.sctp is not None
        for protocol in ours._connection.sctp.transport.transport._connection._protocols:
            protocol.transport.abort()
        async with asyncio.timeout(PATIENCE):
            await wait_for_end(theirs)
        with pytest.raises(DisconnectedError):
            await theirs.send(GREETING)
        await ours.close()


async def test_a_signalling_task_that_fails_is_logged_and_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_server: object) -> None:
        raise RuntimeError("a bug")

    async def ignore(_transport: Transport) -> None:
        pass

    monkeypatch.setattr(webrtc, "_drop_slow", fail)
    failures: list[Exception] = []
    failed = asyncio.Event()

    def note(error: Exception) -> None:
        failures.append(error)
        failed.set()

    listener = await open_listener("webrtc+http://127.0.0.1:0", ignore, ListenOptions(on_failure=note))
    async with asyncio.timeout(PATIENCE):
        await failed.wait()
    assert [str(failure) for failure in failures] == ["a bug"]
    assert "RuntimeError: a bug" in caplog.text
    await listener.close()
