import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from layercast import Bitstream
from tests.layercast.conftest import Run, png_header

Fails = Callable[..., str]


def test_a_headless_demo_writes_all_that_it_reports(run: Run, house: Path, tiny_model: Path) -> None:
    line = ("demo", "--headless", "--out", "out", "--json", "--link", "fast", "--steps", 2, "--model", tiny_model)
    outcome = run(*line, "--image", house, "--prompt", "a house on a hill")
    assert (outcome.code, outcome.err) == (0, "")
    report = json.loads(outcome.out)
    levels = ["semantic", "structure", "texture", "detail"]
    assert list(report["levels"]) == list(report["layers"]) == list(report["layers_seconds"]) == levels
    assert {Image.open(path).size for path in report["levels"].values()} == {(512, 512)}
    assert Image.open(report["sheet"]).width > 3 * 320
    stream = Bitstream.load(report["file"])
    assert report["bytes"] == len(stream.to_bytes()) == Path(report["file"]).stat().st_size
    assert report["container_bytes"] + sum(layer["bytes"] for layer in report["layers"].values()) == report["bytes"]
    assert report["sent_bytes"] == report["received_bytes"] > report["bytes"]
    assert report["link"] == {"name": "fast", "bit_per_s": 0, "delay_s": 0.0}
    assert report["jpeg_seconds"] is None
    assert report["jpeg_bytes"] > 1000
    assert (report["prompt"], report["prompt_source"]) == ("a house on a hill", "given")
    assert report["frames"][-1]["final"]
    assert report["frames"][-1]["level"] == "detail"
    times = [frame["seconds"] for frame in report["frames"]]
    assert times == sorted(times)
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(
        ["house.lcast", "house.sheet.png", *(f"house.{level}.png" for level in levels)]
    )


def test_for_people_it_names_the_files(run: Run, house: Path, tiny_model: Path) -> None:
    line = ("demo", "--headless", "--out", "out", "--rate", "40000", "--steps", 1, "--model", tiny_model)
    outcome = run(*line, "--link", "lora-sf7", "--image", house, "--prompt", "a house")
    assert (outcome.code, outcome.out) == (0, "")
    loading, *doing, written = outcome.err.splitlines()
    assert loading == f"loading {tiny_model} ..."
    assert (doing[0].split()[0], doing[-1].split()[0]) == ("sending", "rendering")
    assert written == (
        "written: out/house.semantic.png, out/house.structure.png, out/house.texture.png, out/house.detail.png, "
        "out/house.sheet.png"
    )


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--image", "absent.png"), 1, "there is no picture absent.png"),
        (("--image", "text.png"), 1, "text.png is not a picture"),
        (("--image", "huge.png"), 1, "huge.png has more than 80,000,000 pixels"),
        (("--model", "sd15"), 1, "layercast models fetch sd15"),
        (("--model", "sd16"), 1, "no model is called 'sd16'"),
        (("--link", "string"), 2, "no link is called 'string'"),
    ],
)
def test_a_demo_that_cannot_be_fails(
    fails: Fails, house: Path, options: tuple[str, ...], code: int, message: str
) -> None:
    house.with_name("text.png").write_text("this is text")
    house.with_name("huge.png").write_bytes(png_header(30_000, 30_000))
    common = ("demo", "--headless", "--out", "out", "-q", "--model", "sd16", "--image", "house.png", "--prompt", "x")
    assert message in fails(code, *common, *options)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--steps", "0"), 2, "at least 1 step, not 0"),
        (("--out", "house.png"), 1, "house.png is a file, not a folder"),
    ],
)
def test_what_is_found_out_late_fails_as_cleanly(
    fails: Fails, house: Path, tiny_model: Path, options: tuple[str, ...], code: int, message: str
) -> None:
    common = ("demo", "--headless", "--out", "out", "-q", "--model", tiny_model, "--image", house, "--prompt", "x")
    assert message in fails(code, *common, *options)
