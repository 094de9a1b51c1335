"""One transfer with a kill of each process; `python -m tests.reliability.kill` runs many."""

import random
from pathlib import Path

from tests.reliability.trials import VICTIMS, run_trial
from tests.support.brokers import needs_mosquitto


@needs_mosquitto
def test_every_picture_arrives_once_after_kills(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        # The broker runs as another user.
        folder.chmod(0o755)
    outcome = run_trial(VICTIMS, folder=tmp_path, pictures=12, rate=30_000, chance=random.Random(0))
    assert outcome.good, outcome
