"""`layercast simulate`: pictures over starved links in virtual time, beside other formats."""

import argparse
import shlex
import sys
from pathlib import Path

from layercast.commands.options.parser import Subparsers, add_json

_DESCRIPTION = """\
Simulate pictures over starved links in virtual time, beside JPEG, WebP, AVIF and JPEG XL on the same link.

The shipped protocol runs over links in the vocabulary of tc netem, from a scenario file or from flags. The output
folder gets run.jsonl (every event), summary.csv, summary.json, plots as SVG and PNG, and report.html, a page without
network access. The same scenario gives the same run. A simulation that was stopped goes on where it was."""

_EXAMPLES = """\
examples:
  layercast simulate --images pictures/ --link iridium,gsm -o out/
  layercast simulate --images pictures/ --link gsm --rates 1200,2400,9600 --losses 0,0.05 --seeds 5 -o out/
  layercast simulate scenario.toml -o out/
  layercast simulate --list-links
  layercast simulate --convert-trace Verizon-LTE-short.down -o lte.csv
  layercast simulate --live --link gsm --to ws://127.0.0.1:8765

docs/simulation.md explains scenario files."""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "simulate",
        help="simulate pictures over starved links in virtual time, beside other formats",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", nargs="?", type=Path, metavar="SCENARIO.toml", help="scenario file")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="output folder; with --convert-trace a file")
    parser.add_argument("--list-links", action="store_true", help="list the named links, and stop")
    simple = parser.add_argument_group("without a scenario file")
    simple.add_argument("--images", type=Path, metavar="DIR", help="folder of pictures")
    simple.add_argument("--count", type=int, default=8, metavar="N", help="most pictures (default: %(default)s)")
    simple.add_argument("--link", metavar="NAME[,NAME]", help="named links (default: iridium)")
    simple.add_argument("--every", type=float, default=30.0, metavar="S", help="seconds between pictures (default: 30)")
    axes = parser.add_argument_group("grid; replaces the scenario's values")
    axes.add_argument("--rates", metavar="BPS[,BPS]", help="rates in bit/s (default: the links' own)")
    axes.add_argument("--losses", metavar="X[,X]", help="shares of packets lost at random (default: the links' own)")
    axes.add_argument("--budgets", metavar="N[,N]", help="most bytes of a stream (default: 655)")
    axes.add_argument("--orders", metavar="NAME[,NAME]", help="orders of layers: paper, cheapest, fidelity")
    axes.add_argument("--transports", metavar="NAME[,NAME]", help="datagram, websocket, webrtc, mqtt")
    axes.add_argument("--seeds", type=int, metavar="N", help="repetitions with other random numbers (default: 1)")
    other = parser.add_argument_group("rivals and rendering; replace the scenario's values")
    other.add_argument("--rivals", metavar="NAME[,NAME]", help="jpeg, jpeg-progressive, webp, avif, jxl; none for none")
    other.add_argument(
        "--rival-sizes", metavar="HOW[,HOW]", help="bytes: as many as ours; quality: as good as ours in the end"
    )
    other.add_argument(
        "--render",
        metavar="HOW",
        help="none (lines and colours without a model), a model such as mini, cost=FIRST/WHOLE (seconds), or both "
        "joined by a comma (default: none)",
    )
    other.add_argument(
        "--figure", metavar="NAME", help="figure of quality: ssim, psnr, edge_f1, gmsd, color_difference"
    )
    run = parser.add_argument_group("running")
    run.add_argument("--processes", type=int, default=0, metavar="N", help="processes (default: one per core)")
    run.add_argument("--ray", metavar="ADDRESS", help="run on this Ray cluster, whose nodes share the output folder")
    traces = parser.add_argument_group("traces of a link over time")
    traces.add_argument(
        "--convert-trace",
        type=Path,
        metavar="FILE",
        help="write the trace to the file -o, and stop: names ending on .csv are CSV, seconds,bit_per_s[,delay_s"
        "[,loss]]; all others are Mahimahi's format",
    )
    traces.add_argument(
        "--bin",
        type=float,
        default=1.0,
        metavar="S",
        help="seconds over which Mahimahi's times become a rate (default: %(default)s)",
    )
    live = parser.add_argument_group("live: a link between real programs, which changes while they run")
    live.add_argument("--live", action="store_true", help="put --link between senders and the receiver at --to")
    live.add_argument("--to", metavar="URL", help="the receiver's address: ws://HOST:PORT, or mqtt, http, tcp")
    live.add_argument(
        "--listen", default="127.0.0.1:8766", metavar="HOST:PORT", help="address for senders (default: %(default)s)"
    )
    live.add_argument(
        "--api",
        default="127.0.0.1:8090",
        metavar="HOST:PORT",
        help="address of the page and the HTTP interface (default: %(default)s)",
    )
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Simulate, and report."""
    from layercast.commands.measuring.simulate_run import list_links, simulate
    from layercast_common.errors import UsageError

    if options.list_links:
        list_links(as_json=options.json)
        return
    if options.convert_trace is not None:
        from layercast.commands.measuring.simulate_trace import convert_trace

        convert_trace(options)
        return
    if options.live:
        from layercast.commands.measuring.simulate_live import run_live

        run_live(options)
        return
    if options.out is None:
        raise UsageError("a simulation needs an output folder: -o DIR")
    simulate(options, command=shlex.join(["layercast", *sys.argv[1:]]))
