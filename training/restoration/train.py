"""Training command of the restoration network, which restores pictures from prefixes of a plane code.

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

from codec.wavelet.plane import Plane
from codec.wavelet.transform import forward, inverse, to_channels
from receiver.rendering.restoration.features import LEVELS
from receiver.rendering.restoration.network import NetworkForm, RestorationNetwork
from receiver.rendering.restoration.restorer import Restorer, save_restoration
from training.data.tiles import Source, add_source_options
from training.restoration.data import Sampler, measure_spread, pack_pictures, prefix_planes
from training.restoration.loss import compare
from training.restoration.replay import ReplayBuffer
from training.restoration.tuning import perceptual_loss, restore_cut
from training.run import TrainingRun, cosine

#: Capacity of the replay buffer in places per level, and places per level and step.
KEPT, BATCH = 600_000, 2048

#: Pictures drawn before the first step, new pictures per refill, and steps between refills. Each place is used two or
#: three times.
FIRST_PICTURES, NEW_PICTURES, RENEWED = 80, 12, 20

#: Validation: last planes, number of pictures, and minutes between validations.
VALIDATED_PLANES, VALIDATED_PICTURES, VALIDATED_EVERY = (10, 9, 8, 7, 6, 5), 9, 10

#: Number of pictures on which the typical distances are measured.
SPREAD_PICTURES = 60

#: Weight of a squared error of chroma, in typical distances. Below 1, because the distances of luma are larger.
CHROMA_SHARE = 0.3

LEARNING_RATE = 2e-3

#: Decay per step of the average of weights: in training on places, and in fine-tuning.
AVERAGED, AVERAGED_TUNING = 0.998, 0.98

#: Share of the budget after which fine-tuning on whole crops begins, crops per step, and their side in pixels.
TUNED_FROM, CUTS, CUT = 0.6, 4, 192

#: Steps between log entries: in training on places, and in fine-tuning.
LOGGED, LOGGED_TUNING = 200, 25


def validate(network: RestorationNetwork, pictures: NDArray[np.uint8]) -> dict[str, float]:
    """Measure the gains of restoration over the inverse transform, by last plane, on validation pictures."""
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
    """Trainer of a network: first on places of all pictures, then on whole crops. Keeps an average of the weights."""

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
        self.buffer = ReplayBuffer(self.network, 5000 if smoke else KEPT, seed + run.step)
        self.tuning = state is not None and bool(state["tuning"])
        if not self.tuning:
            self.buffer.add(self.sampler, 2 if smoke else FIRST_PICTURES)
        if state is None:
            self.buffer.standardise()
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
        """Run one step of the current stage: training on places, or fine-tuning."""
        if self.run.progress >= TUNED_FROM and not self.tuning:
            self.tuning = True
            self.network.load_state_dict(self.average.state_dict())
            self.log()
        for group in self.optimizer.param_groups:
            group["lr"] = LEARNING_RATE * cosine(self.run.progress)
        self.optimizer.zero_grad(set_to_none=True)
        for name, figure in (self._tune() if self.tuning else self._train_places()).items():
            self.sums[name] += figure
        self.summed += 1
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        # Average over few steps at first, so that the untrained network does not count.
        share = min(AVERAGED_TUNING if self.tuning else AVERAGED, (1 + self.run.step) / (10 + self.run.step))
        with torch.no_grad():
            for kept, now in zip(self.average.parameters(), self.network.parameters(), strict=True):
                kept.lerp_(now, 1 - share)

    def log(self) -> None:
        """Log the mean figures since the last log entry."""
        if self.summed:
            self.run.log(**{name: total / self.summed for name, total in self.sums.items()})
        self.sums.clear()
        self.summed = 0

    def _train_places(self) -> dict[str, float]:
        """Train on places; return the remaining share of the squared error at each level."""
        if (self.run.step + 1) % RENEWED == 0:
            self.buffer.add(self.sampler, NEW_PICTURES)
        left = {}
        for level, estimator in enumerate(self.network.by_level):
            shown, goals, weights = self.buffer.batch(level, BATCH)
            estimates = estimator(shown)
            goals = goals[:, : estimates.shape[1]]
            channels = self.channels[: estimates.shape[1]] if level else self.channels[:1]
            loss = (((estimates - goals).square() * channels).mean(1) * weights).mean()
            loss.backward()
            left[f"left_{level + 1}"] = float(loss.detach() / ((goals.square() * channels).mean(1) * weights).mean())
        return left

    def _tune(self) -> dict[str, float]:
        """Fine-tune on crops; return the figures of the loss."""
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
    """Train until the budget is spent; return the network with averaged weights."""
    trainer = Trainer(run, pictures, form, seed)
    validated = run.elapsed_s
    for due in run.ticks():
        if due:
            trainer.save()
        trainer.step()
        if trainer.summed == (LOGGED_TUNING if trainer.tuning else LOGGED):
            trainer.log()
        if run.elapsed_s - validated > 60 * VALIDATED_EVERY:
            validated = run.elapsed_s
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
    budget.add_argument("--steps", type=int, help="training steps")
    budget.add_argument("--minutes", type=float, help="training time")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="number of CPU threads (default: torch's)")
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
        parser.error("no budget: give --steps or --minutes")
    run = TrainingRun(options.out, "restoration", steps=steps, minutes=minutes, save_every_s=300)
    run.log(**validate(train(run, pictures, validation, form, options.seed), validation))


if __name__ == "__main__":
    main()
