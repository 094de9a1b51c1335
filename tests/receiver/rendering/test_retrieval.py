"""What a model remembers: found by name, drawn for words alone, and never mixed with what was sent."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.encoder.encode import encode
from codec.layers import ColorMap, EdgeMap, Layer, Priors, Semantic
from layercast_common.errors import ModelFilesError
from receiver.rendering.engine.direct import render
from receiver.rendering.engine.job import RenderJob
from receiver.rendering.engine.update_policy import Action
from receiver.rendering.loader import load_model
from receiver.rendering.model_files.files import MEMORY
from receiver.rendering.models.model import Model
from receiver.rendering.retrieval import FILE, MAX_BYTES, RetrievalIndex, RetrievedPicture, words_of
from receiver.rendering.sampling.conditioning import Conditioner


def _stream(shade: int) -> bytes:
    picture = np.full((64, 64, 3), shade, np.uint8)
    picture[16:48, 16:48] = 255 - shade
    return encode(picture, "", budget=120).to_bytes()


PICTURES = (
    RetrievedPicture(("fire",), (), _stream(20)),
    RetrievedPicture(("fire engine",), (), _stream(40)),
    RetrievedPicture(("woman", "a lady"), ("oil painting", "style of somebody"), _stream(60)),
    RetrievedPicture(("woman", "a lady"), ("photo",), _stream(80)),
    RetrievedPicture((), ("oil painting", "landscape"), _stream(100)),
)


@pytest.fixture(scope="module")
def memory() -> RetrievalIndex:
    return RetrievalIndex(PICTURES)


@pytest.fixture(scope="module")
def remembering(mini: Model, memory: RetrievalIndex) -> Model:
    return replace(mini, memory=memory)


@pytest.mark.parametrize(
    ("prompt", "number"),
    [
        ("a fire", 0),
        ("Two FIRE ENGINES, at night", 1),
        ("photo of a woman beside a fire engine", 3),
        ("the lady, an oil painting", 2),
        ("an oil landscape", 4),
        ("something else", None),
        ("", None),
        ("畫像", None),
    ],
)
def test_pictures_are_found_by_what_a_prompt_names_first(
    memory: RetrievalIndex, prompt: str, number: int | None
) -> None:
    assert memory.find(Semantic(prompt), seed=0) == number


def test_the_seed_chooses_among_those_that_fit_equally(memory: RetrievalIndex) -> None:
    found = {memory.find(Semantic("a woman"), seed) for seed in range(20)}
    assert found == {2, 3}
    assert len({memory.find(Semantic("a woman"), 7) for _ in range(5)}) == 1


@given(st.text(max_size=300), st.integers(0, 2**32 - 1))
def test_any_words_in_any_language_are_fine(prompt: str, seed: int) -> None:
    memory = RetrievalIndex(PICTURES)
    number = memory.find(Semantic(prompt), seed)
    assert number is None or 0 <= number < len(memory)
    assert all(words_of(prompt))


def test_words_alone_are_given_lines_and_colours_at_the_canvas_asked_for(memory: RetrievalIndex) -> None:
    priors = Priors((96, 32), Semantic("fire"))
    seen = memory.complete(priors, 0)
    assert seen.semantic == priors.semantic
    assert isinstance(seen.structure, EdgeMap)
    assert isinstance(seen.texture, ColorMap)
    assert seen.structure.canvas == seen.texture.canvas == (96, 32)


@pytest.mark.parametrize("layers", [[Layer.SEMANTIC, Layer.STRUCTURE], [Layer.SEMANTIC, Layer.TEXTURE], []])
def test_what_was_sent_is_left_alone(memory: RetrievalIndex, priors: Priors, layers: list[Layer]) -> None:
    sent = replace(priors, semantic=Semantic("fire")).only(layers)
    assert memory.complete(sent, 0) is sent


def test_frames_name_the_layers_that_came(remembering: Model, mini: Model) -> None:
    priors = Priors((64, 64), Semantic("a fire engine"))
    drawn, plain = (list(render(priors, 1, model=model))[-1] for model in (remembering, mini))
    assert drawn.layers == plain.layers == {Layer.SEMANTIC}
    assert drawn.image != plain.image


def test_what_comes_takes_the_place_of_what_was_remembered(remembering: Model, mini: Model, priors: Priors) -> None:
    sent = replace(priors, semantic=Semantic("fire"))
    conditioner = Conditioner(remembering)
    job = RenderJob(remembering, conditioner, sent.only([Layer.SEMANTIC]), seed=1, steps=8, clock=lambda: 0.0)
    for _ in range(6):
        job.run.take(job.run.sample)
    assert job.take_layers(sent).action is not Action.JOIN
    wanted = Conditioner(mini).prepare(sent).features
    assert job.run.conditions.features is not None
    assert wanted is not None
    for a, b in zip(job.run.conditions.features, wanted, strict=True):
        assert a.equal(b)


def test_a_memory_is_a_part_of_a_models_folder(mini_folder: Path, memory: RetrievalIndex, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(mini_folder, folder)
    before = load_model(folder, "cpu")
    memory.save(folder / MEMORY)
    after = load_model(folder, "cpu")
    assert before.memory is None
    assert after.memory is not None
    assert len(after.memory) == len(PICTURES)
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize("content", [b"", b"\xc0", b"\x91\x93\x90\x90", b"\x91\x93\x90\x90\xa1x", b"{}"])
def test_a_broken_memory_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ModelFilesError, match="memory"):
        RetrievalIndex.load(tmp_path)


def test_a_missing_or_an_oversized_memory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFilesError, match="memory"):
        RetrievalIndex.load(tmp_path)
    with (tmp_path / FILE).open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ModelFilesError, match="larger"):
        RetrievalIndex.load(tmp_path)


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    broken = RetrievalIndex([RetrievedPicture(("fire",), (), b"nothing")])
    with pytest.raises(ModelFilesError, match="picture 0"):
        broken.complete(Priors((64, 64), Semantic("fire")), 0)
