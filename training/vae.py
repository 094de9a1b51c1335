"""Stage 2: train the autoencoder (diffusers AutoencoderTiny, 8x down, 4 channels).

L1 plus the L1 of image gradients at three scales; no adversary, no perceptual network. Latents are held near zero
mean and unit variance by a penalty in place of a KL term, and disturbed a little before decoding, so that the
decoder forgives what the diffusion model leaves.

python -m training.vae --work build/training --minutes 30
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from torch import Tensor

from training.run import Run, cosine

CROP = 128
BATCH = 16


def build_vae(width: int = 32) -> AutoencoderTiny:
    """A quarter-width sibling of TAESD: same class and layout, `width` channels at every level."""
    return AutoencoderTiny(encoder_block_out_channels=(width,) * 4, decoder_block_out_channels=(width,) * 4)


def gradient_loss(drawn: Tensor, wanted: Tensor, scales: int = 3) -> Tensor:
    """Mean absolute difference of horizontal and vertical gradients, over `scales` halvings; inputs (B, 3, H, W)."""
    loss = drawn.new_zeros(())
    for _ in range(scales):
        difference = drawn - wanted
        loss = loss + difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
        drawn, wanted = F.avg_pool2d(drawn, 2), F.avg_pool2d(wanted, 2)
    return loss


def crops(pictures: np.ndarray, random: np.random.Generator) -> Tensor:
    """Draw a batch of random mirrored crops, (B, 3, 128, 128) float in [-1, 1]."""
    batch = np.empty((BATCH, CROP, CROP, 3), np.uint8)
    for row in range(BATCH):
        picture = pictures[random.integers(len(pictures))]
        top, left = random.integers(0, picture.shape[0] - CROP + 1, 2)
        crop = picture[top : top + CROP, left : left + CROP]
        batch[row] = crop[:, ::-1] if random.random() < 0.5 else crop
    return torch.from_numpy(batch).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def train(run: Run, work: Path, *, seed: int, width: int) -> None:
    torch.manual_seed(seed)
    pictures = np.load(work / "train.npy", mmap_mode="r")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    vae = build_vae(width).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(vae.parameters(), 2e-3, betas=(0.9, 0.99), weight_decay=0, fused=True)
    if state := run.resume():
        vae.load_state_dict(state["vae"])
        optimizer.load_state_dict(state["optimizer"])
    random = np.random.default_rng((seed, run.step))
    for save in run.ticks():
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * cosine(run.progress)
        wanted = crops(pictures, random).to(device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            latents = vae.encoder(wanted).float()
            drawn = vae.decoder(latents + 0.05 * torch.randn_like(latents)).float()
        spread = latents.mean((0, 2, 3)).square().mean() + (latents.std((0, 2, 3)) - 1).square().mean()
        l1 = (drawn - wanted).abs().mean()
        loss = l1 + 0.5 * gradient_loss(drawn, wanted) + 0.05 * spread
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        if run.step % 50 == 0:
            run.log(l1=l1.item(), loss=loss.item(), spread=spread.item())
        if save:
            run.save({"vae": vae.state_dict(), "optimizer": optimizer.state_dict()})
    run.save({"vae": vae.state_dict(), "optimizer": optimizer.state_dict()})


def load_vae(work: Path, width: int = 32) -> AutoencoderTiny:
    """The trained autoencoder from its checkpoint, in evaluation mode."""
    vae = build_vae(width)
    vae.load_state_dict(torch.load(work / "vae.pt", map_location="cpu", weights_only=True)["state"]["vae"])
    return vae.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/training"))
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--steps", type=int, help="budget in steps of 16 crops")
    budget.add_argument("--minutes", type=float, help="budget in minutes, over all restarts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="3 steps")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    steps = 3 if options.smoke else options.steps or (None if options.minutes else 20_000)
    train(Run(options.work, "vae", steps=steps, minutes=options.minutes), options.work, seed=options.seed, width=32)


if __name__ == "__main__":
    main()
