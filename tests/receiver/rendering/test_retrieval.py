"""The retrieval index: pictures are found by name, used for prompts alone, and never mixed with received layers."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from codec.coders.colors.payload import encode_colors
from codec.coders.edges.payload import encode_edges
from codec.container.bitstream import Bitstream, Coder, Header, Section
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from codec.layers import ColorMap, EdgeMap, Layer, Priors, Semantic
from layercast_common.errors import ModelFilesError
from receiver.rendering.engine.direct import render
from receiver.rendering.engine.jobs.denoising_job import DenoisingJob
from receiver.rendering.loader import load_model
from receiver.rendering.model_files.files import RETRIEVAL_FOLDER
from receiver.rendering.models.model import Model
from receiver.rendering.prompt_subject import words_of
from receiver.rendering.retrieval import FILE, MAX_BYTES, RetrievalIndex, RetrievedPicture
from receiver.rendering.sampling.conditioning import Conditioner


def _stream(shade: int) -> bytes:
    picture = np.full((64, 64, 3), shade, np.uint8)
    picture[16:48, 16:48] = 255 - shade
    return encode(picture, "", EncodeOptions(budget=120, texture="grid")).to_bytes()


PICTURES = (
    RetrievedPicture(("fire",), (), _stream(20)),
    RetrievedPicture(("fire engine",), (), _stream(40)),
    RetrievedPicture(("woman", "a lady"), ("oil painting", "style of somebody"), _stream(60)),
    RetrievedPicture(("woman", "a lady"), ("photo",), _stream(80)),
    RetrievedPicture((), ("oil painting", "landscape"), _stream(100)),
    RetrievedPicture(("city street",), ("style of the city",), _stream(120)),
    RetrievedPicture(("tiger face",), (), _stream(140)),
    RetrievedPicture(("melting face",), (), _stream(160)),
)


@pytest.fixture(scope="module")
def index() -> RetrievalIndex:
    return RetrievalIndex(PICTURES)


@pytest.fixture(scope="module")
def retrieving(mini: Model, index: RetrievalIndex) -> Model:
    return replace(mini, retrieval=index)


@pytest.mark.parametrize(
    ("prompt", "number"),
    [
        ("a fire", 0),
        ("Two FIRE ENGINES, at night", 1),
        ("photo of a woman beside a fire engine", 3),
        ("photo of a city street", 5),
        ("the face of a tiger", None),
        ("two tigers", 6),
        ("a melting snowman", None),
        ("the lady, an oil painting", 2),
        ("in the street, a woman", None),
        ("masterpiece, oil painting, a woman", 2),
        ("photo of a big smiling woman", 3),
        ("a fire-eating woman, photo", 3),
        ("an oil landscape", None),
        ("a dog, oil painting", None),
        ("a dog by a fire", None),
        ("a woman's hat", None),
        ("a fire station", None),
        ("a clown painting a woman", None),
        ("a room without a fire", None),
        ("no woman", None),
        ("something else", None),
        ("", None),
        ("畫像", None),
    ],
)
def test_a_picture_is_found_if_it_shows_the_subject_of_the_prompt(
    index: RetrievalIndex, prompt: str, number: int | None
) -> None:
    assert index.find(Semantic(prompt), seed=0) == number


def test_the_seed_chooses_among_those_that_fit_equally(index: RetrievalIndex) -> None:
    found = {index.find(Semantic("a woman"), seed) for seed in range(20)}
    assert found == {2, 3}
    assert len({index.find(Semantic("a woman"), 7) for _ in range(5)}) == 1


@given(st.text(max_size=300), st.integers(0, 2**32 - 1))
def test_any_text_in_any_language_is_accepted(prompt: str, seed: int) -> None:
    index = RetrievalIndex(PICTURES)
    number = index.find(Semantic(prompt), seed)
    assert number is None or 0 <= number < len(index)
    assert all(words_of(prompt))


def _square(left: int) -> NDArray[np.bool_]:
    """Draw the outline of a square on a grid of 40x40 cells."""
    grid = np.zeros((40, 40), bool)
    grid[10:31, left : left + 20] = True
    grid[11:30, left + 1 : left + 19] = False
    return grid


def test_coarse_lines_choose_between_pictures_and_their_mirror_images() -> None:
    def picture(left: int) -> RetrievedPicture:
        edges = Section(Layer.STRUCTURE, Coder.EDGES, encode_edges(EdgeMap(_square(left), (64, 64))))
        shades = ColorMap(np.full((4, 4, 3), 10 * left, np.uint8), (64, 64))
        colors = Section(Layer.TEXTURE, Coder.COLORS, encode_colors(shades))
        return RetrievedPicture(("fire",), (), Bitstream(Header(64, 64), (edges, colors)).to_bytes())

    index = RetrievalIndex([picture(2), picture(10)])
    # The square at 18 is the mirror image of the one at 2.
    for left in (2, 10, 18):
        coarse = Priors((64, 64), Semantic("fire"), EdgeMap(_square(left), (64, 64)))
        chosen = index.complete(coarse, 0).structure
        assert isinstance(chosen, EdgeMap)
        assert np.array_equal(chosen.grid, _square(left))
    fine = Priors((64, 64), Semantic("fire"), EdgeMap(np.ones((40, 40), bool), (64, 64)))
    assert index.complete(fine, 0) == fine


def test_a_prompt_alone_gets_edges_and_colours_at_the_requested_canvas(index: RetrievalIndex) -> None:
    priors = Priors((96, 32), Semantic("fire"))
    retrieved = index.complete(priors, 0)
    assert retrieved.semantic == priors.semantic
    assert isinstance(retrieved.structure, EdgeMap)
    assert isinstance(retrieved.texture, ColorMap)
    assert retrieved.structure.canvas == retrieved.texture.canvas == (96, 32)


@pytest.mark.parametrize("layers", [[Layer.SEMANTIC, Layer.STRUCTURE], [Layer.SEMANTIC, Layer.TEXTURE], []])
def test_received_layers_are_left_alone(index: RetrievalIndex, priors: Priors, layers: list[Layer]) -> None:
    lines = EdgeMap(np.ones((80, 80), bool), priors.canvas)
    received = replace(priors, semantic=Semantic("fire"), structure=lines).only(layers)
    assert index.complete(received, 0) is received


def test_frames_name_the_received_layers(retrieving: Model, mini: Model) -> None:
    priors = Priors((64, 64), Semantic("a fire engine"))
    drawn, plain = (list(render(priors, 1, model=model))[-1] for model in (retrieving, mini))
    assert drawn.layers == plain.layers == {Layer.SEMANTIC}
    assert drawn.image != plain.image


def _planes(shade: int) -> RetrievedPicture:
    """Return a bright square at the left of a darker ground, with coarse lines, as bit planes."""
    picture = np.full((128, 128, 3), shade, np.uint8)
    picture[32:96, 16:64] = 250
    stream = encode(picture, "", EncodeOptions(budget=600))
    assert {section.coder for section in stream.sections} >= {Coder.EDGES, Coder.PLANES}
    return RetrievedPicture(("fire",), (), stream.to_bytes())


class TestBitPlanes:
    @pytest.fixture
    def recalling(self, mini: Model) -> Model:
        return replace(mini, retrieval=RetrievalIndex([_planes(30)]))

    def test_a_prompt_alone_shows_the_restored_picture(self, recalling: Model) -> None:
        (frame,) = render(Priors((128, 128), Semantic("fire")), 1, model=recalling)
        plane = Bitstream.from_bytes(_planes(30).stream).decode().plane
        assert plane is not None
        assert np.array_equal(np.asarray(frame.image), plane.to_image())
        assert frame.layers == {Layer.SEMANTIC}
        assert frame.final

    def test_the_picture_fills_any_canvas(self, recalling: Model) -> None:
        (frame,) = render(Priors((96, 256), Semantic("fire")), 1, model=recalling)
        assert frame.image.size == (96, 256)
        # The middle third of the picture is shown. The square is 64 of 128 pixels high.
        column = np.asarray(frame.image.convert("L"))[:, 4]
        assert np.count_nonzero(column > 140) == pytest.approx(128, abs=8)

    def test_coarse_lines_may_choose_the_mirror_image(self, recalling: Model) -> None:
        edges = Bitstream.from_bytes(_planes(30).stream).decode().structure
        assert isinstance(edges, EdgeMap)
        mirrored = replace(edges, grid=np.ascontiguousarray(edges.grid[:, ::-1]))
        plain, other = (
            np.asarray(list(render(Priors((128, 128), Semantic("fire"), lines), 1, model=recalling))[-1].image)
            for lines in (edges, mirrored)
        )
        assert np.array_equal(plain[:, ::-1], other)

    def test_received_planes_replace_it(self, recalling: Model, mini: Model) -> None:
        received = Bitstream.from_bytes(_planes(90).stream).decode()
        received = replace(received, semantic=Semantic("fire"))
        (ours,), (plain,) = (list(render(received, 1, model=model)) for model in (recalling, mini))
        assert ours.image == plain.image

    def test_a_prompt_that_names_nothing_is_drawn(self, recalling: Model) -> None:
        *_, last = render(Priors((64, 64), Semantic("a river")), 1, model=recalling)
        assert last.steps == recalling.settings.steps

    def test_models_that_do_not_restore_get_edges_and_colours(self, sd15: Model) -> None:
        model = replace(sd15, retrieval=RetrievalIndex([_planes(30)]))
        *_, last = render(Priors((64, 64), Semantic("fire")), 1, model=model, steps=2)
        assert last.steps == 2

    def test_a_broken_picture_is_named(self, mini: Model) -> None:
        broken = replace(mini, retrieval=RetrievalIndex([RetrievedPicture(("fire",), (), b"nothing")]))
        with pytest.raises(ModelFilesError, match="picture 0"):
            list(render(Priors((64, 64), Semantic("fire")), 1, model=broken))


def test_received_layers_replace_retrieved_ones(retrieving: Model, mini: Model, priors: Priors) -> None:
    received = replace(priors, semantic=Semantic("fire"))
    conditioner = Conditioner(retrieving)
    job = DenoisingJob(retrieving, conditioner, received.only([Layer.SEMANTIC]), seed=1, steps=8, clock=lambda: 0.0)
    for _ in range(6):
        job.run.apply(job.run.sample)
    assert job.update(received) < 6
    wanted = Conditioner(mini).prepare(received).features
    assert job.run.conditions.features is not None
    assert wanted is not None
    for a, b in zip(job.run.conditions.features, wanted, strict=True):
        assert a.equal(b)


def test_an_index_is_part_of_a_models_folder(mini_folder: Path, index: RetrievalIndex, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(mini_folder, folder)
    before = load_model(folder, "cpu")
    index.save(folder / RETRIEVAL_FOLDER)
    after = load_model(folder, "cpu")
    assert before.retrieval is None
    assert after.retrieval is not None
    assert len(after.retrieval) == len(PICTURES)
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize("content", [b"", b"\xc0", b"\x91\x93\x90\x90", b"\x91\x93\x90\x90\xa1x", b"{}"])
def test_a_broken_index_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ModelFilesError, match="retrieval index"):
        RetrievalIndex.load(tmp_path)


def test_a_missing_or_oversized_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFilesError, match="retrieval index"):
        RetrievalIndex.load(tmp_path)
    with (tmp_path / FILE).open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ModelFilesError, match="larger"):
        RetrievalIndex.load(tmp_path)


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    broken = RetrievalIndex([RetrievedPicture(("fire",), (), b"nothing")])
    with pytest.raises(ModelFilesError, match="picture 0"):
        broken.complete(Priors((64, 64), Semantic("fire")), 0)
