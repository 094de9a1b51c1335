"""The seam between the protocol and whatever carries its packets."""

import ssl as tls
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from layercast_common.errors import LocalProtocolError


class Transport(ABC):
    """Carries whole packets to one peer and back.

    Attributes:
        mtu: the largest packet, in bytes.
        reliable: whether every packet arrives while the transport lives.
        ordered: whether packets arrive in the order they left.
        overhead: what a packet costs on the link beside itself, in bytes, both ways; 0 where packets are what the link
            carries.
        one_way: whether this end only ever sends, or only ever receives.
        stream: who sends, where the transport itself knows; empty otherwise.
        rate_hint: the link's rate, in bit/s; 0 if unknown.
        peer: the far side's network address, for logs and for limits per address.
    """

    mtu: int
    reliable: bool
    ordered: bool
    overhead: int = 0
    one_way: bool = False
    stream_id: bytes = b""
    rate_hint: float
    peer: str

    @abstractmethod
    async def send(self, packet: bytes) -> None:
        """Hand over one packet. May wait while the link's buffer is full.

        Raises:
            DisconnectedError: the transport is gone.
            LocalProtocolError: the packet is larger than `mtu`.
        """

    @property
    def backlog(self) -> int:
        """Bytes that were handed over and are still here or on their way, as far as can be told; 0 if it cannot."""
        return 0

    @abstractmethod
    async def recv(self) -> bytes:
        """The next packet. Cancelling loses none.

        Raises:
            DisconnectedError: the transport is gone, and everything that came was handed out.
        """

    @abstractmethod
    async def close(self, code: int = 0) -> None:
        """Let go of the link; `code` tells the far side why, where the link can tell. May be called twice."""

    def check_size(self, packet: bytes) -> None:
        """Refuse a packet that the link does not take.

        Raises:
            LocalProtocolError: it is larger than `mtu`.
        """
        if len(packet) > self.mtu:
            raise LocalProtocolError(f"a packet of {len(packet)} bytes; the link to {self.peer} takes {self.mtu}")


#: What a listener does with each new peer; the transport is closed when it returns.
Handler = Callable[[Transport], Awaitable[None]]


class Listener(ABC):
    """Waits for peers.

    Attributes:
        url: where peers reach it; with the port that was really bound.
    """

    url: str

    @abstractmethod
    async def close(self) -> None:
        """Stop listening, close what is open, and wait for the handlers to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialOptions:
    """How to connect.

    Attributes:
        ssl: for secure schemes, which certificates to trust; the system's if None.
        token: what the far side wants to hear before it opens a way, where it asks that early.
        ice_servers: STUN and TURN servers for WebRTC, as URLs; none by default, which is right within one network.
    """

    ssl: tls.SSLContext | None = None
    token: str = ""
    ice_servers: tuple[str, ...] = ()


def anyone(_token: str) -> bool:
    """Admit every token; the protocol itself still asks for the right one."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenOptions:
    """How to wait for peers.

    Attributes:
        ssl: for secure schemes that bind a port, the certificate to show.
        trust: towards a broker, which certificates to trust; the system's if None.
        origins: the web pages that may connect from a browser, like `https://example.org`. Programs that are no
            browsers always may: only a browser acts on behalf of a page that its user did not choose.
        admits: whether a token may open a way, asked where that comes before the protocol's own greeting.
        ice_servers: as in `DialOptions`.
    """

    ssl: tls.SSLContext | None = None
    trust: tls.SSLContext | None = None
    origins: tuple[str, ...] = ()
    admits: Callable[[str], bool] = anyone
    ice_servers: tuple[str, ...] = ()
