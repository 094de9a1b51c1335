"""Who may do what: tokens, the streams that each may send, and the roles it has.

    [[token]]
    name = "ship"                  # for logs; never the token itself
    sha256 = "9f86d08..."          # of the token; or token = "..." itself
    streams = ["ship-*"]           # which it may send; all if left out
    roles = ["send"]               # of send, watch and operate; send if left out

A stream's name is its id as text, or `hex:` and hexadecimal digits where it is not plain text.
"""

import fnmatch
import hashlib
import hmac
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from layercast_common.errors import UsageError
from protocol.wire.codes import Code
from protocol.wire.limits import MAX_TOKEN
from protocol.wire.packets import Hello
from protocol.wire.tokens import check_token

#: Tokens in one file.
MAX_TOKENS = 10_000

#: Bytes of one file.
MAX_FILE = 4 * 1024 * 1024


class Right(StrEnum):
    """What a token may do: send pictures, watch the page, read the metrics."""

    SEND = "send"
    WATCH = "watch"
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
    """One token's rights.

    Attributes:
        name: what the token is called in logs.
        digest: SHA-256 of the token.
        streams: patterns of the streams that it may send; `*` and `?` as in file names.
        rights: what it may do.
    """

    name: str
    digest: bytes
    streams: tuple[str, ...]
    rights: frozenset[Right]


class Permissions:
    """Looks tokens up, in a time that does not tell how close a guess was.

    Args:
        grants: each token's rights.
    """

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._grants = tuple(grants)

    @classmethod
    def of_token(cls, token: str) -> "Permissions":
        """One token, for sending whatever stream.

        Raises:
            UsageError: the token could never be sent.
        """
        check_token(token)
        return cls([Grant("token", _digest(token), ("*",), frozenset({Right.SEND}))])

    @classmethod
    def load(cls, path: Path) -> "Permissions":
        """Read a file of the form above.

        Raises:
            UsageError: it cannot be read, or says something else.
        """
        try:
            with path.open("rb") as file:
                text = file.read(MAX_FILE + 1)
            if len(text) > MAX_FILE:
                raise UsageError(f"{path}: a file of tokens has at most {MAX_FILE} bytes")
            rows = msgspec.convert(tomllib.loads(text.decode()), _File).token
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror or error}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            # Only where it is wrong: the line itself may hold a token.
            raise UsageError(f"{path} is no TOML: {_place_of(error)}") from error
        except msgspec.ValidationError as error:
            raise UsageError(f"{path}: {error}") from error
        return cls(_grants(path, rows))

    def grant(self, token: str) -> Grant | None:
        """The rights of a token; None if nobody has it."""
        digest = _digest(token)
        found = None
        for grant in self._grants:
            if hmac.compare_digest(grant.digest, digest):
                found = grant
        return found

    def judge(self, hello: Hello) -> Code | None:
        """Whether who greets so may send: None if so, else why not. Fit for `ReceiverConnection(admit=...)`."""
        grant = self.grant(hello.token)
        if grant is None:
            return Code.AUTHENTICATION
        return None if may_send(grant, hello.stream) else Code.FORBIDDEN

    def allows(self, token: str, right: Right) -> bool:
        """Whether a token has a right, for whatever stream."""
        grant = self.grant(token)
        return grant is not None and right in grant.rights

    def wants_token(self, right: Right) -> bool:
        """Whether any token has a right. Where none may watch or operate, everyone may."""
        return any(right in grant.rights for grant in self._grants)


def stream_name(stream: bytes) -> str:
    """A stream's id as a person writes it: its text where it is plain, else `hex:` and hexadecimal digits.

    No plain text has a colon, so that no two ids have one name.
    """
    text = stream.decode("latin-1")
    return text if re.fullmatch(r"[A-Za-z0-9._-]+", text) else f"hex:{stream.hex()}"


def may_send(grant: Grant, stream: bytes) -> bool:
    """Whether a token's owner may send a stream."""
    name = stream_name(stream)
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


def _place_of(error: Exception) -> str:
    place = re.search(r"\(at .*\)$", str(error))
    return place[0].strip("()") if place else type(error).__name__
