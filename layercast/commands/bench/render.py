"""`layercast bench render`: overhead and savings of the rendering engine, measured side by side in one run."""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.commands.options.rendering import add_performance
from layercast.console import progress, report, say, show_line, show_table, show_thresholds

if TYPE_CHECKING:
    from evaluation.rendering import RenderReport
    from evaluation.rendering.policy import PolicyFigures


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subject."""
    parser = add_command(
        subparsers,
        "render",
        "Measure the rendering engine beside the bare UNet and a stock pipeline, with late layers and many pictures",
        "layercast bench render --images pictures/ --count 6",
    )
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="pictures with their prompts (default: the demo's samples)"
    )
    parser.add_argument(
        "--count", type=int, default=6, metavar="N", help="at most this many pictures (default: %(default)s)"
    )
    parser.add_argument("--model", default="mini", metavar="NAME", help="model to measure (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: %(default)s)")
    add_performance(parser)
    parser.add_argument(
        "--steps",
        type=int,
        default=20,
        metavar="N",
        help="denoising steps of renderings with late layers (default: %(default)s)",
    )
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="repetitions of each time measurement (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the starting noise (default: %(default)s)"
    )
    parser.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        help="instead, measure how late each layer may arrive, and at which strength a level may begin from the one"
        " before; write the resulting limits to this JSON file",
    )
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Measure, and report."""
    from evaluation.rendering import find_pictures, measure_limits, measure_rendering
    from layercast.samples import sample_paths
    from receiver.rendering import load_model

    images = find_pictures(options.images, options.count) if options.images else sample_paths()[: options.count]
    model = load_model(options.model, options.device, performance=options.performance)
    with progress(quiet=options.quiet) as bars:

        def track(items: Sequence[Any], about: str) -> Iterable[Any]:
            return bars.track(items, description=about)

        if options.policy:
            steps = sorted({model.settings.steps, options.steps})
            figures = measure_limits(model, images, steps=steps, seed=options.seed, track=track)
        else:
            measured = measure_rendering(
                model, images, steps=options.steps, rounds=options.rounds, seed=options.seed, track=track
            )
    if options.policy:
        _write_policy(options, figures)
    elif options.json:
        report(asdict(measured) | {"bars": [asdict(bar) | {"met": bar.met} for bar in measured.bars]})
    else:
        _show(measured)


def _show(measured: "RenderReport") -> None:
    speed, crowd = measured.speed, measured.crowd
    show_line(f"{measured.model}, {measured.performance}; {measured.device}; {measured.pictures} pictures\n")
    show_table(
        (
            "medians, ms",
            "bare forward",
            "engine's step",
            "first frame",
            "its parts",
            "from text",
            "total",
            "stock pipeline",
        ),
        [
            (
                f"{speed.steps} steps",
                *map(_ms, (speed.bare_s, speed.engine_s, speed.first_s, speed.parts_s, speed.text_s)),
                *map(_ms, (speed.whole_s, speed.stock_s)),
            )
        ],
    )
    show_line("")
    show_table(
        (
            "layers arrive at 10, 40, 70 %",
            "forwards",
            "share of three runs",
            "F1",
            "restart",
            "CIEDE2000",
            "restart",
            "SSIM",
        ),
        [
            (
                f"{a.scenario}, {a.steps} steps",
                f"{a.passes:.1f}",
                f"{a.pass_share:.2f}",
                f"{a.edge_f1:.3f}",
                f"{a.restart_edge_f1:.3f}",
                f"{a.color_difference:.2f}",
                f"{a.restart_color_difference:.2f}",
                f"{a.similarity:.3f}",
            )
            for a in measured.arrivals
        ],
    )
    show_line("")
    show_table(
        ("concurrent pictures", "single first frame, ms", "last first frame, ms", "throughput over one by one"),
        [(str(crowd.pictures), _ms(crowd.lone_first_s), _ms(crowd.last_first_s), f"{crowd.throughput:.2f}")],
    )
    show_line("")
    show_thresholds(measured.bars)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"


def _write_policy(options: argparse.Namespace, measured: "Sequence[PolicyFigures]") -> None:
    import json

    from layercast_common.files import save_whole

    tables = [
        {
            # A table applies from half way between the previous number of steps and its own.
            "least_steps": 1 if not number else (measured[number - 1].steps + figures.steps) // 2,
            "limits": {name: asdict(limits) for name, limits in figures.limits.items()},
            "starts": dict(figures.starts),
            "steps": figures.steps,
            "pictures": figures.pictures,
            "points": [
                {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(point).items()}
                for point in figures.points
            ],
            "strengths": [
                {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(point).items()}
                for point in figures.strengths
            ],
        }
        for number, figures in enumerate(measured)
    ]
    recipe = f"layercast bench render --policy FILE --model {options.model} --steps {options.steps}"
    recipe += f" --count {measured[0].pictures} --seed {options.seed}" + (" --images DIR" if options.images else "")
    whole = {"model": options.model, "recipe": recipe, "tables": tables}
    save_whole(json.dumps(whole, indent=1) + "\n", options.policy)
    if options.json:
        report(whole)
        return
    for figures in measured:
        show_table(
            (f"{figures.steps} steps: layer", "arrives at", "continues from", "quality", "SSIM", "saved"),
            [
                (
                    point.layer,
                    f"{point.moment:.2f}",
                    "same step" if point.joins else f"{point.target:.2f}",
                    f"{point.quality:.3f}",
                    f"{point.similarity:.3f}",
                    f"{point.saved:.2f}",
                )
                for point in figures.points
            ],
        )
        show_line("")
        show_table(
            ("recommended", "join until", "rewind until", "rewind to"),
            [(n, f"{m.join:.2f}", f"{m.rewind:.2f}", f"{m.rewind_to:.2f}") for n, m in figures.limits.items()],
        )
        show_line("")
        show_table(
            ("level begins from the one before", "strength", "forwards", "quality", "agreement", "calmness"),
            [
                (
                    point.layer,
                    f"{point.strength:.2f}" + (" *" if figures.starts.get(point.layer) == point.strength else ""),
                    f"{point.forwards:.1f}",
                    f"{point.quality:.3f}",
                    f"{point.agreement:.3f}",
                    f"{point.calmness:.3f}",
                )
                for point in figures.strengths
            ],
        )
        show_line("* recommended\n")
    say(f"written to {options.policy}", quiet=options.quiet)
