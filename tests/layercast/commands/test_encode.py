import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from layercast import Bitstream, Layer
from tests.layercast.conftest import Run, png_header, snapshot
from tests.support.pictures import draw_picture

Fails = Callable[..., str]


def test_one_picture_becomes_one_file(run: Run, house: Path) -> None:
    outcome = run("encode", house, "-o", "out/house.lcast", "--prompt", "a house", "--canvas", "128x64", "--seed", "9")
    assert (outcome.code, outcome.out) == (0, "")
    stream = Bitstream.load("out/house.lcast")
    priors = stream.decode()
    assert (stream.header.canvas, stream.header.seed) == ((128, 64), 9)
    assert priors.semantic is not None
    assert priors.semantic.prompt == "a house"
    assert outcome.err.startswith(f"out/house.lcast: {len(stream.to_bytes())} bytes")
    assert outcome.err.splitlines()[0].endswith("prompt given: a house")
    assert outcome.err.splitlines()[1].startswith("  cropped to 128x64: 50 % of the picture is not shown")


def test_several_pictures_do_not_become_one_stream(fails: Fails, house: Path) -> None:
    assert "one.lcast is one stream, and there are 2 pictures" in fails(2, "encode", house, house, "-o", "one.lcast")


def test_a_guessed_prompt_is_said_to_be_one(run: Run, house: Path) -> None:
    outcome = run("encode", house, "-o", "house.lcast", "--captioner", "mini")
    assert "no prompt found; this one is guessed by mini, 7 % sure; give one with --prompt" in outcome.err


@pytest.mark.parametrize("output", ["many", "many.d/"])
def test_a_folder_takes_one_picture_or_several(run: Run, house: Path, output: str) -> None:
    hill = house.with_name("hill.jpg")
    Image.fromarray(draw_picture(192, 64)).save(hill)
    assert run("encode", house, "-o", output, "--prompt", "a house").code == 0
    assert run("encode", house, hill, "-o", output, "--prompt", "a house").code == 0
    assert sorted(path.name for path in Path(output).iterdir()) == ["hill.lcast", "house.lcast"]


def test_the_report_agrees_with_the_files(run: Run, house: Path) -> None:
    outcome = run("encode", house, "-o", "out", "--prompt", "a house", "--budget", "300", "--json")
    report = json.loads(outcome.out)
    (row,) = report["pictures"]
    size = Path(row["file"]).stat().st_size
    assert row["bytes"] == report["mean_bytes"] == size <= 300
    assert size == row["container_bytes"] + sum(layer["bytes"] for layer in row["layers"].values())
    assert row["image"] == str(house)
    assert row["prompt_source"] == "given"
    assert outcome.err == ""


def test_quiet_says_nothing_and_verbose_is_no_error(run: Run, house: Path) -> None:
    assert run("encode", house, "-o", "a.lcast", "--prompt", "a house", "-q").err == ""
    assert run("encode", house, "-o", "a.lcast", "--prompt", "a house", "-v").code == 0


def test_a_measured_prompt_and_a_shortened_one_are_told(run: Run, house: Path) -> None:
    assert "give one with --prompt" in run("encode", house, "-o", "a.lcast", "--captioner", "none").err
    long = ", ".join(
        f"{word} {number} zyx" for number, word in enumerate(["quaint", "brick", "oak", "slate", "fox", "moor"] * 5)
    )
    err = run("encode", house, "-o", "a.lcast", "--prompt", long, "--budget", "150").err
    assert re.search(r"the prompt was shortened from \d+ to \d+ characters", err)


def test_structure_can_be_left_out_or_drawn(run: Run, house: Path, place: Path) -> None:
    run("encode", house, "-o", "none.lcast", "--prompt", "a house", "--structure", "none", "--budget", "400")
    assert Bitstream.load("none.lcast").size_of(Layer.STRUCTURE) == 0
    drawing = Image.new("L", (128, 128))
    drawing.paste(255, (20, 30, 100, 32))
    drawing.save("edges.png")
    run("encode", house, "-o", "drawn.lcast", "--prompt", "a house", "--edges", "edges.png", "--budget", "400")
    assert Bitstream.load("drawn.lcast").size_of(Layer.STRUCTURE) > 0


def test_a_failure_leaves_the_earlier_pictures_whole(run: Run, house: Path) -> None:
    broken = house.with_name("broken.png")
    broken.write_text("this is text")
    outcome = run("encode", house, broken, "-o", "out", "--prompt", "a house", "-q")
    assert outcome.code == 1
    assert [path.name for path in Path("out").iterdir()] == ["house.lcast"]
    Bitstream.load("out/house.lcast")


BAD_PICTURES = [
    ("text.png", b"this is text", "text.png is not a picture in any format known here"),
    ("empty.png", b"", "empty.png is not a picture in any format known here"),
    (
        "huge.png",
        png_header(30_000, 30_000),
        "huge.png has more than 80,000,000 pixels, or decoding it takes more than 640 MiB; scale it down first",
    ),
    ("cut.png", png_header(300, 300)[:60], "cut.png is damaged or cut short: "),
    ("absent.png", None, "there is no picture absent.png"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_PICTURES)
def test_a_bad_picture_fails(fails: Fails, place: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (place / name).write_bytes(content)
    assert fails(1, "encode", name, "-o", "new/out.lcast").startswith(message)


BAD_OPTIONS = [
    (("--canvas", "100x100"), 2, "multiple of 64"),
    (("--canvas", "4096x64"), 2, "from 64 to 2048"),
    (("--canvas", "wide"), 2, "a canvas is WIDTHxHEIGHT in pixels, such as 512x512"),
    (("--budget", "3"), 1, "raise --budget"),
    (("--budget", "-3"), 2, "a budget is a positive number of bytes"),
    (("--bpp", "nan"), 2, "a positive number of bits per pixel, not nan"),
    (("--bpp", "inf"), 2, "a positive number of bits per pixel, not inf"),
    (("--bpp", "-1"), 2, "a positive number of bits per pixel, not -1"),
    (("--seed", "-1"), 2, "a seed is 0 to 4294967295"),
    (("--seed", str(2**32)), 2, "a seed is 0 to 4294967295"),
    (("--model", ""), 2, "a model's name has 1 to 200 bytes"),
    (("--edges", "absent.png"), 1, "absent.png"),
    (("--keypoints", "house.png"), 1, "house.png is not JSON"),
]


@pytest.mark.parametrize(("options", "code", "message"), BAD_OPTIONS)
def test_a_bad_option_fails(fails: Fails, house: Path, options: tuple[str, ...], code: int, message: str) -> None:
    assert message in fails(code, "encode", "house.png", "-o", "new/out.lcast", "--prompt", "a house", *options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--prompt", " "), "the given prompt is blank"),
        (("--prompts", "absent.json"), "there are no prompts at absent.json"),
        (("--captioner", "blip"), "--captioner none"),
    ],
)
def test_no_prompt_where_one_was_promised_fails(
    fails: Fails, house: Path, options: tuple[str, ...], message: str
) -> None:
    assert message in fails(1, "encode", "house.png", "-o", "out.lcast", *options)


@pytest.mark.parametrize(
    ("output", "code", "message"),
    [
        ("file/out.lcast", 1, "file is a file, not a folder"),
        ("file/deeper/out.lcast", 1, "Not a directory"),
        ("file", 2, "file is a file, not a folder"),
        ("file.lcast/", 2, "file.lcast is a file"),
    ],
)
def test_an_output_that_cannot_be_written_fails(
    fails: Fails, house: Path, output: str, code: int, message: str
) -> None:
    house.with_name("file").touch()
    house.with_name("file.lcast").touch()
    assert message in fails(code, "encode", "house.png", "-o", output, "--prompt", "a house")


def test_two_pictures_of_one_name_fail(fails: Fails, house: Path) -> None:
    assert "the same name" in fails(2, "encode", "house.png", "house.png", "-o", "out")


def test_the_file_that_was_there_survives_a_failure(run: Run, house: Path, stream_file: Path, place: Path) -> None:
    before = snapshot(place)
    assert run("encode", house, "-o", stream_file, "--prompt", "a house", "--budget", "3").code == 1
    assert snapshot(place) == before


def test_a_budget_of_planes(run: Run, house: Path) -> None:
    options = ("--prompt", "a house", "--order", "fidelity", "--budget", "1300", "--canvas", "256x256")
    assert run("encode", house, "-o", "a.lcast", *options).code == 0
    stream = Bitstream.load("a.lcast")
    assert 1298 <= len(stream.to_bytes()) <= 1300
    assert stream.decode().layers == {Layer.SEMANTIC, Layer.TEXTURE, Layer.DETAIL}
    assert run("encode", house, "-o", "a.lcast", *options, "--structure", "canny").code == 0
    stream = Bitstream.load("a.lcast")
    assert 0 < stream.size_of(Layer.STRUCTURE) <= 100
    assert 1298 <= len(stream.to_bytes()) <= 1300
