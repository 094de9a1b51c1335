"""One kill of each kind; `python -m tests.reliability.kill` does it as often as one likes."""

import random
from pathlib import Path

import pytest

from tests.protocol.transports.brokers import needs_mosquitto
from tests.reliability.trials import run_trial


@pytest.mark.parametrize("victim", ["sender", "receiver", pytest.param("mosquitto", marks=needs_mosquitto)])
def test_every_picture_arrives_once_whoever_is_killed(victim: str, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        # The broker runs as a user of its own.
        folder.chmod(0o755)
    outcome = run_trial(victim, folder=tmp_path, pictures=12, rate=60_000, chance=random.Random(victim))
    assert outcome.good, outcome
