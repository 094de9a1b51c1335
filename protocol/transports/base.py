"""The interface between the protocol and the transports that carry its packets."""

import ssl as tls
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from layercast_common.errors import LocalProtocolError
from layercast_common.urls import Address, bracketed


class Transport(ABC):
    """Carries whole packets to one peer and back.

    Attributes:
        mtu: the largest packet, in bytes.
        reliable: whether every packet arrives while the transport is open.
        ordered: whether packets arrive in the order of sending.
        overhead: the cost of a packet on the link in addition to its own bytes, both ways, in bytes; 0 if the link
            carries packets without framing.
        one_way: whether this end only sends, or only receives.
        stream_id: the sender's id if the transport knows it; else empty.
        rate_hint: the link's rate, in bit/s; 0 if unknown.
        peer: the peer's network address, for logs and for limits per address.
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
        """Send one packet. May block while the link's buffer is full.

        Raises:
            DisconnectedError: the transport is closed.
            LocalProtocolError: the packet is larger than `mtu`.
        """

    @property
    def backlog(self) -> int:
        """Bytes accepted by `send` and not yet delivered, as far as the transport can measure; 0 if it cannot."""
        return 0

    @abstractmethod
    async def recv(self) -> bytes:
        """Return the next packet. Cancellation loses no packet.

        Raises:
            DisconnectedError: the transport is closed, and every received packet was returned.
        """

    @abstractmethod
    async def close(self, code: int = 0) -> None:
        """Close the link. May be called twice.

        Args:
            code: the reason, transmitted to the peer if the link supports it.
        """

    def check_size(self, packet: bytes) -> None:
        """Check that the link can carry a packet.

        Raises:
            LocalProtocolError: the packet is larger than `mtu`.
        """
        if len(packet) > self.mtu:
            raise LocalProtocolError(f"a packet of {len(packet)} bytes; the link to {self.peer} takes {self.mtu}")


#: Serves one new peer; the listener closes the transport when it returns.
Handler = Callable[[Transport], Awaitable[None]]


class Listener(ABC):
    """Accepts peers.

    Attributes:
        url: the address for peers, with the actual port.
    """

    url: str

    @abstractmethod
    async def close(self) -> None:
        """Stop listening, close all transports, and wait for the handlers to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialOptions:
    """How to connect.

    Attributes:
        ssl: for secure schemes, the trusted certificates; the system's if None.
        token: the token, for transports that check it before the protocol's handshake.
        ice_servers: STUN and TURN servers for WebRTC, as URLs; none by default, which suffices within one network.
        proxy: whether WebSockets to other machines go through the proxy that the environment or the system names.
    """

    ssl: tls.SSLContext | None = None
    token: str = ""
    ice_servers: tuple[str, ...] = ()
    proxy: bool = True


async def admit_any_token(_address: str, _token: str) -> bool:
    """Return True: only the protocol's handshake checks the token."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenOptions:
    """How to accept peers.

    Attributes:
        ssl: for secure schemes that bind a port, the server's certificate.
        trust: for connections to a broker, the trusted certificates; the system's if None.
        origins: the web pages that may connect from a browser, like `https://example.org`. Other programs may always
            connect: only a browser acts for a page that its user did not choose.
        admits: returns whether a token from a network address may connect, for transports that check it before the
            protocol's handshake.
        ice_servers: as in `DialOptions`.
        connections, connections_per_address: peers at a time. Transports that bind a port accept some more for
            handshakes, and fewer if the process may not open enough descriptors.
        on_failure: called once if the listener stops because of an unexpected error, which is logged.
    """

    ssl: tls.SSLContext | None = None
    trust: tls.SSLContext | None = None
    origins: tuple[str, ...] = ()
    admits: Callable[[str, str], Awaitable[bool]] = admit_any_token
    ice_servers: tuple[str, ...] = ()
    connections: int = 256
    connections_per_address: int = 16
    on_failure: Callable[[Exception], None] | None = None


def listen_refusal(address: Address, reason: str) -> str:
    """Return the error text for an address that cannot be listened on."""
    host = bracketed(address.host)
    return (
        f"cannot listen on port {address.port} of {address.host} ({reason}); "
        f"take another, or any free one: {address.scheme}://{host}:0"
    )
