import hashlib

import numpy as np
import pytest

from receiver.rendering.sampling.noise import draw_noise


def test_noise_never_changes() -> None:
    """Sender and receiver start from the same noise: a change here changes all published streams' pictures."""
    noise = draw_noise((1, 4, 32, 32), 2024)
    digest = hashlib.sha256(noise.astype("<f4").tobytes()).hexdigest()
    assert digest == "9987f28ac8acdd3713b9c9d2ba1aac4197bbf15b99857d458729b7fb07a25883"


def test_noise_is_standard_normal() -> None:
    noise = draw_noise((1 << 18,), 7).astype(np.float64)
    assert abs(noise.mean()) < 0.01
    assert abs(noise.std() - 1) < 0.01
    assert abs((noise**3).mean()) < 0.03
    assert abs((noise**4).mean() - 3) < 0.06
    assert 4 < np.abs(noise).max() < 4.4


@pytest.mark.parametrize(("seed", "stream"), [(8, 0), (7, 1), (2**32 - 1, 0), (2**64 - 1, 2**64 - 1)])
def test_seeds_and_streams_are_independent(seed: int, stream: int) -> None:
    noise, other = draw_noise((4096,), 7), draw_noise((4096,), seed, stream)
    assert abs(np.corrcoef(noise, other)[0, 1]) < 0.06


def test_a_shape_only_folds_the_same_numbers() -> None:
    assert np.array_equal(draw_noise((3, 5), 1).reshape(-1), draw_noise((15,), 1))
