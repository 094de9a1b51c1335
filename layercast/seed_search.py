"""Seed search: renders a stream from several seeds, as the receiver will, and chooses the closest to the original."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codec.container.bitstream import Bitstream
from evaluation.quality.quality import Quality, compare
from evaluation.rendering.runs import RunDriver
from layercast_common.errors import UsageError
from receiver.rendering.engine.direct import render
from receiver.rendering.engine.render_method import RenderMethod, render_method

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Most seeds to try: a seed of more than two bytes costs more than it gains.
MAX_SEEDS = 65536

#: A mean CIEDE2000 at which the colours of two pictures count as unrelated.
FAR_COLORS = 50.0


@dataclass(frozen=True, slots=True)
class TriedSeed:
    """The result of one seed, compared with the original.

    Attributes:
        seed: the seed.
        score: similarity, 0 to 1: the mean of the similarities of lines, colours and structure.
        quality: the figures behind the score.
    """

    seed: int
    score: float
    quality: Quality


def score(quality: Quality) -> float:
    """Return the similarity, 0 to 1: the mean of lines (F1), colours (CIEDE2000) and local structure (SSIM)."""
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
    """Render a stream from seeds 0 to `count` - 1, and put the best one into its header.

    Args:
        stream: the stream, encoded with seed `count` - 1, so that no smaller seed makes it longer.
        original: (H, W, 3) uint8 RGB at canvas size.
        model: the model that the receiver will use.
        count: seeds to try, 1 to `MAX_SEEDS`.
        steps: denoising steps of the receiver; the model's own number if None.
        track: iterates over the seeds and shows the progress.

    Returns:
        The stream with the best seed, and the results of all seeds, best first.

    Raises:
        UsageError: `count` is out of range, or the model restores the stream's bit planes, without noise.
        RenderError: the stream cannot be rendered.
        BitstreamError: the stream is damaged.
    """
    check_count(count)
    priors = stream.decode()
    if priors.plane is not None and render_method(priors, model, 0) is RenderMethod.RESTORE:
        raise UsageError(
            f"{model.name} restores bit planes without noise, so every seed gives the same picture: leave out "
            "--search-seeds, or encode with --texture grid"
        )
    if render_method(priors, model, 0) is RenderMethod.RESTORE:
        # The seed chooses the picture that the model retrieves for the prompt.
        def draw(seed: int) -> NDArray[np.uint8]:
            *_, last = render(priors, seed, model=model)
            return np.asarray(last.image)
    else:
        driver = RunDriver(model, steps or model.settings.steps)
        draw = partial(driver.draw, priors)
    tried = []
    for seed in track(range(count)):
        quality = compare(draw(seed), original)
        tried.append(TriedSeed(seed, score(quality), quality))
    tried.sort(key=lambda result: (-result.score, result.seed))
    return replace(stream, header=replace(stream.header, seed=tried[0].seed)), tried


def check_count(count: int) -> None:
    """Check a number of seeds.

    Raises:
        UsageError: it is out of range.
    """
    if not 1 <= count <= MAX_SEEDS:
        raise UsageError(f"--search-seeds takes 1 to {MAX_SEEDS} seeds, not {count}")
