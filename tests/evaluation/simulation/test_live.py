"""A live link between real sockets, and its HTTP interface."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from evaluation.simulation.links.loss import RandomLoss
from evaluation.simulation.links.model import LinkDirection, SimulatedLink
from evaluation.simulation.links.profiles import named_link
from evaluation.simulation.live.api import LiveApi
from evaluation.simulation.live.proxy import LiveLink, check_target
from layercast_common.errors import ConnectError
from protocol.connection.events import PictureDone, ReceiverEvent
from protocol.sending.pictures.fragmentation import OutgoingSection
from receiver.server import Server
from sender.connection.sender import Sender

LOCAL = ("127.0.0.1", 0)


def link(rate: float = 0.0, loss: float = 0.0, delay: float = 0.0) -> SimulatedLink:
    direction = LinkDirection(rate=rate, delay=delay, loss=RandomLoss(share=loss))
    return SimulatedLink(name="gsm", there=direction, back=direction, mtu=576)


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[str, int]]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, *LOCAL)
    async with server:
        yield server.sockets[0].getsockname()[:2]


async def exchange(port: int, data: bytes) -> bytes:
    """Send data, close, and return everything that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def client(api: LiveApi) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=api.application())
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8090")


async def test_every_byte_arrives_in_order_over_a_lossy_link() -> None:
    data = bytes(range(256)) * 40
    async with echo() as target, LiveLink(link(rate=4e6, loss=0.2), target=target, listen=LOCAL) as live:
        assert await asyncio.wait_for(exchange(live.port, data), 60) == data
        assert live.counters.lost > 0
        assert (live.counters.there, live.counters.back, live.counters.connections) == (len(data), len(data), 0)


async def test_the_rate_and_the_delay_are_kept() -> None:
    loop = asyncio.get_running_loop()
    async with echo() as target, LiveLink(link(rate=40_000, delay=0.1), target=target, listen=LOCAL) as live:
        began = loop.time()
        await exchange(live.port, bytes(1000))
        # 1,000 bytes take 0.2 s, a delay each way 0.2 s, and the last packet of 424 bytes 0.08 s on its way back.
        assert loop.time() - began >= 0.2 + 0.2 + 0.08


async def test_a_picture_arrives_over_websockets() -> None:
    done = asyncio.Event()

    def on_event(event: ReceiverEvent) -> None:
        if isinstance(event, PictureDone):
            done.set()

    async with Server("ws://127.0.0.1:0", on_event=on_event) as server:
        port = int(server.url.rpartition(":")[2].rstrip("/"))
        async with (
            LiveLink(link(rate=64_000, delay=0.02), target=("127.0.0.1", port), listen=LOCAL) as live,
            Sender(f"ws://127.0.0.1:{live.port}", rate=64_000) as sender,
        ):
            section = OutgoingSection(layer=0, coder=0, payload=bytes(600), urgency=0)
            delivery = await asyncio.wait_for(sender.send_sections(b"head", [section]), 60)
            assert delivery.complete
            assert done.is_set()


async def test_the_interface_changes_the_link_under_a_running_stream() -> None:
    slow = replace(link(rate=4000), mtu=100)
    async with echo() as target, LiveLink(slow, target=target, listen=LOCAL) as live:
        api = LiveApi(live, {"rate": 4000, "mtu": 100})
        sending = asyncio.ensure_future(exchange(live.port, bytes(20_000)))
        await asyncio.sleep(0.3)
        async with client(api) as http:
            # At the old rate, the rest would take 40 s each way.
            state = (await http.post("/link", json={"rate": 0, "loss": 0.0})).json()
            assert state["there"]["rate"] == 0
            assert len(await asyncio.wait_for(sending, 30)) == 20_000
            shown = (await http.get("/link")).json()
            assert shown["counters"]["there"] == 20_000
            assert shown["down"] is False


async def test_a_link_that_is_down_carries_nothing_until_it_is_up() -> None:
    async with echo() as target, LiveLink(link(), target=target, listen=LOCAL) as live:
        api = LiveApi(live, {})
        async with client(api) as http:
            assert (await http.post("/link", json={"down": True})).json()["down"] is True
            sending = asyncio.ensure_future(exchange(live.port, b"hello"))
            await asyncio.sleep(0.2)
            assert live.counters.there == 0
            await http.post("/link", json={"down": False})
            assert await asyncio.wait_for(sending, 30) == b"hello"


async def test_cut_breaks_connections_and_new_ones_work() -> None:
    async with echo() as target, LiveLink(link(), target=target, listen=LOCAL) as live:
        api = LiveApi(live, {})
        reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        async with client(api) as http:
            await http.post("/cut")
        ended = b""
        with contextlib.suppress(ConnectionError):
            ended = await asyncio.wait_for(reader.read(10), 30)
        assert ended == b""
        writer.close()
        assert await asyncio.wait_for(exchange(live.port, b"again"), 30) == b"again"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"not json", "no JSON object"),
        (b"[]", "a change is a JSON object"),
        (b"[" * 20_000, "at most"),
        (b'{"rate": "fast"}', "rate is a float"),
        (b'{"rate": -1}', "0 or more"),
        (b'{"speed": 5}', "has no key 'speed'"),
        (b'{"trace": "/etc/passwd"}', "a trace is a file"),
        (b'{"down": 1}', "down is true or false"),
        (b'{"rate": 5, "loss": 2}', "share from 0 to 1"),
    ],
)
async def test_wrong_changes_are_refused_and_change_nothing(body: bytes, text: str) -> None:
    live = LiveLink(named_link("gsm"), target=LOCAL, listen=LOCAL)
    api = LiveApi(live, {"profile": "gsm"})
    async with client(api) as http:
        answer = await http.post("/link", content=body)
    assert answer.status_code in (400, 413)
    assert text in answer.json()["error"]
    assert live.link == named_link("gsm")


async def test_other_sites_cannot_change_the_link() -> None:
    live = LiveLink(named_link("gsm"), target=LOCAL, listen=LOCAL)
    api = LiveApi(live, {"profile": "gsm"})
    async with client(api) as http:
        foreign = await http.post("/link", json={"rate": 1}, headers={"origin": "https://evil.example"})
        rebound = await http.get("/link", headers={"host": "evil.example"})
        page = await http.get("/")
    assert (foreign.status_code, rebound.status_code) == (403, 421)
    assert live.link == named_link("gsm")
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_a_missing_receiver_is_named() -> None:
    with pytest.raises(ConnectError, match="nothing listens on 127"):
        await check_target(("127.0.0.1", 9))
