"""Training command of the restoration network, which restores pictures from prefixes of a plane code.

python -m training.restoration.train --data DATA --objects OBJECTS --minutes 7 --out build/restoration    # on a GPU
"""

import argparse
import copy
import logging
from collections import defaultdict
from pathlib import Path

import torch
from torch import Tensor

from receiver.rendering.restoration.inputs import in_steps, network_inputs
from receiver.rendering.restoration.network import NetworkForm, RestorationNetwork
from receiver.rendering.restoration.restorer import save_restoration
from training.data.tiles import Source, add_source_options
from training.restoration.coding import confine, prefix_planes, to_channels, to_coefficients, to_samples
from training.restoration.data import CodedBatch, Pictures, Sampler, pack_pictures
from training.restoration.loss import gains, perceptual_loss
from training.run import TrainingRun, autocast, cosine

#: Validation: last planes, pictures per batch, and minutes between validations.
VALIDATED_PLANES, VALIDATED_BATCH, VALIDATED_EVERY = (10, 9, 8, 7, 6, 5), 6, 1.5

#: Peak learning rate, and weight decay.
LEARNING_RATE, WEIGHT_DECAY = 6e-4, 1e-3

#: Decay per step of the average of weights.
AVERAGED = 0.999

#: Steps between log entries.
LOGGED = 100


def restore_batch(network: RestorationNetwork, batch: CodedBatch) -> Tensor:
    """Return the restored channels (N, 3, H, W) of a batch."""
    inputs = network_inputs(batch.decoded, in_steps(batch.magnitudes, batch.signs), batch.last_plane, batch.lines)
    with autocast(batch.decoded.device):
        estimated = network(inputs)
    coefficients = to_coefficients(batch.decoded + estimated.float())
    return to_samples(confine(coefficients, batch.magnitudes, batch.signs, batch.last_plane))


@torch.no_grad()
def validate(network: RestorationNetwork, pictures: Pictures) -> dict[str, float]:
    """Measure the gains of restoration over the inverse transform, by last plane, with lines, on validation pictures.

    "plain" is the gain in PSNR without lines.
    """
    figures: dict[str, list[Tensor]] = defaultdict(list)
    for start in range(0, len(pictures), VALIDATED_BATCH):
        rgb, lines = pictures.take(torch.arange(start, min(start + VALIDATED_BATCH, len(pictures))))
        original = to_channels(rgb)
        ones = torch.ones(len(original), device=pictures.device)
        for plane in VALIDATED_PLANES:
            last = prefix_planes((rgb.shape[2], rgb.shape[3]), plane * ones, ones, ones > 0)
            for shown in (lines, None):
                batch = CodedBatch.of(original, last, shown)
                found = gains(restore_batch(network, batch), batch.decoded, original)
                if shown is None:
                    found = {"plain": found["psnr"]}
                for name, gain in found.items():
                    figures[f"{name}_{plane}"].append(gain)
    return {name: float(torch.stack(found).mean()) for name, found in figures.items()}


class Trainer:
    """Trainer of a network. Keeps an average of the weights.

    Args:
        run: budget, checkpoint and log.
        pictures: training pictures.
        form: layer sizes.
        batch: pictures per step.
        seed: random seed of weights and batches.
    """

    def __init__(self, run: TrainingRun, pictures: Pictures, form: NetworkForm, *, batch: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.run, self.batch = run, batch
        self.network = RestorationNetwork(form).to(pictures.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), LEARNING_RATE, betas=(0.9, 0.99), weight_decay=WEIGHT_DECAY
        )
        state = run.resume()
        if state is not None:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
        self.average = copy.deepcopy(self.network)
        if state is not None:
            self.average.load_state_dict(state["average"])
        self.sampler = Sampler(pictures, seed + 1000 * run.step)
        self.sums: dict[str, Tensor] = {}

    def save(self) -> None:
        """Write a checkpoint and the averaged network."""
        states = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        self.run.save(states)
        save_restoration(self.average, self.run.folder / "restoration")

    def step(self) -> None:
        """Run one step."""
        for group in self.optimizer.param_groups:
            group["lr"] = LEARNING_RATE * cosine(self.run.progress)
        batch = self.sampler.draw(self.batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss, figures = perceptual_loss(restore_batch(self.network, batch), batch.decoded, batch.original)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        # Average over few steps at first, so that the untrained network does not count.
        share = min(AVERAGED, (1 + self.run.step) / (10 + self.run.step))
        with torch.no_grad():
            for kept, now in zip(self.average.parameters(), self.network.parameters(), strict=True):
                kept.lerp_(now, 1 - share)
        for name, figure in figures.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(figure)) + figure
        if (self.run.step + 1) % LOGGED == 0:
            self.run.log(**{name: float(total) / LOGGED for name, total in self.sums.items()})
            self.sums.clear()


def train(trainer: Trainer, validation: Pictures) -> RestorationNetwork:
    """Train until the budget is spent; return the network with averaged weights."""
    run = trainer.run
    validated = run.elapsed_s
    for due in run.ticks():
        if due:
            trainer.save()
        trainer.step()
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
    parser.add_argument("--batch", type=int, default=16, help="pictures per step (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="torch device")
    parser.add_argument("--threads", type=int, help="number of CPU threads (default: torch's)")
    parser.add_argument("--smoke", action="store_true", help="four steps on four pictures with a tiny network")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.set_float32_matmul_precision("high")
    steps, minutes = (4, None) if options.smoke else (options.steps, options.minutes)
    if steps is None and minutes is None:
        parser.error("no budget: give --steps or --minutes")
    source = Source(options.data, options.objects)
    scenes, limit = (2, 4) if options.smoke else (options.scenes, None)
    pack_pictures(source, options.out, scenes=scenes, limit=limit, seed=options.seed)
    device = torch.device(options.device)
    pictures, validation = (Pictures(options.out, name, device) for name in ("train", "validation"))
    form = NetworkForm((8, 8, 8, 8), (1, 1, 1, 1), (1, 1, 1), 8) if options.smoke else NetworkForm()
    run = TrainingRun(options.out, "restoration", steps=steps, minutes=minutes, save_every_s=60)
    trainer = Trainer(run, pictures, form, batch=2 if options.smoke else options.batch, seed=options.seed)
    run.log(**validate(train(trainer, validation), validation))


if __name__ == "__main__":
    main()
