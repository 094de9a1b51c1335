"""The receiver's side of the handshake: the decision on HELLO, the choice of the session, and the answer."""

from collections.abc import Callable

from layercast_common.errors import LocalProtocolError, RemoteProtocolError
from protocol.receiving.options import ReceiverOptions
from protocol.receiving.reassembly import Reassembly
from protocol.receiving.sessions import Session
from protocol.wire.codes import VERSIONS, Code, Role
from protocol.wire.encoding import encode_packet
from protocol.wire.fields import Have
from protocol.wire.limits import MAX_HELD
from protocol.wire.packets import Err, Hello, Packet, Resume, Welcome
from protocol.wire.seals import UNKEYED, EitherSeal, Seal


class ReceiverHandshake:
    """The session of one connection, from HELLO on.

    Args:
        options: the receiver's policy.
        session_id: the id of a new session, at most 16 bytes.
        stream_id: the sender's id, as far as the transport provides it.
        on_replaced: called when another connection takes over the session.

    Attributes:
        session: the session; an empty one before HELLO.
        hello: the sender's HELLO once it is accepted, else None.
    """

    def __init__(
        self, options: ReceiverOptions, *, session_id: bytes, stream_id: bytes, on_replaced: Callable[[], None]
    ) -> None:
        self._options = options
        self._session_id = session_id
        self._on_replaced = on_replaced
        self._key = options.key or UNKEYED
        self._nonce = self._key.nonce()
        self._resumes = False
        self._claimed = False
        self.hello: Hello | None = None
        self.session = self._new_session(stream_id, 0, 0)

    def on_hello(self, hello: Hello, now: float) -> None:
        """Accept a sender, and find its session or create one.

        Raises:
            RemoteProtocolError: the sender is refused.
        """
        if hello.role != Role.SENDER:
            raise RemoteProtocolError("the peer is a receiver, too", Code.ROLE)
        if not hello.versions & VERSIONS:
            raise RemoteProtocolError("the peer supports no protocol version that we support", Code.VERSION)
        refusal = None if self._options.admit is None else self._options.admit(hello)
        if refusal is not None:
            raise RemoteProtocolError(f"the sender is refused: {refusal.text}", refusal)
        self.hello = hello
        known = self._options.sessions.find(hello, now)
        self._resumes = known is not None
        self.session = known or self._new_session(hello.stream, hello.epoch, hello.rate)
        if not self._key.proves:
            self.claim()

    def claim(self) -> None:
        """Take ownership of the session. With a shared key, only after a packet proves that HELLO was no replay."""
        if self._claimed or self.hello is None:
            return
        self._claimed = True
        if self._resumes:
            self.session.reassembly.reconnect(self.hello.rate)
        self._options.sessions.assign(self.session, self._lose_session)

    def on_broadcast_hello(self, hello: Hello) -> Session | None:
        """Record the sender of a broadcast; return the previous session if the sender changed, else None."""
        before, reassembly = self.session, self.session.reassembly
        reassembly.rate = hello.rate
        if (reassembly.stream_id or hello.stream, reassembly.epoch) == (hello.stream, hello.epoch):
            reassembly.stream_id = hello.stream
            return None
        self.session = self._new_session(hello.stream, hello.epoch, hello.rate)
        return before

    def welcome(self, mtu: int, keepalive: int) -> Welcome:
        """Return the answer to HELLO.

        Args:
            mtu: the largest packet that this side accepts, in bytes.
            keepalive: idle time after which the sender should send PING, in seconds.
        """
        assert self.hello is not None
        return Welcome(
            version=(self.hello.versions & VERSIONS).bit_length(),
            session=self.session.id,
            resume_ttl=self._options.sessions.seconds,
            keepalive=keepalive,
            max_packet=mtu,
            nonce=self._nonce,
        )

    def seals(self) -> tuple[Seal, Seal]:
        """Return the seals of our packets and of the sender's after WELCOME; the sender may repeat HELLO."""
        assert self.hello is not None
        nonces = self.hello.nonce, self._nonce
        peer_seal = EitherSeal(self._key.session(*nonces, Role.SENDER), self._key.hello())
        return self._key.session(*nonces, Role.RECEIVER), peer_seal

    def session_reply(self, mtu: int, seal: Seal) -> Resume | Err | None:
        """Return the packet after WELCOME: RESUME for a known session, ERR for an unknown one, None for a new one."""
        if self._resumes:
            return self._resume(mtu, seal)
        return Err(code=Code.UNKNOWN_SESSION) if self.hello is not None and self.hello.resume else None

    def suspend(self, now: float) -> bool:
        """Keep the session without a transport; return False if it cannot be kept."""
        if not self._claimed or not self._options.sessions.seconds:
            return False
        self._options.sessions.suspend(self.session, now)
        return True

    def end(self) -> None:
        """Give up the session for good."""
        if self._claimed:
            self._options.sessions.remove(self.session)
        elif self._resumes:
            # Another connection still owns the session that HELLO named.
            self.session = self._new_session(b"", 0, 0)

    def _lose_session(self) -> None:
        self.session = self._new_session(b"", 0, 0)
        self._claimed = self._resumes = False
        self._on_replaced()

    def _new_session(self, stream_id: bytes, epoch: int, rate: int) -> Session:
        reassembly = Reassembly(
            session=self._session_id.hex(),
            limits=self._options.limits,
            rate=rate,
            stream_id=stream_id,
            epoch=epoch,
            held=self._options.held,
        )
        return Session(self._session_id, reassembly)

    def _resume(self, mtu: int, seal: Seal) -> Resume:
        """Return as much of the data held as fits into one packet; the sender retransmits the rest."""
        have: list[Have] = []
        for row in self.session.reassembly.have():
            if len(have) >= MAX_HELD or not _fits(Resume(have=(*have, row)), mtu, seal):
                break
            have.append(row)
        return Resume(have=tuple(have))


def _fits(packet: Packet, mtu: int, seal: Seal) -> bool:
    try:
        encode_packet(packet, limit=mtu, seal=seal)
    except LocalProtocolError:
        return False
    return True
