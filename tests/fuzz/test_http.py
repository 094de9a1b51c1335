"""A short run of the fuzzer of HTTP requests; `python -m tests.fuzz.http` runs it at length."""

import json

import pytest

from tests.fuzz.http import main


def test_a_few_hundred_requests(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--requests", "600", "--seed", "1", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["failures"] == []
    assert code == 0
    assert sum(report["outcomes"].values()) == 600
    assert report["outcomes"]["page 200"] > 3
    assert report["outcomes"]["gateway 400"] > 30
