"""Stage 4: teach the text encoder what words look like, and the guesser to tell colours from them.

python -m training.text --work build/training --minutes 20

A picture's 16x16 colours are predicted from a caption: no UNet runs, so that a word is seen a hundred times in the time
in which the diffusion model would see it once. The text encoder stays as it is afterwards; the diffusion model is shown
what is guessed wherever neither lines nor colours have come.
"""

import argparse
import logging
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from receiver.rendering.guesser import ColorGuesser
from training.captions import MAX_TOKENS
from training.network import Network, build_text_encoder
from training.packed import load_samples
from training.run import Run, cosine
from training.samples import Samples

LEARNING_RATE = 1e-3

#: What every guess but the best one counts, so that none is left behind for good.
OTHERS = 0.04

#: What a colour cast of all of a map counts beside its shapes: a ground may have any colour.
CAST = 0.25


class Imagination(nn.Module):
    """Text encoder and guesser, together."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.text_encoder = build_text_encoder(words)
        self.guesser = ColorGuesser(self.text_encoder.config.hidden_size)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        maps, logits = self.guesser(self.text_encoder(tokens)[0])
        return maps.float(), logits.float()


def pairs(samples: Samples, rows: list[int], dice: random.Random) -> tuple[Tensor, Tensor]:
    """Tokens of a fresh caption of each row (B, 32), and its colours (B, 3, 16, 16) in 0 to 1."""
    texts = ["" if dice.random() < 0.05 else samples.words(row, dice) for row in rows]
    tokens = samples.tokenizer(
        texts, padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
    ).input_ids
    return tokens, torch.from_numpy(samples.conditions.colors[rows, 0]).permute(0, 3, 1, 2).float().div_(255)


def errors(maps: Tensor, wanted: Tensor) -> Tensor:
    """How wrong each guess is, (B, choices): squared error, a cast of the whole map counting less."""
    off = maps - wanted[:, None]
    cast = off.mean((3, 4), keepdim=True)
    return (off - cast).square().mean((2, 3, 4)) + CAST * cast.square().mean((2, 3, 4))


def guess_loss(maps: Tensor, logits: Tensor, wanted: Tensor) -> Tensor:
    """The best guess is to be right, and to be known as the best."""
    wrong = errors(maps, wanted)
    best = wrong.argmin(1)
    right = (1 - OTHERS) * wrong.gather(1, best[:, None]).mean() + OTHERS * wrong.mean()
    return right + 0.005 * F.cross_entropy(logits, best)


def train(run: Run, work: Path, *, batch: int, seed: int) -> None:
    """Train until the budget of `run` is spent, from its checkpoint if there is one."""
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    state = run.resume()
    samples, held_out, _ = load_samples(work, seed, device)
    network = Imagination(len(samples.tokenizer)).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.01, fused=True)
    if state:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    picks, losses = np.random.default_rng((seed, run.step)), []
    for save in run.ticks():
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * cosine(run.progress)
        rows = [int(row) for row in picks.integers(0, len(samples), batch)]
        tokens, wanted = (part.to(device) for part in pairs(samples, rows, random.Random(f"{seed}/{run.step}")))
        with torch.autocast(device.type, torch.bfloat16):
            maps, logits = network(tokens)
        loss = guess_loss(maps, logits, wanted)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if run.step % 100 == 0:
            tokens, wanted = (p.to(device) for p in pairs(held_out, list(range(len(held_out))), random.Random(0)))
            with torch.no_grad():
                maps, logits = network(tokens)
                wrong = guess_loss(maps, logits, wanted)
            run.log(loss=float(np.mean(losses)), held_out=wrong.item())
            losses.clear()
        if save:
            run.save({"network": network.state_dict(), "optimizer": optimizer.state_dict()})
    run.save({"network": network.state_dict(), "optimizer": optimizer.state_dict()})


def take_words(network: Network, work: Path) -> None:
    """Give a network that is to be trained what this stage learnt, if it ran."""
    if (path := work / "text.pt").exists():
        learnt = torch.load(path, map_location="cpu", weights_only=True)["state"]["network"]
        for name, part in (("text_encoder.", network.text_encoder), ("guesser.", network.guesser)):
            part.load_state_dict({key.removeprefix(name): v for key, v in learnt.items() if key.startswith(name)})


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/training"))
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--steps", type=int, help="budget in steps")
    budget.add_argument("--minutes", type=float, help="budget in minutes, over all restarts")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="3 steps")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    steps = 3 if options.smoke else options.steps or (None if options.minutes else 4000)
    run = Run(options.work, "text", steps=steps, minutes=options.minutes)
    train(run, options.work, batch=options.batch, seed=options.seed)


if __name__ == "__main__":
    main()
