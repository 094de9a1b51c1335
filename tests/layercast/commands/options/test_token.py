"""Where tokens come from, and files that are no tokens."""

from pathlib import Path

import pytest

from tests.layercast.commands.services.receivers import receiving
from tests.layercast.conftest import Run


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "must contain one token"), (b"a\nb", "must contain one token"), (b"\xff", "is not a text file")],
)
def test_files_that_hold_no_token(run: Run, stream_file: Path, content: bytes, why: str) -> None:
    Path("token").write_bytes(content)
    outcome = run("send", stream_file, "--to", "ws://127.0.0.1:9", "--token-file", "token")
    assert (outcome.code, why in outcome.err) == (2, True)


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ({"LAYERCAST_TOKEN": "secret"}, ()),
        ({"LAYERCAST_TOKEN_FILE": "token"}, ()),
        ({"LAYERCAST_TOKEN": "wrong"}, ("--token-file", "token")),
        ({"LAYERCAST_TOKEN": "wrong"}, ("--token", "secret")),
    ],
)
def test_where_a_token_comes_from(
    run: Run, stream_file: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], options: tuple[str, ...]
) -> None:
    Path("token").write_text("secret\n")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with receiving(token="secret") as (url, _):
        assert run("send", stream_file, "--to", url, *options).code == 0
