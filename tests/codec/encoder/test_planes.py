"""The order "fidelity": exact budgets, planes in sections, coarse lines only if they are asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layercast
from codec.container.bitstream import Bitstream, Coder
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions, Order
from codec.encoder.planes import MAX_LINES, MIN_LINES, plane_sections
from codec.encoder.rate_control import size_of
from codec.layers import TEXTURE_PLANE, EdgeMap, Layer, Skeleton
from layercast_common.errors import BudgetError, UsageError
from tests.codec.coders.test_skeleton import STANDING
from tests.support.pictures import draw_edges, draw_picture

PROMPT = "a red house on a green hill"
FRAMING = 13


def noise(width: int, height: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(max_examples=50, deadline=None)
@given(st.integers(FRAMING + 3, 1100), st.integers(40, 110), st.integers(40, 110))
def test_a_budget_is_used_to_within_two_bytes(budget: int, width: int, height: int) -> None:
    stream = encode(noise(width, height), "", EncodeOptions(budget=budget, order=Order.FIDELITY))
    data = stream.to_bytes()
    assert budget - 2 <= len(data) <= budget
    assert Bitstream.from_bytes(data).decode().plane is not None


@pytest.mark.parametrize("budget", [40, 130, 131, 132, 160, 330, 655, 1300, 2600])
def test_budgets_of_a_drawn_picture(budget: int) -> None:
    stream = encode(draw_picture(), PROMPT, EncodeOptions(budget=budget, order="fidelity", seed=3))
    data = stream.to_bytes()
    assert budget - 2 <= len(data) <= budget
    priors = Bitstream.from_bytes(data).decode()
    assert priors.semantic is not None
    assert PROMPT.startswith(priors.semantic.prompt)
    assert priors.structure is None
    layers = [section.layer for section in stream.sections]
    assert layers == sorted(layers)
    assert layers.count(Layer.TEXTURE) == 1


def test_each_section_of_detail_has_a_plane() -> None:
    sections = plane_sections(draw_picture(), 4000)
    assert [section.layer for section in sections] == [Layer.TEXTURE] + [Layer.DETAIL] * (len(sections) - 1)
    stream = encode(draw_picture(), "", EncodeOptions(budget=4000, order="fidelity"))
    for end, plane in ((2, TEXTURE_PLANE), (3, TEXTURE_PLANE - 1), (4, TEXTURE_PLANE - 2)):
        known = Bitstream(stream.header, stream.sections[:end]).decode().plane
        assert known is not None
        told = known.last_plane[known.last_plane < known.last_plane.max()]
        assert (told <= plane).mean() > 0.99
        assert (told < plane).mean() < 0.1


def test_the_code_ends_before_the_budget() -> None:
    flat = np.full((64, 64, 3), (20, 130, 70), np.uint8)
    stream = encode(flat, "", EncodeOptions(budget=1000, order="fidelity"))
    assert len(stream.to_bytes()) < 150
    plane = stream.decode().plane
    assert plane is not None
    assert np.abs(plane.to_image().astype(int) - flat).max() <= 2
    largest = encode(noise(64, 64), "", EncodeOptions(budget=1 << 16, order="fidelity"))
    assert 1500 < len(largest.to_bytes()) < 1600


def test_coarse_lines_come_only_when_they_are_asked_for() -> None:
    def lines(budget: int, **given: object) -> int:
        options = EncodeOptions(budget=budget, order="fidelity", prompt=PROMPT, **given)  # type: ignore[arg-type]
        stream = layercast.encode(draw_picture(), options=options)
        assert budget - 2 <= len(stream.to_bytes()) <= budget
        return stream.size_of(Layer.STRUCTURE)

    assert lines(655) == lines(655, structure="none") == 0
    assert 0 < lines(655, structure="canny") <= MAX_LINES
    assert lines(200, structure="canny") == 0
    assert MIN_LINES // 2 < lines(4000, structure="canny") <= MAX_LINES


def test_given_lines_and_people() -> None:
    people = Skeleton((STANDING,), (512, 512))
    options = EncodeOptions(budget=655, order="fidelity")
    stream = encode(draw_picture(), PROMPT, options, structure=draw_edges(200), skeleton=people)
    priors = stream.decode()
    assert 653 <= len(stream.to_bytes()) <= 655
    assert isinstance(priors.structure, EdgeMap)
    assert priors.skeleton is not None
    assert [section.coder for section in stream.sections][-1] == Coder.PLANES
    assert size_of(section for section in stream.sections if section.coder == Coder.EDGES) <= 655 // 8


def test_too_small_and_too_large() -> None:
    with pytest.raises(BudgetError):
        encode(draw_picture(), PROMPT, EncodeOptions(budget=10, order="fidelity"))
    with pytest.raises(UsageError, match="at most 1048576 pixels, and 1088x1024 has more"):
        encode(np.zeros((1024, 1088, 3), np.uint8), "", EncodeOptions(order="fidelity"))
    only_text = encode(draw_picture(), "", EncodeOptions(budget=FRAMING, order="fidelity"))
    assert only_text.decode().plane is None


def test_from_python_and_with_the_default_budget() -> None:
    stream = layercast.encode(draw_picture(), PROMPT, order="fidelity")
    assert 653 <= len(stream.to_bytes()) <= 655
    assert stream.decode().layers == {Layer.SEMANTIC, Layer.TEXTURE, Layer.DETAIL}
    assert layercast.encode(draw_picture(), PROMPT, order="fidelity", budget=1300).to_bytes()[:-4] != b""


def test_other_orders_are_as_they_were() -> None:
    for order in (Order.PAPER, Order.CHEAPEST):
        stream = encode(draw_picture(), PROMPT, EncodeOptions(order=order))
        assert Coder.PLANES not in {section.coder for section in stream.sections}
        explicit = encode(draw_picture(), PROMPT, EncodeOptions(order=order), structure="canny")
        assert stream.to_bytes() == explicit.to_bytes()
