from dataclasses import replace

import pytest
import torch

from codec.layers import Priors, Semantic
from receiver.rendering.engine.engine import Engine
from receiver.rendering.models.model import Model
from receiver.rendering.sampling.conditioning import Conditioner
from receiver.rendering.sampling.prompts import MAX_CHUNKS, PromptEncoder
from tests.support.models import TOKENS


@pytest.fixture
def weighted(sd15: Model) -> Model:
    return replace(sd15, settings=replace(sd15.settings, weighted_prompts=True))


def test_a_short_prompt_equals_the_text_encoders_output(weighted: Model, sd15: Model) -> None:
    plain, rich = PromptEncoder(sd15), PromptEncoder(weighted)
    for prompt in ("", "a house", "it's a \\(house\\)"):
        literal = prompt.replace("\\", "")
        assert torch.allclose(plain.encode(literal).tokens, rich.encode(prompt).tokens, atol=1e-5)
    assert torch.allclose(plain.encode("a house").tokens, rich.encode("a house").tokens, atol=1e-5)


def test_long_prompts_count_to_their_end(weighted: Model) -> None:
    encoder = PromptEncoder(weighted)
    first, second = (encoder.encode("a red house by the lake " + end).tokens for end in ("at night", "mountains"))
    assert first.shape == second.shape
    assert first.shape[1] % TOKENS == 0
    assert first.shape[1] > TOKENS
    assert torch.equal(first[:, :TOKENS], second[:, :TOKENS])
    assert not torch.allclose(first, second)


def test_no_prompt_is_too_long(weighted: Model) -> None:
    assert PromptEncoder(weighted).encode("a house " * 400).tokens.shape[1] == MAX_CHUNKS * TOKENS


@pytest.mark.parametrize("written", ["a (house:1.4)", "a (house)1.4"])
def test_weights_count_however_they_are_written(weighted: Model, written: str) -> None:
    encoder = PromptEncoder(weighted)
    assert torch.equal(encoder.encode(written).tokens, encoder.encode("a (house)1.4").tokens)
    assert not torch.allclose(encoder.encode(written).tokens, encoder.encode("a house").tokens)


@pytest.mark.parametrize(
    "prompt", ["((", "a)b(", "(:1.2)", "[a:b:3]", "++", "(a:1e9)", "\x00\n", '("a", "b").blend(1)']
)
def test_any_text_is_a_prompt(weighted: Model, prompt: str) -> None:
    assert torch.isfinite(PromptEncoder(weighted).encode(prompt).tokens).all()


def test_prompt_and_negative_prompt_become_as_long_as_each_other(weighted: Model) -> None:
    words, against = PromptEncoder(weighted).encode_pair("a red house by the lake at night", "blur")
    assert against is not None
    assert words.tokens.shape == against.tokens.shape


def test_pictures_of_different_lengths_of_text_share_an_engine(weighted: Model) -> None:
    canvas = (64, 64)
    short, long = Priors(canvas, Semantic("a house")), Priors(canvas, Semantic("a red house by the lake at night"))
    assert (
        Conditioner(weighted).prepare(short).text.tokens.shape != Conditioner(weighted).prepare(long).text.tokens.shape
    )
    with Engine(weighted, batch=4) as engine:
        drawings = [engine.submit(key, state, 1, lambda _: None, 2) for key, state in enumerate([short, long, short])]
        assert all(drawing.result(60).final for drawing in drawings)
