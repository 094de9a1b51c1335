"""Log output: lines for people, or one JSON object per line for programs."""

import datetime
import json
import logging
import sys

#: Our own loggers. Loggers of other libraries stay at WARNING.
OURS = ("codec", "layercast", "layercast_common", "protocol", "receiver", "sender")

#: The attributes of every record. Further ones come from the caller, and are part of the JSON.
_COMMON = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def set_up_logs(level: int, form: str = "text") -> None:
    """Send logs to stderr.

    Args:
        level: level of our own loggers.
        form: "text" or "json".
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in OURS:
        logging.getLogger(name).setLevel(level)


class TextFormatter(logging.Formatter):
    """Lines for people. Control characters are escaped, so that text from peers cannot forge lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """Format a record as one line, with unprintable characters escaped."""
        return printable(super().formatMessage(record))


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time in UTC, level, logger, message, and the caller's extra attributes."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as JSON, in ASCII."""
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
    """Return a text with every unprintable character replaced by its escape sequence."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
