"""How a sender greets: who it says that it is, and what it makes of the answer."""

from layercast_common.errors import RemoteProtocolError
from protocol.wire.codes import VERSIONS, Code, Role
from protocol.wire.packets import Hello, Welcome
from protocol.wire.seals import EitherSeal, Seal, Sealing

#: How long to wait for WELCOME before greeting again over a link that loses packets, in seconds; doubles every time.
GREETING_WAIT = 3.0


class SenderHandshake:
    """A sender's greetings, over one transport after the other.

    Args:
        stream, epoch, token: as in HELLO.
        key: how packets are sealed.
        one_way: whether nobody will answer.

    Attributes:
        session: the receiver's id of the session; empty before the first WELCOME.
        answered: whether the receiver has answered over this transport.
        seal, peer_seal: those of our packets and of the receiver's, now.
        last_at: when we greeted last, in seconds.
    """

    seal: Seal
    peer_seal: Seal

    def __init__(self, *, stream: bytes, epoch: int, token: str, key: Sealing, one_way: bool) -> None:
        self.session = b""
        self.answered = False
        self.last_at = 0.0
        self._stream = stream
        self._epoch = epoch
        self._token = token
        self._key = key
        self._one_way = one_way
        self._times = 0

    def begin(self, *, mtu: int, rate: float) -> None:
        """Begin anew, over another transport: its largest packet in bytes, its rate in bit/s."""
        nonce = self._key.nonce()
        self.seal = self._key.broadcast() if self._one_way else self._key.hello()
        self.peer_seal = self._key.welcome(nonce)
        self.answered = False
        self._times = 0
        self._hello = Hello(
            versions=VERSIONS,
            role=Role.SENDER,
            stream=self._stream,
            epoch=self._epoch,
            rate=min(round(rate), 0xFFFF_FFFF),
            token=self._token,
            max_packet=mtu,
            resume=self.session,
            nonce=nonce,
        )

    def say(self, now: float) -> Hello:
        """The greeting, for the first time or again."""
        self._times += 1
        self.last_at = now
        return self._hello

    def again_at(self) -> float:
        """When to greet again if there is no answer and packets get lost, in seconds."""
        return self.last_at + GREETING_WAIT * 2.0 ** min(self._times - 1, 5)

    def hear(self, welcome: Welcome, now: float) -> float | None:
        """Take the answer; gives the round trip in seconds, if it can be told.

        Raises:
            RemoteProtocolError: the receiver chose a version that we do not speak.
        """
        if not 1 <= welcome.version <= VERSIONS.bit_length() or not VERSIONS >> welcome.version - 1 & 1:
            raise RemoteProtocolError("the peer chose a version that we do not speak", Code.VERSION)
        nonces = self._hello.nonce, welcome.nonce
        self.seal = self._key.session(*nonces, Role.SENDER)
        # A greeting that was repeated is answered again.
        self.peer_seal = EitherSeal(self._key.session(*nonces, Role.RECEIVER), self.peer_seal)
        self.answered = True
        self.session = welcome.session
        # After a repeated greeting nobody knows which one this answers (Karn's rule).
        return now - self.last_at if self._times == 1 else None
