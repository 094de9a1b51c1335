"""The sender's side of the handshake: HELLO and the handling of WELCOME."""

from dataclasses import dataclass

from layercast_common.errors import LocalProtocolError, RemoteProtocolError
from protocol.recovery.path import PathOptions
from protocol.wire.codes import VERSIONS, Code, Role
from protocol.wire.limits import MAX_ID, MAX_TOKEN
from protocol.wire.packets import Hello, Welcome
from protocol.wire.seals import EitherSeal, Seal, Sealing

#: How long to wait for WELCOME before repeating HELLO on a lossy link, in seconds; doubles every time.
HELLO_TIMEOUT = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderCredentials:
    """How a sender identifies itself in HELLO.

    Attributes:
        stream_id: an id of the sender that outlives its connections, at most 16 bytes; empty for none.
        epoch: distinguishes numberings of the sender's pictures.
        token: the token that the receiver expects, at most 256 characters; empty for none.

    Raises:
        LocalProtocolError: the id or the token is too long.
    """

    stream_id: bytes = b""
    epoch: int = 0
    token: str = ""

    def __post_init__(self) -> None:
        if len(self.stream_id) > MAX_ID or len(self.token) > MAX_TOKEN:
            raise LocalProtocolError(f"a stream id has at most {MAX_ID} bytes, a token at most {MAX_TOKEN} characters")


class SenderHandshake:
    """The handshakes of one sender, over successive transports.

    Args:
        credentials: how the sender identifies itself.
        key: seals the packets.

    Attributes:
        session: the receiver's id of the session; empty before the first WELCOME.
        answered: whether WELCOME arrived over this transport.
        sent_at: when HELLO was last sent, in seconds.
        seal, peer_seal: the seals of our packets and of the receiver's, at this stage of the handshake.
    """

    seal: Seal
    peer_seal: Seal

    def __init__(self, credentials: SenderCredentials, key: Sealing) -> None:
        self.session = b""
        self.answered = False
        self.sent_at = 0.0
        self._credentials = credentials
        self._key = key
        self._attempts = 0

    def start(self, path: PathOptions) -> None:
        """Start a new handshake over another transport."""
        nonce = self._key.nonce()
        self.seal = self._key.broadcast() if path.one_way else self._key.hello()
        self.peer_seal = self._key.welcome(nonce)
        self.answered = False
        self._attempts = 0
        self._hello = Hello(
            versions=VERSIONS,
            role=Role.SENDER,
            stream=self._credentials.stream_id,
            epoch=self._credentials.epoch,
            rate=min(round(path.rate), 0xFFFF_FFFF),
            token=self._credentials.token,
            max_packet=path.mtu,
            resume=self.session,
            nonce=nonce,
        )

    def hello(self, now: float) -> Hello:
        """Return HELLO, and record that it is sent now."""
        self._attempts += 1
        self.sent_at = now
        return self._hello

    def retry_at(self) -> float:
        """Return when to repeat HELLO on a lossy link if no answer arrives, in seconds."""
        return self.sent_at + HELLO_TIMEOUT * 2.0 ** min(self._attempts - 1, 5)

    def on_welcome(self, welcome: Welcome, now: float) -> float | None:
        """Process WELCOME; return the round trip in seconds, or None if it is ambiguous.

        Raises:
            RemoteProtocolError: the receiver chose an unsupported version.
        """
        if not 1 <= welcome.version <= VERSIONS.bit_length() or not VERSIONS >> welcome.version - 1 & 1:
            raise RemoteProtocolError("the peer chose an unsupported protocol version", Code.VERSION)
        nonces = self._hello.nonce, welcome.nonce
        self.seal = self._key.session(*nonces, Role.SENDER)
        # A repeated HELLO is answered by another WELCOME.
        self.peer_seal = EitherSeal(self._key.session(*nonces, Role.RECEIVER), self.peer_seal)
        self.answered = True
        self.session = welcome.session
        # WELCOME does not say which of several HELLO packets it answers (Karn's algorithm).
        return now - self.sent_at if self._attempts == 1 else None
