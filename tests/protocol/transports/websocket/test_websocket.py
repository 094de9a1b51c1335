"""What is special about WebSockets: who may connect, and what a person is told when it fails."""

import asyncio
import contextlib
import ipaddress
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from layercast_common.errors import ConnectError, DisconnectedError, ListenError, MissingExtraError, UsageError
from layercast_common.urls import parse_address
from protocol.transports.addresses import open_listener, open_transport
from protocol.transports.base import DialOptions, Listener, ListenOptions, Transport
from protocol.transports.websocket.proxies import proxy_for


async def echo(transport: Transport) -> None:
    """Send back what comes; nine bytes of it close with a code."""
    while True:
        try:
            packet = await transport.recv()
        except DisconnectedError:
            return
        if len(packet) == 9:
            await transport.close(3)
            return
        await transport.send(packet)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    """An echo on a free port."""
    made = await open_listener("ws://127.0.0.1:0", echo, ListenOptions(origins=("https://pictures.example",)))
    yield made
    await made.close()


async def test_the_bound_port_is_told(listener: Listener) -> None:
    assert listener.url.startswith("ws://127.0.0.1:")
    assert not listener.url.endswith(":0")


async def test_a_taken_port(listener: Listener) -> None:
    port = listener.url.rsplit(":", 1)[1]
    with pytest.raises(ListenError, match=f"cannot listen on port {port} of 127.0.0.1.*take another.*ws://127.0.0.1:0"):
        await open_listener(listener.url, echo)


async def test_nobody_listens(listener: Listener) -> None:
    await listener.close()
    with pytest.raises(ConnectError) as caught:
        await open_transport(listener.url)
    assert str(caught.value) == (
        f"no receiver listens at {listener.url}; start one there: layercast receive --listen {listener.url}"
    )


async def test_something_else_listens() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ConnectError, match="answers, but is no layercast receiver"):
        await open_transport(f"ws://127.0.0.1:{port}")
    server.close()


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1", "127.0.0.1:8765", "ws://", "ws:", "ws://127.0.0.1:x", "ws://127.0.0.1:99999", "ws://[", ""],
)
async def test_no_addresses(url: str) -> None:
    with pytest.raises(UsageError, match="is not an address"):
        await open_transport(url)
    with pytest.raises(UsageError, match="is not an address"):
        await open_listener(url, echo)


async def test_a_certificate_belongs_to_wss() -> None:
    with pytest.raises(UsageError, match="wss:// needs a certificate"):
        await open_listener("wss://127.0.0.1:0", echo)
    with pytest.raises(UsageError, match="ws:// takes none"):
        await open_listener("ws://127.0.0.1:0", echo, ListenOptions(ssl=ssl.create_default_context()))


@pytest.mark.parametrize("subprotocols", [None, ["layercast.v9"]])
async def test_another_subprotocol_is_refused(listener: Listener, subprotocols: list[str] | None) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await connect(listener.url, subprotocols=subprotocols, proxy=None)  # type: ignore[arg-type]
    assert caught.value.response.status_code == 400


@pytest.mark.parametrize(
    ("origin", "allowed"), [(None, True), ("https://pictures.example", True), ("https://evil.example", False)]
)
async def test_pages_must_be_known(listener: Listener, origin: str | None, allowed: bool) -> None:
    options: dict[str, Any] = {"subprotocols": ["layercast.v1"], "proxy": None, "origin": origin}
    if not allowed:
        with pytest.raises(InvalidStatus) as caught:
            await connect(listener.url, **options)
        assert caught.value.response.status_code == 403
        return
    async with connect(listener.url, **options) as connection:
        await connection.send(b"hello")
        assert await connection.recv() == b"hello"
        assert not connection.protocol.extensions


async def test_a_huge_message_ends_the_connection(listener: Listener) -> None:
    async with connect(listener.url, subprotocols=["layercast.v1"], proxy=None) as connection:  # type: ignore[list-item]
        sending = asyncio.create_task(connection.send(bytes(1_000_000)))
        with pytest.raises(ConnectionClosed) as caught:
            await connection.recv()
        await asyncio.gather(sending, return_exceptions=True)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009


@pytest.mark.parametrize("content", [b"", b"x"], ids=["empty", "one byte"])
async def test_a_message_of_fragments_without_end_ends_the_connection(listener: Listener, content: bytes) -> None:
    async def fragments() -> AsyncIterator[bytes]:
        for _ in range(4_200):
            yield content
        await asyncio.Event().wait()

    async with connect(listener.url, subprotocols=["layercast.v1"], proxy=None) as connection:  # type: ignore[list-item]
        sending = asyncio.create_task(connection.send(fragments()))
        async with asyncio.timeout(120):
            with pytest.raises(ConnectionClosed):
                await connection.recv()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what its sockets hold")
async def test_what_the_far_side_does_not_take_is_known() -> None:
    gone = asyncio.Event()

    async def do_not_read(_: Transport) -> None:
        await gone.wait()

    listener = await open_listener("ws://127.0.0.1:0", do_not_read)
    transport = await open_transport(listener.url)
    assert transport.backlog == 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            while True:
                await transport.send(bytes(1400))
    assert transport.backlog > 10_000
    gone.set()
    await transport.close()
    assert transport.backlog == 0
    await listener.close()


async def test_text_is_only_bytes(listener: Listener) -> None:
    async with connect(listener.url, subprotocols=["layercast.v1"], proxy=None) as connection:  # type: ignore[list-item]
        await connection.send("text")
        assert await connection.recv() == b"text"


async def test_the_code_stands_in_the_close_frame(listener: Listener) -> None:
    async with connect(listener.url, subprotocols=["layercast.v1"], proxy=None) as connection:  # type: ignore[list-item]
        await connection.send(bytes(9))
        with pytest.raises(ConnectionClosed) as caught:
            await connection.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 4003


async def test_a_cut_connection(listener: Listener) -> None:
    transport = await open_transport(listener.url)
    transport._connection.transport.abort()  # type: ignore[attr-defined]
    with pytest.raises(DisconnectedError, match="the connection to"):
        await transport.recv()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A new key and a certificate that it signed for 127.0.0.1."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=loopback", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return key, certificate


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
async def test_wss(tmp_path: Path) -> None:
    key, certificate = make_certificate(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    listener = await open_listener("wss://127.0.0.1:0", echo, ListenOptions(ssl=server))
    assert listener.url.startswith("wss://")
    with pytest.raises(ConnectError, match="no secure connection to wss://"):
        await open_transport(listener.url)
    trusting = ssl.create_default_context(cafile=str(certificate))
    transport = await open_transport(listener.url, DialOptions(ssl=trusting))
    await transport.send(b"hello")
    assert await transport.recv() == b"hello"
    await transport.close()
    await listener.close()


async def test_who_does_not_finish_its_handshake_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocol.transports.websocket.endpoint.HANDSHAKE_SECONDS", 0.2)
    listener = await open_listener("ws://127.0.0.1:0", echo)
    port = int(listener.url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: ")
    async with asyncio.timeout(120.0):
        while await reader.read(4096):
            pass
    writer.close()
    await listener.close()


async def test_unfinished_handshakes_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocol.transports.websocket.endpoint.MAX_OPENING", 2)
    listener = await open_listener("ws://127.0.0.1:0", echo, ListenOptions(connections=2, connections_per_address=2))
    port = int(listener.url.rsplit(":", 1)[1])
    first = await open_transport(listener.url)
    halves = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
    for _ in range(3):
        transport = await open_transport(listener.url)
        await transport.send(b"hello")
        assert await transport.recv() == b"hello"
        await transport.close()
    await first.send(b"still")
    assert await first.recv() == b"still"
    for _, writer in halves:
        writer.close()
    await listener.close()


PROXIES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "WS_PROXY", "WSS_PROXY", "SOCKS_PROXY")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names no proxy."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({"http_proxy": "http://192.0.2.1:3128"}, "ws://192.0.2.7:1", "http://192.0.2.1:3128"),
        ({"https_proxy": "192.0.2.1:3128"}, "wss://show.example", "http://192.0.2.1:3128"),
        ({"all_proxy": "socks5h://192.0.2.1:1080"}, "wss://show.example", "socks5h://192.0.2.1:1080"),
        ({"http_proxy": "http://192.0.2.1:3128"}, "wss://show.example", None),
        ({"http_proxy": "http://192.0.2.1:3128", "no_proxy": "show.example"}, "ws://show.example", None),
        ({"http_proxy": "http://192.0.2.1:3128"}, "ws://127.0.0.1:1", None),
        ({"http_proxy": "http://192.0.2.1:3128"}, "ws://[fe80::1%25eth0]:1", None),
    ],
)
def test_the_proxy_of_an_address(
    variables: dict[str, str], url: str, proxy: str | None, environment: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    assert proxy_for(parse_address(url, {"ws": 80, "wss": 443}, "")) == proxy


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux dials 0.0.0.0, which counts as another machine")
async def test_a_dead_proxy_is_no_missing_receiver(listener: Listener, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("http_proxy", "http://user:secret@127.0.0.1:1")
    url = listener.url.replace("127.0.0.1", "0.0.0.0")
    with pytest.raises(ConnectError, match=r"the proxy http://user@127.0.0.1:1 cannot be reached .*--no-proxy"):
        await open_transport(url)
    transport = await open_transport(url, DialOptions(proxy=False))
    await transport.close()


@pytest.mark.parametrize("proxy", ["socks5h://127.0.0.1:1", "gopher://127.0.0.1:1", "http://127.0.0.1:1/path"])
async def test_a_proxy_that_cannot_be_used_is_a_clear_error(proxy: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("all_proxy", proxy)
    with pytest.raises((ConnectError, MissingExtraError, UsageError), match=r"the proxy .*--no-proxy"):
        await open_transport("ws://192.0.2.7:1")


@pytest.mark.parametrize("url", ["ws://[fe80::1%25eth0]:8765", "ws://[fe80::1%eth0]:8765"])
def test_addresses_with_a_zone(url: str) -> None:
    address = parse_address(url, {"ws": 80}, "")
    assert (address.host, address.port) == ("fe80::1%eth0", 8765)
    assert address.public == "ws://[fe80::1%25eth0]:8765"


def _link_local() -> str | None:
    """Return an address of this machine with its zone; None if it has none."""
    path = Path("/proc/net/if_inet6")
    for line in path.read_text().splitlines() if path.exists() else ():
        digits, *_, device = line.split()
        if digits.startswith("fe80"):
            return f"{ipaddress.IPv6Address(bytes.fromhex(digits))}%25{device}"
    return None


@pytest.mark.skipif(_link_local() is None, reason="this machine has no link-local address")
async def test_peers_on_the_same_link() -> None:
    listener = await open_listener(f"ws://[{_link_local()}]:0", echo)
    transport = await open_transport(listener.url)
    await transport.send(b"hello")
    assert await transport.recv() == b"hello"
    await transport.close()
    await listener.close()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_all_interfaces_of_ipv6_take_ipv4_as_well() -> None:
    listener = await open_listener("ws://[::]:0", echo)
    port = int(listener.url.rsplit(":", 1)[1])
    assert listener.url == f"ws://localhost:{port}"
    for url in (listener.url, f"ws://127.0.0.1:{port}", f"ws://[::1]:{port}"):
        transport = await open_transport(url)
        await transport.send(b"hello")
        assert await transport.recv() == b"hello"
        await transport.close()
    await listener.close()
