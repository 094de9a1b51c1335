import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from layercast import Bitstream, Layer
from tests.layercast.conftest import Run, snapshot

Fails = Callable[..., str]


def test_every_level_is_drawn(run: Run, stream_file: Path, tiny_model: Path) -> None:
    outcome = run("decode", stream_file, "-o", "out", "--model", tiny_model, "--steps", 2, "--json")
    assert outcome.code == 0
    (row,) = json.loads(outcome.out)["pictures"]
    assert list(row["levels"]) == ["semantic", "structure", "texture"]
    assert [work["passes"] for work in row["work"].values()] == [2, 2, 2]
    assert all(work["seconds"] > 0 for work in row["work"].values())
    assert row["bytes"] == stream_file.stat().st_size
    pictures = [np.asarray(Image.open(path)) for path in row["levels"].values()]
    assert {picture.shape for picture in pictures} == {(128, 128, 3)}
    assert len({picture.tobytes() for picture in pictures}) == 3
    assert sorted(path.name for path in Path("out").iterdir()) == [
        f"house.{level}.png" for level in ("semantic", "structure", "texture")
    ]


def test_decoding_twice_gives_the_same_pictures(run: Run, stream_file: Path, tiny_model: Path) -> None:
    for folder in ("one", "two"):
        run("decode", stream_file, "-o", folder, "--model", tiny_model, "--steps", 2, "--levels", "texture", "-q")
    one, two = ({path.name: content for path, content in snapshot(Path(name)).items()} for name in ("one", "two"))
    assert one == two
    assert list(one) == ["house.texture.png"]


def test_priors_are_written_for_people_to_look_at(run: Run, stream_file: Path, tiny_model: Path) -> None:
    line = ("decode", stream_file, "-o", "out", "--model", tiny_model, "--steps", 1, "--levels", "semantic")
    outcome = run(*line, "--save-priors")
    difference, written = outcome.err.splitlines()
    assert "made for the model mini" in difference
    assert written == f"{stream_file}: out/house.semantic.png"
    assert Path("out/house.prompt.txt").read_text() == "a house on a hill\n"
    assert set(np.unique(np.asarray(Image.open("out/house.edges.png")))) == {0, 255}
    assert Image.open("out/house.colors.png").size == (128, 128)


def test_bit_planes_have_a_level_of_detail(run: Run, fidelity: Bitstream, place: Path, tiny_model: Path) -> None:
    fidelity.save("house.lcast")
    outcome = run("decode", "house.lcast", "-o", "out", "--model", tiny_model, "--steps", 1, "--save-priors", "--json")
    (row,) = json.loads(outcome.out)["pictures"]
    assert list(row["levels"]) == ["semantic", "texture", "detail"]
    plane = fidelity.decode().plane
    assert plane is not None
    detail, texture = (np.asarray(Image.open(f"out/house.{name}.png")) for name in ("detail", "texture"))
    assert np.array_equal(detail, plane.to_image())
    assert np.array_equal(texture, plane.without_detail().to_image())
    assert np.array_equal(np.asarray(Image.open("out/house.plane.png")), detail)
    assert Image.open("out/house.colors.png").size == (128, 128)


def test_a_stream_cut_short_is_drawn_with_partial(
    run: Run, fails: Fails, stream: Bitstream, place: Path, tiny_model: Path
) -> None:
    cut = replace(stream, sections=stream.sections[:1]).to_bytes()[:-3]
    Path("cut.lcast").write_bytes(cut)
    assert "--partial" in fails(1, "decode", "cut.lcast", "-o", "out", "--model", tiny_model)
    assert run("decode", "cut.lcast", "-o", "out", "--model", tiny_model, "--steps", 1, "--partial").code == 0
    assert [path.name for path in Path("out").iterdir()] == ["cut.semantic.png"]


BAD_OPTIONS = [
    (("--model", "sd16"), 1, "no model is called 'sd16' (did you mean sd15?); use one of mini, sd15"),
    (("--model", "sd15"), 1, "the model sd15 is not on this machine; fetch it with: layercast models fetch sd15"),
    (("--model", "someone/some-model"), 1, "layercast models fetch someone/some-model"),
    (("--model", "."), 1, "lacks unet/config.json"),
    (("--levels", "soup"), 2, "levels are semantic, structure, texture, detail, not 'soup'"),
    (("--levels", ","), 2, "levels are semantic, structure, texture, detail, not ','"),
    (("--levels", "detail"), 2, "contains none of these levels; it has semantic, structure, texture"),
]


@pytest.mark.parametrize(("options", "code", "message"), BAD_OPTIONS)
def test_a_bad_option_fails(fails: Fails, stream_file: Path, options: tuple[str, ...], code: int, message: str) -> None:
    assert message in fails(code, "decode", stream_file, "-o", "out", *options)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--steps", "0"), 2, "a picture takes 1 to 1000 steps, not 0"),
        (("--steps", "1001"), 2, "a picture takes 1 to 1000 steps, not 1001"),
        (("--device", "abacus"), 2, "no device 'abacus' on this machine"),
        (("-o", "house.lcast"), 1, "house.lcast is a file, not a folder"),
    ],
)
def test_what_the_model_cannot_do_fails(
    run: Run, stream_file: Path, tiny_model: Path, options: tuple[str, ...], code: int, message: str
) -> None:
    outcome = run("decode", stream_file, "-o", "out", "--model", tiny_model, *options)
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.count("\n") == 1
    assert message in outcome.err
    assert not [*Path().glob("out/*")]


def test_a_level_that_is_not_in_the_stream_fails(fails: Fails, stream: Bitstream, place: Path) -> None:
    kept = tuple(section for section in stream.sections if section.layer is not Layer.TEXTURE)
    replace(stream, sections=kept).save("two.lcast")
    line = fails(2, "decode", "two.lcast", "-o", "out", "--levels", "texture")
    assert line == "two.lcast: contains none of these levels; it has semantic, structure"
    replace(stream, sections=()).save("none.lcast")
    assert "no layer that this version can render" in fails(1, "decode", "none.lcast", "-o", "out")


def test_two_files_of_one_name_fail(fails: Fails, stream_file: Path) -> None:
    assert "the same name" in fails(2, "decode", stream_file, stream_file, "-o", "out")


def test_one_bad_file_costs_only_its_own_pictures(run: Run, stream_file: Path, place: Path, tiny_model: Path) -> None:
    (place / "bad.lcast").write_bytes(b"hello, world")
    outcome = run("decode", "bad.lcast", stream_file, "-o", "out", "--model", tiny_model, "--steps", 1)
    assert outcome.code == 1
    assert "bad.lcast" in outcome.err
    assert (place / "out" / "house.texture.png").is_file()
