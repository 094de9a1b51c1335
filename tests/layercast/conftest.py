"""A picture, its stream, and a way to run commands and to see that one failed cleanly."""

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

import layercast
from layercast.cli import main
from tests.support.pictures import draw_picture

SIZE = (128, 128)


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process."""

    def run_line(*arguments: object) -> Outcome:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run_line


@pytest.fixture
def fails(run: Run, place: Path) -> Callable[..., str]:
    """Run a command line that must fail with one clear line and leave nothing behind; gives the line."""

    def run_line(code: int, *arguments: object) -> str:
        with unchanged(place):
            outcome = run(*arguments)
        assert outcome.code == code, outcome
        assert outcome.out == ""
        (line,) = outcome.err.splitlines()
        assert line.startswith("layercast: ")
        return line.removeprefix("layercast: ")

    return run_line


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Check that no file or folder is created, removed or changed in the block."""
    before = snapshot(folder)
    yield
    assert snapshot(folder) == before


def snapshot(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, without the hub's cache or settings of this machine."""
    folder = tmp_path / "place"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("LAYERCAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LAYERCAST_TOKEN", raising=False)
    return folder


@pytest.fixture
def house(place: Path) -> Path:
    """A picture file."""
    path = place / "house.png"
    Image.fromarray(draw_picture(*SIZE)).save(path)
    return path


@pytest.fixture(scope="session")
def stream() -> layercast.Bitstream:
    """The picture as a stream of a prompt, lines and a grid of colours."""
    picture = draw_picture(*SIZE)
    return layercast.encode(picture, prompt="a house on a hill", canvas=SIZE, budget=500, seed=7, texture="grid")


@pytest.fixture(scope="session")
def fidelity() -> layercast.Bitstream:
    """The picture as a stream of bit planes, down to its detail."""
    picture = draw_picture(*SIZE)
    return layercast.encode(picture, prompt="a house on a hill", canvas=SIZE, budget=900, order="fidelity")


@pytest.fixture
def stream_file(place: Path, stream: layercast.Bitstream) -> Path:
    path = place / "house.lcast"
    stream.save(path)
    return path


def png_header(width: int, height: int) -> bytes:
    """The beginning of a PNG that declares a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
