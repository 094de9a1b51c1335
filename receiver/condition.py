"""The condition of a receiver."""

from enum import StrEnum


class ReceiverCondition(StrEnum):
    """The condition of a receiver, as `/healthz` reports it. Every condition but OK is answered with status 503."""

    LOADING = "loading"
    OK = "ok"
    ARCHIVE_FAILING = "archive failing"
    DRAINING = "draining"
    FAILED = "failed"
    CLOSED = "closed"
