"""The encoder of mini's autoencoder: a fixed transform, the low frequencies of an 8x8 block cosine transform.

Six luma coefficients and the averages of both chroma channels keep all colours, and are smooth where the picture is. So
the diffusion model learns pictures directly and needs little training. The coefficients are written exactly into the
convolutions of diffusers' `AutoencoderTiny`, whose strides of two gather blocks of 2, 4 and 8 pixels. The decoder is
trained.
"""

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from torch import Tensor

from training.sizes import Sizes

#: (channel, vertical frequency, horizontal frequency); channels are luma and two chroma (JFIF, ITU-T T.871).
COEFFICIENTS = ((0, 0, 0), (1, 0, 0), (2, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (0, 0, 2), (0, 2, 0))

#: Factor of each coefficient. Fine detail varies far less than averages; it is amplified, but stays below them.
SCALES = (0.27, 0.45, 0.45, 0.7, 0.7, 1.0, 1.0, 1.0)

LATENT_CHANNELS = len(COEFFICIENTS)

#: Signs of the mirrored picture's latents.
_MIRRORED = torch.tensor([(-1.0) ** across for _, _, across in COEFFICIENTS])[:, None, None]

_COLORS = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))

_BLOCK = 8

#: RGB of the pixels of a block of 4x4.
_WIDTH = 3 * 4 * 4


def build_vae(sizes: Sizes) -> AutoencoderTiny:
    """Return the autoencoder with its fixed encoder and an untrained decoder, of half TAESD's width in `MINI`."""
    vae = AutoencoderTiny(
        latent_channels=LATENT_CHANNELS,
        encoder_block_out_channels=(_WIDTH,) * 4,
        num_encoder_blocks=(0, 0, 0, 0),
        decoder_block_out_channels=(sizes.decoder,) * 4,
    )
    _write_encoder(vae)
    vae.encoder.requires_grad_(False)
    return vae


def mirror(latents: Tensor) -> Tensor:
    """Return the exact latents, (..., C, h, w), of the mirrored picture."""
    return latents.flip(-1) * _MIRRORED.to(latents)


def _write_encoder(vae: AutoencoderTiny) -> None:
    first, *halvings, last = (layer for layer in vae.encoder.layers if isinstance(layer, torch.nn.Conv2d))
    with torch.no_grad():
        for parameter in vae.encoder.parameters():
            parameter.zero_()
        # The class maps pictures to 0 to 1; this maps them back to -1 to 1.
        for color in range(3):
            first.weight[color, color, 1, 1] = 2
        assert first.bias is not None
        first.bias[:3] = -1
        # A convolution of 3x3 with stride 2 sees the pixels (2i, 2j) to (2i + 1, 2j + 1) through its last four taps:
        # channel (row * side + column) * 3 + color becomes the channel of a block twice as large.
        for halving, side in ((halvings[0], 1), (halvings[1], 2)):
            for down, across, row, column, color in np.ndindex(2, 2, side, side, 3):
                to = ((down * side + row) * 2 * side + across * side + column) * 3 + color
                halving.weight[to, (row * side + column) * 3 + color, 1 + down, 1 + across] = 1
        half = _BLOCK // 2
        for number, pattern in enumerate(_patterns()):
            for down, across, row, column, color in np.ndindex(2, 2, half, half, 3):
                weight = pattern[down * half + row, across * half + column, color]
                halvings[2].weight[number, (row * half + column) * 3 + color, 1 + down, 1 + across] = float(weight)
            last.weight[number, number, 1, 1] = 1


def _patterns() -> NDArray[np.float64]:
    """Return the weights of each coefficient over a block, (C, 8, 8, 3)."""
    place = np.arange(_BLOCK)
    waves = [np.cos(np.pi * (2 * place + 1) * k / 16) * np.sqrt((1 if k == 0 else 2) / _BLOCK) for k in range(3)]
    return np.stack(
        [
            scale * waves[down][:, None, None] * waves[across][None, :, None] * np.array(_COLORS[color])
            for (color, down, across), scale in zip(COEFFICIENTS, SCALES, strict=True)
        ]
    )
