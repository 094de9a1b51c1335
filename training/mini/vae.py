"""Stage 3: train the decoder of the autoencoder (diffusers AutoencoderTiny, 8x down, 8 channels).

The encoder is a fixed transform, see `training.mini.transform`. Losses: L1, squared error, L1 of image gradients at
three scales and of coarse colour; no adversary, no perceptual network. Noise of random strength is added to the
latents, so that the decoder tolerates the errors of the diffusion model.

example:
    python -m training.mini.vae --minutes 30
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from torch import Tensor

from training.data.tensors import to_tensor
from training.mini.transform import build_vae
from training.run import TrainingRun, add_run_options, autocast, cosine, start_run
from training.sizes import Sizes

#: Side of a training crop, in pixels.
CROP = 128

LEARNING_RATE = 1e-3

#: Largest standard deviation of the noise added to latents.
MAX_NOISE = 0.15


def gradient_loss(drawn: Tensor, wanted: Tensor, scales: int = 3) -> Tensor:
    """Return the mean absolute difference of image gradients, summed over `scales` halvings; inputs (B, 3, H, W)."""
    loss = drawn.new_zeros(())
    for _ in range(scales):
        difference = drawn - wanted
        loss = loss + difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
        drawn, wanted = F.avg_pool2d(drawn, 2), F.avg_pool2d(wanted, 2)
    return loss


def chroma_loss(drawn: Tensor, wanted: Tensor) -> Tensor:
    """Return the absolute and squared error of the two opponent colours, averaged over 4x4 pixels.

    Brightness and warmth make up 98 % of the variance of pictures, so a small autoencoder learns green last. The weight
    of each axis compensates for its small variance.
    """
    red, green, blue = F.avg_pool2d(drawn - wanted, 4).unbind(1)
    warmth, greenness = red - blue, green - (red + blue) / 2
    return (
        warmth.abs().mean() + 4 * warmth.square().mean() + 2 * greenness.abs().mean() + 40 * greenness.square().mean()
    )


def crops(pictures: NDArray[np.uint8], batch: int, random: np.random.Generator) -> Tensor:
    """Return random crops, half of them mirrored: (batch, 3, CROP, CROP) float in [-1, 1]."""
    chosen = np.empty((batch, CROP, CROP, 3), np.uint8)
    for row in range(batch):
        picture = pictures[random.integers(len(pictures))]
        top, left = random.integers(0, picture.shape[0] - CROP + 1, 2)
        crop = picture[top : top + CROP, left : left + CROP]
        chosen[row] = crop[:, ::-1] if random.random() < 0.5 else crop
    return to_tensor(chosen)


def measure(vae: AutoencoderTiny, held_out: Tensor) -> float:
    """Return the PSNR in dB of held-out crops after a round trip."""
    with torch.no_grad(), autocast(held_out.device):
        drawn = vae.decoder(vae.encoder(held_out)).float().clamp(-1, 1)
    return float(-10 * torch.log10((drawn - held_out).square().mean() / 4))


def train(run: TrainingRun, work: Path, *, batch: int, seed: int) -> None:
    """Train until the budget of `run` is spent, from its checkpoint if there is one."""
    torch.manual_seed(seed)
    pictures = np.load(work / "train.npy", mmap_mode="r")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    vae = build_vae(Sizes.of(work)).train().to(device, memory_format=torch.channels_last)
    trained = list(vae.decoder.parameters())
    optimizer = torch.optim.AdamW(trained, LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0, fused=True)
    if state := run.resume():
        vae.load_state_dict(state["vae"])
        optimizer.load_state_dict(state["optimizer"])
    random = np.random.default_rng((seed, run.step))
    held_out = to_tensor(np.load(work / "held_out.npy", mmap_mode="r")[::8, 64:192, 64:192]).to(device)
    for save in run.ticks():
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * cosine(run.progress)
        wanted = crops(pictures, batch, random).to(device)
        with torch.no_grad():
            latents = vae.encoder(wanted)
            spread = MAX_NOISE * torch.rand(batch, 1, 1, 1, device=device)
            noisy = latents + spread * torch.randn_like(latents)
        with autocast(device):
            drawn = vae.decoder(noisy).float()
        l1 = (drawn - wanted).abs().mean()
        squared = (drawn - wanted).square().mean()
        loss = l1 + 2 * squared + 0.25 * gradient_loss(drawn, wanted) + chroma_loss(drawn, wanted)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        if run.step % 250 == 0:
            run.log(l1=l1.item(), loss=loss.item(), held_out_psnr=measure(vae, held_out))
        if save:
            run.save({"vae": vae.state_dict(), "optimizer": optimizer.state_dict()})
    run.save({"vae": vae.state_dict(), "optimizer": optimizer.state_dict()})


def load_vae(work: Path) -> AutoencoderTiny:
    """Load the autoencoder from its checkpoint, in evaluation mode; without a checkpoint its decoder is untrained."""
    vae = build_vae(Sizes.of(work))
    if (checkpoint := work / "vae.pt").exists():
        vae.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["state"]["vae"])
    return vae.eval()


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run_options(parser, batch=4, steps=20_000)
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and batches (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run = start_run(options, "vae")
    train(run, options.work, batch=options.batch, seed=options.seed)


if __name__ == "__main__":
    main()
