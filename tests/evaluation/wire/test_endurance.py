"""The figures of an endurance test."""

import os

import pytest

from evaluation.wire.endurance import FLAT_MB_PER_HOUR, EnduranceReport, Sample, read_sample


def curve(slope: float) -> list[Sample]:
    """Return samples of an hour: memory grows fast for 20 minutes, then by `slope` MB per hour."""
    minutes = range(61)
    memory = [400 + 10 * min(minute, 20) + slope * max(0, minute - 20) / 60 for minute in minutes]
    return [
        Sample(minutes=minute, pictures=minute, anonymous_mb=mb, resident_mb=mb, threads=9, descriptors=9)
        for minute, mb in zip(minutes, memory, strict=True)
    ]


@pytest.mark.parametrize(("slope", "flat"), [(0.0, True), (FLAT_MB_PER_HOUR - 1, True), (FLAT_MB_PER_HOUR + 1, False)])
def test_only_growth_after_the_first_third_counts(slope: float, flat: bool) -> None:
    report = EnduranceReport.of(curve(slope))
    assert report.mb_per_hour == pytest.approx(slope, abs=0.1)
    assert report.flat is flat


def test_a_sudden_step_shows() -> None:
    samples = curve(0.0)
    late = [
        Sample(minutes=61 + place, pictures=0, anonymous_mb=635, resident_mb=0, threads=0, descriptors=0)
        for place in range(30)
    ]
    report = EnduranceReport.of([*samples, *late])
    assert report.largest_step_mb == 35
    assert not report.flat


def test_a_process_is_read() -> None:
    sample = read_sample(os.getpid(), minutes=1.0, pictures=2)
    assert sample.resident_mb >= sample.anonymous_mb > 1
    assert sample.threads >= 1
    assert sample.descriptors >= 3
