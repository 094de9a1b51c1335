"""Traces of a link over time: CSV (`seconds,bit_per_s[,delay_s[,loss]]`) and Mahimahi's, read, written, converted."""

import csv
import io
import itertools
import math
from pathlib import Path

from evaluation.simulation.links.service import OPPORTUNITY_BYTES, Opportunities, RatePoint, RateTrace
from layercast_common.errors import StorageError, UsageError

#: The most lines of a trace file.
MAX_LINES = 1_000_000

_OPPORTUNITY_BITS = 8 * OPPORTUNITY_BYTES


def load_trace(path: Path) -> RateTrace | Opportunities:
    """Read a trace: CSV if its name ends on .csv, else Mahimahi's format.

    Raises:
        StorageError: the file cannot be read.
        UsageError: it is no trace; the text names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StorageError.of(error, path) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text file; a trace is CSV or Mahimahi's format") from error
    try:
        return parse_csv(text) if path.suffix.lower() == ".csv" else parse_mahimahi(text)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def parse_csv(text: str) -> RateTrace:
    """Read lines of `seconds,bit_per_s[,delay_s[,loss]]`, the first at 0. A head line and lines with # are skipped.

    The last line ends the trace: it repeats from there with the first line's values. A trace of one line is constant.

    Raises:
        UsageError: the text has another form.
    """
    rows: list[tuple[float, ...]] = []
    for number, row in enumerate(csv.reader(io.StringIO(text)), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#") or (not rows and cells[0].lower() in ("seconds", "time", "t")):
            continue
        try:
            values = tuple(math.nan if not cell else float(cell) for cell in cells)
        except ValueError as error:
            raise UsageError(f"line {number} has no numbers: {','.join(row)!r}") from error
        if not 2 <= len(values) <= 4 or not all(math.isfinite(value) for value in values[:2]):
            raise UsageError(f"line {number} is not seconds,bit_per_s[,delay_s[,loss]]")
        rows.append(values)
        if len(rows) > MAX_LINES:
            raise UsageError(f"a trace has at most {MAX_LINES} lines")
    if not rows:
        raise UsageError("the trace is empty")
    points = tuple(_point(row) for row in rows)
    if len(points) == 1:
        return RateTrace(points=points, period=points[0].at + 1.0)
    return RateTrace(points=points[:-1], period=points[-1].at)


def _point(row: tuple[float, ...]) -> RatePoint:
    delay, loss = (None if len(row) <= place or math.isnan(row[place]) else row[place] for place in (2, 3))
    if delay is not None and not 0 <= delay < math.inf:
        raise UsageError(f"a delay is 0 s or more, not {delay}")
    if loss is not None and not 0 <= loss <= 1:
        raise UsageError(f"a loss is a share from 0 to 1, not {loss}")
    return RatePoint(at=row[0], rate=row[1], delay=delay, loss=loss)


def format_csv(trace: RateTrace) -> str:
    """Write a trace as `parse_csv` reads it; reading gives the same trace."""
    lines = ["seconds,bit_per_s,delay_s,loss"]
    for point in trace.points:
        optional = ",".join("" if value is None else repr(value) for value in (point.delay, point.loss))
        lines.append(f"{point.at!r},{point.rate!r},{optional}")
    lines.append(f"{trace.period!r},{trace.points[0].rate!r},,")
    return "\n".join(lines) + "\n"


def parse_mahimahi(text: str) -> Opportunities:
    """Read a packet delivery trace: one time in whole milliseconds per line (mm-link(1)).

    Raises:
        UsageError: the text has another form.
    """
    times: list[int] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        if not line.strip().isdecimal():
            raise UsageError(f"line {number} is not a time in whole milliseconds: {line.strip()[:40]!r}")
        times.append(int(line))
        if len(times) > MAX_LINES:
            raise UsageError(f"a trace has at most {MAX_LINES} lines")
    return Opportunities(times=tuple(times))


def format_mahimahi(trace: Opportunities) -> str:
    """Write a trace as `parse_mahimahi` reads it; reading gives the same trace."""
    return "".join(f"{time}\n" for time in trace.times)


def to_rates(trace: Opportunities, *, bin_seconds: float = 1.0) -> RateTrace:
    """Return the mean rates of a Mahimahi trace over bins; the bytes of a period stay the same.

    Args:
        trace: the trace.
        bin_seconds: the length of a bin; the last may be shorter.
    """
    if not bin_seconds > 0:
        raise UsageError(f"a bin is longer than 0 s, not {bin_seconds}")
    period = trace.times[-1] / 1000
    count = max(1, math.ceil(period / bin_seconds - 1e-9))
    bits = [0.0] * count
    for time in trace.times:
        # A bin holds its end, not its start: the last opportunity is at the end of the trace.
        bits[min(count - 1, max(0, math.ceil(time / 1000 / bin_seconds - 1e-9) - 1))] += _OPPORTUNITY_BITS
    ends = [min(period, (number + 1) * bin_seconds) for number in range(count)]
    starts = [0.0, *ends[:-1]]
    points = tuple(
        RatePoint(at=start, rate=bit / (end - start)) for start, end, bit in zip(starts, ends, bits, strict=True)
    )
    return RateTrace(points=points, period=period)


def to_opportunities(trace: RateTrace) -> Opportunities:
    """Return a Mahimahi trace of the same bytes: an opportunity whenever 1,500 bytes more could have left.

    Delays and losses are left out. The period ends with a whole number of opportunities: periods are joined until they
    have at least one, and a rest below 1,500 bytes is lost.
    """
    times: list[int] = []
    bits, rounds = 0.0, 0
    while not times and rounds < MAX_LINES:
        ends = [*(point.at for point in trace.points[1:]), trace.period]
        for point, end in zip(trace.points, ends, strict=True):
            now = point.at
            while point.rate and bits + point.rate * (end - now) >= _OPPORTUNITY_BITS * (1 - 1e-12):
                now = min(end, now + (_OPPORTUNITY_BITS - bits) / point.rate)
                bits = 0.0
                times.append(round(1000 * (rounds * trace.period + now)))
                if len(times) > MAX_LINES:
                    raise UsageError(f"the trace has more than {MAX_LINES} opportunities of {OPPORTUNITY_BYTES} bytes")
            bits += point.rate * (end - now)
        rounds += 1
    if not times or not times[-1]:
        raise UsageError("the trace is too slow or too short for opportunities of 1,500 bytes")
    return Opportunities(times=tuple(b for _, b in itertools.pairwise([0, *times])))
