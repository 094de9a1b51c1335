"""Stage 5: train text encoder, UNet and adapters together, by flow matching on the autoencoder's latents.

example:
    python -m training.mini.diffusion --minutes 90
"""

import argparse
import copy
import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.mini.network import Known, MiniNetwork
from training.mini.packed import load_samples
from training.mini.samples import Batch, Samples, batch_loader
from training.mini.text import load_text_stage
from training.run import TrainingRun, add_run_options, autocast, cosine, start_run
from training.sizes import Sizes

_log = logging.getLogger(__name__)

LEARNING_RATE = 6e-4

#: Steps after every start over which the learning rate rises: resuming at a high rate at once harms the network.
WARMUP = 200

#: Steps over which the exported weights are averaged: as a share of all steps so far, and at most.
AVERAGED_SHARE, AVERAGED_STEPS = 0.05, 2000


def noise_times(count: int, generator: torch.Generator) -> Tensor:
    """Draw (count,) times in (0, 1]: half of them uniform, half above 0.9.

    With little training and few steps, the first step decides, which has nothing but the conditions.
    """
    uniform = torch.rand(count, generator=generator)
    return torch.where(torch.arange(count) % 2 == 0, uniform, 1 - 0.1 * uniform).clamp(1e-3, 1)


def flow_loss(network: nn.Module, batch: Batch, time: Tensor, noise: Tensor) -> Tensor:
    """Return the mean squared error of the predicted flow for each sample, (B,)."""
    weight = time[:, None, None, None]
    noised = (1 - weight) * batch.latents + weight * noise
    known = Known(batch.tokens, batch.edges, batch.colors, batch.has_edges, batch.has_colors)
    with autocast(noised.device):
        flow = network(noised.contiguous(memory_format=torch.channels_last), time, known)
    loss: Tensor = (flow.float() - (noise - batch.latents)).square().mean((1, 2, 3))
    return loss


def train(run: TrainingRun, work: Path, *, batch: int, seed: int, workers: int = 0) -> None:
    """Train until the budget of `run` is spent, from its checkpoint if there is one.

    Args:
        run: budget, checkpoints and log.
        work: the folder that the stages share.
        batch: samples per step.
        seed: of weights and batches.
        workers: processes that prepare batches; 0 prepares them in this one.
    """
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    state = run.resume()
    samples, held_out, scale = load_samples(work, seed, device, state["scale"] if state else None)

    network = MiniNetwork(samples.tokenizer, Sizes.of(work))
    if not state:
        load_text_stage(network, work)
    network.to(device)
    nn.utils.convert_conv2d_weight_memory_format(network, torch.channels_last)
    average = copy.deepcopy(network).requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.01, fused=True)
    if state:
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
    _log.info("%.1f M parameters", sum(p.numel() for p in network.parameters()) / 1e6)

    generator = torch.Generator().manual_seed(seed + run.step)
    batches = iter(batch_loader(samples, batch, seed, run.step, workers))
    losses: list[float] = []
    begun = run.step
    for save in run.ticks():
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * cosine(run.progress) * min(1.0, (run.step - begun + 1) / WARMUP)
        shown = to_device(next(batches), device)
        time = noise_times(batch, generator).to(device)
        noise = torch.randn(shown.latents.shape, generator=generator).to(device)
        loss = flow_loss(network, shown, time, noise).mean()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        decay = 1 - 1 / (1 + min(AVERAGED_SHARE * run.step, AVERAGED_STEPS))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
        losses.append(loss.item())
        if run.step % 50 == 0:
            run.log(loss=float(np.mean(losses)))
            losses.clear()
        if run.step % 500 == 499:
            run.log(held_out=measure(average, held_out, device))
        if save:
            run.save(checkpoint(network, average, optimizer, scale))
    run.save(checkpoint(network, average, optimizer, scale))


def measure(network: nn.Module, held_out: Samples, device: torch.device) -> float:
    """Return the mean loss of held-out pictures under fixed noise, times and conditions."""
    generator = torch.Generator().manual_seed(0)
    shown = to_device(held_out.batch(list(range(0, len(held_out), 4)), 0), device)
    time = noise_times(len(shown.latents), generator).to(device)
    noise = torch.randn(shown.latents.shape, generator=generator).to(device)
    with torch.no_grad():
        return float(flow_loss(network, shown, time, noise).mean())


def checkpoint(
    network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, scale: Tensor
) -> dict[str, object]:
    """Return the state that resuming and the export need."""
    return {
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scale": scale,
    }


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Return the batch on `device`."""
    return Batch(*(getattr(batch, name).to(device) for name in Batch.__dataclass_fields__))


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run_options(parser, batch=8, steps=40_000)
    parser.add_argument("--workers", type=int, default=0, help="processes that prepare batches; use some with a GPU")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and batches (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run = start_run(options, "diffusion")
    train(run, options.work, batch=options.batch, seed=options.seed, workers=options.workers)


if __name__ == "__main__":
    main()
