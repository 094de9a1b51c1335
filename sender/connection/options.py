"""Options of a connection to a receiver."""

import secrets
import ssl as tls
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from layercast_common.errors import UsageError
from protocol.transports.base import DialOptions
from protocol.wire.limits import MAX_ID
from protocol.wire.seals import SharedKey

#: Bytes of a generated stream id. Archives identify pictures by it for years, so ids must not collide by chance.
STREAM_ID_BYTES = 6

#: How long to try to reconnect, in seconds. Receivers keep the state of a session for as long.
RECONNECT_SECONDS = 120.0


#: How long a receiver may take to answer HELLO, in seconds.
WELCOME_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectOptions:
    """How to connect to a receiver.

    Attributes:
        ssl: the certificates to trust at secure addresses; the system's if None.
        ice_servers: STUN and TURN servers for WebRTC, as URLs; not needed within one network.
        shared_key: signs packets where there is no TLS; the receiver must have the same key.
        reconnect_seconds: how long to try to reconnect after the connection breaks, in seconds; 0 for never.
        proxy: whether WebSockets to other machines go through the proxy that the environment or the system names.
    """

    ssl: tls.SSLContext | None = None
    ice_servers: Sequence[str] = ()
    shared_key: SharedKey | None = None
    reconnect_seconds: float = RECONNECT_SECONDS
    proxy: bool = True

    def dialling(self, token: str) -> DialOptions:
        """Return the options of a connection's transport, with its token."""
        return DialOptions(ssl=self.ssl, token=token, ice_servers=tuple(self.ice_servers), proxy=self.proxy)


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderIdentity:
    """The identity by which receivers recognise a sender and its pictures.

    Attributes:
        stream_id: at most 16 bytes. Receivers cannot deduplicate the pictures of senders whose id is empty.
        epoch: the run of the stream that the picture ids belong to, 0 to 2**32 - 1; the current time in seconds since
            1970 if not given. Picture ids are unique within an epoch.

    Raises:
        UsageError: the stream id is too long.
    """

    stream_id: bytes
    epoch: int = field(default_factory=lambda: int(time.time()))

    def __post_init__(self) -> None:
        if len(self.stream_id) > MAX_ID:
            raise UsageError(f"a stream id has at most {MAX_ID} bytes, not {len(self.stream_id)}")

    @classmethod
    def generate(cls) -> "SenderIdentity":
        """Return a random identity that no receiver has seen."""
        return cls(stream_id=secrets.token_bytes(STREAM_ID_BYTES), epoch=0)
