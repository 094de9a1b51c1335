"""Logs: a line for people, or one JSON object per line for machines."""

import datetime
import json
import logging
import sys

#: The loggers of our own; other libraries only warn.
OURS = ("codec", "layercast", "protocol", "receiver", "sender")

#: What every record has; whatever else it carries was given by the caller and is told.
_COMMON = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def set_up_logs(level: int, form: str = "text") -> None:
    """Send logs to stderr.

    Args:
        level: of our own loggers.
        form: "text" or "json".
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in OURS:
        logging.getLogger(name).setLevel(level)


class TextFormatter(logging.Formatter):
    """Lines for people. What came from outside cannot move the cursor, ring a bell or forge a line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """The record's line, with what is not printable made visible."""
        return printable(super().formatMessage(record))


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time in UTC, level, logger, message, and what the caller added."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON, in ASCII."""
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        row: dict[str, object] = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        row |= {name: value for name, value in record.__dict__.items() if name not in _COMMON}
        if record.exc_info:
            row["exception"] = self.formatException(record.exc_info)
        return json.dumps(row, default=str)


def printable(text: str) -> str:
    """A text in which every character that is not printable, the space apart, is written as its escape."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
