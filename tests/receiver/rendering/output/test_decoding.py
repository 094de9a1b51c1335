"""Decoding: number formats, numbers that are not finite, tiles."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from layercast_common.errors import NotFiniteError
from receiver.rendering.engine.direct import render
from receiver.rendering.loader import load_model
from receiver.rendering.models.autoencoders import decode_latents, encode_image, number_format, upcast
from receiver.rendering.models.model import Model
from receiver.rendering.models.parts import quiet_libraries
from receiver.rendering.output.decoding import begin_decoding, decode_pixels
from receiver.rendering.output.finishing import fit_picture


def with_own_vae(model: Model, **changes: Any) -> Model:
    """Return the model with a copy of its autoencoder, because tests change its number format."""
    vae = copy.deepcopy(model.vae)
    return replace(model, vae=vae, preview_vae=vae, **changes)


@pytest.mark.parametrize("canvas", [(64, 64), (200, 75)])
def test_frames_have_canvas_size(mini: Model, canvas: tuple[int, int]) -> None:
    (pixels,) = decode_pixels(mini, torch.randn(1, 4, 8, 8), final=True)
    assert fit_picture(pixels, canvas).shape == (canvas[1], canvas[0], 3)


def test_latents_are_scaled_as_the_autoencoder_says(sd15: Model) -> None:
    latents = torch.randn(1, 4, 8, 8)
    scaling = sd15.vae.config.scaling_factor
    decoded = sd15.vae.decode(latents / scaling).sample[0].permute(1, 2, 0).numpy()
    (picture,) = decode_pixels(sd15, latents, final=True)
    assert np.abs(picture.astype(np.float32) - ((decoded / 2 + 0.5).clip(0, 1) * 255)).max() <= 0.51


@pytest.mark.parametrize("overflows", [True, False])
def test_force_upcast_of_xl_autoencoders_is_honoured(sdxl: Model, *, overflows: bool) -> None:
    model = with_own_vae(sdxl, dtype=torch.float16)
    model.vae.register_to_config(force_upcast=overflows)
    model.vae.half()
    expected = torch.float32 if overflows else torch.float16
    assert number_format(model, model.vae) is expected
    assert model.vae.dtype is expected
    assert encode_image(model, torch.zeros(1, 3, 64, 64)).dtype is torch.float32


def test_an_xl_model_in_half_precision_draws_with_an_autoencoder_that_needs_float32(
    tmp_path_factory: pytest.TempPathFactory, sdxl: Model
) -> None:
    model = load_model(sdxl.name, "cpu", dtype="float16", settings=sdxl.settings)
    assert model.vae.config.force_upcast
    latents = torch.randn(1, 4, 8, 8)
    (half,), (single,) = (decode_pixels(m, latents, final=True) for m in (model, sdxl))
    assert model.vae.dtype is torch.float32
    # Only the stored weights are rounded.
    assert np.abs(half.astype(int) - single.astype(int)).max() <= 2


def test_a_picture_that_overflows_in_half_precision_is_decoded_again(sd15: Model) -> None:
    model = with_own_vae(sd15, dtype=torch.float16)
    with torch.no_grad():
        # Beyond float16's largest number, and back.
        model.vae.decoder.conv_in.weight.mul_(3e5)
        model.vae.decoder.conv_in.bias.mul_(3e5)
    expected = with_own_vae(model, dtype=torch.float32)
    model.vae.half()
    with torch.no_grad():
        for name, parameter in expected.vae.named_parameters():
            parameter.copy_(dict(model.vae.named_parameters())[name].float())
    latents = torch.randn(1, 4, 8, 8)
    if torch.isfinite(decode_latents(model, model.vae, latents)).all():
        pytest.fail("the test's autoencoder does not overflow")
    (picture,) = decode_pixels(model, latents, final=True)
    assert model.vae.dtype is torch.float32
    assert picture.std() > 0
    (wanted,) = decode_pixels(expected, latents, final=True)
    assert np.array_equal(picture, wanted)


def test_of_a_batch_only_pictures_that_are_not_finite_are_decoded_again(sd15: Model) -> None:
    model = with_own_vae(sd15, dtype=torch.float16)
    model.vae.half()
    latents = torch.randn(3, 4, 8, 8)
    # The first and the last overflow in half precision.
    latents[::2] *= 1e7
    expected = with_own_vae(sd15)
    with torch.no_grad():
        for name, parameter in expected.vae.named_parameters():
            parameter.copy_(dict(model.vae.named_parameters())[name].float())
    pending = begin_decoding(model, latents, final=True)
    assert pending.finite.wait().tolist() == [False, True, False]
    half = pending.take(1)
    assert model.vae.dtype is torch.float16
    for number in (0, 2):
        (wanted,) = decode_pixels(expected, latents[number : number + 1], final=True)
        assert np.array_equal(pending.take(number), wanted)
    assert np.array_equal(pending.take(1), half)


def test_switching_an_autoencoder_says_only_what_matters(sd15: Model, capfd: pytest.CaptureFixture[str]) -> None:
    model = with_own_vae(sd15, dtype=torch.float16)
    with quiet_libraries():
        model.vae.half()
    assert upcast(model.vae)
    assert capfd.readouterr() == ("", "")


def test_numbers_that_are_never_finite_are_an_error_with_a_name(sd15: Model) -> None:
    model = with_own_vae(sd15)
    with pytest.raises(NotFiniteError, match="the denoiser of"):
        decode_pixels(model, torch.full((1, 4, 8, 8), float("inf")), final=True)
    with torch.no_grad():
        model.vae.decoder.conv_out.bias.fill_(float("nan"))
    with pytest.raises(NotFiniteError, match="in float32 as well"):
        decode_pixels(model, torch.randn(1, 4, 8, 8), final=True)


@pytest.mark.parametrize("size", [(8, 8), (5, 11), (1, 2)])
def test_tiles_cover_the_picture(size: tuple[int, int]) -> None:
    """An autoencoder without surroundings gives the same picture in tiles as whole."""

    class Enlarge:
        class config:  # noqa: N801 - as diffusers names it
            scaling_factor, shift_factor = 1.0, 0.0

        def decode(self, latents: torch.Tensor, *, return_dict: bool) -> tuple[torch.Tensor]:
            assert not return_dict
            return (latents[:, :3].repeat_interleave(8, -1).repeat_interleave(8, -2),)

    class Holder:
        text_encoder_2, dtype, pixels_per_latent = None, torch.float32, 8

    latents = torch.randn(2, 4, *size)
    whole, tiled = (decode_latents(Holder(), Enlarge(), latents, tiles=tiles) for tiles in (False, True))  # type: ignore[arg-type]
    assert torch.allclose(whole, tiled, atol=1e-5)


def test_a_tiny_folder_renders_in_float16_end_to_end(mini_folder: Path, mini: Model, priors: Any) -> None:
    half = load_model(mini_folder, "cpu", dtype="float16", performance="plain", settings=mini.settings)
    assert list(render(priors, 1, model=half, steps=2))[-1].final
