"""The autoencoder's encoder, compared with the cosine transform."""

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")
pytest.importorskip("diffusers")

import torch

from training.mini.transform import COEFFICIENTS, LATENT_CHANNELS, SCALES, build_vae, mirror
from training.sizes import SMOKE

LUMA = (0.299, 0.587, 0.114)


def _pictures() -> NDArray[np.float32]:
    return np.random.default_rng(7).uniform(-1, 1, (2, 3, 32, 48)).astype(np.float32)


def test_latents_are_the_low_coefficients_of_blocks() -> None:
    pictures = _pictures()
    with torch.no_grad():
        latents = build_vae(SMOKE).encode(torch.from_numpy(pictures)).latents.numpy()
    assert latents.shape == (2, LATENT_CHANNELS, 4, 6)
    place = np.arange(8)
    waves = [np.cos(np.pi * (2 * place + 1) * k / 16) * np.sqrt((2 if k else 1) / 8) for k in range(3)]
    luma = np.einsum("nchw,c->nhw", pictures, LUMA).reshape(2, 4, 8, 6, 8)
    for channel, (color, down, across) in enumerate(COEFFICIENTS):
        if color == 0:
            wanted = SCALES[channel] * np.einsum("nrxcy,x,y->nrc", luma, waves[down], waves[across])
            np.testing.assert_allclose(latents[:, channel], wanted, atol=1e-5)


def test_gray_has_no_chroma() -> None:
    gray = torch.rand(1, 1, 16, 16).mul(2).sub(1).expand(1, 3, 16, 16)
    with torch.no_grad():
        assert build_vae(SMOKE).encode(gray).latents[:, 1:3].abs().max() < 1e-5


def test_latents_of_the_mirrored_picture() -> None:
    pictures, vae = torch.from_numpy(_pictures()), build_vae(SMOKE)
    with torch.no_grad():
        torch.testing.assert_close(mirror(vae.encoder(pictures)), vae.encoder(pictures.flip(-1)), atol=1e-5, rtol=0)
