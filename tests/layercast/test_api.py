import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import layercast
from codec.encoder.options import EncodeOptions
from layercast.api import EncodeKeywords
from layercast_common.errors import TruncatedError, UnknownModelError, UsageError
from receiver.events import FrameRendered
from receiver.options import RenderOptions
from tests.support.pictures import draw_picture

PICTURE = draw_picture(128, 128)


def test_the_names_of_the_contract_are_there() -> None:
    assert layercast.__all__ == sorted(layercast.__all__)
    assert all(hasattr(layercast, name) for name in layercast.__all__)
    assert {"encode", "render", "Bitstream", "Layer", "Priors", "Sender", "Receiver"} <= set(layercast.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'paint'"):
        layercast.paint  # noqa: B018


def test_encoding_gives_a_stream_with_its_attributes(stream: layercast.Bitstream, tmp_path: Path) -> None:
    data = stream.to_bytes()
    assert layercast.Bitstream.from_bytes(data) == stream
    stream.save(tmp_path / "x.lcast")
    assert layercast.Bitstream.load(tmp_path / "x.lcast") == stream
    header = stream.header
    assert (header.width, header.height, header.seed, header.model) == (128, 128, 7, "mini")
    assert [section.layer for section in stream.sections] == [
        layercast.Layer.SEMANTIC,
        layercast.Layer.STRUCTURE,
        layercast.Layer.TEXTURE,
    ]
    assert all(isinstance(section.payload, bytes) for section in stream.sections)
    assert sum(stream.size_of(layer) for layer in layercast.Layer) + stream.size_of(None) == len(data)


def test_the_keywords_of_encode_are_the_encode_options() -> None:
    names = {field.name for field in dataclasses.fields(EncodeOptions)}
    assert set(EncodeKeywords.__annotations__) == names - {"prompt"}


def test_options_and_keywords_give_the_same_stream(tmp_path: Path) -> None:
    edges = tmp_path / "edges.png"
    Image.fromarray(PICTURE).convert("L").save(edges)
    options = EncodeOptions(prompt="a house", budget=300, seed=3, edges=edges)
    expected = layercast.encode(PICTURE, options=options)
    assert layercast.encode(PICTURE, "a house", budget=300, seed=3, edges=str(edges)) == expected
    other = layercast.encode(PICTURE, options=options, seed=4)
    assert (other.header.seed, other.sections) == (4, expected.sections)
    with pytest.raises(TypeError, match="sed"):
        layercast.encode(PICTURE, sed=3)  # type: ignore[call-arg]


def test_decoding_gives_readable_layers(stream: layercast.Bitstream) -> None:
    priors = stream.decode()
    assert isinstance(priors, layercast.Priors)
    assert isinstance(priors.semantic, layercast.Semantic)
    assert priors.semantic.prompt == "a house on a hill"
    assert isinstance(priors.structure, layercast.EdgeMap)
    lines = priors.structure.to_image()
    assert (lines.shape, lines.dtype) == ((128, 128), np.dtype(np.uint8))
    assert set(np.unique(lines)) == {0, 255}
    assert isinstance(priors.texture, layercast.ColorMap)
    assert (priors.texture.colors.ndim, priors.texture.colors.dtype) == (3, np.dtype(np.uint8))


def test_every_prefix_decodes_to_what_came(stream: layercast.Bitstream) -> None:
    data = stream.to_bytes()
    start = len(stream.header.to_bytes())
    known = []
    for length in range(start, len(data)):
        priors = layercast.Bitstream.from_bytes(data[:length], partial=True).decode()
        known.append(len(priors.layers))
        with pytest.raises(TruncatedError):
            layercast.Bitstream.from_bytes(data[:length])
    assert known == sorted(known)
    assert (known[0], known[-1]) == (0, 3)


def test_files_images_and_arrays_encode_alike(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "x.png")
    sources = (tmp_path / "x.png", str(tmp_path / "x.png"), Image.fromarray(PICTURE), PICTURE)
    streams = [layercast.encode(source, prompt="a house", structure="canny", budget=655) for source in sources]
    assert all(stream == streams[0] for stream in streams)
    assert len(streams[0].to_bytes()) <= 655


@pytest.mark.parametrize("options", [{"structure": "soup"}, {"budget": 300, "bpp": 0.1}, {"canvas": (100, 64)}])
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        layercast.encode(PICTURE, prompt="a house", **options)  # type: ignore[arg-type]


def test_rendering_gives_frames_up_to_a_final_one(stream: layercast.Bitstream, tiny_model: Path) -> None:
    frames = list(layercast.render(stream, model=tiny_model, device="cpu", steps=4))
    assert all(isinstance(frame, layercast.Frame) for frame in frames)
    assert [frame.final for frame in frames] == [False] * (len(frames) - 1) + [True]
    assert [frame.step for frame in frames] == sorted({frame.step for frame in frames})
    last = frames[-1]
    assert (last.image.mode, last.image.size) == ("RGB", (128, 128))
    assert (last.level, last.step, last.steps) == (layercast.Layer.TEXTURE, 4, 4)
    again = list(layercast.render(stream.decode(), model=tiny_model, device="cpu", steps=4, seed=7))
    assert again[-1].image.tobytes() == last.image.tobytes()
    other = list(layercast.render(stream, model=tiny_model, device="cpu", steps=4, seed=8))
    assert other[-1].image.tobytes() != last.image.tobytes()


def test_rendering_takes_the_model_that_the_stream_names() -> None:
    stream = layercast.encode(PICTURE, prompt="a house", model="no such model", budget=300)
    with pytest.raises(UnknownModelError, match="no such model"):
        layercast.render(stream)


async def test_sender_and_receiver_meet(stream: layercast.Bitstream, tiny_model: Path) -> None:
    frames: list[FrameRendered] = []
    async with (
        layercast.Receiver(
            listen="ws://127.0.0.1:0",
            token="t",
            model=tiny_model,
            render=RenderOptions(steps=2),
            on_frame=frames.append,
        ) as receiver,
        layercast.Sender(receiver.url, token="t") as sender,
    ):
        delivery = await sender.send(stream)
    assert delivery.complete
    assert all(frame.frame.image.size == (128, 128) for frame in frames)
