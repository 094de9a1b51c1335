"""The restoration network: from what a prefix of a plane code tells to the picture.

python -m training.restoration.train --data DATA --objects OBJECTS --minutes 60 --out build/restoration
"""

import argparse
import copy
import logging
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codec.wavelet.plane import Plane
from codec.wavelet.transform import forward, inverse, to_channels
from receiver.rendering.restoration.features import FEATURES, LEVELS
from receiver.rendering.restoration.network import ESTIMATED, NetworkForm, RestorationNetwork
from receiver.rendering.restoration.restorer import Restorer, save_restoration
from training.data.tiles import Source, add_source_options
from training.restoration.data import Sampler, measure_spread, pack_pictures, prefix_planes
from training.restoration.loss import compare
from training.restoration.tuning import perceptual_loss, restore_cut
from training.run import TrainingRun, cosine

logger = logging.getLogger("training")

#: Places of a level that are kept to draw from; those of a step; pictures before the first step, and new ones as often
#: as `RENEWED` steps. So each place is seen two or three times.
KEPT, BATCH = 600_000, 2048
FIRST_PICTURES, NEW_PICTURES, RENEWED = 80, 12, 20

#: Whole planes that are looked at on pictures set aside, how many pictures, and how often in minutes.
VALIDATED_PLANES, VALIDATED_PICTURES, VALIDATED_EVERY = (10, 9, 8, 7, 6, 5), 9, 10

#: Pictures that the usual distances are measured on.
SPREAD_PICTURES = 60

#: What a squared error of chroma, in usual distances, weighs: luma's distances are larger.
CHROMA_SHARE = 0.3

LEARNING_RATE = 2e-3
AVERAGED, AVERAGED_TUNING = 0.998, 0.98

#: Share of the budget from which on whole cuts are shown, how many in a step, and their side.
TUNED_FROM, CUTS, CUT = 0.75, 4, 192

#: Steps between lines of the log.
LOGGED, LOGGED_TUNING = 200, 25

#: Goals are clipped to so many of the usual distances.
FARTHEST = 8


class Memory:
    """The last places that were drawn, for each level."""

    def __init__(self, network: RestorationNetwork, kept: int, seed: int) -> None:
        self.network = network
        self.shown = np.zeros((LEVELS, kept, FEATURES), np.float16)
        self.goals = np.zeros((LEVELS, kept, ESTIMATED), np.float16)
        self.weights = np.zeros((LEVELS, kept), np.float16)
        self.count = [0] * LEVELS
        self.random = np.random.default_rng(seed)

    def add(self, sampler: Sampler, pictures: int) -> None:
        """Draw from more pictures, in the place of the oldest."""
        for _ in range(pictures):
            drawn = sampler.draw()
            found, usual = 0.0, 0.0
            goals = []
            for level, places in enumerate(drawn):
                estimator = self.network.by_level[level]
                spreads = estimator.spreads(*places.planes).numpy()
                goals.append(np.clip(places.goals[:, : len(spreads)] / spreads, -FARTHEST, FARTHEST))
                found += float(np.square(places.goals[:, ::3]).mean()) / 4**level
                usual += float(spreads[0]) ** 2 / 4**level
            # What is gained counts in dB, so an error counts for more in a picture that has few.
            weight = min(1.3 * usual / (found + 0.3 * usual), 4.0)
            for level, (places, goal) in enumerate(zip(drawn, goals, strict=True)):
                rows = (self.count[level] + np.arange(len(goal))) % self.shown.shape[1]
                self.shown[level, rows], self.weights[level, rows] = places.shown, weight
                self.goals[level, rows, : goal.shape[1]] = goal
                self.count[level] += len(goal)

    def batch(self, level: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Features, goals in usual distances, and weights of places drawn at random."""
        rows = self.random.integers(0, min(self.count[level], self.shown.shape[1]), size)
        parts = (self.shown[level, rows], self.goals[level, rows], self.weights[level, rows])
        shown, goals, weights = (torch.from_numpy(part.astype(np.float32)) for part in parts)
        return shown, goals, weights

    def standardise(self) -> None:
        """Set the estimators' means and deviations of features to those of what is here."""
        for level in range(LEVELS):
            estimator = self.network.by_level[level]
            shown = self.shown[level, : self.count[level]].astype(np.float32)
            estimator.mean.copy_(torch.from_numpy(shown.mean(0)))
            estimator.deviation.copy_(torch.from_numpy(shown.std(0) + 0.02))


def validate(network: RestorationNetwork, pictures: NDArray[np.uint8]) -> dict[str, float]:
    """What restoration gains over the inverse transform, by the last plane, on pictures that are not trained on."""
    restorer = Restorer(copy.deepcopy(network))
    figures = {}
    for plane in VALIDATED_PLANES:
        gains = []
        for picture in pictures[:: max(1, len(pictures) // VALIDATED_PICTURES)]:
            channels = to_channels(picture)
            known = Plane.of(forward(channels), prefix_planes(channels.shape[1:], plane, 1.0, (True, False)))
            before, after = known.to_coefficients(), restorer.restore_coefficients(known)
            gains.append(compare(inverse(after), inverse(before), channels))
        for name in gains[0]:
            figures[f"{name}_{plane}"] = float(np.mean([gain[name] for gain in gains]))
    return figures


class Trainer:
    """Teaches a network, first places of all pictures, then whole cuts; keeps an average of its weights."""

    def __init__(self, run: TrainingRun, pictures: NDArray[np.uint8], form: NetworkForm, seed: int) -> None:
        torch.manual_seed(seed)
        self.run, self.network = run, RestorationNetwork(form)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), LEARNING_RATE, betas=(0.9, 0.99), weight_decay=1e-3
        )
        state = run.resume()
        if state is None:
            spread = measure_spread(pictures[:: max(1, len(pictures) // SPREAD_PICTURES)])
            for estimator, usual in zip(self.network.by_level, spread, strict=True):
                estimator.spread.copy_(torch.from_numpy(usual))
        else:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
        smoke = run.steps is not None and run.steps < 10
        self.sampler = Sampler(pictures, seed + 1000 * run.step)
        self.memory = Memory(self.network, 5000 if smoke else KEPT, seed + run.step)
        self.tuning = state is not None and bool(state["tuning"])
        if not self.tuning:
            self.memory.add(self.sampler, 2 if smoke else FIRST_PICTURES)
        if state is None:
            self.memory.standardise()
        self.average = copy.deepcopy(self.network)
        if state is not None:
            self.average.load_state_dict(state["average"])
        self.channels = torch.tensor([1.0, CHROMA_SHARE, CHROMA_SHARE] * 3)
        self.sums: dict[str, float] = defaultdict(float)
        self.summed = 0

    def save(self) -> None:
        """Write a checkpoint and the averaged network."""
        states = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        self.run.save({**states, "tuning": self.tuning})
        save_restoration(self.average, self.run.folder / "restoration")

    def step(self) -> None:
        """One step of what it is time for."""
        if self.run.progress >= TUNED_FROM and not self.tuning:
            self.tuning = True
            self.network.load_state_dict(self.average.state_dict())
            self.log()
        for group in self.optimizer.param_groups:
            group["lr"] = LEARNING_RATE * cosine(self.run.progress)
        self.optimizer.zero_grad(set_to_none=True)
        for name, figure in (self._tune() if self.tuning else self._teach()).items():
            self.sums[name] += figure
        self.summed += 1
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        # At first the average is of few steps, so that it is not of the untrained network.
        share = min(AVERAGED_TUNING if self.tuning else AVERAGED, (1 + self.run.step) / (10 + self.run.step))
        with torch.no_grad():
            for kept, now in zip(self.average.parameters(), self.network.parameters(), strict=True):
                kept.lerp_(now, 1 - share)

    def log(self) -> None:
        """Log the means since the last time."""
        if self.summed:
            self.run.log(**{name: total / self.summed for name, total in self.sums.items()})
        self.sums.clear()
        self.summed = 0

    def _teach(self) -> dict[str, float]:
        """The share of errors that is left at each level, squared."""
        if (self.run.step + 1) % RENEWED == 0:
            self.memory.add(self.sampler, NEW_PICTURES)
        left = {}
        for level, estimator in enumerate(self.network.by_level):
            shown, goals, weights = self.memory.batch(level, BATCH)
            said = estimator(shown)
            goals = goals[:, : said.shape[1]]
            channels = self.channels[: said.shape[1]] if level else self.channels[:1]
            loss = (((said - goals).square() * channels).mean(1) * weights).mean()
            loss.backward()
            left[f"left_{level + 1}"] = float(loss.detach() / ((goals.square() * channels).mean(1) * weights).mean())
        return left

    def _tune(self) -> dict[str, float]:
        cuts = [self.sampler.cut(CUT) for _ in range(CUTS)]
        restored = torch.stack([restore_cut(self.network, cut) for cut in cuts])
        decoded, original = (
            torch.from_numpy(np.stack([getattr(cut, name) for cut in cuts])) for name in ("decoded", "original")
        )
        loss, figures = perceptual_loss(restored, decoded, original)
        loss.backward()  # type: ignore[no-untyped-call]
        return figures


def train(
    run: TrainingRun, pictures: NDArray[np.uint8], validation: NDArray[np.uint8], form: NetworkForm, seed: int
) -> RestorationNetwork:
    """Train until the budget is spent; returns the network with averaged weights."""
    trainer = Trainer(run, pictures, form, seed)
    looked = run.elapsed_s
    for due in run.ticks():
        if due:
            trainer.save()
        trainer.step()
        if trainer.summed == (LOGGED_TUNING if trainer.tuning else LOGGED):
            trainer.log()
        if run.elapsed_s - looked > 60 * VALIDATED_EVERY:
            looked = run.elapsed_s
            run.log(**validate(trainer.average, validation))
    trainer.save()
    return trainer.average


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_source_options(parser)
    parser.add_argument("--out", type=Path, default=Path("build/restoration"), help="packed pictures and checkpoints")
    parser.add_argument("--scenes", type=int, default=480, help="composed pictures (default: %(default)s)")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--steps", type=int)
    budget.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="of the processor")
    parser.add_argument("--smoke", action="store_true", help="four steps on four pictures with a tiny network")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.threads:
        torch.set_num_threads(options.threads)
    source = Source(options.data, options.objects)
    scenes, limit = (2, 4) if options.smoke else (options.scenes, None)
    pack_pictures(source, options.out, scenes=scenes, limit=limit, seed=options.seed)
    pictures, validation = (np.load(options.out / f"{name}.npy", mmap_mode="r") for name in ("train", "validation"))
    form = NetworkForm(((8, 8),) * LEVELS) if options.smoke else NetworkForm()
    steps, minutes = (4, None) if options.smoke else (options.steps, options.minutes)
    if steps is None and minutes is None:
        parser.error("--steps or --minutes")
    run = TrainingRun(options.out, "restoration", steps=steps, minutes=minutes, save_every_s=300)
    run.log(**validate(train(run, pictures, validation, form, options.seed), validation))


if __name__ == "__main__":
    main()
