"""`docs/errors.md` has the tree of errors, a row for each, and the codes that users see."""

import re
from pathlib import Path

import httpx
import pytest

import layercast_common.errors
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from layercast import cli
from layercast_common.errors import BudgetError, EngineBusyError, LayercastError, MissingExtraError, RemoteProtocolError
from layercast_common.stopping import handlers
from sender.connection.sender import Sender
from sender.http.app import IngestConfig, build_app
from sender.outbox.outbox import Outbox
from sender.outbox.relay import OutboxRelay
from tests.support.pictures import draw_picture

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
ROWS = {name: row.split("|") for name, row in re.findall(r"^\| `(\w+)` \|(.*)\|$", PAGE, re.MULTILINE)}


def tree_of(text: str) -> list[str]:
    """Return the lines of a drawn tree, without the descriptions beside the names."""
    return re.findall(r"^ *((?:[│├└][│├└─ ]*)?[A-Z]\w+Error)\b", text, re.MULTILINE)


def test_the_tree_is_that_of_the_module() -> None:
    (drawn,) = re.findall(r"^    LayercastError\n(?:^    .*\n)+", PAGE, re.MULTILINE)
    lines = tree_of(drawn)
    assert lines == tree_of(str(layercast_common.errors.__doc__))
    assert sorted(line.split()[-1] for line in lines) == layercast_common.errors.__all__


def test_every_error_has_a_row() -> None:
    assert sorted(ROWS) == layercast_common.errors.__all__
    assert all(len(row) == 3 for row in ROWS.values())


def test_exit_codes() -> None:
    codes = re.findall(r"^\| ([0-9]+) \|", PAGE, re.MULTILINE)
    assert [int(code) for code in codes] == [
        cli.DONE,
        cli.FAILED,
        cli.WRONG_USAGE,
        handlers.INTERRUPTED,
        handlers.TERMINATED,
    ]


def example_of(name: str) -> LayercastError:
    """Return an error of a class."""
    kind: type[LayercastError] = getattr(layercast_common.errors, name)
    if kind is BudgetError:
        return BudgetError(1, 2, "a picture")
    if kind is EngineBusyError:
        return EngineBusyError(1)
    if kind is MissingExtraError:
        return MissingExtraError("a model", "render")
    return RemoteProtocolError("wrong", 1) if kind is RemoteProtocolError else kind("wrong")


@pytest.mark.parametrize(("name", "status"), [(name, int(row[2])) for name, row in ROWS.items() if row[2].strip(" -")])
async def test_http_statuses(name: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> int:
        raise example_of(name)

    stream = encode(draw_picture(64, 64), "a hill", EncodeOptions(budget=100)).to_bytes()
    with Outbox(tmp_path / "outbox") as outbox:
        relay = OutboxRelay(outbox, lambda _: Sender("ws://127.0.0.1:1"))
        monkeypatch.setattr(relay, "post", fail)
        app = build_app(IngestConfig(relay=relay, encoding=EncodeOptions(captioner="none")))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            assert (await client.post("/images", content=stream)).status_code == status
