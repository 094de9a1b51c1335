"""Text from outside cannot control the terminal."""

import pytest

from layercast import console

NASTY = "a \x1b[2J\x1b]0;owned\x07 red\u202e cat\r"


def test_texts_from_outside_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_line(NASTY)
    console.show_table(["name"], [[NASTY]])
    console.say(NASTY)
    console.say("two\nlines, 猫")
    out, err = capsys.readouterr()
    for shown in (out, err):
        assert all(char.isprintable() or char == "\n" for char in shown)
        assert r"\x1b[2J" in shown
    assert "two\nlines, 猫\n" in err
