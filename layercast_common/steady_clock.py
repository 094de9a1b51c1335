"""The time of day without jumps: the system's clock when the process started, plus the time since then."""

import time
from datetime import UTC, datetime, timedelta

_STARTED = datetime.now(UTC)
_STARTED_MONOTONIC = time.monotonic()


def steady_now() -> datetime:
    """Return the time in UTC. A system clock that is set while the process runs changes nothing here."""
    return _STARTED + timedelta(seconds=time.monotonic() - _STARTED_MONOTONIC)


def steady_seconds() -> float:
    """Return `steady_now` in seconds since 1970."""
    return steady_now().timestamp()
