"""The numbers of the wire: versions, roles and reasons. They stand in packets and never change."""

import enum

from layercast_common.errors import AuthenticationError, DisconnectedError, LayercastError, RemoteProtocolError

#: The protocol versions spoken here: bit v - 1 stands for version v.
VERSIONS = 0b1


#: Codes from here on are about one picture or one session; the connection goes on.
FIRST_PICTURE_CODE = 16


class Role(enum.IntEnum):
    """What the side that says HELLO does."""

    SENDER = 0
    RECEIVER = 1


class Code(enum.IntEnum):
    """Why a connection (below `FIRST_PICTURE_CODE`) or one picture ended."""

    DONE = 0
    PROTOCOL = 1
    VERSION = 2
    AUTHENTICATION = 3
    HELLO_TIMEOUT = 4
    BAD_PACKETS = 5
    BUSY = 6
    SILENT = 7
    SLOW = 8
    GOING_AWAY = 9
    ROLE = 10
    FORBIDDEN = 11
    REPLACED = 12
    INTERNAL = 15
    BAD_OBJECT = 16
    TOO_LARGE = 17
    EVICTED = 18
    CANCELLED = 19
    DISCONNECTED = 20
    EXPIRED = 21
    UNKNOWN_SESSION = 22
    NOT_HELD = 23

    @classmethod
    def of(cls, value: int) -> "Code":
        """The code of a wire value; one that we do not know yet counts as INTERNAL."""
        return cls(value) if value in _KNOWN else cls.INTERNAL

    @property
    def text(self) -> str:
        """The reason in a few words, for a person."""
        return _TEXTS[self]


_KNOWN = frozenset(Code)

_TEXTS = {
    Code.DONE: "all done",
    Code.PROTOCOL: "the protocol was broken",
    Code.VERSION: "no protocol version in common",
    Code.AUTHENTICATION: "the token is wrong",
    Code.HELLO_TIMEOUT: "no greeting came in time",
    Code.BAD_PACKETS: "too many damaged packets",
    Code.BUSY: "too many connections",
    Code.SILENT: "the link fell silent",
    Code.SLOW: "the peer does not read",
    Code.GOING_AWAY: "the far side is shutting down",
    Code.ROLE: "both sides play the same role",
    Code.FORBIDDEN: "the token does not allow this stream",
    Code.REPLACED: "a newer connection took its place",
    Code.INTERNAL: "the far side failed",
    Code.BAD_OBJECT: "the picture's packets contradict each other",
    Code.TOO_LARGE: "the picture is larger than the receiver holds",
    Code.EVICTED: "newer pictures took its place",
    Code.CANCELLED: "the sender cancelled it",
    Code.DISCONNECTED: "the connection ended before it was complete",
    Code.EXPIRED: "its deadline passed",
    Code.UNKNOWN_SESSION: "the session is not known any more",
    Code.NOT_HELD: "the picture is not held any more",
}


def error_of(code: Code) -> LayercastError:
    """The error to raise here because the peer ended the connection with `code`."""
    if code is Code.AUTHENTICATION:
        return AuthenticationError("the receiver refused the token; give the one it was started with (--token)")
    if code is Code.FORBIDDEN:
        return AuthenticationError("the receiver does not let this token send; ask for one that may (--token)")
    if code in (Code.DONE, Code.GOING_AWAY):
        return DisconnectedError(f"the far side ended the connection: {code.text}")
    return RemoteProtocolError(f"the far side ended the connection: {code.text}", code)
