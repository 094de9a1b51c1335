"""The shared secret that a sender shows to a receiver."""

import hmac
from collections.abc import Callable

from layercast_common.errors import UsageError
from protocol.wire.codes import Code
from protocol.wire.limits import MAX_TOKEN
from protocol.wire.packets import Hello

#: Decides on a greeting: None to let it in, or why not (`Code.AUTHENTICATION`, `FORBIDDEN`, `BUSY`).
Admit = Callable[[Hello], Code | None]


def check_token(token: str) -> None:
    """Refuse a token that could never be sent.

    Raises:
        UsageError: it is too long, or not text.
    """
    if len(token) > MAX_TOKEN:
        raise UsageError(f"a token is at most {MAX_TOKEN} characters, not {len(token)}")
    try:
        token.encode()
    except UnicodeEncodeError as error:
        raise UsageError("a token must be text; this one holds bytes that are not") from error


def same_token(given: str, expected: str) -> bool:
    """Whether two tokens are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())


def admit_token(expected: str | None) -> Admit:
    """Let in who knows a token; with None anyone."""

    def admit(hello: Hello) -> Code | None:
        return None if expected is None or same_token(hello.token, expected) else Code.AUTHENTICATION

    return admit
