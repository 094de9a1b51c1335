"""Every kind of transport behind one face: who waits for peers, and how to reach them."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from protocol.link_profiles import LINKS, LinkProfile
from protocol.transports.addresses import open_listener, open_transport
from protocol.transports.base import DialOptions, ListenOptions, Transport
from protocol.transports.emulation.transport import ShapedTransport
from protocol.transports.memory import memory_pair
from protocol.wire.encoding import encode_packet
from protocol.wire.packets import Data, Ping
from tests.support.brokers import MOSQUITTO, mosquitto

#: Real time that something may take which should take next to none, in seconds.
PATIENCE = 120.0


#: What a peer says first. A broker tells of a peer by the first packet that is not of a picture.
GREETING = encode_packet(Ping(value=1))


def packet(number: int, size: int = 40) -> bytes:
    """A packet of a picture, all different; below 20 bytes something that is none."""
    if size < 20:
        return bytes([8]) * size
    empty = len(encode_packet(Data(pn=number + 1, image=1, section=0, fragment=number % 2048, payload=b"x"))) - 1
    for overhead in range(empty, empty + 3):
        data = Data(pn=number + 1, image=1, section=0, fragment=number % 2048, payload=b"x" * (size - overhead))
        encoded = encode_packet(data, limit=2000)
        if len(encoded) == size:
            return encoded
    raise AssertionError("no packet of this size")


class Station(ABC):
    """One who waits for peers."""

    def __init__(self) -> None:
        self.accepted: asyncio.Queue[Transport] = asyncio.Queue()

    @abstractmethod
    async def dial(self) -> Transport:
        """A new peer's end."""

    async def pair(self) -> tuple[Transport, Transport]:
        """A new peer's end, and ours to it, after its greeting."""
        async with asyncio.timeout(PATIENCE):
            ours = await self.dial()
            theirs = None
            while theirs is None:
                await ours.send(GREETING)
                with contextlib.suppress(TimeoutError):
                    theirs = await asyncio.wait_for(self.accepted.get(), 1.0)
            while await theirs.recv() != GREETING:
                pass
            return ours, theirs


class MemoryStation(Station):
    """Both ends in this process."""

    def __init__(self, link: LinkProfile, **options: float) -> None:
        super().__init__()
        self._link = link
        self._options = options
        self._made = 0

    async def dial(self) -> Transport:
        self._made += 1
        ours, theirs = memory_pair(self._link, seed=self._made, **self._options)
        self.accepted.put_nowait(theirs)
        return ours


class AddressStation(Station):
    """A listener at an address."""

    def __init__(self, url: str, dialling: DialOptions, wrap: Callable[[Transport], Transport]) -> None:
        super().__init__()
        self.url = url
        self._dialling = dialling
        self._wrap = wrap

    async def dial(self) -> Transport:
        return self._wrap(await open_transport(self.url, self._dialling))


@contextlib.asynccontextmanager
async def at_address(
    url: str,
    *,
    listening: ListenOptions | None = None,
    dialling: DialOptions | None = None,
    wrap: Callable[[Transport], Transport] = lambda transport: transport,
) -> AsyncIterator[AddressStation]:
    """A listener at an address, whose handlers wait for the end of their peer or of the test."""
    leave = asyncio.Event()

    async def handle(transport: Transport) -> None:
        station.accepted.put_nowait(transport)
        await leave.wait()

    station = AddressStation(url, dialling or DialOptions(), wrap)
    listener = await open_listener(url, handle, listening)
    station.url = listener.url
    try:
        yield station
    finally:
        leave.set()
        await listener.close()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of transport, and what it promises."""

    name: str
    open: Callable[[Path], AbstractAsyncContextManager[Station]]
    reliable: bool = True
    ordered: bool = True


@contextlib.asynccontextmanager
async def memory(_: Path) -> AsyncIterator[Station]:
    """A perfect link."""
    yield MemoryStation(LINKS["fast"])


@contextlib.asynccontextmanager
async def bad_memory(_: Path) -> AsyncIterator[Station]:
    """A link that loses, repeats and shuffles."""
    yield MemoryStation(LinkProfile(name="bad", rate=0, loss=0.1), duplicate=0.1, jitter=0.002)


@contextlib.asynccontextmanager
async def websocket(_: Path) -> AsyncIterator[Station]:
    """WebSockets on this machine."""
    async with at_address("ws://127.0.0.1:0") as station:
        yield station


@contextlib.asynccontextmanager
async def secure_websocket(folder: Path) -> AsyncIterator[Station]:
    """The same with TLS."""
    shown, trusted = certificate(folder)
    async with at_address(
        "wss://127.0.0.1:0", listening=ListenOptions(ssl=shown), dialling=DialOptions(ssl=trusted)
    ) as station:
        yield station


@contextlib.asynccontextmanager
async def shaped_websocket(_: Path) -> AsyncIterator[Station]:
    """WebSockets through a link that takes a few milliseconds."""

    def shape(transport: Transport) -> Transport:
        return ShapedTransport(transport, LinkProfile(name="x", rate=8e6, delay=0.003))

    async with at_address("ws://127.0.0.1:0", wrap=shape) as station:
        yield station


@contextlib.asynccontextmanager
async def webrtc(_: Path) -> AsyncIterator[Station]:
    """Data channels from this machine to itself."""
    async with at_address("webrtc+http://127.0.0.1:0") as station:
        yield station


@contextlib.asynccontextmanager
async def through_broker(folder: Path) -> AsyncIterator[Station]:
    """Through a broker that keeps the pictures."""
    with mosquitto(folder) as broker:
        async with at_address(f"mqtt://127.0.0.1:{broker.port}/garden") as station:
            yield station


KINDS = (
    Kind("memory", memory),
    Kind("bad memory", bad_memory, reliable=False, ordered=False),
    Kind("websocket", websocket),
    Kind("secure websocket", secure_websocket),
    Kind("shaped websocket", shaped_websocket),
    Kind("webrtc", webrtc, reliable=False, ordered=False),
    Kind("mqtt", through_broker, reliable=False, ordered=False),
)


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A new certificate for 127.0.0.1: to show it, and to trust it."""
    key, made = folder / "key.pem", folder / "certificate.pem"
    if not made.exists():
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "2", "-subj", "/CN=loopback", "-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run([*command, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    shown = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    shown.load_cert_chain(made, key)
    return shown, ssl.create_default_context(cafile=str(made))


def missing(kind: Kind) -> str | None:
    """Why a kind cannot be tried here; None if it can."""
    if kind.name == "mqtt" and MOSQUITTO is None:
        return "mosquitto is not installed"
    if kind.name == "secure websocket" and shutil.which("openssl") is None:
        return "makes a certificate with openssl"
    if kind.name == "webrtc" and not _has_network():
        return "this machine has no network address besides its own"
    return None


def _has_network() -> bool:
    import ifaddr

    addresses = {str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4}
    return bool(addresses - {"127.0.0.1"})


def kinds(**promises: bool) -> pytest.MarkDecorator:
    """Parametrise `kind` over the kinds that promise what is named."""
    chosen = [kind for kind in KINDS if all(getattr(kind, name) == value for name, value in promises.items())]
    marks = [
        pytest.param(kind, id=kind.name, marks=[pytest.mark.skip(reason=reason)] if (reason := missing(kind)) else [])
        for kind in chosen
    ]
    return pytest.mark.parametrize("kind", marks)
