"""The seed whose picture is nearest to the original: the sender draws what the receiver will draw, and chooses."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codec.container.bitstream import Bitstream
from evaluation.pictures.quality import Quality, compare
from evaluation.rendering.runs import RunDriver
from layercast_common.errors import UsageError

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Most seeds to try: beyond two bytes of seed nothing is worth its bytes.
MAX_SEEDS = 65536

#: A mean CIEDE2000 at which two pictures' colours have nothing in common.
FAR_COLORS = 50.0


@dataclass(frozen=True, slots=True)
class TriedSeed:
    """One seed's picture against the original.

    Attributes:
        seed: the seed.
        score: 0 to 1, more is nearer: the mean of likeness of lines, colours and structure.
        quality: the figures it is made of.
    """

    seed: int
    score: float
    quality: Quality


def score(quality: Quality) -> float:
    """How near a picture is in all: lines (F1), colours (CIEDE2000) and local structure (SSIM) count alike."""
    colors = 1 - min(quality.color_difference, FAR_COLORS) / FAR_COLORS
    return (quality.edge_f1 + colors + max(quality.ssim, 0.0)) / 3


def search_seeds(
    stream: Bitstream,
    original: NDArray[np.uint8],
    model: "Model",
    count: int,
    *,
    steps: int | None = None,
    track: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> tuple[Bitstream, list[TriedSeed]]:
    """Draw a stream from seeds 0 to `count` - 1 and put the best one into its header.

    Args:
        stream: what will be sent, made with seed `count` - 1, so that no seed makes it longer.
        original: (H, W, 3) uint8 RGB at canvas size.
        model: what the receiver will draw it with.
        count: seeds to try, 1 to `MAX_SEEDS`.
        steps: denoising steps, if the receiver will not take the model's own number.
        track: passes the seeds through and shows how far the search is.

    Returns:
        The stream with the best seed, and all that were tried, best first.

    Raises:
        UsageError: no such number of seeds.
    """
    check_count(count)
    driver = RunDriver(model, steps or model.settings.steps)
    priors = stream.decode()
    tried = []
    for seed in track(range(count)):
        quality = compare(driver.draw(priors, seed), original)
        tried.append(TriedSeed(seed, score(quality), quality))
    tried.sort(key=lambda one: (-one.score, one.seed))
    return replace(stream, header=replace(stream.header, seed=tried[0].seed)), tried


def check_count(count: int) -> None:
    """See that so many seeds can be tried.

    Raises:
        UsageError: they cannot.
    """
    if not 1 <= count <= MAX_SEEDS:
        raise UsageError(f"--search-seeds takes 1 to {MAX_SEEDS} seeds, not {count}")
