"""`layercast bench`: measures codec, protocol, rendering and simulation. Each subject is a module beside this one."""

import argparse

from layercast.commands.bench import codec as bench_codec
from layercast.commands.bench import endurance as bench_endurance
from layercast.commands.bench import priority as bench_priority
from layercast.commands.bench import protocol as bench_protocol
from layercast.commands.bench import reality as bench_reality
from layercast.commands.bench import render as bench_render
from layercast.commands.bench import soak as bench_soak
from layercast.commands.options.parser import Subparsers, add_command, add_logging

_SUBJECTS = (
    bench_codec,
    bench_protocol,
    bench_render,
    bench_priority,
    bench_soak,
    bench_endurance,
    bench_reality,
)


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subcommand and its subjects."""
    parser = add_command(
        subparsers,
        "bench",
        "Measure bytes, fidelity and time beside other programs, and compare them with thresholds",
        "layercast bench codec --images pictures/ --prompts prompts.txt",
    )
    subjects = parser.add_subparsers(title="subjects", metavar="SUBJECT", required=True)
    for subject in _SUBJECTS:
        subparser = subject.add_parser(subjects)
        add_logging(subparser, inner=True)
        subparser.set_defaults(measure=subject.run)
    return parser


def run(options: argparse.Namespace) -> None:
    """Measure the chosen subject."""
    options.measure(options)
