"""The seam between the protocol and whatever carries its packets."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable


class Transport(ABC):
    """Carries whole packets to one peer and back.

    Attributes:
        mtu: the largest packet, in bytes.
        reliable: whether every packet arrives while the transport lives.
        ordered: whether packets arrive in the order they left.
        rate_hint: the link's rate, in bit/s; 0 if unknown.
        peer: the far side's network address, for logs and for limits per address.
    """

    mtu: int
    reliable: bool
    ordered: bool
    rate_hint: float
    peer: str

    @abstractmethod
    async def send(self, packet: bytes) -> None:
        """Hand over one packet. May wait while the link's buffer is full.

        Raises:
            DisconnectedError: the transport is gone.
        """

    @abstractmethod
    async def recv(self) -> bytes:
        """The next packet.

        Raises:
            DisconnectedError: the transport is gone, and everything that came was handed out.
        """

    @abstractmethod
    async def close(self, code: int = 0) -> None:
        """Let go of the link; `code` tells the far side why, where the link can tell. May be called twice."""


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
