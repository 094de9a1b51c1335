"""Trace files: read, written, converted."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.simulation.links.service import Opportunities, RatePoint, RateTrace
from evaluation.simulation.links.traces import (
    format_csv,
    format_mahimahi,
    load_trace,
    parse_csv,
    parse_mahimahi,
    to_opportunities,
    to_rates,
)
from layercast_common.errors import StorageError, UsageError

TIMES = st.lists(st.integers(0, 5000), min_size=1, max_size=60).map(sorted).filter(lambda times: times[-1] > 0)


@given(TIMES)
def test_mahimahi_traces_round_trip(times: list[int]) -> None:
    trace = Opportunities(times=tuple(times))
    assert parse_mahimahi(format_mahimahi(trace)) == trace


@given(TIMES, st.sampled_from([0.1, 0.5, 1.0, 7.0]))
def test_rates_of_a_mahimahi_trace_carry_its_bytes(times: list[int], bin_seconds: float) -> None:
    trace = Opportunities(times=tuple(times))
    rates = to_rates(trace, bin_seconds=bin_seconds)
    ends = [*(point.at for point in rates.points[1:]), rates.period]
    bits = sum(point.rate * (end - point.at) for point, end in zip(rates.points, ends, strict=True))
    assert bits == pytest.approx(12_000 * len(times))
    assert rates.period == times[-1] / 1000


def test_a_constant_rate_becomes_even_opportunities() -> None:
    # mm-link(1): a file with "1" is 12 Mbit/s.
    trace = to_opportunities(RateTrace(points=(RatePoint(at=0, rate=12_000_000),), period=0.01))
    assert trace.times == tuple(range(1, 11))
    slow = to_opportunities(RateTrace(points=(RatePoint(at=0, rate=2400),), period=2.0))
    assert slow.times == (5000,)


@given(st.lists(st.tuples(st.floats(1, 1e6), st.none() | st.floats(0, 5), st.none() | st.floats(0, 1)), min_size=1))
def test_csv_round_trips(rows: list[tuple[float, float | None, float | None]]) -> None:
    points = tuple(RatePoint(at=float(at), rate=r, delay=d, loss=x) for at, (r, d, x) in enumerate(rows))
    trace = RateTrace(points=points, period=float(len(rows)))
    assert parse_csv(format_csv(trace)) == trace


def test_csv_is_read_as_documented(tmp_path: Path) -> None:
    path = tmp_path / "valley.csv"
    path.write_text("seconds,bit_per_s,delay_s,loss\n# noon\n0,9600\n60,0\n90,2400,0.5,0.1\n120,9600\n")
    assert load_trace(path) == RateTrace(
        points=(
            RatePoint(at=0, rate=9600),
            RatePoint(at=60, rate=0),
            RatePoint(at=90, rate=2400, delay=0.5, loss=0.1),
        ),
        period=120,
    )


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.csv", "", "empty"),
        ("a.csv", "0,9600\n5\n", "line 2"),
        ("a.csv", "0,fast\n", "line 1 has no numbers"),
        ("a.csv", "0,0\n5,0\n", "one above 0"),
        ("a.csv", "5,9600\n6,9600\n", "starts at 0"),
        ("a.csv", "0,9600,0,7\n1,9600\n", "loss"),
        ("a.trace", "1\n2.5\n", "line 2"),
        ("a.trace", "5\n3\n", "in order"),
        ("a.trace", "", "one time"),
    ],
)
def test_bad_traces_are_refused_with_their_line(tmp_path: Path, name: str, text: str, reason: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UsageError, match=f"{name}: .*{reason}"):
        load_trace(path)


def test_a_missing_trace_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        load_trace(tmp_path / "none.csv")
