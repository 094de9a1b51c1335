"""Colours guessed from words: where they are shown, and where not."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from codec.layers import Layer, Priors, Semantic
from layercast_errors import ModelFilesError
from receiver.rendering.conditioning import Conditioner
from receiver.rendering.files import COLOR_GUESSER
from receiver.rendering.guesser import ColorGuesser
from receiver.rendering.models import Model, load_model


@pytest.fixture(scope="module")
def guesser(mini: Model) -> ColorGuesser:
    torch.manual_seed(3)
    made: ColorGuesser = ColorGuesser(mini.text_encoder.config.hidden_size, width=32, choices=3, side=4).eval()
    return made


@pytest.fixture(scope="module")
def guessing(mini: Model, guesser: ColorGuesser) -> Model:
    return replace(mini, guesser=guesser)


def test_guesses_are_colours_and_the_likeliest_is_one_of_them(guesser: ColorGuesser) -> None:
    text = torch.randn(5, 7, guesser.config.text_width)
    with torch.inference_mode():
        maps, logits = guesser(text)
        chosen = guesser.most_likely(text)
    assert maps.shape == (5, 3, 3, 4, 4)
    assert logits.shape == (5, 3)
    assert 0 <= float(maps.min()) < float(maps.max()) <= 1
    for row in range(5):
        assert torch.equal(chosen[row], maps[row, int(logits[row].argmax())])


def test_words_alone_are_given_colours(guessing: Model, mini: Model, priors: Priors) -> None:
    words = priors.only([Layer.SEMANTIC])
    assert Conditioner(mini).prepare(words).features is None
    conditioner = Conditioner(guessing)
    features = conditioner.prepare(words).features
    others = conditioner.prepare(Priors(priors.canvas, Semantic("something else"))).features
    assert features is not None
    assert others is not None
    assert not torch.equal(features[0], others[0])


@pytest.mark.parametrize("layer", [Layer.STRUCTURE, Layer.TEXTURE])
def test_what_was_sent_is_not_guessed(guessing: Model, mini: Model, priors: Priors, layer: Layer) -> None:
    sent = priors.only([Layer.SEMANTIC, layer])
    guessed, plain = (Conditioner(model).prepare(sent).features for model in (guessing, mini))
    assert guessed is not None
    assert plain is not None
    for a, b in zip(guessed, plain, strict=True):
        assert torch.equal(a, b)


def test_a_guesser_is_a_part_of_a_models_folder(mini_folder: Path, guesser: ColorGuesser, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(mini_folder, folder)
    assert load_model(folder, "cpu").guesser is None
    guesser.save_pretrained(folder / COLOR_GUESSER)
    loaded = load_model(folder, "cpu")
    text = torch.randn(1, 7, guesser.config.text_width)
    assert torch.equal(loaded.guesser.most_likely(text), guesser.most_likely(text))
    assert loaded.fingerprint != load_model(mini_folder, "cpu").fingerprint


def test_a_broken_guesser_is_named(mini_folder: Path, guesser: ColorGuesser, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(mini_folder, folder)
    guesser.save_pretrained(folder / COLOR_GUESSER)
    next((folder / COLOR_GUESSER).glob("*.safetensors")).write_bytes(b"nothing")
    with pytest.raises(ModelFilesError, match="color guesser"):
        load_model(folder, "cpu")
