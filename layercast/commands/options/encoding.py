"""Options of encoding a picture."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codec.encoder.options import EncodeOptions


def add_encoding(parser: argparse.ArgumentParser, *, many: bool = False) -> None:
    """Add the encoding options; with `many`, those that make sense for many pictures, sizes, seeds and models."""
    group = parser.add_argument_group("encoding")
    prompt = group.add_mutually_exclusive_group()
    if not many:
        prompt.add_argument(
            "--prompt",
            metavar="TEXT",
            help="description of the picture (default: from a file beside it, or its metadata)",
        )
    prompt.add_argument("--prompts", type=Path, metavar="DIR_OR_JSON", help="prompts by picture name")
    group.add_argument("--prompt-level", metavar="NAME", help="level of detail, for prompts that have several")
    group.add_argument(
        "--captioner",
        choices=("blip", "blip2", "mini", "none"),
        help="guesses a prompt if none is found (default: blip or blip2 if installed, else only brightness and "
        "colours are measured; mini is often wrong on photographs)",
    )
    group.add_argument(
        "--keep-weights",
        action="store_true",
        help="leave weights such as (a fox:1.3) in a prompt that is found beside or in the picture",
    )
    structure = group.add_mutually_exclusive_group()
    structure.add_argument(
        "--structure",
        choices=("canny", "pidinet", "hed", "openpose", "none"),
        help="how lines are found; openpose: poses of people, no lines (default: canny, coarse; none with "
        "--order fidelity or a small budget)",
    )
    if not many:
        structure.add_argument("--edges", type=Path, metavar="PATH", help="use the edges in this picture")
        group.add_argument(
            "--skeleton",
            "--keypoints",
            dest="keypoints",
            type=Path,
            metavar="PATH",
            help="also send the poses in this OpenPose JSON file (with --structure none: poses and no lines)",
        )
    group.add_argument(
        "--order",
        choices=("paper", "cheapest", "fidelity"),
        default="paper",
        help="what follows the prompt: paper (lines, colours, detail), cheapest (the smaller of lines and colours "
        "first, then detail) or fidelity (colours and detail, without lines) (default: %(default)s)",
    )
    group.add_argument(
        "--texture",
        choices=("planes", "grid"),
        help="how colours are sent: planes (bit planes: colours, then detail until the budget is used) or grid (a "
        "grid of colours without detail; most bytes are for lines) (default: planes)",
    )
    group.add_argument(
        "--nested", action="store_true", help="send coarse lines and a coarse grid of colours first, then refine them"
    )
    group.add_argument(
        "--canvas",
        metavar="WxH",
        help="size to render at, multiples of 64 (default: near 512, in the aspect of the picture)",
    )
    if not many:
        _add_one_picture(group)


def _add_one_picture(group: argparse._ActionsContainer) -> None:
    """Add the size limit, the seed and the model."""
    size = group.add_mutually_exclusive_group()
    size.add_argument("--budget", type=int, metavar="BYTES", help="size limit in bytes (default: 0.02 bit per pixel)")
    size.add_argument("--bpp", type=float, metavar="X", help="size limit in bits per pixel")
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the starting noise (default: %(default)s)"
    )
    group.add_argument(
        "--model", default="mini", metavar="NAME", help="model that the picture is encoded for (default: %(default)s)"
    )


def encoding_of(options: argparse.Namespace) -> "EncodeOptions":
    """Return the encoding options.

    Raises:
        UsageError: an option is out of range, or options contradict each other.
    """
    from dataclasses import fields

    from codec.canvas import parse_canvas
    from codec.encoder.options import EncodeOptions

    # Commands for many pictures lack some of the options.
    values: dict[str, Any] = {
        field.name: getattr(options, field.name, field.default) for field in fields(EncodeOptions)
    }
    if options.canvas is not None:
        values["canvas"] = parse_canvas(options.canvas)
    return EncodeOptions(**values)
