"""`layercast bench`: measure what layercast promises. Each subject is a module `bench_SUBJECT` beside this one."""

import argparse

from layercast.commands.bench import codec as bench_codec
from layercast.commands.bench import protocol as bench_protocol
from layercast.commands.bench import render as bench_render
from layercast.commands.options.common import Subparsers, add_command, add_loudness

_SUBJECTS = (bench_codec, bench_protocol, bench_render)


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """The subcommand's arguments: those of each subject."""
    parser = add_command(
        subparsers,
        "bench",
        "Measure bytes, fidelity and time, beside what else there is, and hold them against the bars",
        "layercast bench codec --images pictures/ --prompts prompts.txt",
    )
    subjects = parser.add_subparsers(title="subjects", metavar="SUBJECT", required=True)
    for subject in _SUBJECTS:
        subparser = subject.add_parser(subjects)
        add_loudness(subparser, inner=True)
        subparser.set_defaults(measure=subject.run)
    return parser


def run(options: argparse.Namespace) -> None:
    """Measure the subject that was named."""
    options.measure(options)
