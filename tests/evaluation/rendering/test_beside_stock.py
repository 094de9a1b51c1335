"""The device report's comparison with diffusers' own pipeline: the same inputs, so only rounding is left."""

from pathlib import Path

import pytest

from evaluation.rendering.device.beside_stock import compare_with_stock
from receiver.rendering import load_model
from receiver.rendering.settings.settings import RenderSettings
from tests.support.models import build_tiny_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("models") / "tiny-sd15", "sd15")


def compare(folder: Path, dtype: str) -> dict[str, dict[str, float]]:
    # A canvas on which lines are two pixels wide, unless the adapter is known to want one.
    settings = RenderSettings(native=512, steps=1, previews=(), guidance=7.5)
    model = load_model(folder, "cpu", dtype=dtype, performance="plain", settings=settings)
    assert model.line_width == 1
    figures = compare_with_stock({"plain": model}, 1)
    return {name: figure for name, figure in figures.items() if "_from_" in name}


def test_in_float32_the_pictures_are_equal(folder: Path) -> None:
    figures = compare(folder, "float32")
    assert set(figures) == {"plain_from_stock", "float32_from_stock", "plain_from_float32", "stock_from_float32"}
    assert all(figure["most"] == 0 for figure in figures.values())


def test_in_half_precision_both_are_compared_with_float32(folder: Path) -> None:
    figures = compare(folder, "float16")
    assert figures["float32_from_stock"]["most"] == 0
    assert 0 < figures["plain_from_float32"]["mean"] < 0.5
    assert 0 < figures["plain_from_stock"]["mean"] < 0.5
