"""Recorded arrivals, exported; and a stream that arrives over a link in virtual time."""

import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from layercast.samples import recorded_path
from receiver.viewer.pictures.recording import recording_from_bytes
from tests.layercast.conftest import Run


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_recording_becomes_one_page(run: Run) -> None:
    outcome = run("replay", recorded_path(), "-o", "arrival.html", "--json")
    assert outcome.code == 0
    row = json.loads(outcome.out)
    page = Path("arrival.html").read_text()
    assert row["bytes"] == len(page.encode())
    assert page.count("data:image/webp;base64,") == row["frames"] + 1
    assert not re.search(r"(src|href)=\"?http|@import|import .* from", page)


def test_a_recording_becomes_an_animation(run: Run) -> None:
    assert run("replay", recorded_path(), "-o", "arrival.webp", "--speed", 2).code == 0
    with Image.open("arrival.webp") as animation:
        assert animation.n_frames > 4  # type: ignore[attr-defined]
        assert animation.size == (512, 568)


def test_a_stream_arrives_as_fast_as_its_link(run: Run, stream_file: Path, tiny_model: Path) -> None:
    original = io.BytesIO()
    Image.new("RGB", (128, 128), (20, 120, 60)).save(original, "PNG")
    Path("house.png").write_bytes(original.getvalue())
    line = ("--model", tiny_model, "--steps", 1, "--link", "acoustic", "--original", "house.png")
    assert run("replay", stream_file, *line, "-o", "house.arrival").code == 0
    picture = recording_from_bytes(Path("house.arrival").read_bytes())
    assert picture.stream == stream_file.read_bytes()
    assert picture.original is not None
    assert {stage.name for stage in picture.rivals} - {"JPEG XL"} == {"JPEG", "WebP", "AVIF"}
    first, *later = picture.arrivals
    assert first.at == 0.0
    for arrival in later:
        assert arrival.at == pytest.approx(8 * (arrival.received - first.received) / 490)
    assert [frame.final for frame in picture.shown].count(True) == len(picture.arrivals)
    assert picture.received > len(picture.stream)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("nothing.arrival", "-o", "x.html"), 1, "nothing.arrival"),
        (("bad.arrival", "-o", "x.html"), 1, "not a recorded arrival"),
        ((recorded_path(), "-o", "x.gif"), 2, "the name ends in .html, .webp, .arrival"),
        ((recorded_path(), "--speed", 0), 2, "a speed is above 0"),
        (("empty", "-o", "x.html"), 2, "no picture there has been drawn"),
    ],
)
def test_what_cannot_be_replayed(run: Run, arguments: tuple[object, ...], code: int, text: str) -> None:
    Path("bad.arrival").write_bytes(b"no recording")
    Path("empty").mkdir()
    outcome = run("replay", *arguments)
    assert outcome.code == code
    assert text in outcome.err
    assert not list(Path().glob("x.*"))
