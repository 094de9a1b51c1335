"""The check after every packet: a checksum on trusted links, a message authentication code on others.

    TLS or loopback   CRC-32 of the array, 4 bytes
    a shared key      HMAC-SHA256 of the array, truncated to 8 bytes (RFC 2104 section 5), under a derived key:
                      HELLO             from the secret
                      WELCOME           from the secret and the sender's nonce
                      later packets     from the secret, both nonces and the role of the side that sends
                      one-way links     from the secret alone

Both nonces are fresh, so packets recorded in one session fail the check in another, and when reflected to their sender.
A key authenticates and does not encrypt: an eavesdropper can read tokens and pictures.
"""

import hashlib
import hmac
import secrets
import zlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from layercast_common.errors import UsageError

#: The shortest shared secret, in bytes; an attacker can test guesses offline.
MIN_SECRET = 16

#: Size of the nonces that this side creates, in bytes.
NONCE_SIZE = 8

#: How many HELLO nonces are remembered to reject replays.
REMEMBERED_NONCES = 4096


class Seal(Protocol):
    """Computes and verifies the check of packets."""

    @property
    def size(self) -> int:
        """Size of the check, in bytes."""

    def sign(self, body: bytes) -> bytes:
        """Return the check of a packet's array."""

    def verify(self, body: bytes, check: bytes) -> bool:
        """Return whether a check matches an array."""


class Checksum:
    """CRC-32 (IEEE), big-endian: detects damage."""

    size = 4

    def sign(self, body: bytes) -> bytes:
        """See `Seal.sign`."""
        return zlib.crc32(body).to_bytes(4)

    def verify(self, body: bytes, check: bytes) -> bool:
        """See `Seal.verify`."""
        return zlib.crc32(body) == int.from_bytes(check)


class Mac:
    """HMAC-SHA256 truncated to 8 bytes: detects forgery.

    Args:
        key: 32 bytes.
    """

    size = 8

    def __init__(self, key: bytes) -> None:
        # The keyed prefix of both hashes is computed once; `hmac` would spend most of its time on it for every packet.
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
        """See `Seal.verify`; runs in constant time."""
        return hmac.compare_digest(self.sign(body), check)


class EitherSeal:
    """Accepts the checks of two seals, and signs with the first."""

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
    """The seals of a link's packets: this base class uses checksums alone, for trusted links.

    Attributes:
        proves: whether later packets prove that HELLO was not a replay.
    """

    proves = False

    def nonce(self) -> bytes:
        """Return a fresh nonce for HELLO or WELCOME; empty if none is needed."""
        return b""

    def is_fresh(self, nonce: bytes) -> bool:
        """Return whether the nonce of a HELLO is new, and remember it."""
        del nonce
        return True

    def hello(self) -> Seal:
        """Return the seal of HELLO."""
        return CHECKSUM

    def broadcast(self) -> Seal:
        """Return the seal of every packet on a one-way link."""
        return CHECKSUM

    def welcome(self, hello_nonce: bytes) -> Seal:
        """Return the seal of WELCOME."""
        del hello_nonce
        return CHECKSUM

    def session(self, hello_nonce: bytes, welcome_nonce: bytes, role: int) -> Seal:
        """Return the seal of the packets that the side of a role sends after the handshake."""
        del hello_nonce, welcome_nonce, role
        return CHECKSUM


class SharedKey(Sealing):
    """The seals derived from a secret that both sides know. One object serves any number of connections.

    Args:
        secret: at least 16 random bytes.
        random: returns the given number of random bytes.

    Raises:
        UsageError: the secret is too short.
    """

    proves = True

    def __init__(self, secret: bytes, *, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        if len(secret) < MIN_SECRET:
            raise UsageError(f"a shared key has at least {MIN_SECRET} bytes, not {len(secret)}; generate a random one")
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
        """Derive the key of one use: the HMAC of the use and its context, each prefixed with its length."""
        message = b"".join(bytes([len(part)]) + part for part in (b"layercast.v1", *parts))
        return Mac(hmac.digest(self._secret, message, "sha256"))


UNKEYED = Sealing()
