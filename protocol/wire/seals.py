"""The check behind every packet: against damage where the link is safe, against forgery where it is not.

    TLS or loopback   CRC-32 of the array, 4 bytes
    a shared key      HMAC-SHA256 of the array, cut to 8 bytes (RFC 2104 section 5), under a key of its own:
                      HELLO    of the secret
                      WELCOME  of the secret and the sender's nonce
                      then     of the secret, both nonces and the side that speaks
                      and of the secret alone for all that goes one way

Both nonces are fresh, so what was recorded in one session is worth nothing in another, nor sent back to who said it.
A key proves who speaks and hides nothing: tokens and pictures can be read by who listens.
"""

import hashlib
import hmac
import secrets
import zlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from layercast_common.errors import UsageError

#: The least that a shared secret may hold, in bytes; it is checked against guesses that cost the guesser nothing.
MIN_SECRET = 16

#: Bytes of a nonce of ours.
NONCE_SIZE = 8

#: Greetings whose nonces are remembered, so that a recorded one is not answered again.
REMEMBERED_NONCES = 4096


class Seal(Protocol):
    """Signs packets, and tells whether one was signed so. `size` is how many bytes that takes."""

    @property
    def size(self) -> int:
        """Bytes of the check behind a packet."""

    def sign(self, body: bytes) -> bytes:
        """The check of a packet's array."""

    def verify(self, body: bytes, check: bytes) -> bool:
        """Whether a check is that of an array."""


class Checksum:
    """CRC-32 (IEEE), big-endian: notices damage."""

    size = 4

    def sign(self, body: bytes) -> bytes:
        """See `Seal.sign`."""
        return zlib.crc32(body).to_bytes(4)

    def verify(self, body: bytes, check: bytes) -> bool:
        """See `Seal.verify`."""
        return zlib.crc32(body) == int.from_bytes(check)


class Mac:
    """HMAC-SHA256 cut to 8 bytes: notices forgery.

    Args:
        key: 32 bytes.
    """

    size = 8

    def __init__(self, key: bytes) -> None:
        # The key's part of both hashes is the same for every packet; `hmac` would do it anew, in most of the time.
        padded = key.ljust(hashlib.sha256().block_size, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def sign(self, body: bytes) -> bytes:
        """See `Seal.sign`."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(body)
        outer.update(inner.digest())
        return outer.digest()[: self.size]

    def verify(self, body: bytes, check: bytes) -> bool:
        """See `Seal.verify`; in a time that does not tell where the checks differ."""
        return hmac.compare_digest(self.sign(body), check)


class EitherSeal:
    """Takes what either of two seals takes, and signs with the first."""

    def __init__(self, first: Seal, second: Seal) -> None:
        self.size = first.size
        self._seals = (first, second)

    def sign(self, body: bytes) -> bytes:
        """See `Seal.sign`."""
        return self._seals[0].sign(body)

    def verify(self, body: bytes, check: bytes) -> bool:
        """See `Seal.verify`."""
        return any(seal.verify(body, check) for seal in self._seals)


CHECKSUM = Checksum()


class Sealing:
    """How the packets of a link are sealed: here with checksums alone, for links that are safe otherwise.

    Attributes:
        proves: whether a greeting that is repeated by somebody else can be told from what its sender says next.
    """

    proves = False

    def nonce(self) -> bytes:
        """A fresh nonce for a greeting; empty where none is needed."""
        return b""

    def is_fresh(self, nonce: bytes) -> bool:
        """Whether a peer may greet with this nonce. It may not a second time."""
        del nonce
        return True

    def hello(self) -> Seal:
        """The seal of HELLO."""
        return CHECKSUM

    def broadcast(self) -> Seal:
        """The seal of everything on a link that goes one way."""
        return CHECKSUM

    def welcome(self, hello_nonce: bytes) -> Seal:
        """The seal of WELCOME."""
        del hello_nonce
        return CHECKSUM

    def session(self, hello_nonce: bytes, welcome_nonce: bytes, role: int) -> Seal:
        """The seal of what the side of a role says after the greetings."""
        del hello_nonce, welcome_nonce, role
        return CHECKSUM


class SharedKey(Sealing):
    """A secret that both sides know. One object serves any number of connections.

    Args:
        secret: at least 16 bytes that nobody can guess.
        random: gives so many random bytes.

    Raises:
        UsageError: the secret is too short.
    """

    proves = True

    def __init__(self, secret: bytes, *, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        if len(secret) < MIN_SECRET:
            raise UsageError(f"a shared key has at least {MIN_SECRET} bytes, not {len(secret)}; make a random one")
        self._secret = secret
        self._random = random
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def nonce(self) -> bytes:
        """See `Sealing.nonce`."""
        return self._random(NONCE_SIZE)

    def is_fresh(self, nonce: bytes) -> bool:
        """See `Sealing.is_fresh`."""
        if len(nonce) < NONCE_SIZE or nonce in self._seen:
            return False
        self._seen[nonce] = None
        if len(self._seen) > REMEMBERED_NONCES:
            self._seen.popitem(last=False)
        return True

    def hello(self) -> Seal:
        """See `Sealing.hello`."""
        return self._mac(b"hello")

    def broadcast(self) -> Seal:
        """See `Sealing.broadcast`."""
        return self._mac(b"broadcast")

    def welcome(self, hello_nonce: bytes) -> Seal:
        """See `Sealing.welcome`."""
        return self._mac(b"welcome", hello_nonce)

    def session(self, hello_nonce: bytes, welcome_nonce: bytes, role: int) -> Seal:
        """See `Sealing.session`."""
        return self._mac(b"session", hello_nonce, welcome_nonce, bytes([role]))

    def _mac(self, *parts: bytes) -> Mac:
        """A key for one use: the HMAC of the use and what it is bound to, each after its length."""
        message = b"".join(bytes([len(part)]) + part for part in (b"layercast.v1", *parts))
        return Mac(hmac.digest(self._secret, message, "sha256"))


UNKEYED = Sealing()
