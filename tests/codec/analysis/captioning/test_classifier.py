"""codec.analysis.captioning.classifier: captions of the mini captioner, without torch."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codec.analysis.captioning.captioner import Captioner, caption, is_ready
from codec.analysis.captioning.classifier import SUBJECTS, classify, compose_caption
from codec.analysis.prompt.find import find_prompt
from codec.analysis.prompt.text_bounds import PromptSource
from codec.container.guess import Guess
from codec.image_io import load_picture

SAMPLES = sorted((Path(__file__).parents[4] / "layercast" / "samples").glob("*.png"))


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (700, 96), (1024, 1024)])
def test_any_picture_gets_a_caption(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    text = compose_caption(Image.fromarray(noise))
    assert "mostly" in text
    assert text == compose_caption(Image.fromarray(noise))


def test_probabilities_are_probabilities() -> None:
    seen = classify(Image.open(SAMPLES[0]).convert("RGB"))
    assert sorted(seen.subjects) == sorted(SUBJECTS)
    assert sum(seen.subjects.values()) == pytest.approx(1)
    assert all(0 <= value <= 1 for value in seen.categories.values())
    assert len(seen.categories) > 20


def test_a_mirrored_picture_has_equal_classes() -> None:
    image = Image.open(SAMPLES[0]).convert("RGB")
    mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    first, second = classify(image), classify(mirrored)
    assert first.subjects == pytest.approx(second.subjects, abs=0.02)


def test_mini_is_always_ready_but_only_used_if_asked_for() -> None:
    picture = load_picture(np.full((64, 64, 3), (200, 30, 30), np.uint8))
    assert is_ready(Captioner.MINI)
    found = find_prompt(picture, captioner="mini")
    assert found.source == PromptSource.MINI
    assert found.text == caption(picture.image, Captioner.MINI)
    assert "red" in found.text
    if not any(is_ready(other) for other in Captioner if other is not Captioner.MINI):
        assert find_prompt(picture).source == PromptSource.MEASURED
    assert found.guess == Guess("mini", 0.1)


def test_mini_needs_no_torch() -> None:
    import subprocess

    code = (
        "import sys; from PIL import Image; from codec.analysis.captioning.classifier import compose_caption;"
        "compose_caption(Image.new('RGB', (50, 50))); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
