from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codec.layers import Layer, Priors, Semantic, Skeleton
from receiver.rendering.models.model import Model
from receiver.rendering.sampling.conditioning import Conditioner, render_size
from receiver.rendering.settings.settings import Condition


@pytest.mark.parametrize(
    ("canvas", "native", "multiple", "expected"),
    [
        ((256, 256), 256, 32, (256, 256)),
        ((512, 512), 256, 32, (256, 256)),
        ((64, 64), 512, 64, (512, 512)),
        ((768, 512), 512, 64, (512, 320)),
        ((512, 768), 256, 32, (160, 256)),
        ((2048, 16), 256, 32, (256, 32)),
    ],
)
def test_render_sizes(canvas: tuple[int, int], native: int, multiple: int, expected: tuple[int, int]) -> None:
    assert render_size(canvas, native, multiple) == expected


@given(canvas=st.tuples(st.integers(1, 8192), st.integers(1, 8192)), native=st.sampled_from([256, 512, 1024]))
def test_render_sizes_always_suit_the_model(canvas: tuple[int, int], native: int) -> None:
    width, height = render_size(canvas, native, 64)
    assert max(width, height) == native
    assert width % 64 == height % 64 == 0
    assert min(width, height) > 0


def test_conditions_are_computed_once(mini: Model, priors: Priors) -> None:
    conditioner = Conditioner(mini)
    first = conditioner.prepare(priors.only([Layer.SEMANTIC, Layer.STRUCTURE]))
    again = conditioner.prepare(priors.only([Layer.SEMANTIC, Layer.STRUCTURE]))
    assert again.text is first.text
    assert first.features is not None
    assert again.features is not None
    assert all(a is b for a, b in zip(first.features, again.features, strict=True))


def test_missing_layers_have_no_effect(mini: Model, priors: Priors) -> None:
    conditioner = Conditioner(mini)
    nothing = conditioner.prepare(Priors(priors.canvas))
    assert nothing.layers == frozenset()
    assert nothing.features is None
    assert nothing.negative is None
    assert torch.equal(nothing.text.tokens, conditioner.prepare(Priors(priors.canvas, Semantic(""))).text.tokens)
    assert not torch.equal(nothing.text.tokens, conditioner.prepare(priors).text.tokens)


def test_features_are_summed_with_their_weights(mini: Model, priors: Priors) -> None:
    weights = {Condition.EDGES: 0.5, Condition.COLORS: 0.25}
    light = replace_settings(mini, weights=weights)
    edges, colors = (
        Conditioner(mini).prepare(priors.only([layer])).features for layer in (Layer.STRUCTURE, Layer.TEXTURE)
    )
    both = Conditioner(light).prepare(priors).features
    assert edges is not None
    assert colors is not None
    assert both is not None
    for a, b, c in zip(edges, colors, both, strict=True):
        assert torch.allclose(0.5 * a + 0.25 * b, c, atol=1e-6)


def test_long_prompts_are_cut_as_the_text_encoder_needs(mini: Model, priors: Priors) -> None:
    conditioner = Conditioner(mini)
    long = conditioner.prepare(Priors(priors.canvas, Semantic("red house " * 500)))
    assert long.text.tokens.shape == conditioner.prepare(priors).text.tokens.shape


def test_guidance_needs_the_negative_prompt(sd15: Model, priors: Priors) -> None:
    assert sd15.settings.guidance > 1
    conditions = Conditioner(sd15).prepare(priors)
    assert conditions.negative is not None
    assert torch.equal(conditions.negative.tokens, Conditioner(sd15).prepare(Priors(priors.canvas)).text.tokens)


def test_poses_go_to_the_pose_adapter(sd15: Model, priors: Priors, skeleton: Skeleton) -> None:
    conditioner = Conditioner(sd15)
    alone = conditioner.prepare(Priors(priors.canvas, structure=skeleton))
    beside = conditioner.prepare(Priors(priors.canvas, skeleton=skeleton))
    assert alone.features is not None
    assert beside.features is not None
    assert all(torch.equal(a, b) for a, b in zip(alone.features, beside.features, strict=True))
    without = replace(sd15, adapters={Condition.EDGES: sd15.adapters[Condition.EDGES]})
    drawn = Conditioner(without).prepare(Priors(priors.canvas, skeleton=skeleton))
    assert drawn.features is not None
    assert not torch.allclose(drawn.features[0], alone.features[0])


def test_poses_are_drawn_among_the_edges_without_a_pose_adapter(
    mini: Model, priors: Priors, skeleton: Skeleton
) -> None:
    conditioner = Conditioner(mini)
    only_edges = conditioner.prepare(priors.only([Layer.STRUCTURE])).features
    both = conditioner.prepare(replace(priors.only([Layer.STRUCTURE]), skeleton=skeleton)).features
    assert only_edges is not None
    assert both is not None
    assert not torch.equal(only_edges[0], both[0])


def test_layers_without_an_adapter_are_left_out(mini: Model, priors: Priors) -> None:
    assert Conditioner(replace(mini, adapters={})).prepare(priors).features is None


def replace_settings(model: Model, **changes: object) -> Model:
    return replace(model, settings=replace(model.settings, **changes))  # type: ignore[arg-type]
