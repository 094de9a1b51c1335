"""Options of rendering a picture."""

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from layercast_common.errors import UsageError

if TYPE_CHECKING:
    from receiver.rendering.settings.tuning import Tuning


def add_rendering(parser: argparse.ArgumentParser) -> None:
    """Add the rendering options."""
    group = parser.add_argument_group("rendering")
    group.add_argument(
        "--model",
        metavar="NAME",
        help="mini, sd15, sd15-lcm, a local folder, a checkpoint or a hub id (see: layercast models list)",
    )
    group.add_argument("--steps", type=int, metavar="N", help="denoising steps (default: the model's own)")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: %(default)s)")
    add_performance(group)
    group.add_argument(
        "--guidance", type=float, metavar="X", help="strength of the prompt (classifier-free guidance); 1 is off"
    )
    group.add_argument("--negative-prompt", metavar="TEXT", help="what guidance avoids")
    group.add_argument(
        "--weight",
        action="append",
        default=[],
        metavar="CONDITION=X",
        help="strength of edges, colors, skeleton or tile, 0 to 2, as in edges=0.7; may be repeated",
    )
    group.add_argument(
        "--start-strength",
        type=float,
        metavar="X",
        help="share of the steps that are done where a level begins from the picture of the level before, or from"
        " received bit planes; 1 begins every level from noise (default: by the layers that arrived)",
    )
    group.add_argument(
        "--guidance-rescale",
        type=float,
        metavar="X",
        help="0 to 1, keeps guidance from overexposing (default: 0)",
    )
    group.add_argument(
        "--clip-skip", type=int, metavar="N", help="layers of the text encoder to leave out, as the model's card says"
    )
    group.add_argument(
        "--adapter-conditioning-factor",
        type=float,
        metavar="X",
        help="share of the steps at which adapters act, 0 to 1 (default: 1)",
    )
    add_parts(group)


def add_parts(parser: argparse._ActionsContainer) -> None:
    """Add `--lora` and `--vae`."""
    parser.add_argument(
        "--lora",
        action="append",
        default=[],
        metavar="SOURCE[:X]",
        help="a LoRA to add: a file, a folder, OWNER/NAME or OWNER/NAME/FILE, and its weight, as in "
        "style.safetensors:0.8; may be repeated",
    )
    parser.add_argument("--vae", metavar="SOURCE", help="another autoencoder: a file, a folder or a hub id")


def add_performance(parser: argparse._ActionsContainer) -> None:
    """Add `--performance`."""
    parser.add_argument(
        "--performance",
        default="auto",
        choices=("auto", "plain", "compiled", "graphs", "openvino", "low-memory"),
        help="how the model is run (default: the fastest way that passed layercast models check)",
    )


def tuning_of(options: argparse.Namespace) -> "Tuning":
    """Return the rendering options that override the model's settings.

    Raises:
        UsageError: a weight is not CONDITION=NUMBER, or a value is out of range.
    """
    from receiver.rendering.settings.settings import Condition

    weights = {}
    for text in options.weight:
        name, _, number = text.partition("=")
        try:
            weights[Condition(name.strip().lower())] = float(number)
        except ValueError as error:
            known = ", ".join(condition.value for condition in Condition)
            raise UsageError(f"a weight is CONDITION=NUMBER with one of {known}, not {text!r}") from error
    return replace(
        parts_of(options),
        guidance=options.guidance,
        negative_prompt=options.negative_prompt,
        weights=weights,
        clip_skip=options.clip_skip,
        guidance_rescale=options.guidance_rescale,
        adapter_conditioning_factor=options.adapter_conditioning_factor,
        start_strength=options.start_strength,
    )


def parts_of(options: argparse.Namespace) -> "Tuning":
    """Return the parts that the options add to a model.

    Raises:
        UsageError: a LoRA is not a source and a weight.
    """
    from receiver.rendering.settings.additions import Lora
    from receiver.rendering.settings.tuning import Tuning

    return Tuning(loras=tuple(Lora.parse(text) for text in options.lora), vae=options.vae)
