"""Kill a sender, a receiver or a broker (kill -9) during transfers, and count the pictures that arrive.

python -m tests.reliability.kill --victim all --times 10
"""

import argparse
import json
import random
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.reliability.trials import VICTIMS, Outcome, run_trial
from tests.support.brokers import MOSQUITTO


def main() -> int:
    """Run the trials; return 0 if every picture of every transfer arrived once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--victim", choices=(*VICTIMS, "all"), default="all", help="process to kill (default: %(default)s)"
    )
    parser.add_argument(
        "--times", type=int, default=10, metavar="N", help="transfers, each with one kill (default: 10)"
    )
    parser.add_argument("--pictures", type=int, default=50, metavar="N", help="in each transfer (default: %(default)s)")
    parser.add_argument("--rate", type=int, default=60_000, metavar="BIT/S", help="link rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments of the kills (default: %(default)s)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep logs and archives here")
    parser.add_argument("--json", action="store_true", help="one JSON object per transfer on stdout")
    options = parser.parse_args()
    victims = VICTIMS if options.victim == "all" else (options.victim,)
    if "mosquitto" in victims and MOSQUITTO is None:
        parser.error("mosquitto is not installed")
    good = True
    for victim in victims:
        outcomes = [run_one(options, victim, number) for number in range(options.times)]
        good = good and all(outcome.good for outcome in outcomes)
        count = sum(outcome.good for outcome in outcomes)
        print(f"{victim}: {count} of {options.times} transfers with every picture once", file=sys.stderr)  # noqa: T201
    return 0 if good else 1


def run_one(options: argparse.Namespace, victim: str, number: int) -> Outcome:
    """Run one transfer and print its outcome."""
    chance = random.Random(f"{options.seed} {victim} {number}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if options.keep is None else options.keep / f"{victim}-{number}"
        folder.mkdir(parents=True, exist_ok=options.keep is None)
        # The broker runs as another user.
        folder.chmod(0o755)
        outcome = run_trial([victim], folder=folder, pictures=options.pictures, rate=options.rate, chance=chance)
    print(json.dumps(asdict(outcome)) if options.json else line_of(outcome), flush=True)  # noqa: T201
    return outcome


def line_of(outcome: Outcome) -> str:
    """Return an outcome as a line of text."""
    kills = zip(outcome.victims, outcome.killed_after, strict=True)
    moments = ", ".join(f"{victim} after {count}" for victim, count in kills)
    return (
        f"{'good' if outcome.good else 'BAD '} killed: {moments}: "
        f"{outcome.arrived}/{outcome.sent} arrived, {outcome.copies} copies, {outcome.reported_twice} reported twice, "
        f"{outcome.undelivered} undelivered, {outcome.seconds:.1f} s {outcome.failure}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
