"""Stage 4: pre-train the text encoder to predict the coarse latents of a picture from its caption.

No UNet runs here, so the text encoder sees a word a hundred times in the time in which the diffusion stage would see it
once. It learns colours and layout; the diffusion stage starts from these weights.

example:
    python -m training.mini.text --minutes 10
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
from training.run import TrainingRun, add_run_options, autocast, cosine, start_run
from training.sizes import Sizes

LEARNING_RATE = 1e-3

#: Cells on a side of the predicted latents.
SIDE = 8

#: Factor of the text's part of the time embedding at the start of the diffusion stage.
TEXT_SCALE = 0.3


class CoarsePredictor(nn.Module):
    """Predicts coarse latents, (B, C, SIDE, SIDE), from captions: the network's text parts, and a temporary head."""

    def __init__(self, network: MiniNetwork, channels: int) -> None:
        super().__init__()
        self.text_encoder, self.pooled = network.text_encoder, network.unet.add_embedding
        width = network.unet.config.block_out_channels[0] * 4
        self.head = nn.Sequential(nn.Linear(width, 512), nn.SiLU(), nn.Linear(512, channels * SIDE * SIDE))
        self.channels = channels

    def forward(self, tokens: Tensor) -> Tensor:
        latents: Tensor = self.head(self.pooled(self.text_encoder(tokens)[0]))
        return latents.reshape(-1, self.channels, SIDE, SIDE)


def pairs(samples: Samples, rows: list[int], coarse: Tensor, rng: random.Random) -> tuple[Tensor, Tensor]:
    """Return the tokens of a new caption of each row, (B, 32), and its coarse latents, (B, C, SIDE, SIDE)."""
    texts, latents = [], []
    for row in rows:
        flip = rng.random() < 0.5
        text = samples.caption_of(row, rng)
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
    predictor = CoarsePredictor(MiniNetwork(samples.tokenizer, Sizes.of(work)), coarse.shape[1]).to(device)
    optimizer = torch.optim.AdamW(predictor.parameters(), LEARNING_RATE, weight_decay=0.01, fused=True)
    if state:
        predictor.load_state_dict(state["guess"])
        optimizer.load_state_dict(state["optimizer"])
    picks, losses = np.random.default_rng((seed, run.step)), []
    for save in run.ticks():
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * cosine(run.progress)
        rows = [int(row) for row in picks.integers(0, len(samples), batch)]
        tokens, wanted = pairs(samples, rows, coarse, random.Random(f"{seed}/{run.step}"))
        with autocast(device):
            drawn = predictor(tokens.to(device))
        loss = (drawn.float() - wanted.to(device)).square().mean()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(predictor.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if run.step % 100 == 0:
            tokens, wanted = pairs(held_out, list(range(len(held_out))), unseen, random.Random(0))
            with torch.no_grad():
                error = (predictor(tokens.to(device)).float() - wanted.to(device)).square().mean()
            run.log(loss=float(np.mean(losses)), held_out=error.item(), of=wanted.var().item())
            losses.clear()
        if save:
            run.save({"guess": predictor.state_dict(), "optimizer": optimizer.state_dict()})
    run.save({"guess": predictor.state_dict(), "optimizer": optimizer.state_dict()})


def load_text_stage(network: MiniNetwork, work: Path) -> None:
    """Load the weights of this stage into a network, if the stage has run in `work`."""
    path = work / "text.pt"
    if not path.exists():
        return
    learnt = torch.load(path, map_location="cpu", weights_only=True)["state"]["guess"]
    for name, part in (("text_encoder.", network.text_encoder), ("pooled.", network.unet.add_embedding)):
        part.load_state_dict({key.removeprefix(name): value for key, value in learnt.items() if key.startswith(name)})
    with torch.no_grad():
        network.unet.add_embedding.norm2.weight.mul_(TEXT_SCALE)
        network.unet.add_embedding.norm2.bias.mul_(TEXT_SCALE)


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run_options(parser, batch=64, steps=4000)
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and batches (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    train(start_run(options, "text"), options.work, batch=options.batch, seed=options.seed)


if __name__ == "__main__":
    main()
