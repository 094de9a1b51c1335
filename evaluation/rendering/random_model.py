"""Write a full-size Stable Diffusion 1.5 with random weights, about 2.5 GB in bfloat16.

Every part has the real one's architecture, size and place in the hub's layout. Use it to check whether a machine can
load the model, how much memory it needs and how fast it is, without fetching the real one. Its pictures show noise.

example:
    python -m evaluation.rendering.random_model build/random-sd15
    layercast bench render --model build/random-sd15
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layercast_common.errors import LayercastError, UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn

#: Words of CLIP's tokenizer.
VOCABULARY = 49408

#: Standard deviation of the weights; small, so that no activation overflows.
SPREAD = 0.02


def build(folder: Path, *, seed: int = 0, device: str = "cpu", on_part: Callable[[str], None]) -> None:
    """Write the whole model.

    Args:
        folder: created if it does not exist; must be empty.
        seed: of the weights.
        device: the device that draws the weights, a torch device or "auto"; a GPU takes a second, a CPU a minute.
            Weights of one seed differ between kinds of devices.
        on_part: called with the name of each part before it is made.

    Raises:
        UsageError: the folder is not empty, or this machine has no such device.
        OSError: the folder cannot be written.
    """
    import torch

    from receiver.rendering.models.devices import choose_device

    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; name another folder")
    torch.manual_seed(seed)
    index: dict[str, Any] = {"_class_name": "StableDiffusionPipeline", "safety_checker": [None, None]}
    for name, (library, make) in _parts().items():
        on_part(name)
        part = make()
        if isinstance(part, torch.nn.Module):
            part = _fill(part, choose_device(device))
        part.save_pretrained(folder / name)
        if library:
            index[name] = [library, type(part).__name__]
        # Freed before the next part is made: the UNet alone takes 1.7 GB.
        del part
    (folder / "model_index.json").write_text(json.dumps(index, indent=1))


def _parts() -> dict[str, tuple[str, Callable[[], Any]]]:
    """Return each part's library, for the index, and its constructor; configs as in the hub's repositories."""
    from diffusers import AutoencoderKL, AutoencoderTiny, PNDMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    widths = (320, 640, 1280, 1280)
    return {
        "unet": (
            "diffusers",
            _on_meta(
                lambda: UNet2DConditionModel(
                    sample_size=64, block_out_channels=widths, cross_attention_dim=768, attention_head_dim=8
                )
            ),
        ),
        "vae": (
            "diffusers",
            _on_meta(
                lambda: AutoencoderKL(
                    block_out_channels=(128, 256, 512, 512),
                    layers_per_block=2,
                    down_block_types=("DownEncoderBlock2D",) * 4,
                    up_block_types=("UpDecoderBlock2D",) * 4,
                    latent_channels=4,
                    sample_size=512,
                )
            ),
        ),
        "text_encoder": (
            "transformers",
            _on_meta(
                lambda: CLIPTextModel(
                    CLIPTextConfig(
                        vocab_size=VOCABULARY,
                        hidden_size=768,
                        intermediate_size=3072,
                        num_hidden_layers=12,
                        num_attention_heads=12,
                    )
                )
            ),
        ),
        "tokenizer": ("transformers", _make_tokenizer),
        "scheduler": (
            "diffusers",
            lambda: PNDMScheduler(
                beta_schedule="scaled_linear",
                beta_start=0.00085,
                beta_end=0.012,
                skip_prk_steps=True,
                steps_offset=1,
                set_alpha_to_one=False,
            ),
        ),
        "preview_vae": ("", _on_meta(AutoencoderTiny)),
        "t2iadapter_canny": ("", _on_meta(lambda: _make_adapter("full_adapter", 1, widths, 2))),
        "t2iadapter_openpose": ("", _on_meta(lambda: _make_adapter("full_adapter", 3, widths, 2))),
        "t2iadapter_color": ("", _on_meta(lambda: _make_adapter("light_adapter", 3, widths[:3], 4))),
    }


def _on_meta(make: Callable[[], Any]) -> Callable[[], Any]:
    """Build without memory for the weights; they are created later, in their final format."""

    def build_on_meta() -> Any:
        import torch

        with torch.device("meta"):
            return make()

    return build_on_meta


def _make_adapter(kind: str, channels_in: int, channels: Sequence[int], blocks: int) -> Any:
    from diffusers import T2IAdapter

    return T2IAdapter(
        in_channels=channels_in,
        channels=list(channels),
        num_res_blocks=blocks,
        downscale_factor=8,
        adapter_type=kind,
    )


def _make_tokenizer() -> Any:
    """Make CLIP's tokenizer without its merges: single letters, and the vocabulary size of the real one."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    known = letters + [letter + "</w>" for letter in letters]
    words = known + [f"<|unused{number}|>" for number in range(VOCABULARY - 2 - len(known))]
    vocabulary = {word: number for number, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def _fill(module: "nn.Module", device: "torch.device") -> "nn.Module":
    import torch

    module = module.to_empty(device=device).to(torch.bfloat16)
    with torch.no_grad():
        for parameter in module.parameters():
            # One-dimensional parameters are scales and shifts; they start as the identity.
            if parameter.ndim > 1:
                parameter.normal_(std=SPREAD)
            else:
                parameter.zero_()
        for layer in module.modules():
            if isinstance(layer, torch.nn.GroupNorm | torch.nn.LayerNorm):
                torch.nn.init.ones_(layer.weight)
    return module


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.rendering.random_model",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="empty or new folder to write the model to")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the weights (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        from receiver.rendering.models.parts import quiet_libraries

        with quiet_libraries():
            build(options.folder, seed=options.seed, on_part=lambda name: _print_line(f"making {name}"))
    except (LayercastError, OSError) as error:
        _print_line(f"error: {error}")
        return 1
    _print_line(f"render with it: layercast decode FILE -o DIR --model {options.folder} --steps 4")
    return 0


def _print_line(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
