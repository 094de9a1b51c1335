import numpy as np
import pytest
import torch

from receiver.rendering.models.model import Model
from receiver.rendering.output.previews import decode_latents, preview_due


@pytest.mark.parametrize(
    ("done", "steps", "news", "expected"),
    [
        (1, 8, False, False),
        (2, 8, False, True),
        (3, 8, False, False),
        (4, 8, False, True),
        # A new layer is shown after the next step, but not before the first preview.
        (1, 8, True, False),
        (3, 8, True, True),
        # After the last step there is the final frame.
        (8, 8, True, False),
        (2, 2, False, False),
    ],
)
def test_when_previews_are_due(done: int, steps: int, *, news: bool, expected: bool) -> None:
    assert preview_due(done, steps, (2, 4), layers_changed=news) is expected


@pytest.mark.parametrize("canvas", [(64, 64), (200, 75)])
def test_frames_have_canvas_size(mini: Model, canvas: tuple[int, int]) -> None:
    picture = decode_latents(mini, torch.randn(1, 4, 8, 8), canvas, final=True)
    assert picture.size == canvas
    assert picture.mode == "RGB"


def test_latents_are_scaled_as_the_autoencoder_says(sd15: Model) -> None:
    latents = torch.randn(1, 4, 8, 8)
    scaling = sd15.vae.config.scaling_factor
    decoded = sd15.vae.decode(latents / scaling).sample[0].permute(1, 2, 0).numpy()
    picture = np.asarray(decode_latents(sd15, latents, (64, 64), final=True), np.float32)
    assert np.abs(picture - ((decoded / 2 + 0.5).clip(0, 1) * 255)).max() <= 0.51
