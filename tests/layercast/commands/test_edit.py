"""`layercast edit`: the file, the report, and one clear line where it makes no sense."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import layercast
from layercast import Bitstream, Layer
from tests.layercast.conftest import Run
from tests.support.pictures import draw_picture

Fails = Callable[..., str]


def prompt_of(path: Path) -> str | None:
    semantic = Bitstream.load(path).decode().semantic
    return None if semantic is None else semantic.prompt


def test_every_edit_at_once(run: Run, place: Path, stream_file: Path, house: Path) -> None:
    mirrored = place / "mirrored.png"
    Image.fromarray(draw_picture(128, 128)[:, ::-1].copy()).save(mirrored)
    Image.new("L", (128, 128), 0).save(place / "mask.png")
    with Image.open(place / "mask.png") as mask:
        mask.paste(255, (0, 96, 128, 128))
        mask.save(place / "mask.png")
    line = (
        *("--substitute", "a house", "two barns", "--substitute", "hill", "heath"),
        *("--structure-from", mirrored, "--texture-from", house),
        *("--recolor", "saturation=50", "--recolor", "0,0,64,64=#d02020"),
        *("--erase", "64,0,64,32", "--erase-mask", place / "mask.png", "--seed", 9),
    )
    outcome = run("edit", stream_file, "-o", "edited.lcast", *line, "--json")
    assert outcome.code == 0, outcome.err
    facts = json.loads(outcome.out)
    stream = Bitstream.load("edited.lcast")
    assert facts["prompt"] == prompt_of(place / "edited.lcast") == "two barns on a heath"
    assert facts["seed"] == stream.header.seed == 9
    structure, texture = stream.decode().structure, stream.decode().texture
    assert isinstance(structure, layercast.EdgeMap)
    assert structure.grid.any()
    lines = structure.to_image()
    assert not lines[:28, 68:].any()
    assert not lines[100:].any()
    assert texture is not None
    red, green, _ = texture.colors[0, 0].astype(int)
    assert red > green + 80


def test_the_report_adds_up(run: Run, stream_file: Path, stream: Bitstream) -> None:
    outcome = run("edit", stream_file, "-o", "edited.lcast", "--recolor", "hue=+90", "--json")
    facts = json.loads(outcome.out)
    edited = Bitstream.load("edited.lcast")
    assert facts["bytes"] == len(edited.to_bytes()) == Path("edited.lcast").stat().st_size
    assert facts["bytes_before"] == len(stream.to_bytes())
    assert facts["container_bytes"] + sum(layer["bytes"] for layer in facts["layers"].values()) == facts["bytes"]
    assert {name: layer["unchanged"] for name, layer in facts["layers"].items()} == {
        "semantic": True,
        "structure": True,
        "texture": False,
    }
    assert {(section["layer"], section["unchanged"]) for section in facts["sections"]} == {
        ("semantic", True),
        ("structure", True),
        ("texture", False),
    }
    assert facts["layers"]["texture"]["bytes_before"] == stream.size_of(Layer.TEXTURE)
    assert facts["notes"] == []
    assert facts["seconds"] > 0
    for old, new in zip(stream.sections, edited.sections, strict=True):
        assert (old == new) == (old.layer is not Layer.TEXTURE)


def test_a_person_reads_what_changed(run: Run, stream_file: Path, stream: Bitstream) -> None:
    outcome = run("edit", stream_file, "-o", stream_file, "--prompt", "a barn")
    assert outcome.out == ""
    size = stream.size_of(Layer.SEMANTIC)
    assert f"(was {len(stream.to_bytes())}): semantic " in outcome.err
    assert f"(was {size}), structure " in outcome.err
    assert outcome.err.count("(unchanged)") == 2
    assert prompt_of(stream_file) == "a barn"


def test_what_is_left_out_is_told(run: Run, place: Path, stream: Bitstream) -> None:
    detailed = Bitstream(stream.header, (*stream.sections, layercast.Section(Layer.DETAIL, 9, b"codes")))
    detailed.save("detailed.lcast")
    outcome = run("edit", "detailed.lcast", "-o", "edited.lcast", "--seed", 3)
    assert "layer detail were left out" in outcome.err
    assert "detail 0 (was 7)" in outcome.err
    assert Bitstream.load("edited.lcast").sections == stream.sections


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "nothing to edit"),
        (("--substitute", "cat", "dog"), 2, "the prompt does not contain 'cat'"),
        (("--erase", "100,100,64,64"), 2, "leaves the canvas, which is 128x128"),
        (("--erase", "1,2"), 2, "a rectangle is X,Y,WIDTH,HEIGHT"),
        (("--erase-mask", "none.png"), 1, "there is no picture none.png"),
        (("--recolor", "hue=left"), 2, "is not a change of colours; use hue=+40"),
        (("--structure-from", "none.lcast"), 1, "none.lcast: No such file"),
        (("--texture-from", "."), 1, "is a folder"),
        (("--seed", "-1"), 2, "a seed is 0 to"),
        (("--prompt", "a barn", "-o", "house.lcast/x.lcast"), 1, "is a file, not a folder"),
    ],
)
def test_what_makes_no_sense_fails(
    fails: Fails, stream_file: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    assert message in fails(code, "edit", stream_file, "-o", "edited.lcast", *arguments)


def test_a_folder_is_made_where_it_is_needed(run: Run, place: Path, stream_file: Path) -> None:
    assert run("edit", stream_file, "-o", "new/edited.lcast", "--prompt", "a barn").code == 0
    assert prompt_of(place / "new" / "edited.lcast") == "a barn"


def test_only_whole_streams_are_edited(fails: Fails, stream_file: Path) -> None:
    stream_file.write_bytes(stream_file.read_bytes()[:-9])
    assert "truncated" in fails(1, "edit", stream_file, "-o", "edited.lcast", "--seed", 1)


def test_help_shows_how(run: Run) -> None:
    text = run("edit", "--help").out
    for example in (
        '--substitute "red fox" "grey wolf"',
        "saturation=0",
        '"0,0,256,128=#88aadd"',
        "--erase 300,40,120",
    ):
        assert example in text


def test_the_python_interface_has_the_edits(stream: Bitstream) -> None:
    edited = layercast.editing.erase(stream, [layercast.editing.Rectangle(0, 0, 128, 128)])
    structure = edited.decode().structure
    assert isinstance(structure, layercast.EdgeMap)
    assert not np.any(structure.grid)
    assert sys.modules["codec.editing"] is layercast.editing
