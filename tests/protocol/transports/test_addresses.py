"""Addresses: taken apart, shown without their secrets, and led to the right transport."""

import sys

import pytest

from layercast_common.errors import MissingExtraError, UsageError
from layercast_common.urls import Address, parse_address, public_url
from protocol.transports.addresses import SCHEMES, open_listener, open_transport
from protocol.wire.peek import leading_numbers

PORTS = {"mqtt": 1883, "mqtts": 8883}


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "user", "password"),
    [
        ("mqtt://broker.example/garden", "broker.example", 1883, "/garden", None, None),
        ("mqtts://broker.example", "broker.example", 8883, "", None, None),
        ("mqtt://ann:p%40ss@[::1]:99/a", "::1", 99, "/a", "ann", "p@ss"),
        ("mqtt://ann@h/a", "h", 1883, "/a", "ann", None),
        ("mqtt://h:0/a", "h", 0, "/a", None, None),
    ],
)
def test_parts(url: str, host: str, port: int, path: str, user: str | None, password: str | None) -> None:
    address = parse_address(url, PORTS, "mqtt://h/s")
    assert (address.host, address.port, address.path) == (host, port, path)
    assert (address.user, address.password) == (user, password)


def test_queries() -> None:
    address = parse_address("mqtt://h/s?watch&keep=3", PORTS, "")
    assert address.query == {"watch": "", "keep": "3"}
    assert address.public == "mqtt://h:1883/s?watch&keep=3"


@pytest.mark.parametrize(
    "url", ["", "h/s", "mqtt:/h/s", "ws://h/s", "mqtt://", "mqtt://h:x/s", "mqtt://h:70000/s", "mqtt://["]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UsageError, match="is not an address; give one like mqtt://h/s"):
        parse_address(url, PORTS, "mqtt://h/s")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mqtt://ann:secret@h:1/s", "mqtt://ann@h:1/s"),
        ("mqtt://:secret@h/s", "mqtt://@h/s"),
        ("mqtt://ann:se:cr@et@h/s", "mqtt://ann@h/s"),
        ("ws://h:1", "ws://h:1"),
        ("ws://ann:secret@", "ws://ann@"),
        ("nonsense", "nonsense"),
    ],
)
def test_nothing_secret_is_shown(url: str, shown: str) -> None:
    assert public_url(url) == shown
    with pytest.raises(UsageError) as caught:
        parse_address(url.replace("mqtt", "http"), PORTS, "x")
    assert "secret" not in str(caught.value)


def test_an_address_is_shown_whole() -> None:
    address = parse_address("mqtt://ann:secret@[::1]/s", PORTS, "")
    assert address.public == "mqtt://ann@[::1]:1883/s"


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("192.0.2.1", False), ("h", False)]
)
def test_loopback(host: str, loopback: bool) -> None:
    address = Address(scheme="ws", host=host, port=1, path="", query={}, user=None, password=None)
    assert address.is_loopback is loopback


@pytest.mark.parametrize("url", ["http://h", "ws", "carrier-pigeon://h", ""])
async def test_unknown_schemes(url: str) -> None:
    known = "the schemes are ws://, wss://, webrtc\\+http://, webrtc\\+https://, mqtt://, mqtts://"
    with pytest.raises(UsageError, match=f"is not an address that layercast supports; {known}"):
        await open_transport(url)
    with pytest.raises(UsageError, match=known):
        await open_listener(url, print)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scheme", "module", "library", "extra"),
    [
        ("webrtc+http", "protocol.transports.webrtc", "aiortc", "webrtc"),
        ("mqtts", "protocol.transports.mqtt", "aiomqtt", "mqtt"),
    ],
)
async def test_a_missing_library_is_named(
    scheme: str, module: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scheme in SCHEMES
    for name in [name for name in sys.modules if name.startswith(module)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"{scheme.replace('+', '.')}:// needs the '{extra}' extra"):
        await open_transport(f"{scheme}://127.0.0.1/x")


@pytest.mark.parametrize(
    ("packet", "numbers"),
    [
        (bytes([0x96, 0, 5, 1, 2, 3, 0xC4, 1, 0]), (0, 5, 1, 2, 3)),
        (bytes([0x92, 0x20, 0xCD, 1, 0]), (32, 256)),
        (bytes([0x93, 0xCC, 200, 0xCE, 0, 0, 0, 9, 0xCF, *bytes(7), 7]), (200, 9, 7)),
        (bytes([0x93, 1, 0xC4, 1, 1]), (1,)),
        (bytes([0x92, 1, 0xFF]), (1,)),
        (bytes([0x91]), ()),
        (bytes([0xDC, 0, 1, 5]), ()),
        (b"", ()),
        (b"text", ()),
    ],
)
def test_what_stands_in_front(packet: bytes, numbers: tuple[int, ...]) -> None:
    assert leading_numbers(packet, 5) == numbers
