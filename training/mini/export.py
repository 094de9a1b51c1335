"""Stage 6: write the trained parts as a model folder in the hub's layout, in half precision.

example:
    python -m training.mini.export --out receiver/rendering/weights/mini
"""

import argparse
import json
from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler

from training.data.tiles import add_work_option
from training.mini.network import MiniNetwork
from training.mini.packed import load_tokenizer
from training.mini.vae import load_vae
from training.sizes import Sizes


def export(work: Path, folder: Path) -> None:
    """Write the model to `folder`, from the checkpoints in `work`."""
    vae = load_vae(work)
    tokenizer = load_tokenizer(work)
    state = torch.load(work / "diffusion.pt", map_location="cpu", weights_only=True)["state"]
    network = MiniNetwork(tokenizer, Sizes.of(work))
    network.load_state_dict(state["average"])
    vae.register_to_config(scaling_factor=round(float(state["scale"]), 5))
    scheduler = DPMSolverMultistepScheduler(
        use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=1.0, timestep_spacing="linspace"
    )
    parts = {
        "unet": network.unet,
        "vae": vae,
        "text_encoder": network.text_encoder,
        "t2iadapter_structure": network.structure,
        "t2iadapter_color": network.color,
    }
    for name, part in parts.items():
        part.half().save_pretrained(folder / name, safe_serialization=True)
    tokenizer.save_pretrained(folder / "tokenizer")
    scheduler.save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "StableDiffusionAdapterPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderTiny"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    for config in folder.glob("*/config.json"):
        # Paths of the training machine do not belong into a published model.
        content = json.loads(config.read_text(encoding="utf-8"))
        content.pop("_name_or_path", None)
        config.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_work_option(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("receiver/rendering/weights/mini"),
        help="model folder to write (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    export(options.work, options.out)


if __name__ == "__main__":
    main()
