"""Logs that people and machines can trust."""

import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercast.logs import JsonFormatter, TextFormatter, printable


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "sender", "levelname": "WARNING", "msg": message, "created": 0.25})
    made.__dict__.update(extra)
    return made


def test_json_has_what_was_given() -> None:
    row = json.loads(JsonFormatter().format(record('a "quoted" line\n\x1b[31m', picture=7, path=sys)))
    assert row["time"] == "1970-01-01T00:00:00.250+00:00"
    assert (row["level"], row["logger"], row["message"]) == ("warning", "sender", 'a "quoted" line\n\x1b[31m')
    assert row["picture"] == 7
    assert "sys" in row["path"]
    assert set(row) == {"time", "level", "logger", "message", "picture", "path"}


def test_exceptions_are_told() -> None:
    try:
        raise ValueError("why")
    except ValueError:
        row = json.loads(JsonFormatter().format(record("it failed", exc_info=sys.exc_info())))
    assert "ValueError: why" in row["exception"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode 画像", "plain ünïcode 画像"),
        ("two\nlines\x1b[2J\x07", "two\\nlines\\x1b[2J\\x07"),
        ("\u202eback", "\\u202eback"),
        ("a\u2028b\u00a0c", "a\\u2028b\\xa0c"),
        ("\x00\ud800", "\\x00\\ud800"),
    ],
)
def test_lines_hold_nothing_that_acts(text: str, shown: str) -> None:
    assert TextFormatter("%(levelname)s %(name)s: %(message)s").format(record(text)) == f"WARNING sender: {shown}"


@given(st.text())
def test_whatever_is_said_is_one_printable_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(json.loads(JsonFormatter().format(record(text.replace("%", "%%"))))["message"]) >= 0
    assert "\n" not in JsonFormatter().format(record(text.replace("%", "%%")))
