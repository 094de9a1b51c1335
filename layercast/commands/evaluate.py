"""`layercast evaluate`: rate and distortion of layercast and of other formats on a folder of pictures."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from layercast.commands.options.encoding import add_encoding, encoding_of
from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.console import progress, report, say, show_line, show_table
from layercast_common.errors import UsageError

if TYPE_CHECKING:
    from codec.encoder.options import EncodeOptions
    from evaluation.rate_distortion.contenders import Contender
    from evaluation.rate_distortion.files import Results
    from evaluation.rate_distortion.run import Done, RunOptions

_DETAILS = """\
Every picture is encoded at each budget, like `layercast encode`, and rendered like a receiver does. Each other format
is taken at its best: for each figure, the scale and the quality of at most the budget that give the best value, scaled
up with the better of bicubic and Lanczos. Bytes are those of whole files. Results are kept in the output folder: a run
that was stopped goes on where it was, and a second run measures only what has changed."""

#: What is compared if the user does not choose, and the budgets in bytes.
_CODECS, _BUDGETS = "layercast,webp,avif,jxl,jpeg", "160,330,655,1300,2600,5200"


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "evaluate",
        "Measure rate and distortion on a folder of pictures, beside other formats at their best",
        "layercast evaluate --images pictures/ -o results/ --codecs layercast,webp,avif --budgets 330,655,1300",
    )
    parser.description = f"{parser.description}\n\n{_DETAILS}"
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of pictures")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the results")
    parser.add_argument(
        "--codecs",
        default=_CODECS,
        metavar="NAMES",
        help="what is compared: layercast, jpeg, webp, avif, jxl (default: %(default)s)",
    )
    parser.add_argument(
        "--budgets", default=_BUDGETS, metavar="BYTES", help="most bytes of a file, one or more (default: %(default)s)"
    )
    parser.add_argument(
        "--figures", default="all", metavar="NAMES", help="figures of quality, such as psnr,ssim,gmsd (default: all)"
    )
    parser.add_argument("--count", type=int, metavar="N", help="measure N pictures, evenly spread (default: all)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: %(default)s)")
    add_encoding(parser, many=True)
    rendering = parser.add_argument_group("rendering")
    rendering.add_argument("--model", default="mini", metavar="NAMES", help="one or more models (default: %(default)s)")
    rendering.add_argument("--seeds", default="0", metavar="N", help="one or more seeds (default: %(default)s)")
    rendering.add_argument("--steps", type=int, metavar="N", help="denoising steps (default: the model's own)")
    rendering.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: %(default)s)")
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Measure, write the result files, and report."""
    from dataclasses import asdict

    from evaluation.rate_distortion.files import Results, describe_machine, with_means, write_results
    from evaluation.rate_distortion.run import measure
    from layercast import __version__

    plan = _plan(options)
    results = Results(
        command=_command_line(),
        version=__version__,
        machine=describe_machine(),
        pictures=[path.name for path in plan.pictures],
        budgets=plan.budgets,
        figures=plan.figures,
        contenders={contender.name: contender.settings for contender in plan.contenders},
    )
    total = len(plan.pictures) * len(plan.contenders)
    with progress(quiet=options.quiet) as bars:
        task = bars.add_task("measuring", total=total, note=f"0/{total}")

        def show(_: "Done") -> None:
            bars.advance(task)
            bars.update(task, note=f"{bars.tasks[task].completed:.0f}/{total}")

        results = with_means(results, measure(plan, show))
    write_results(results, options.output)
    if options.json:
        report({**asdict(results), "points": None})
    else:
        _show(results)
    say(f"results in {options.output}", quiet=options.quiet)


def _command_line() -> str:
    import shlex
    import sys

    return f"layercast {shlex.join(sys.argv[1:])}"


def _plan(options: argparse.Namespace) -> "RunOptions":
    from evaluation.quality.figures import parse_figures
    from evaluation.rate_distortion.pictures import find_pictures
    from evaluation.rate_distortion.run import RunOptions

    encoding = encoding_of(options)
    return RunOptions(
        pictures=find_pictures(options.images, options.count),
        budgets=sorted(set(_numbers(options.budgets, "--budgets"))),
        figures=parse_figures(options.figures),
        contenders=_contenders(options, encoding),
        output=options.output,
        canvas=encoding.canvas,
        prompts=encoding.prompts,
        jobs=options.jobs,
    )


def _numbers(text: str, option: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise UsageError(f"{option} takes whole numbers, such as 330,655; not {text!r}") from error


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _contenders(options: argparse.Namespace, encoding: "EncodeOptions") -> "list[Contender]":
    from dataclasses import replace

    from evaluation.formats.formats import FORMATS
    from evaluation.rate_distortion.contenders import FormatContender
    from evaluation.rate_distortion.layercast_contender import LayercastContender

    names, models = _names(options.codecs), _names(options.model)
    unknown = [name for name in names if name not in ("layercast", *FORMATS)]
    if unknown or not names:
        raise UsageError(f"codecs are layercast, {', '.join(FORMATS)}; not {options.codecs!r}")
    contenders: list[Contender] = []
    for name in names:
        if name != "layercast":
            contenders.append(FormatContender(name))
            continue
        contenders += [
            LayercastContender(
                name="layercast" if len(models) == 1 else f"layercast {Path(model).name}",
                encoding=replace(encoding, model=model, seed=seed),
                device=options.device,
                steps=options.steps,
            )
            for model in models
            for seed in _numbers(options.seeds, "--seeds")
        ]
    return contenders


def _show(results: "Results") -> None:
    from evaluation.quality.figures import FIGURES
    from evaluation.rate_distortion.summary import verdicts_of

    figures = [FIGURES[name] for name in results.figures]
    means = {(mean.budget, mean.contender, mean.figure): mean for mean in results.means}
    show_line(f"{len(results.pictures)} pictures; means; {results.machine}\n")
    rows = []
    for budget in results.budgets:
        for name in results.contenders:
            found = [means.get((budget, name, figure.name)) for figure in figures]
            first = next((mean for mean in found if mean is not None), None)
            if first is None:
                rows.append([str(budget), name, "does not fit", *("" for _ in figures)])
                continue
            fits = f" ({first.count} fit)" if first.missing else ""
            cells = ["" if m is None else f"{m.value:.{f.digits}f}" for f, m in zip(figures, found, strict=True)]
            rows.append([str(budget), f"{name}{fits}", f"{first.bytes:.0f}", *cells])
    show_table(("budget", "", "bytes", *(figure.label for figure in figures)), rows)
    rivals = [name for name in results.contenders if not name.startswith("layercast")]
    ours = [name for name in results.contenders if name.startswith("layercast")]
    for name in ours:
        verdicts = verdicts_of(results.points, name, rivals)
        if verdicts:
            show_line(f"\n{name} beside the best of the others for each figure; a positive gain is better")
            show_table(
                ("budget", "figure", "value", "best other", "its value", "gain", "better pictures"),
                [
                    (
                        str(v.budget),
                        FIGURES[v.figure].label,
                        f"{v.value:.{FIGURES[v.figure].digits}f}",
                        v.rival,
                        f"{v.rival_value:.{FIGURES[v.figure].digits}f}",
                        f"{v.gain:+.{FIGURES[v.figure].digits}f}",
                        f"{100 * v.wins:.0f} %",
                    )
                    for v in verdicts
                ],
            )
