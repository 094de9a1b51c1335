"""Tokens, the streams that each may send, and its roles. A permissions file:

    [[token]]
    name = "ship"                  # for logs; not the token itself
    sha256 = "9f86d08..."          # of the token; or token = "..." itself
    streams = ["ship-*"]           # streams that it may send; all by default
    roles = ["send"]               # any of send, watch, steer and operate; send by default

A stream's name is its id as text, or `hex:` and hexadecimal digits if the id is not plain text.
"""

import fnmatch
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from layercast_common.errors import StorageError, UsageError
from layercast_common.nested_text import parse_toml
from layercast_common.token_attempts import TokenAttempts
from protocol.wire.codes import Code
from protocol.wire.limits import MAX_TOKEN
from protocol.wire.packets import Hello
from protocol.wire.tokens import check_token

#: Limit of tokens in one file.
MAX_TOKENS = 10_000

#: Limit of bytes of one file.
MAX_FILE = 4 * 1024 * 1024


class Right(StrEnum):
    """A right of a token: send pictures, watch the page, use the page's controls, or read the metrics."""

    SEND = "send"
    WATCH = "watch"
    STEER = "steer"
    OPERATE = "operate"


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=64)]
    token: Annotated[str, Meta(min_length=1, max_length=MAX_TOKEN)] | None = None
    sha256: str | None = None
    streams: tuple[str, ...] = ("*",)
    roles: tuple[Right, ...] = (Right.SEND,)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    token: Annotated[list[_Row], Meta(min_length=1, max_length=MAX_TOKENS)]


@dataclass(frozen=True, slots=True)
class Grant:
    """The rights of one token.

    Attributes:
        name: the token's name in logs.
        digest: SHA-256 of the token.
        streams: patterns of the streams that it may send, with `*` and `?` as in file names.
        rights: its rights.
    """

    name: str
    digest: bytes
    streams: tuple[str, ...]
    rights: frozenset[Right]


class Permissions:
    """The rights of all tokens. Look-ups take constant time, so they do not help to guess a token.

    Args:
        grants: the rights of each token.

    Attributes:
        attempts: the wrong tokens, at the page and at the addresses for senders together.
    """

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._grants = tuple(grants)
        self.attempts = TokenAttempts()

    @classmethod
    def of_token(cls, token: str) -> "Permissions":
        """Build the permissions for a single token that may send any stream.

        Raises:
            UsageError: the token cannot be sent: see `check_token`.
        """
        check_token(token)
        return cls([Grant("token", _digest(token), ("*",), frozenset({Right.SEND}))])

    @classmethod
    def load(cls, path: Path) -> "Permissions":
        """Read a permissions file, in the format above.

        Raises:
            StorageError: the file cannot be read.
            UsageError: its content is malformed.
        """
        try:
            with path.open("rb") as file:
                text = file.read(MAX_FILE + 1)
            if len(text) > MAX_FILE:
                raise UsageError(f"{path}: a permissions file has at most {MAX_FILE} bytes")
            rows = msgspec.convert(parse_toml(text.decode()), _File).token
        except OSError as error:
            raise StorageError.of(error, path, "cannot be read") from error
        except msgspec.ValidationError as error:
            raise UsageError(f"{path}: {error}") from error
        except ValueError as error:
            # Report the position only: the line itself may contain a token.
            raise UsageError(f"{path} is not valid TOML: {_position_of(error)}") from error
        return cls(_grants(path, rows))

    def grant(self, token: str) -> Grant | None:
        """Return the rights of a token; None for an unknown token."""
        digest = _digest(token)
        found = None
        for grant in self._grants:
            if hmac.compare_digest(grant.digest, digest):
                found = grant
        return found

    def authorize(self, address: str, hello: Hello) -> Code | None:
        """Return None if the sender at an address may send, else the error code."""
        grant = self.grant(hello.token)
        if grant is None:
            if hello.token:
                self.attempts.record_failure(address)
            return Code.AUTHENTICATION
        return None if may_send(grant, hello.stream) else Code.FORBIDDEN

    def allows(self, token: str, right: Right) -> bool:
        """Return whether a token has a right, for any stream."""
        grant = self.grant(token)
        return grant is not None and right in grant.rights

    async def admits(self, address: str, token: str, right: Right) -> bool:
        """Return whether a token from an address has a right. An address that sent many wrong ones has to wait."""
        await self.attempts.wait(address)
        if self.allows(token, right):
            return True
        if token:
            self.attempts.record_failure(address)
        return False

    def requires_token(self, right: Right) -> bool:
        """Return whether any token has a right. Without one, everyone may watch or operate."""
        return any(right in grant.rights for grant in self._grants)


def stream_name(stream_id: bytes) -> str:
    """Return the name of a stream id: its text if it is plain, else `hex:` and hexadecimal digits.

    Plain text contains no colon, so two ids never share a name.
    """
    text = stream_id.decode("latin-1")
    return text if re.fullmatch(r"[A-Za-z0-9._-]+", text) else f"hex:{stream_id.hex()}"


def may_send(grant: Grant, stream_id: bytes) -> bool:
    """Return whether a token may send a stream."""
    name = stream_name(stream_id)
    return Right.SEND in grant.rights and any(fnmatch.fnmatchcase(name, pattern) for pattern in grant.streams)


def _grants(path: Path, rows: list[_Row]) -> list[Grant]:
    grants = []
    for row in rows:
        if (row.token is None) == (row.sha256 is None):
            raise UsageError(f"{path}: '{row.name}' needs either token or sha256")
        if row.token is not None:
            check_token(row.token)
            digest = _digest(row.token)
        elif row.sha256 is not None and re.fullmatch(r"[0-9a-fA-F]{64}", row.sha256):
            digest = bytes.fromhex(row.sha256)
        else:
            raise UsageError(f"{path}: the sha256 of '{row.name}' is not 64 hexadecimal digits")
        grants.append(Grant(row.name, digest, row.streams, frozenset(row.roles)))
    if len({grant.digest for grant in grants}) < len(grants):
        raise UsageError(f"{path}: two entries have the same token")
    return grants


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _position_of(error: Exception) -> str:
    position = re.search(r"\(at .*\)$", str(error))
    return position[0].strip("()") if position else type(error).__name__
