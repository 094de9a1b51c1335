"""Tokens and their rights."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercast_common.errors import StorageError, UsageError
from receiver.permissions import Permissions, Right, may_send, stream_name

FILE = f"""
[[token]]
name = "ship"
token = "secret of the ship"
streams = ["ship-*", "hex:0102*"]

[[token]]
name = "page"
sha256 = "{hashlib.sha256(b"watcher").hexdigest()}"
roles = ["watch", "operate"]
"""


@pytest.fixture
def permissions(tmp_path: Path) -> Permissions:
    path = tmp_path / "tokens.toml"
    path.write_text(FILE)
    return Permissions.load(path)


def test_tokens_have_the_rights_that_the_file_gives_them(permissions: Permissions) -> None:
    ship, page = permissions.grant("secret of the ship"), permissions.grant("watcher")
    assert ship is not None
    assert page is not None
    assert (ship.name, page.name) == ("ship", "page")
    assert permissions.grant("secret of the shi") is None
    rights = {
        token: [right for right in Right if permissions.allows(token, right)]
        for token in ("secret of the ship", "watcher")
    }
    assert rights == {"secret of the ship": [Right.SEND], "watcher": [Right.WATCH, Right.OPERATE]}
    assert not permissions.allows("", Right.SEND)
    assert [right for right in Right if not permissions.requires_token(right)] == [Right.STEER]


@pytest.mark.parametrize(
    ("stream", "allowed"),
    [
        (b"ship-1", True),
        (b"ship-", True),
        (b"Ship-1", False),
        (b"other", False),
        (b"\x01\x02\xff", True),
        (b"\x01\x03", False),
    ],
)
def test_streams_are_told_apart_by_their_names(permissions: Permissions, stream: bytes, allowed: bool) -> None:
    ship, page = permissions.grant("secret of the ship"), permissions.grant("watcher")
    assert ship is not None
    assert page is not None
    assert may_send(ship, stream) is allowed
    assert not may_send(page, stream)


def test_one_token_sends_whatever_stream() -> None:
    permissions = Permissions.of_token("secret")
    assert [right for right in Right if permissions.allows("secret", right)] == [Right.SEND]
    assert [right for right in Right if permissions.requires_token(right)] == [Right.SEND]
    grant = permissions.grant("secret")
    assert grant is not None
    assert may_send(grant, b"")
    with pytest.raises(UsageError, match="at most 256"):
        Permissions.of_token("x" * 257)


@given(st.binary(max_size=16))
def test_names_of_streams_are_plain(stream: bytes) -> None:
    name = stream_name(stream)
    assert name.isascii()
    assert not set(name) & set("*?[] /\\\n\x1b")


@given(st.binary(max_size=8))
def test_no_two_streams_have_one_name(stream: bytes) -> None:
    assert stream_name(stream.hex().encode()) != stream_name(stream) or stream.hex().encode() == stream


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "required field `token`"),
        ("token = []", "length >= 1"),
        ('[[token]]\nname = "a"', "'a' needs either token or sha256"),
        ('[[token]]\nname = "a"\ntoken = "x"\nsha256 = "y"', "'a' needs either token or sha256"),
        ('[[token]]\nname = "a"\nsha256 = "y"', "sha256 of 'a' is not 64"),
        ('[[token]]\nname = "a"\ntoken = "x"\nroles = ["rule"]', "Invalid enum value 'rule'"),
        ('[[token]]\nname = "a"\ntoken = "x"\nstream = "b"', "unknown field `stream`"),
        ('[[token]]\nname = "a"\ntoken = "x"\n[[token]]\nname = "b"\ntoken = "x"', "two entries have the same token"),
        ('[[token]]\nname = "a"\ntoken = "very secret', "is not valid TOML: at"),
        ("\xff", "is not valid TOML: UnicodeDecodeError"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_without_telling_its_tokens(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "tokens.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=why) as caught:
        Permissions.load(path)
    assert "very secret" not in str(caught.value)
    with pytest.raises(StorageError, match="No such file"):
        Permissions.load(tmp_path / "missing")
