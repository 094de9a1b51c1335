"""What `layercast evaluate` measures, from its options."""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from layercast import __version__
from layercast.commands.options.encoding import encoding_of
from layercast_common.errors import UsageError

if TYPE_CHECKING:
    from codec.encoder.options import EncodeOptions
    from evaluation.protocols import MeasuringProtocol
    from evaluation.quality.external import ExtraFigure
    from evaluation.rate_distortion.contenders import Contender
    from evaluation.rate_distortion.files import Results
    from evaluation.rate_distortion.report.writing import ReportOptions
    from evaluation.rate_distortion.run import RunOptions

#: The name of our codec in `--codecs`.
OURS = "layercast"


def plan(options: argparse.Namespace) -> "tuple[RunOptions, Results]":
    """Return what is measured, and the head of the results.

    Raises:
        UsageError: an option does not make sense.
        LayercastError: the pictures, weights or a model cannot be found.
    """
    from evaluation.protocols import PROTOCOLS
    from evaluation.quality.figures import FIGURES, parse_figures
    from evaluation.rate_distortion.files import Results, describe_machine
    from evaluation.rate_distortion.pictures import find_pictures
    from evaluation.rate_distortion.run import RunOptions

    protocol = PROTOCOLS[options.protocol] if options.protocol else None
    encoding = encoding_of(options)
    pictures = find_pictures(options.images, options.count)
    if protocol is not None:
        protocol.check(pictures, whole=options.count is None)
    extra, left_out = _extra_figures(options, protocol)
    figures = parse_figures(options.figures) if options.figures else tuple(FIGURES)
    canvas = encoding.canvas or (protocol.canvas if protocol is not None else None)
    run = RunOptions(
        pictures=pictures,
        budgets=sorted(set(numbers(options.budgets, "--budgets"))),
        figures=figures,
        extra=extra,
        contenders=_contenders(options, encoding),
        output=options.output,
        canvas=canvas,
        prompts=encoding.prompts,
        jobs=options.jobs,
    )
    results = Results(
        command=f"layercast {shlex.join(sys.argv[1:])}",
        version=__version__,
        machine=describe_machine(),
        pictures=[path.name for path in pictures],
        budgets=run.budgets,
        figures=run.all_figures,
        contenders={contender.name: contender.settings for contender in run.contenders},
        left_out=left_out,
        protocol="" if protocol is None else f"{protocol.about}; {len(pictures)} of {protocol.count} pictures",
    )
    return run, results


def reporting(options: argparse.Namespace) -> "ReportOptions":
    """Return what is written besides the result files."""
    from evaluation.rate_distortion.report.writing import ReportOptions

    return ReportOptions(
        anchor=options.anchor, by=options.by, sheet=options.sheet, abreast=options.abreast, blind=options.blind
    )


def numbers(text: str, option: str) -> list[int]:
    """Parse numbers such as "330,655".

    Raises:
        UsageError: the text has another form.
    """
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise UsageError(f"{option} takes whole numbers, such as 330,655; not {text!r}") from error


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _extra_figures(
    options: argparse.Namespace, protocol: "MeasuringProtocol | None"
) -> "tuple[list[ExtraFigure], dict[str, str]]":
    """Return figures by commands and networks, and why others are left out."""
    from evaluation.quality.external import parse_command_figure
    from evaluation.quality.figures import LESS
    from evaluation.quality.learned import find_learned

    commands = [parse_command_figure(text) for text in options.metric]
    learned, reasons = find_learned(options.weights)
    names = {command.name.removesuffix(LESS) for command in commands}
    if len(names) < len(commands):
        raise UsageError("two metrics have the same name")
    extra: list[ExtraFigure] = [
        *commands,
        *(figure for figure in learned if figure.name.removesuffix(LESS) not in names),
    ]
    if protocol is not None and options.weights is None:
        # Of a protocol without weights, only its own figures are missing.
        reasons = {name: reason for name, reason in reasons.items() if name in protocol.figures}
    return extra, {name: reason for name, reason in reasons.items() if name not in names}


def _contenders(options: argparse.Namespace, encoding: "EncodeOptions") -> "list[Contender]":
    from evaluation.formats.formats import FORMATS, load_format
    from evaluation.rate_distortion.contenders import FormatContender

    names = _names(options.codecs)
    unknown = [name for name in names if name not in (OURS, *FORMATS)]
    if unknown or not names:
        raise UsageError(f"codecs are {OURS}, {', '.join(FORMATS)}; not {options.codecs!r}")
    if OURS not in names and (options.without or options.levels):
        raise UsageError(f"--without and --levels belong to {OURS}, which --codecs does not name")
    contenders: list[Contender] = []
    for name in names:
        if name == OURS:
            contenders += _ours(options, encoding)
        else:
            load_format(name)
            contenders.append(FormatContender(name))
    return contenders


def _ours(options: argparse.Namespace, encoding: "EncodeOptions") -> "Iterator[Contender]":
    """Yield layercast with every model and seed, then with parts switched off, then the levels."""
    from codec.layers import Layer
    from evaluation.rate_distortion.layercast_contender import LayercastContender

    models, seeds = _names(options.model), numbers(options.seeds, "--seeds")
    if not models or not seeds:
        raise UsageError("layercast is measured with at least one model and one seed")
    parts: Sequence[tuple[str, str | None, Layer | None]] = [
        ("", None, None),
        *((f" without {part}", part, None) for part in _names(options.without)),
    ]
    if options.levels:
        parts = [*parts, *((f" up to {layer.name.lower()}", None, layer) for layer in list(Layer)[:-1])]
    for model in models:
        base = OURS if len(models) == 1 else f"{OURS} {Path(model).name}"
        for suffix, without, level in parts:
            for seed in seeds:
                yield LayercastContender(
                    name=f"{base}{suffix}",
                    encoding=replace(encoding, model=model, seed=seed),
                    without=without,
                    level=level,
                    device=options.device,
                    steps=options.steps,
                )
