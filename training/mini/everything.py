"""Run all stages, from the data set to a model folder. Run the command again to resume an interrupted run.

Finished stages are skipped. The minutes are the budget of the stages that train, and each of these gets its share.
Batch sizes depend on the machine: larger on a GPU.

examples:
    python -m training.mini.everything --data DATA --objects OBJECTS --minutes 25          on a GPU
    python -m training.mini.everything --data DATA --objects OBJECTS --minutes 900         on a CPU
"""

import argparse
import logging
import os
from pathlib import Path

import torch

from training.captioner import train as captioner
from training.data import conditions, pack
from training.data.tiles import add_source_options, add_work_option
from training.mini import diffusion, export, retrieval, text, vae
from training.sizes import SMOKE_BATCH

#: Shares of the minutes: the autoencoder's decoder, the text encoder, the diffusion model, the captioner.
VAE_SHARE, TEXT_SHARE, DIFFUSION_SHARE, CAPTIONER_SHARE = 0.2, 0.06, 0.68, 0.06

#: Batch sizes on a GPU and on a CPU, by stage.
GPU_BATCHES = {"vae": 64, "text": 256, "diffusion": 256, "captioner": 256}
CPU_BATCHES = {"vae": 4, "text": 64, "diffusion": 8, "captioner": 48}


def run_all(options: argparse.Namespace) -> None:
    """Run what is left of every stage."""
    work: Path = options.work
    gpu = torch.cuda.is_available()
    batches = GPU_BATCHES if gpu else CPU_BATCHES
    if options.smoke:
        batches = dict.fromkeys(batches, SMOKE_BATCH)
    source = ["--data", str(options.data)]
    if options.objects:
        source += ["--objects", str(options.objects)]
    where = ["--work", str(work)]
    processes = max(1, (os.cpu_count() or 1) - 2)

    def budget(share: float) -> list[str]:
        return ["--smoke"] if options.smoke else ["--minutes", str(share * options.minutes)]

    if not (work / "held_out.npy").exists():
        pack.main([*source, *where, "--crops", str(options.crops), *(["--smoke"] if options.smoke else [])])
    if not (work / "held_out.conditions.npz").exists():
        conditions.main([*source, *where, "--processes", "1" if options.smoke else str(processes)])
    vae.main([*where, "--batch", str(batches["vae"]), *budget(VAE_SHARE)])
    text.main([*where, "--batch", str(batches["text"]), *budget(TEXT_SHARE)])
    workers = ["--workers", str(processes if gpu else 0)]
    diffusion.main([*where, "--batch", str(batches["diffusion"]), *workers, *budget(DIFFUSION_SHARE)])
    table = str(options.out / "captioner-1.npz")
    out = ["--out", str(options.out)]
    export.main([*where, *out])
    retrieval.main([*source, *where, *out, "--processes", "1" if options.smoke else str(processes)])
    captioner.main([*where, "--batch", str(batches["captioner"]), "--out", table, *budget(CAPTIONER_SHARE)])


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_source_options(parser)
    add_work_option(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("build/mini"), help="model folder to write (default: %(default)s)"
    )
    parser.add_argument("--minutes", type=float, default=25, help="total training time (default: %(default)s)")
    parser.add_argument("--crops", type=int, default=1, help="random crops per picture, in addition to the whole one")
    parser.add_argument(
        "--smoke", action="store_true", help="a few pictures, tiny networks and a few steps, as a check"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run_all(options)


if __name__ == "__main__":
    main()
