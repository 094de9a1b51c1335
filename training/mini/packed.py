"""Inputs of the stages that train on latents: both splits with their latents, and the tokenizer."""

import random
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor
from tqdm import tqdm
from transformers import CLIPTokenizer

from training.data.captions import MAX_TOKENS, save_tokenizer, train_tokenizer
from training.data.tensors import to_tensor
from training.mini.samples import Samples
from training.mini.vae import load_vae
from training.run import autocast


def cache_latents(vae: AutoencoderTiny, work: Path, split: str, device: torch.device) -> Tensor:
    """Return the latents of every picture of a split, (N, C, 32, 32) float16; they are cached in `work`."""
    path = work / f"{split}.latents.pt"
    if not path.exists():
        pictures = np.load(work / f"{split}.npy", mmap_mode="r")
        vae = vae.to(device, memory_format=torch.channels_last)
        chunks = []
        with torch.no_grad(), autocast(device):
            for start in tqdm(range(0, len(pictures), 16), desc=f"{split} latents", mininterval=5):
                chunk = to_tensor(np.array(pictures[start : start + 16])).to(device)
                chunks.append(vae.encoder(chunk).half().cpu())
        torch.save(torch.cat(chunks), path)
    latents: Tensor = torch.load(path, weights_only=True)
    return latents


def load_tokenizer(work: Path, samples_of: Samples | None = None) -> CLIPTokenizer:
    """Return the tokenizer in `work`; train it on captions of `samples_of` if there is none yet."""
    folder = work / "tokenizer"
    if not folder.exists():
        assert samples_of is not None
        rng = random.Random(0)
        corpus = [samples_of.caption_of(row, rng) for row in range(len(samples_of)) for _ in range(4)]
        save_tokenizer(train_tokenizer(corpus), folder)
    tokenizer: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder, model_max_length=MAX_TOKENS)
    return tokenizer


def load_samples(
    work: Path, seed: int, device: torch.device, scale: Tensor | None = None
) -> tuple[Samples, Samples, Tensor]:
    """Return the training split, the held-out split, and the factor of their latents.

    Args:
        work: the folder that the stages share.
        seed: of the training samples' random conditions.
        device: the device to encode latents on, if they are not cached.
        scale: the factor of the latents; None for the one that gives the training latents unit variance.
    """
    vae = load_vae(work)
    latents = cache_latents(vae, work, "train", device)
    if scale is None:
        scale = 1 / latents.float().std()
    samples = Samples(work, "train", latents * scale, CLIPTokenizer, seed)
    samples.tokenizer = load_tokenizer(work, samples)
    held_out = Samples(work, "held_out", cache_latents(vae, work, "held_out", device) * scale, samples.tokenizer, 1)
    return samples, held_out, scale
