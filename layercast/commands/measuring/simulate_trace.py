"""`layercast simulate --convert-trace`: traces of a link between CSV and Mahimahi's format."""

import argparse
from pathlib import Path

from evaluation.simulation.links.service import OPPORTUNITY_BYTES, Opportunities, RateTrace
from evaluation.simulation.links.traces import format_csv, format_mahimahi, load_trace, to_opportunities, to_rates
from layercast.console import report, show_line
from layercast_common.errors import UsageError
from layercast_common.files import save_whole


def convert_trace(options: argparse.Namespace) -> None:
    """Convert a trace: to CSV if the output's name ends on .csv, else to Mahimahi's format.

    Raises:
        UsageError: the file is no trace, or there is no name for the output.
        StorageError: a file cannot be read or written.
    """
    source: Path = options.convert_trace
    if options.out is None:
        raise UsageError("a converted trace needs a file: -o TRACE.csv, or any other name for Mahimahi's format")
    if options.scenario is not None or options.live:
        raise UsageError("--convert-trace only converts; leave out the scenario and --live")
    trace = load_trace(source)
    if options.out.suffix.lower() == ".csv":
        rates = trace if isinstance(trace, RateTrace) else to_rates(trace, bin_seconds=options.bin)
        text, seconds, lines = format_csv(rates), rates.period, len(rates.points)
        bits = sum(
            point.rate * (end - point.at)
            for point, end in zip(rates.points, [*(p.at for p in rates.points[1:]), rates.period], strict=True)
        )
    else:
        times = trace if isinstance(trace, Opportunities) else to_opportunities(trace)
        text, seconds, lines = format_mahimahi(times), times.times[-1] / 1000, len(times.times)
        bits = 8.0 * OPPORTUNITY_BYTES * lines
    save_whole(text, options.out)
    if options.json:
        facts = {"seconds": seconds, "lines": lines, "mean_bit_per_s": round(bits / seconds, 3)}
        report({"input": str(source), "output": str(options.out), **facts})
        return
    show_line(f"{options.out}: {seconds:g} s, {lines} lines, {bits / seconds:,.0f} bit/s on average")
