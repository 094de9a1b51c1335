"""How a receiver answers a greeting: whom it lets in, under which session, and what it says that it holds."""

from collections.abc import Callable

from layercast_common.errors import LocalProtocolError, RemoteProtocolError
from protocol.receiving.reassembly import Held, Reassembly
from protocol.receiving.sessions import Session, Sessions
from protocol.wire.codes import VERSIONS, Code, Role
from protocol.wire.encoding import encode_packet
from protocol.wire.fields import Have
from protocol.wire.limits import MAX_HELD, Limits
from protocol.wire.packets import Err, Hello, Packet, Resume, Welcome
from protocol.wire.seals import EitherSeal, Seal, Sealing
from protocol.wire.tokens import Admit


class ReceiverHandshake:
    """One connection's session, from the greeting on.

    Args:
        id: what a new session is to be called.
        stream: who sends, as far as that is known.
        admit: whom to let in.
        limits: what the sender may make us hold.
        held: which pictures the application has already.
        sessions: where sessions are kept.
        key: how packets are sealed.
        replaced: called when another connection takes the session over.

    Attributes:
        session: the session; before the greeting, an empty one.
        hello: the sender's greeting, once it was accepted.
    """

    def __init__(
        self,
        *,
        id: bytes,  # noqa: A002 - the wire's name for it
        stream: bytes,
        admit: Admit,
        limits: Limits,
        held: Held,
        sessions: Sessions,
        key: Sealing,
        replaced: Callable[[], None],
    ) -> None:
        self._id = id
        self._admit = admit
        self._limits = limits
        self._held = held
        self._sessions = sessions
        self._key = key
        self._replaced = replaced
        self._nonce = key.nonce()
        self._resumes = False
        self._claimed = False
        self.hello: Hello | None = None
        self.session = self._new_session(stream, 0, 0)

    def accept(self, hello: Hello, now: float) -> None:
        """Let a sender in, to the session that it has here, or to a new one.

        Raises:
            RemoteProtocolError: it is not let in.
        """
        if hello.role != Role.SENDER:
            raise RemoteProtocolError("the peer wants to receive, too", Code.ROLE)
        if not hello.versions & VERSIONS:
            raise RemoteProtocolError("the peer speaks no version that we do", Code.VERSION)
        refusal = self._admit(hello)
        if refusal is not None:
            raise RemoteProtocolError(f"the peer is not let in: {refusal.text}", refusal)
        self.hello = hello
        known = self._sessions.find(hello, now)
        self._resumes = known is not None
        self.session = known or self._new_session(hello.stream, hello.epoch, hello.rate)
        if not self._key.proves:
            self.claim()

    def claim(self) -> None:
        """Take hold of the session. Under a key, only when the peer has shown that its greeting was no recorded one."""
        if self._claimed or self.hello is None:
            return
        self._claimed = True
        if self._resumes:
            self.session.reassembly.reconnect(self.hello.rate)
        self._sessions.take(self.session, self._lose)

    def listen(self, hello: Hello) -> Session | None:
        """Note who a broadcast is from; gives the session that ends if it is another sender than before."""
        before, reassembly = self.session, self.session.reassembly
        reassembly.rate = hello.rate
        if (reassembly.stream or hello.stream, reassembly.epoch) == (hello.stream, hello.epoch):
            reassembly.stream = hello.stream
            return None
        self.session = self._new_session(hello.stream, hello.epoch, hello.rate)
        return before

    def welcome(self, mtu: int, keepalive: int) -> Welcome:
        """The answer to the greeting."""
        assert self.hello is not None
        return Welcome(
            version=(self.hello.versions & VERSIONS).bit_length(),
            session=self.session.id,
            resume_ttl=self._sessions.seconds,
            keepalive=keepalive,
            max_packet=mtu,
            nonce=self._nonce,
        )

    def seals(self) -> tuple[Seal, Seal]:
        """How our packets are sealed from WELCOME on, and how the sender's are; its greeting may come again."""
        assert self.hello is not None
        nonces = self.hello.nonce, self._nonce
        theirs = EitherSeal(self._key.session(*nonces, Role.SENDER), self._key.hello())
        return self._key.session(*nonces, Role.RECEIVER), theirs

    def word(self, mtu: int, seal: Seal) -> Resume | Err | None:
        """What follows WELCOME: what we hold, that we do not know the session, or nothing."""
        if self._resumes:
            return self._resume(mtu, seal)
        return Err(code=Code.UNKNOWN_SESSION) if self.hello is not None and self.hello.resume else None

    def leave(self, now: float) -> bool:
        """Let go of the session as the transport is gone; false if it is not kept."""
        if not self._claimed or not self._sessions.seconds:
            return False
        self._sessions.leave(self.session, now)
        return True

    def end(self) -> None:
        """Let go of the session for good."""
        if self._claimed:
            self._sessions.end(self.session)
        elif self._resumes:
            # It was found, and never taken from whoever has it.
            self.session = self._new_session(b"", 0, 0)

    def _lose(self) -> None:
        self.session = self._new_session(b"", 0, 0)
        self._claimed = self._resumes = False
        self._replaced()

    def _new_session(self, stream: bytes, epoch: int, rate: int) -> Session:
        name, held = self._id.hex(), self._held
        reassembly = Reassembly(session=name, limits=self._limits, rate=rate, stream=stream, epoch=epoch, held=held)
        return Session(self._id, reassembly)

    def _resume(self, mtu: int, seal: Seal) -> Resume:
        """What we hold, as far as one packet can tell it; the rest comes again, which only costs time."""
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
