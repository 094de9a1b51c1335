"""Streams as a picture format: Pillow's contract, drawn or painted pixels, and no surprise from hostile bytes."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, UnidentifiedImageError

import layercast
import layercast.pillow_plugin as plugin
from codec.preview import paint_priors
from layercast import Bitstream, Header, Layer, Section
from layercast_common.errors import UsageError
from receiver.rendering.model_files.registry import MINI_FOLDER
from tests.support.pictures import draw_picture

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def drawing() -> Iterator[None]:
    """Each test starts with painting, and restores the options."""
    plugin.draw_with(None)
    yield
    plugin.draw_with()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_opening_tells_all_and_draws_nothing(stream_file: Path, stream: Bitstream) -> None:
    with Image.open(stream_file) as image:
        assert (image.format, image.size, image.mode) == ("LCAST", (128, 128), "RGB")
        assert image.get_format_mimetype() == "image/x-lcast"
        assert image.info == {
            "prompt": "a house on a hill",
            "seed": 7,
            "model": "mini",
            "bytes": stream_file.stat().st_size,
            "layers": {layer.name.lower(): stream.size_of(layer) for layer in list(Layer)[:3]},
        }


def test_layers_are_painted_where_nothing_can_draw(stream_file: Path, stream: Bitstream) -> None:
    with Image.open(stream_file) as image:
        pixels = np.asarray(image)
        assert image.info["rendered"] == "painted from the layers"
    assert np.array_equal(pixels, paint_priors(stream.decode()))


def test_what_pillow_does_with_pictures_works(stream_file: Path, tmp_path: Path) -> None:
    with Image.open(stream_file) as image:
        copy = image.convert("L").resize((32, 32))
        assert copy.info["prompt"] == "a house on a hill"
        image.save(tmp_path / "house.png")
        image.thumbnail((16, 16))
        assert image.size == (16, 16)
    with Image.open(tmp_path / "house.png") as saved:
        assert saved.size == (128, 128)


def test_a_missing_model_is_told_and_the_layers_are_painted(
    stream: Bitstream, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The registry's own folder may hold the embedded model on this machine.
    monkeypatch.setattr("receiver.rendering.model_files.files.find_entry", _nowhere)
    plugin._load.cache_clear()
    plugin.draw_with()
    image = opened(stream.to_bytes())
    image.load()
    assert image.info["rendered"].startswith("painted from the layers: ")
    assert "mini" in image.info["rendered"]
    assert np.array_equal(np.asarray(image), paint_priors(stream.decode()))


def _nowhere(name: str) -> object:
    from layercast_common.errors import MissingModelError

    raise MissingModelError(f"the model {name} is not on this machine; layercast models fetch {name}")


def test_a_model_draws(stream: Bitstream, tiny_model: Path) -> None:
    plugin.draw_with(tiny_model, device="cpu", steps=2)
    image = opened(stream.to_bytes())
    drawn = np.asarray(image)
    assert image.info["rendered"] == f"rendered by {tiny_model}"
    *_, last = layercast.render(stream, model=tiny_model, device="cpu", steps=2)
    assert np.array_equal(drawn, np.asarray(last.image))


def test_a_model_that_is_asked_for_must_be_there(stream: Bitstream, tmp_path: Path) -> None:
    plugin.draw_with(tmp_path / "nowhere")
    with pytest.raises(OSError, match="no model is called"):
        opened(stream.to_bytes()).load()


def test_a_stream_cannot_name_a_folder_to_load(
    stream: Bitstream, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = Bitstream(Header(64, 64, model=str(tiny_model)), stream.sections)
    asked: list[object] = []
    plugin.draw_with()

    def ask(name: str, device: str) -> object:
        asked.append(name)
        return _nowhere(name)

    monkeypatch.setattr(plugin, "_load", ask)
    image = opened(named.to_bytes())
    image.load()
    assert asked == ["mini"]
    assert image.info["model"] == str(tiny_model)


def test_the_embedded_model_is_the_default(stream: Bitstream) -> None:
    assert plugin.DrawOptions() == plugin.DrawOptions(model="auto", device="auto", steps=None)
    assert MINI_FOLDER.name == "mini"


def test_saving_encodes(tmp_path: Path) -> None:
    path = tmp_path / "x.lcast"
    picture = Image.fromarray(draw_picture(200, 160))
    picture.save(path, prompt="a barn", budget=300, seed=4, canvas=(128, 128), quality=80)
    stream = Bitstream.load(path)
    assert len(stream.to_bytes()) <= 300
    assert (stream.header.canvas, stream.header.seed) == ((128, 128), 4)
    semantic = stream.decode().semantic
    assert semantic is not None
    assert semantic.prompt == "a barn"
    assert stream == layercast.encode(picture, "a barn", budget=300, seed=4, canvas=(128, 128))


def test_what_was_drawn_keeps_its_prompt(stream: Bitstream) -> None:
    image = opened(stream.to_bytes())
    image.load()
    file = io.BytesIO()
    image.rotate(90).save(file, "LCAST")
    semantic = Bitstream.from_bytes(file.getvalue()).decode().semantic
    assert semantic is not None
    assert semantic.prompt == "a house on a hill"


def test_saving_fails_as_pillow_does(tmp_path: Path) -> None:
    picture = Image.new("RGB", (64, 64))
    for options, error in (({"budget": 9, "bpp": 0.1}, UsageError), ({"budget": 4, "prompt": "x" * 50}, OSError)):
        with pytest.raises(error):
            picture.save(tmp_path / "x.lcast", **options)
        assert not (tmp_path / "x.lcast").exists()
    with pytest.raises(OSError, match="no picture"):
        picture.save(tmp_path / "x.lcast", prompt="x", edges=str(tmp_path / "none.png"))


def test_a_stream_cut_short_is_truncated(stream: Bitstream, monkeypatch: pytest.MonkeyPatch) -> None:
    image = opened(stream.to_bytes()[:-20])
    assert image.info["prompt"] == "a house on a hill"
    with pytest.raises(OSError, match="truncated"):
        image.load()
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    image.load()
    assert image.getpixel((64, 64))


def test_a_broken_layer_is_found_when_it_is_drawn() -> None:
    broken = Bitstream(Header(64, 64), (Section(Layer.TEXTURE, layercast.Coder.COLORS, b""),))
    image = opened(broken.to_bytes())
    with pytest.raises(OSError, match="colour section"):
        image.load()


def test_a_stream_without_layers_is_a_plain_picture() -> None:
    plugin.draw_with()
    image = opened(Bitstream(Header(64, 64), ()).to_bytes())
    assert len(image.getcolors() or []) == 1
    assert image.info["prompt"] is None


@pytest.mark.parametrize("data", [b"\xb1L", b"\xb1L\x10", b"\xb1L\xff\0\0\0\0", b"\xb1L" + bytes(plugin.MAX_FILE)])
def test_what_is_no_stream_is_not_identified(data: bytes) -> None:
    with pytest.raises(UnidentifiedImageError):
        opened(data)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_hostile_bytes_raise_what_pillow_promises(data: st.DataObject) -> None:
    whole = layercast.encode(draw_picture(64, 64), prompt="a house", canvas=(64, 64), budget=200).to_bytes()
    damaged = bytearray(whole)
    for place in data.draw(st.lists(st.integers(3, len(whole) - 1), min_size=1, max_size=6)):
        damaged[place] = data.draw(st.integers(0, 255))
    kept = bytes(damaged)[: data.draw(st.integers(2, len(whole)))] + data.draw(st.binary(max_size=4))
    try:
        image = opened(kept)
        assert image.width * image.height <= 1 << 24
        if image.width * image.height <= 1 << 16:
            image.load()
    except OSError:  # of which UnidentifiedImageError is one
        pass


def test_importing_layercast_registers_nothing() -> None:
    code = "import layercast, layercast.api, layercast.cli; from PIL import Image; Image.init()\n"
    code += "assert 'LCAST' not in Image.OPEN\nimport layercast.pillow_plugin, sys\n"
    code += "assert 'LCAST' in Image.OPEN and Image.EXTENSION['.lcast'] == 'LCAST'\nassert 'torch' not in sys.modules"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
