"""`docs/operation.md`: its permissions, certificate, TLS commands and metrics exist. Blocks: see test_docs_code."""

import asyncio
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from layercast.cli import build_parser
from layercast.commands.options.peer import certificate_of, trust_of
from protocol.sending.pictures.fragmentation import OutgoingSection
from receiver.options import Security
from receiver.permissions import Permissions
from receiver.server import Server
from sender.connection.options import ConnectOptions
from sender.connection.sender import Sender

ROOT = Path(__file__).parents[2]
OPERATION = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", re.findall(r"`((?:send|receive|watch) [^`]*--(?:to|listen) [^`]*)`", OPERATION))
def test_commands_in_tables_are_understood(line: str) -> None:
    build_parser().parse_args(shlex.split(line, comments=True))


def test_the_permissions_are_understood(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", OPERATION, re.DOTALL)
    path = tmp_path / "tokens.toml"
    path.write_text(example)
    grant = Permissions.load(path).grant("a long text")
    assert grant is not None
    assert grant.name == "page"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
async def test_the_certificate_is_made_in_one_line(tmp_path: Path) -> None:
    (line,) = re.findall(r"^openssl req .+$", OPERATION, re.MULTILINE)
    here = shlex.split(line.replace("192.0.2.7", "127.0.0.1"))
    await asyncio.to_thread(subprocess.run, here, cwd=tmp_path, check=True, capture_output=True)
    options = build_parser().parse_args(
        ["receive", "--certificate", f"{tmp_path}/certificate.pem", "--key", f"{tmp_path}/key.pem"]
    )
    trusting = build_parser().parse_args(["send", "--to", "wss://x", "--trust", f"{tmp_path}/certificate.pem"])
    async with (
        Server("wss://127.0.0.1:0", on_event=lambda _: None, security=Security(ssl=certificate_of(options))) as intake,
        Sender(intake.url, connect=ConnectOptions(ssl=trust_of(trusting))) as sender,
    ):
        section = OutgoingSection(layer=0, coder=0, payload=b"a red cat", urgency=0)
        assert (await sender.send_sections(b"head", [section])).complete


def test_every_metric_in_the_page_exists() -> None:
    listed = set(re.findall(r"layercast_(?:sender|receiver)_[a-z_]+", OPERATION))
    source = "".join((ROOT / package / "metrics.py").read_text(encoding="utf-8") for package in ("sender", "receiver"))
    for name in listed:
        short = re.sub(r"^layercast_(sender|receiver)_|_total$", "", name)
        assert f'"{short}"' in source or f'"{name.removesuffix("_total")}"' in source, name
