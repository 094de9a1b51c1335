import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from codec.container.bitstream import Coder, Section
from codec.container.guess import Guess
from layercast import Bitstream, Layer
from tests.layercast.conftest import Run

Fails = Callable[..., str]


def test_the_report_adds_up_to_the_file(run: Run, stream_file: Path) -> None:
    facts = json.loads(run("info", stream_file, "--json").out)
    size = stream_file.stat().st_size
    assert facts["bytes"] == size
    assert facts["container_bytes"] + sum(layer["bytes"] for layer in facts["layers"].values()) == size
    assert facts["container_bytes"] + sum(section["bytes"] for section in facts["sections"]) == size
    assert facts["bpp"] == pytest.approx(8 * size / (128 * 128))
    assert (facts["width"], facts["height"], facts["seed"], facts["model"]) == (128, 128, 7, "mini")
    assert facts["prompt"] == "a house on a hill"
    assert list(facts["layers"]) == ["semantic", "structure", "texture"]


def test_the_table_tells_the_same(run: Run, stream_file: Path) -> None:
    outcome = run("info", stream_file)
    lines = outcome.out.splitlines()
    assert lines[0] == f"{stream_file}: 128x128, seed 7, for mini"
    figures = {line.rsplit(None, 2)[0].strip(): int(line.split()[-2]) for line in lines[2:7]}
    assert figures.pop("total") == stream_file.stat().st_size == sum(figures.values())
    assert lines[7] == "prompt: a house on a hill"


def test_a_stream_cut_short_is_told_with_the_way_out(run: Run, fails: Fails, stream_file: Path) -> None:
    data = stream_file.read_bytes()
    stream_file.write_bytes(data[:-6])
    assert fails(1, "info", stream_file).endswith("house.lcast: truncated; --partial accepts the layers before the end")
    facts = json.loads(run("info", stream_file, "--partial", "--json").out)
    assert facts["bytes"] == len(data) - 6
    assert facts["prompt"] == "a house on a hill"


def test_a_stream_cut_within_its_header_is_past_help(fails: Fails, stream_file: Path) -> None:
    stream_file.write_bytes(stream_file.read_bytes()[:3])
    for options in ((), ("--partial",)):
        assert "stops after 3 bytes" in fails(1, "info", stream_file, *options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello, world", "not a layercast stream"),
        (b"", "not a layercast stream (it is empty)"),
        (None, "No such file or directory"),
    ],
)
def test_what_is_no_stream_fails(fails: Fails, place: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (place / "x.lcast").write_bytes(content)
    assert message in fails(1, "info", "x.lcast")


def test_a_damaged_stream_fails(fails: Fails, stream_file: Path) -> None:
    data = bytearray(stream_file.read_bytes())
    data[40] ^= 1
    stream_file.write_bytes(data)
    assert fails(1, "info", stream_file).endswith("damaged: its check does not match; have it sent again")


@pytest.mark.parametrize("command", [("info",), ("decode", "-o", "out"), ("edit", "-o", "out.lcast", "--prompt", "x")])
def test_a_section_that_does_not_decode_is_told_with_its_file(
    fails: Fails, stream: Bitstream, place: Path, command: tuple[str, ...]
) -> None:
    broken = Section(Layer.STRUCTURE, Coder.EDGES, b"\x40")
    Bitstream(stream.header, (stream.sections[0], broken)).save("x.lcast")
    line = fails(1, command[0], "x.lcast", *command[1:])
    assert line.startswith("x.lcast: section 2 of 2 does not decode: an edge section refines")


def test_an_edit_of_a_stream_cut_short_tells_the_way_out(fails: Fails, stream_file: Path) -> None:
    stream_file.write_bytes(stream_file.read_bytes()[:-6])
    line = fails(1, "edit", stream_file, "-o", "out.lcast", "--prompt", "x")
    assert line.endswith("house.lcast: truncated; layercast info --partial shows the layers before the end")


def test_what_follows_a_stream_is_told(fails: Fails, stream_file: Path) -> None:
    stream_file.write_bytes(stream_file.read_bytes() + b"junk")
    assert "4 bytes follow the stream's end; a file holds one stream" in fails(1, "info", stream_file)


def test_a_folder_fails(fails: Fails, place: Path) -> None:
    assert "Is a directory" in fails(1, "info", place)


def test_a_prompt_is_shown_as_it_is(run: Run, stream: Bitstream, place: Path) -> None:
    from layercast import encode
    from tests.support.pictures import draw_picture

    encode(draw_picture(64, 64), prompt="[bold]a fox[/bold] " + "in snow " * 20, budget=900).save("x.lcast")
    assert "prompt: [bold]a fox[/bold] in snow in snow" in run("info", "x.lcast").out


def test_planes_are_shown(run: Run, place: Path) -> None:
    from layercast import encode
    from tests.support.pictures import draw_picture

    encode(draw_picture(128, 128), "a house", order="fidelity", budget=1300).save("x.lcast")
    shown = run("info", "x.lcast").out
    assert "texture (planes)" in shown
    assert "detail (planes)" in shown
    assert shown.splitlines()[-1].startswith("planes: down to ")
    data = Path("x.lcast").read_bytes()
    for size in (30, 100, len(data) - 20):
        Path("x.lcast").write_bytes(data[:size])
        assert run("info", "x.lcast", "--partial").code == 0


def test_several_files_and_the_schema(run: Run, stream_file: Path) -> None:
    schema = json.loads((Path(__file__).parents[3] / "docs" / "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    one = json.loads(run("info", stream_file, "--json").out)
    two = json.loads(run("info", stream_file, stream_file, "--json").out)
    for report in (one, two):
        jsonschema.validate(report, schema)
    assert two["pictures"] == [one["pictures"][0]] * 2
    assert run("info", stream_file, stream_file).out.count(f"{stream_file}: 128x128") == 2


def test_a_guess_is_shown(run: Run, stream_file: Path) -> None:
    stream = Bitstream.load(stream_file)
    replace(stream, header=replace(stream.header, guess=Guess("mini", 0.1))).save(stream_file)
    assert "guessed by mini, 7 % sure" in run("info", stream_file).out
    assert json.loads(run("info", stream_file, "--json").out)["guess"]["source"] == "mini"
