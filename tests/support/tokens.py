"""Receivers that accept one token."""

from protocol.wire.codes import Code
from protocol.wire.packets import Hello
from protocol.wire.tokens import Admit, same_token


def admit_token(expected: str | None) -> Admit:
    """Return an `Admit` that accepts senders with the expected token; with None it accepts every sender."""

    def admit(hello: Hello) -> Code | None:
        return None if expected is None or same_token(hello.token, expected) else Code.AUTHENTICATION

    return admit
