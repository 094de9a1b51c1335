"""`layercast bench codec`: bytes, fidelity and time of the codec on pictures and prompts."""

import argparse
from dataclasses import asdict
from pathlib import Path

from layercast.commands.arguments import Subparsers, add_command, add_json
from layercast.console import report, show_table


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """The subject's arguments."""
    parser = add_command(
        subparsers,
        "codec",
        "Measure bytes, fidelity and time of the codec on pictures and prompts",
        "layercast bench codec --images pictures/ --prompts prompts.txt --json",
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="pictures, measured at 512x512")
    parser.add_argument("--prompts", type=Path, required=True, metavar="FILE", help="text file with a prompt a line")
    parser.add_argument("--limit", type=int, default=40, metavar="N", help="most pictures (default: %(default)s)")
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Measure, and show the means."""
    from evaluation.codec import mean_of, measure_folder

    results = measure_folder(options.images, options.prompts, None, options.limit)
    mean = asdict(mean_of(results))
    if options.json:
        report({"pictures": len(results), "mean": mean})
    else:
        show_table(("mean of a picture", "figure"), [(name, f"{value:.4f}") for name, value in mean.items()])
