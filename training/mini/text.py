"""Stage 4: teach the text encoder what words look like, before it learns to draw with the rest.

python -m training.mini.text --work build/training --minutes 10

It predicts the coarse latents of a picture from a caption: no UNet runs, so that a word is seen a hundred times in the
time in which the diffusion model would see it once. Colours, and what is where, are learnt here; the next stage goes on
from these weights.
"""

import argparse
import logging
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.data.captions import MAX_TOKENS, mirrored
from training.mini.network import MiniNetwork
from training.mini.packed import load_samples
from training.mini.samples import Samples
from training.mini.transform import mirror
from training.run import TrainingRun, autocast, cosine
from training.sizes import SMOKE_STEPS, Sizes

LEARNING_RATE = 1e-3

#: Cells on a side of the latents that are predicted.
SIDE = 8

#: What the text's share of the time embedding is scaled to in the end: the UNet first hears it softly.
SOFT = 0.3


class Guess(nn.Module):
    """Coarse latents from a caption, (B, C, SIDE, SIDE): the network's text parts and a head that is left behind."""

    def __init__(self, network: MiniNetwork, channels: int) -> None:
        super().__init__()
        self.text_encoder, self.pooled = network.text_encoder, network.unet.add_embedding
        width = network.unet.config.block_out_channels[0] * 4
        self.head = nn.Sequential(nn.Linear(width, 512), nn.SiLU(), nn.Linear(512, channels * SIDE * SIDE))
        self.channels = channels

    def forward(self, tokens: Tensor) -> Tensor:
        guess: Tensor = self.head(self.pooled(self.text_encoder(tokens)[0]))
        return guess.reshape(-1, self.channels, SIDE, SIDE)


def pairs(samples: Samples, rows: list[int], coarse: Tensor, dice: random.Random) -> tuple[Tensor, Tensor]:
    """Tokens of a fresh caption of each row (B, 32), and its coarse latents (B, C, SIDE, SIDE)."""
    texts, latents = [], []
    for row in rows:
        flip = dice.random() < 0.5
        text = samples.words(row, dice)
        texts.append(mirrored(text) if flip else text)
        latents.append(mirror(coarse[row]) if flip else coarse[row])
    tokens = samples.tokenizer(
        texts, padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
    ).input_ids
    return tokens, torch.stack(latents)


def train(run: TrainingRun, work: Path, *, batch: int, seed: int) -> None:
    """Train until the budget of `run` is spent, from its checkpoint if there is one."""
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    state = run.resume()
    samples, held_out, _ = load_samples(work, seed, device)
    coarse = F.adaptive_avg_pool2d(samples.latents.float(), SIDE)
    unseen = F.adaptive_avg_pool2d(held_out.latents.float(), SIDE)
    guess = Guess(MiniNetwork(samples.tokenizer, Sizes.of(work)), coarse.shape[1]).to(device)
    optimizer = torch.optim.AdamW(guess.parameters(), LEARNING_RATE, weight_decay=0.01, fused=True)
    if state:
        guess.load_state_dict(state["guess"])
        optimizer.load_state_dict(state["optimizer"])
    picks, losses = np.random.default_rng((seed, run.step)), []
    for save in run.ticks():
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * cosine(run.progress)
        rows = [int(row) for row in picks.integers(0, len(samples), batch)]
        tokens, wanted = pairs(samples, rows, coarse, random.Random(f"{seed}/{run.step}"))
        with autocast(device):
            drawn = guess(tokens.to(device))
        loss = (drawn.float() - wanted.to(device)).square().mean()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(guess.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if run.step % 100 == 0:
            tokens, wanted = pairs(held_out, list(range(len(held_out))), unseen, random.Random(0))
            with torch.no_grad():
                error = (guess(tokens.to(device)).float() - wanted.to(device)).square().mean()
            run.log(loss=float(np.mean(losses)), held_out=error.item(), of=wanted.var().item())
            losses.clear()
        if save:
            run.save({"guess": guess.state_dict(), "optimizer": optimizer.state_dict()})
    run.save({"guess": guess.state_dict(), "optimizer": optimizer.state_dict()})


def take_words(network: MiniNetwork, work: Path) -> None:
    """Give a network that is to be trained what this stage learnt, if it ran."""
    path = work / "text.pt"
    if not path.exists():
        return
    learnt = torch.load(path, map_location="cpu", weights_only=True)["state"]["guess"]
    for name, part in (("text_encoder.", network.text_encoder), ("pooled.", network.unet.add_embedding)):
        part.load_state_dict({key.removeprefix(name): value for key, value in learnt.items() if key.startswith(name)})
    with torch.no_grad():
        network.unet.add_embedding.norm2.weight.mul_(SOFT)
        network.unet.add_embedding.norm2.bias.mul_(SOFT)


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/training"))
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--steps", type=int, help="budget in steps")
    budget.add_argument("--minutes", type=float, help="budget in minutes, over all restarts")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help=f"{SMOKE_STEPS} steps")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    steps = SMOKE_STEPS if options.smoke else options.steps or (None if options.minutes else 4000)
    train(TrainingRun(options.work, "text", steps=steps, minutes=options.minutes), options.work,
          batch=options.batch, seed=options.seed)  # fmt: skip


if __name__ == "__main__":
    main()
