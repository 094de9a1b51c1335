"""A few minutes of the soak: what it measures, and what it says."""

import json

import pytest

from layercast.cli import main


@pytest.mark.parametrize("link", ["gsm", "lte-m"])
def test_a_quarter_of_an_hour(link: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["bench", "soak", "--link", link, "--hours", "0.25", "--loss", "0.03", "--json"])
    (report,) = json.loads(capsys.readouterr().out)["links"]
    assert code == 0
    assert report["holds"]
    assert report["flat"]
    assert report["offered"] == report["complete"] > 50
    assert report["virtual_seconds"] >= 900
    assert 0 < report["text"]["median"] <= report["base"]["median"] <= report["whole"]["median"]
    assert report["payload_bytes"] < report["wire_bytes"] < 1.5 * report["payload_bytes"]


def test_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "soak", "--link", "fast", "--hours", "0.02"]) == 0
    assert "fast, 5% lost, 72 s in" in capsys.readouterr().out
