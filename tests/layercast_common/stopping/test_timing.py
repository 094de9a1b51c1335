"""When a command that was asked to stop is ended."""

import signal

import pytest

from layercast_common.stopping.timing import GRACE, StopTiming

INT, TERM = signal.SIGINT, signal.SIGTERM


@pytest.mark.parametrize(
    ("patience", "signals", "deadline", "number"),
    [
        (0.0, [], None, TERM),
        (0.0, [(TERM, 10.0)], 10 + GRACE, TERM),
        (0.0, [(INT, 10.0)], 10 + GRACE, INT),
        (0.0, [(signal.SIGUSR1, 10.0)], None, TERM),
        # A second one ends it at once, but not what a wrapper sends twice.
        (0.0, [(INT, 10.0), (INT, 11.0)], 11.0, INT),
        (0.0, [(INT, 10.0), (INT, 10.1)], 10 + GRACE, INT),
        (0.0, [(INT, 10.0), (INT, 10.1), (INT, 10.6)], 10.6, INT),
        (0.0, [(INT, 10.0), (TERM, 10.1)], 10.1, TERM),
        # Work in progress may be finished at the first SIGTERM.
        (15.0, [(TERM, 10.0)], 25 + GRACE, TERM),
        (15.0, [(TERM, 10.0), (TERM, 10.1)], 25 + GRACE, TERM),
        (15.0, [(TERM, 10.0), (TERM, 12.0)], 12 + GRACE, TERM),
        (15.0, [(TERM, 10.0), (INT, 12.0)], 12 + GRACE, INT),
        (15.0, [(TERM, 10.0), (TERM, 12.0), (TERM, 12.5)], 12.5, TERM),
        (15.0, [(TERM, 10.0), (INT, 24.9)], 24.9 + GRACE, INT),
        (15.0, [(INT, 10.0)], 10 + GRACE, INT),
    ],
)
def test_deadlines(patience: float, signals: list[tuple[int, float]], deadline: float | None, number: int) -> None:
    timing = StopTiming()
    timing.patience = patience
    for one, at in signals:
        timing.add(one, at)
    assert (timing.deadline, timing.number) == (deadline, number)
    assert timing.left(1000.0) == (None if deadline is None else 0.0)
    assert timing.left(9.0) == (None if deadline is None else deadline - 9.0)
