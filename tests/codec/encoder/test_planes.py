"""Bit planes in streams: exact budgets, sections, coarse lines, the orders of layers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layercast
from codec.container.bitstream import Bitstream, Coder, Header
from codec.encoder.budget import MAX_ADAPTER_LINES, MAX_LINES, MIN_LEFT
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions, Order
from codec.encoder.planes import GROWTH, MIN_DETAIL, MIN_TEXTURE, plane_sections
from codec.encoder.rate_control import size_of
from codec.layers import EdgeMap, Layer, Skeleton
from codec.wavelet.transform import texture_plane
from layercast_common.errors import BudgetError, UsageError
from tests.codec.coders.test_skeleton import STANDING
from tests.support.pictures import draw_edges, draw_picture

PROMPT = "a red house on a green hill"
FRAMING = 13

#: Bytes that may be left over: a section of detail needs its framing and a minimum payload.
LEFT = MIN_DETAIL + 1


def noise(width: int, height: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(max_examples=50, deadline=None)
@given(st.integers(FRAMING + 3, 1100), st.integers(40, 110), st.integers(40, 110))
def test_a_budget_is_used_to_within_a_few_bytes(budget: int, width: int, height: int) -> None:
    stream = encode(noise(width, height), "", EncodeOptions(budget=budget, order=Order.FIDELITY))
    data = stream.to_bytes()
    assert budget - LEFT <= len(data) <= budget
    assert Bitstream.from_bytes(data).decode().plane is not None


@pytest.mark.parametrize("budget", [40, 130, 131, 132, 160, 330, 655, 1300, 2600])
def test_budgets_of_a_drawn_picture(budget: int) -> None:
    stream = encode(draw_picture(), PROMPT, EncodeOptions(budget=budget, order="fidelity", seed=3))
    data = stream.to_bytes()
    assert budget - LEFT <= len(data) <= budget
    priors = Bitstream.from_bytes(data).decode()
    assert priors.semantic is not None
    assert PROMPT.startswith(priors.semantic.prompt)
    assert priors.structure is None
    layers = [section.layer for section in stream.sections]
    assert layers == sorted(layers)
    assert 1 <= layers.count(Layer.TEXTURE) <= 2


@pytest.mark.parametrize("size", [(512, 512), (256, 192), (1024, 768)])
def test_texture_ends_with_its_plane_and_detail_grows(size: tuple[int, int]) -> None:
    sections = plane_sections(draw_picture(*size), 4000)
    texture = [section for section in sections if section.layer == Layer.TEXTURE]
    detail = sections[len(texture) :]
    assert 1 <= len(texture) <= 2
    assert len(texture) == 1 or len(texture[0].payload) >= MIN_TEXTURE
    assert all(section.layer == Layer.DETAIL for section in detail)
    seen = sum(len(section.payload) for section in texture)
    for section in detail[:-1]:
        assert len(section.payload) >= seen // GROWTH
        seen += len(section.payload)
    known = Bitstream(Header(*size), tuple(texture)).decode().plane
    assert known is not None
    coded = known.last_plane[known.last_plane < known.last_plane.max()]
    assert coded.min() == texture_plane(*size)


def test_every_section_improves_the_picture() -> None:
    picture = draw_picture()
    stream = encode(picture, "", EncodeOptions(budget=4000, order="fidelity"))
    errors = []
    for end in range(2, len(stream.sections) + 1):
        plane = Bitstream(stream.header, stream.sections[:end]).decode().plane
        assert plane is not None
        errors.append(float(np.square(plane.to_image().astype(float) - picture).mean()))
    assert len(errors) > 5
    assert errors == sorted(errors, reverse=True)


def test_the_code_ends_before_the_budget() -> None:
    flat = np.full((64, 64, 3), (20, 130, 70), np.uint8)
    stream = encode(flat, "", EncodeOptions(budget=1000, order="fidelity"))
    assert len(stream.to_bytes()) < 150
    plane = stream.decode().plane
    assert plane is not None
    assert np.abs(plane.to_image().astype(int) - flat).max() <= 2
    largest = encode(noise(64, 64), "", EncodeOptions(budget=1 << 16, order="fidelity"))
    assert 1500 < len(largest.to_bytes()) < 1600


def count_lines(budget: int, **given: object) -> int:
    """Return the bytes of lines in a stream of a drawn picture."""
    options = EncodeOptions(budget=budget, prompt=PROMPT, **given)  # type: ignore[arg-type]
    stream = layercast.encode(draw_picture(), options=options)
    assert budget - LEFT <= len(stream.to_bytes()) <= budget
    return stream.size_of(Layer.STRUCTURE)


def test_lines_are_coarse_before_planes() -> None:
    assert 0 < count_lines(655) <= 60
    assert 0 < count_lines(4000) <= MAX_LINES
    assert count_lines(MIN_LEFT) == 0
    assert 0 < count_lines(200, structure="canny") <= 40
    assert 60 < count_lines(655, model="sd15") <= 655 // 3
    assert count_lines(4000, model="sd15") <= MAX_ADAPTER_LINES


def test_fidelity_has_lines_only_if_they_are_asked_for() -> None:
    assert count_lines(655, order="fidelity") == count_lines(655, order="fidelity", structure="none") == 0
    assert 0 < count_lines(655, order="fidelity", structure="canny") <= MAX_LINES


def test_the_cheapest_layer_comes_first() -> None:
    def layers(order: str, model: str) -> list[int]:
        stream = encode(draw_picture(), PROMPT, EncodeOptions(order=order, model=model))
        found = [int(section.layer) for section in stream.sections]
        return [layer for place, layer in enumerate(found) if place == 0 or found[place - 1] != layer]

    assert layers("paper", "sd15") == layers("paper", "mini") == [0, 1, 2, 3]
    sizes = encode(draw_picture(), PROMPT, EncodeOptions(model="sd15"))
    assert sizes.size_of(Layer.STRUCTURE) > sizes.size_of(Layer.TEXTURE)
    assert layers("cheapest", "sd15") == [0, 2, 1, 3]
    assert layers("cheapest", "mini") == [0, 1, 2, 3]


def test_given_lines_and_people() -> None:
    people = Skeleton((STANDING,), (512, 512))
    options = EncodeOptions(budget=655, order="fidelity")
    stream = encode(draw_picture(), PROMPT, options, structure=draw_edges(200), skeleton=people)
    priors = stream.decode()
    assert 655 - LEFT <= len(stream.to_bytes()) <= 655
    assert isinstance(priors.structure, EdgeMap)
    assert priors.skeleton is not None
    assert [section.coder for section in stream.sections][-1] == Coder.PLANES
    assert size_of(section for section in stream.sections if section.coder == Coder.EDGES) <= 655 // 3


def test_too_small_and_too_large() -> None:
    with pytest.raises(BudgetError):
        encode(draw_picture(), PROMPT, EncodeOptions(budget=10, order="fidelity"))
    with pytest.raises(UsageError, match="at most 1048576 pixels, and 1088x1024 has more"):
        encode(np.zeros((1024, 1088, 3), np.uint8), "", EncodeOptions(order="fidelity"))
    only_text = encode(draw_picture(), "", EncodeOptions(budget=FRAMING, order="fidelity"))
    assert only_text.decode().plane is None


def test_from_python_and_with_the_default_budget() -> None:
    stream = layercast.encode(draw_picture(), PROMPT, order="fidelity")
    assert 655 - LEFT <= len(stream.to_bytes()) <= 655
    assert stream.decode().layers == {Layer.SEMANTIC, Layer.TEXTURE, Layer.DETAIL}
    assert layercast.encode(draw_picture(), PROMPT, order="fidelity", budget=1300).to_bytes()[:-4] != b""


def test_a_large_canvas_gets_a_grid_of_colors() -> None:
    stream = encode(np.zeros((1024, 1088, 3), np.uint8), "", EncodeOptions())
    assert Coder.PLANES not in {section.coder for section in stream.sections}
    assert stream.decode().texture is not None
