from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codec.canvas import fit_to_canvas
from codec.container.bitstream import Bitstream
from codec.encoder.options import EncodeOptions
from codec.encoder.picture import encode_picture
from codec.image_io import load_picture
from evaluation.quality.quality import compare
from evaluation.rendering.runs import RunDriver
from layercast.samples import sample_paths
from layercast.seed_search import score, search_seeds
from layercast_common.errors import UsageError
from tests.layercast.conftest import Run


@pytest.fixture(scope="module")
def picture() -> Path:
    return sample_paths()[0]


def test_the_best_seed_is_found_and_sent(picture: Path, tiny_model: Path) -> None:
    from receiver.rendering import load_model

    model = load_model(tiny_model, "cpu", performance="plain")
    stream = encode_picture(picture, EncodeOptions(seed=3, canvas=(128, 128), budget=300, texture="grid")).stream
    original = fit_to_canvas(load_picture(picture).image, stream.header.canvas)
    chosen, tried = search_seeds(stream, original, model, 4, steps=2)
    assert sorted(one.seed for one in tried) == [0, 1, 2, 3]
    assert chosen.header.seed == tried[0].seed
    assert chosen.sections == stream.sections
    assert len(chosen.to_bytes()) <= len(stream.to_bytes())
    drawn = RunDriver(model, 2).draw(stream.decode(), tried[0].seed)
    assert score(compare(drawn, original)) == pytest.approx(tried[0].score) == max(one.score for one in tried)


def test_nearer_pictures_score_more(picture: Path) -> None:
    original = fit_to_canvas(load_picture(picture).image, (128, 128))
    same = compare(original, original)
    assert score(same) > 0.99
    noise = np.random.default_rng(0).normal(0, 25, original.shape)
    noisy = compare(np.clip(original + noise, 0, 255).astype(np.uint8), original)
    assert score(noisy) < score(same)
    assert score(replace(noisy, color_difference=1000.0)) < score(noisy)


def test_pictures_that_are_restored_have_no_best_seed(run: Run, picture: Path, place: Path, tiny_model: Path) -> None:
    line = ("encode", picture, "-o", place / "a.lcast", "--canvas", "128x128", "--budget", 300, "--model", tiny_model)
    outcome = run(*line, "--search-seeds", "3", "--device", "cpu")
    assert (outcome.code, "every seed gives the same picture" in outcome.err) == (2, True)
    assert not (place / "a.lcast").exists()


@pytest.mark.parametrize("count", [0, -1, 65537])
def test_numbers_of_seeds_that_make_no_sense(run: Run, picture: Path, place: Path, count: int) -> None:
    outcome = run("encode", picture, "-o", place / "a.lcast", "--search-seeds", count)
    assert (outcome.code, "seeds" in outcome.err) == (2, True)


def test_the_command_searches(run: Run, picture: Path, place: Path, tiny_model: Path) -> None:
    line = ("encode", picture, "-o", place / "a.lcast", "--canvas", "128x128", "--budget", 300, "--model", tiny_model)
    outcome = run(*line, "--texture", "grid", "--search-seeds", "3", "--steps", "1", "--device", "cpu")
    assert "of 3:" in outcome.err
    assert Bitstream.load(place / "a.lcast").header.seed < 3
    assert run(*line, "--search-seeds", "3", "--seed", "5").code == 2


def test_no_seed_is_too_many() -> None:
    with pytest.raises(UsageError, match="1 to 65536"):
        search_seeds(None, None, None, 0)  # type: ignore[arg-type]
