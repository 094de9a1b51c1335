"""Protocol versions, roles and reason codes. The numbers are part of the wire format and never change."""

import enum

from layercast_common.errors import AuthenticationError, DisconnectedError, LayercastError, RemoteProtocolError

#: The protocol versions that this implementation supports: bit v - 1 stands for version v.
VERSIONS = 0b1


#: Codes from this one on concern a single picture or session; the connection continues.
FIRST_PICTURE_CODE = 16


class Role(enum.IntEnum):
    """The role of the side that sends HELLO."""

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
    UNREADABLE = 24

    @classmethod
    def of(cls, value: int) -> "Code":
        """Return the code of a wire value; unknown values map to INTERNAL."""
        return cls(value) if value in _KNOWN else cls.INTERNAL

    @property
    def text(self) -> str:
        """The reason in a few words, for people."""
        return _TEXTS[self]


_KNOWN = frozenset(Code)

_TEXTS = {
    Code.DONE: "all done",
    Code.PROTOCOL: "the protocol was broken",
    Code.VERSION: "no protocol version in common",
    Code.AUTHENTICATION: "the token is wrong",
    Code.HELLO_TIMEOUT: "no HELLO came in time",
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
    Code.UNREADABLE: "the receiver cannot read this format; update it, or give it an archive",
}


def error_of(code: Code) -> LayercastError:
    """Return the error to raise locally when the peer ends the connection with `code`."""
    if code is Code.AUTHENTICATION:
        return AuthenticationError("the receiver refused the token; give the one it was started with (--token)")
    if code is Code.FORBIDDEN:
        return AuthenticationError("the receiver does not allow this token to send; use one that may (--token)")
    if code in (Code.DONE, Code.GOING_AWAY):
        return DisconnectedError(f"the far side ended the connection: {code.text}")
    return RemoteProtocolError(f"the far side ended the connection: {code.text}", code)
