"""The token that a sender presents to a receiver."""

import hmac
from collections.abc import Callable

from layercast_common.errors import UsageError
from protocol.wire.codes import Code
from protocol.wire.limits import MAX_TOKEN
from protocol.wire.packets import Hello

#: Decides on a HELLO: None to accept it, or the reason to refuse (`Code.AUTHENTICATION`, `FORBIDDEN`, `BUSY`).
Admit = Callable[[Hello], Code | None]


def check_token(token: str) -> None:
    """Reject a token that HELLO cannot carry.

    Raises:
        UsageError: the token is too long, or not valid Unicode.
    """
    if len(token) > MAX_TOKEN:
        raise UsageError(f"a token is at most {MAX_TOKEN} characters, not {len(token)}")
    try:
        token.encode()
    except UnicodeEncodeError as error:
        raise UsageError("a token must be text; this one contains bytes that are not UTF-8") from error


def same_token(given: str, expected: str) -> bool:
    """Return whether two tokens are equal, in constant time."""
    return hmac.compare_digest(given.encode(), expected.encode())
