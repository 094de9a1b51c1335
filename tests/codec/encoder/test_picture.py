"""codec.encoder.picture: from a file, image or array to a stream."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from codec.container.bitstream import Bitstream
from codec.container.guess import Guess
from codec.editing import replace_prompt
from codec.encoder.options import EncodeOptions
from codec.encoder.picture import encode_picture
from codec.image_io import jpeg_size
from codec.layers import EdgeMap, Layer, Skeleton
from layercast_common.errors import BudgetError, MissingExtraError, PictureError
from tests.support.pictures import draw_picture


@pytest.fixture
def house(tmp_path: Path) -> Path:
    path = tmp_path / "house.png"
    Image.fromarray(draw_picture(160, 120)).save(path)
    return path


def test_a_picture_becomes_a_stream_within_its_budget(house: Path) -> None:
    result = encode_picture(house, EncodeOptions(prompt="a house", canvas=(128, 64), budget=300, seed=5, model="sd15"))
    header = result.stream.header
    assert (header.canvas, header.seed, header.model) == ((128, 64), 5, "sd15")
    assert result.stream.decode().layers == set(Layer)
    assert len(result.stream.to_bytes()) <= 300
    assert (result.prompt.text, str(result.prompt.source)) == ("a house", "given")


@pytest.mark.parametrize(
    ("options", "guess"),
    [
        (EncodeOptions(prompt="a house"), None),
        (EncodeOptions(captioner="none"), Guess("measured", 1.0)),
        (EncodeOptions(captioner="mini"), Guess("mini", 0.1)),
    ],
)
def test_a_guessed_prompt_is_marked_within_the_budget(house: Path, options: EncodeOptions, guess: Guess | None) -> None:
    stream = encode_picture(house, replace(options, budget=300)).stream
    assert stream.header.guess == guess
    assert len(stream.to_bytes()) <= 300
    assert Bitstream.from_bytes(stream.to_bytes()).header.guess == guess
    assert replace_prompt(stream, "a person wrote this").header.guess is None


def test_files_images_and_arrays_give_equal_streams(house: Path) -> None:
    options = EncodeOptions(prompt="a house", canvas=(128, 128), budget=400)
    image = Image.open(house)
    streams = [encode_picture(source, options).stream for source in (house, str(house), image, np.asarray(image))]
    assert all(stream == streams[0] for stream in streams)


def test_defaults_find_the_prompt_and_use_bits_per_pixel(house: Path) -> None:
    house.with_suffix(".txt").write_text("a house on a hill")
    result = encode_picture(house)
    assert result.stream.header.canvas == (512, 384)
    assert len(result.stream.to_bytes()) <= 0.02 * 512 * 384 / 8
    assert result.prompt.text == "a house on a hill"
    half = encode_picture(house, EncodeOptions(bpp=0.01)).stream
    assert len(half.to_bytes()) <= 0.01 * 512 * 384 / 8


def test_jpeg_size_is_that_of_the_canvas() -> None:
    picture = draw_picture(128, 128)
    result = encode_picture(picture, EncodeOptions(prompt="a house", canvas=(128, 128), budget=400))
    assert result.jpeg_size == jpeg_size(Image.fromarray(picture))
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=1)
    assert result.jpeg_size > len(buffer.getvalue()) / 2


def test_structure_comes_from_the_chosen_source(house: Path, tmp_path: Path) -> None:
    drawing = Image.new("L", (128, 128))
    drawing.paste(255, (16, 40, 112, 44))
    drawing.save(tmp_path / "edges.png")
    people = [{"pose_keypoints_2d": [coordinate for point in range(18) for coordinate in (20 + 5 * point, 60, 0.9)]}]
    (tmp_path / "pose.json").write_text(
        json.dumps({"canvas_width": 128, "canvas_height": 128, "people": people}), encoding="utf-8"
    )
    common: dict[str, Any] = {"prompt": "a house", "canvas": (128, 128), "budget": 600}

    edges = encode_picture(house, EncodeOptions(edges=tmp_path / "edges.png", **common)).stream.decode().structure
    assert isinstance(edges, EdgeMap)
    rows, _ = np.nonzero(edges.to_image())
    assert 36 <= rows.min() <= rows.max() <= 48
    pose = encode_picture(
        house, EncodeOptions(structure="none", keypoints=tmp_path / "pose.json", **common)
    ).stream.decode()
    assert isinstance(pose.structure, Skeleton)
    both = encode_picture(
        house, EncodeOptions(edges=tmp_path / "edges.png", keypoints=tmp_path / "pose.json", **common)
    )
    priors = both.stream.decode()
    assert (priors.structure, priors.skeleton) == (edges, pose.structure)
    assert encode_picture(house, EncodeOptions(structure="none", **common)).stream.decode().structure is None


def test_errors_of_encode_picture(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PictureError, match="there is no picture"):
        encode_picture(house.with_name("absent.png"), EncodeOptions(prompt="a house"))
    with pytest.raises(BudgetError):
        encode_picture(house, EncodeOptions(prompt="a house", budget=2))
    monkeypatch.setitem(__import__("sys").modules, "controlnet_aux", None)
    with pytest.raises(MissingExtraError, match="annotators"):
        encode_picture(house, EncodeOptions(prompt="a house", structure="hed"))
