"""codec.encoder.encode: streams never exceed the budget, and use it."""

import numpy as np
import pytest

from codec.coders.text.payload import encode_text
from codec.container.bitstream import Bitstream, Coder
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions, Order
from codec.layers import EdgeMap, Layer, Semantic, Skeleton
from codec.structure.thinning import thin
from layercast_common.errors import BudgetError, UsageError
from tests.codec.coders.test_skeleton import STANDING
from tests.support.pictures import draw_edges, draw_picture

PROMPT = "a red house on a green hill, watercolor"
LONG = ", ".join(f"{word} {index}" for index in range(40) for word in ("sharp", "detailed", "cinematic"))


@pytest.mark.parametrize("budget", [60, 100, 150, 200, 300, 655, 2000])
def test_never_over_budget(budget: int) -> None:
    stream = encode(draw_picture(), PROMPT, EncodeOptions(budget=budget, seed=3))
    assert len(stream.to_bytes()) <= budget
    priors = Bitstream.from_bytes(stream.to_bytes()).decode()
    assert priors.semantic is not None
    assert PROMPT.startswith(priors.semantic.prompt)


def test_noise_never_over_budget() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (320, 192, 3), dtype=np.uint8)
    for budget in (80, 150, 400):
        assert len(encode(picture, PROMPT, EncodeOptions(budget=budget)).to_bytes()) <= budget


def test_lines_and_a_grid_of_colors_fit_into_the_default_budget() -> None:
    stream = encode(draw_picture(), PROMPT, EncodeOptions(texture="grid"))
    assert len(stream.to_bytes()) <= 655
    assert stream.decode().layers == {Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE}
    assert not stream.notes


def test_larger_budget_gives_finer_lines() -> None:
    grids = []
    for budget in (100, 150, 250):
        structure = encode(draw_picture(), PROMPT, EncodeOptions(budget=budget, texture="grid")).decode().structure
        assert isinstance(structure, EdgeMap)
        grids.append(structure.grid.shape[0])
    assert grids == sorted(grids)
    assert grids[0] < grids[-1]


def test_bits_per_pixel_scale_with_the_canvas() -> None:
    picture = draw_picture(768, 512)
    stream = encode(picture, PROMPT, EncodeOptions(bpp=0.005))
    assert len(stream.to_bytes()) <= 768 * 512 * 0.005 / 8
    assert (stream.header.width, stream.header.height) == (768, 512)


def test_long_prompt_is_shortened_to_whole_clauses() -> None:
    stream = encode(draw_picture(), LONG, EncodeOptions(budget=250))
    semantic = stream.decode().semantic
    assert semantic is not None
    assert LONG.startswith(semantic.prompt + ", ")
    assert stream.size_of(Layer.SEMANTIC) <= 100
    assert len(stream.notes) == 1
    assert "shortened" in stream.notes[0]


def test_prompt_without_clauses_is_shortened_to_whole_words() -> None:
    prompt = " ".join(f"word{index * 7919 % 1000}" for index in range(100))
    semantic = encode(draw_picture(), prompt, EncodeOptions(budget=200)).decode().semantic
    assert semantic is not None
    assert prompt.startswith(semantic.prompt + " ")


def test_invalid_budgets_are_refused() -> None:
    with pytest.raises(BudgetError, match="10 bytes"):
        encode(draw_picture(), PROMPT, EncodeOptions(budget=10))
    with pytest.raises(UsageError, match="positive"):
        encode(draw_picture(), PROMPT, EncodeOptions(budget=0))
    with pytest.raises(UsageError, match="give one of them"):
        encode(draw_picture(), PROMPT, EncodeOptions(budget=100, bpp=0.1))


def test_given_lines_are_used() -> None:
    edges = draw_edges(96)
    stream = encode(draw_picture(), PROMPT, EncodeOptions(texture="grid"), structure=edges)
    assert stream.decode().structure == edges


def test_given_lines_that_do_not_fit_are_coarsened() -> None:
    stream = encode(draw_picture(), PROMPT, EncodeOptions(budget=150, texture="grid"), structure=draw_edges(256))
    assert len(stream.to_bytes()) <= 150
    structure = stream.decode().structure
    assert isinstance(structure, EdgeMap)
    assert max(structure.grid.shape) < 256


def test_nested_layers_refine_coarse_ones() -> None:
    plain, nested = (
        encode(draw_picture(), PROMPT, EncodeOptions(nested=nested, texture="grid")) for nested in (False, True)
    )
    assert len(nested.to_bytes()) <= 655
    coders = [section.coder for section in nested.sections]
    assert coders[:4] == [Coder.TEXT, Coder.EDGES, Coder.COLORS, Coder.EDGES]
    assert coders.count(Coder.EDGES) > 1
    assert nested.size_of(Layer.STRUCTURE) < 1.3 * plain.size_of(Layer.STRUCTURE)
    cells = []
    for count in range(2, len(coders) + 1):
        priors = Bitstream(nested.header, nested.sections[:count]).decode()
        assert isinstance(priors.structure, EdgeMap)
        assert thin(priors.structure) == priors.structure
        cells.append((priors.structure.grid.size, 0 if priors.texture is None else priors.texture.colors.size))
    assert cells == sorted(cells)


def test_nested_refinement_that_is_cut_shows_both() -> None:
    stream = encode(draw_picture(), PROMPT, EncodeOptions(nested=True))
    data = stream.to_bytes()
    part = Bitstream.from_bytes(data[: len(data) - 3 - len(stream.sections[-1].payload) // 2], partial=True)
    assert part.sections[-1].missing
    came, whole = part.decode().structure, stream.decode().structure
    assert isinstance(came, EdgeMap)
    assert isinstance(whole, EdgeMap)
    assert came.grid.shape == whole.grid.shape
    rows = len(whole.grid)
    assert (came.grid[: rows // 4] == whole.grid[: rows // 4]).all()
    assert came.grid[-rows // 2 :].any()


def test_people_alone_and_beside_lines() -> None:
    skeleton = Skeleton((STANDING,), (512, 512))
    alone = encode(draw_picture(), PROMPT, EncodeOptions(texture="grid"), structure=None, skeleton=skeleton)
    assert alone.sections[1].coder == Coder.SKELETON
    assert isinstance(alone.decode().structure, Skeleton)
    both = encode(draw_picture(), PROMPT, EncodeOptions(budget=400, texture="grid"), skeleton=skeleton)
    assert len(both.to_bytes()) <= 400
    assert [section.coder for section in both.sections[:3]] == [Coder.TEXT, Coder.SKELETON, Coder.EDGES]
    priors = both.decode()
    assert isinstance(priors.structure, EdgeMap)
    assert priors.skeleton == alone.decode().structure
    assert encode(draw_picture(), PROMPT, EncodeOptions(texture="grid"), structure=None).decode().structure is None


def test_people_that_do_not_fit_leave_a_note() -> None:
    crowd = Skeleton((STANDING,) * 9, (512, 512))
    stream = encode(draw_picture(), PROMPT, EncodeOptions(budget=100), skeleton=crowd)
    assert len(stream.to_bytes()) <= 100
    assert Coder.SKELETON not in [section.coder for section in stream.sections]
    assert any("poses" in note for note in stream.notes)


def test_layers_follow_the_order_option() -> None:
    def layers(order: Order, *, nested: bool) -> list[int]:
        stream = encode(draw_picture(), PROMPT, EncodeOptions(order=order, nested=nested, budget=200, texture="grid"))
        return [int(section.layer) for section in stream.sections]

    assert layers(Order.PAPER, nested=False) == [0, 1, 2]
    assert layers(Order.CHEAPEST, nested=False) == [0, 2, 1]
    assert layers(Order.PAPER, nested=True)[:5] == [0, 1, 2, 1, 2]
    assert layers(Order.CHEAPEST, nested=True)[:5] == [0, 2, 1, 2, 1]


def test_bytes_unused_by_lines_go_to_colors() -> None:
    cells = []
    for budget in (90, 300, 3000):
        texture = encode(draw_picture(), PROMPT, EncodeOptions(budget=budget, texture="grid")).decode().texture
        cells.append(0 if texture is None else texture.colors.shape[0])
    assert cells == sorted(cells)
    assert cells[0] < 8
    assert cells[-1] == 16


@pytest.mark.parametrize("size", [(64, 64), (320, 192), (192, 448), (64, 1024)])
@pytest.mark.parametrize("nested", [False, True])
def test_any_canvas(size: tuple[int, int], nested: bool) -> None:
    stream = encode(draw_picture(*size), PROMPT, EncodeOptions(budget=400, nested=nested))
    assert len(stream.to_bytes()) <= 400
    assert stream.decode().layers >= {Layer.SEMANTIC, Layer.TEXTURE}


def test_seed_and_model_are_in_the_header() -> None:
    header = Bitstream.from_bytes(
        encode(draw_picture(), PROMPT, EncodeOptions(seed=77, model="me/mine")).to_bytes()
    ).header
    assert (header.seed, header.model) == (77, "me/mine")


def test_empty_prompt_is_a_prompt() -> None:
    stream = encode(draw_picture(), "")
    assert stream.decode().semantic == Semantic("")
    assert stream.sections[0].payload == encode_text(Semantic(""))


@pytest.mark.parametrize("shape", [(512, 512), (512, 512, 4), (0, 64, 3)])
def test_bad_pictures_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError):
        encode(np.zeros(shape, np.uint8), PROMPT)


def test_streams_over_the_work_limit_are_reduced() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    words = " ".join(np.random.default_rng(2).choice(["red", "fox", "snow", "dawn", "hill", "lake"], 900).tolist())
    stream = encode(picture, words, EncodeOptions(budget=40000, nested=True))
    assert len(stream.to_bytes()) <= 40000
    assert stream.decode().layers == {Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE}
