"""An emulated link whose inner transport fails: the owner notices, and the log says why."""

import asyncio

import pytest

from layercast_common.errors import DisconnectedError
from protocol.link_profiles import LINKS
from protocol.transports.base import Transport
from protocol.transports.emulation.transport import ShapedTransport


class BrokenTransport(Transport):
    """A transport with a bug in one of its methods."""

    mtu = 1400
    reliable = True
    ordered = True
    rate_hint = 0.0
    peer = "broken"

    def __init__(self, *, broken: str) -> None:
        self._broken = broken
        self.closed = False

    async def send(self, packet: bytes) -> None:
        if self._broken == "send":
            raise RuntimeError("a bug")

    async def recv(self) -> bytes:
        if self._broken == "recv":
            raise RuntimeError("a bug")
        await asyncio.Event().wait()
        return b""

    async def close(self, code: int = 0) -> None:
        self.closed = True


@pytest.mark.parametrize("broken", ["send", "recv"])
async def test_a_pump_that_fails_closes_the_link(broken: str, caplog: pytest.LogCaptureFixture) -> None:
    inner = BrokenTransport(broken=broken)
    shaped = ShapedTransport(inner, LINKS["fast"])
    if broken == "send":
        await shaped.send(b"packet")
    async with asyncio.timeout(10.0):
        with pytest.raises(DisconnectedError):
            await shaped.recv()
    with pytest.raises(DisconnectedError):
        await shaped.send(b"packet")
    assert "the emulated link to broken failed" in caplog.text
    assert "RuntimeError: a bug" in caplog.text
    await shaped.close()
    assert inner.closed
