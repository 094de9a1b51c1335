"""How fast commands end after SIGTERM and Ctrl-C, at many moments of their work.

    python -m evaluation.stopping --images DIR

Each command is started again for every moment and every signal. What counts: the time until it has ended, the exit
code, and that no unfinished file and no process is left.
"""

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from layercast_common.stopping.processes import session_members

#: Command lines by name. PICTURE, IMAGES, STREAM and OUT stand for paths.
COMMANDS = {
    "encode": "encode PICTURE -o OUT/a.lcast --captioner none",
    "decode": "decode STREAM -o OUT",
    "evaluate": "evaluate --images IMAGES -o OUT --jobs 2",
    "simulate": "simulate --images IMAGES -o OUT --processes 2",
    "receive": "receive --listen ws://127.0.0.1:0 --viewer none --archive OUT",
    "replay": "replay STREAM -o OUT/a.html",
    "demo": "demo --image PICTURE --headless --out OUT",
    "models": "models check",
}

#: Longest time that counts as held, in seconds.
BOUND = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One command that was stopped.

    Attributes:
        command: its name.
        moment: seconds between its start and the signal.
        signal: the signal's name.
        seconds: time until it had ended; 0 if it had ended before.
        code: its exit code; negative if a signal killed it.
        left: unfinished files and processes that it left.
    """

    command: str
    moment: float
    signal: str
    seconds: float
    code: int
    left: int


def stop_at(name: str, line: Sequence[str], out: Path, moment: float, number: signal.Signals) -> Stop:
    """Start a command, send it a signal, and wait for its end.

    Args:
        name: the command's name, for the result.
        line: the command line, without `layercast`.
        out: its output folder.
        moment: seconds between its start and the signal.
        number: the signal.
    """
    process = subprocess.Popen(  # noqa: S603 - our own commands
        [sys.executable, "-m", "layercast", *line],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(moment)
    ended, start = process.poll() is not None, time.monotonic()
    process.send_signal(number)
    process.wait()
    seconds = 0.0 if ended else time.monotonic() - start
    # The watchdog cleans up a moment after the command has ended.
    time.sleep(0.5)
    left = sum(1 for _ in out.rglob(".*.part")) + len(session_members(process.pid))
    return Stop(
        command=name, moment=moment, signal=number.name, seconds=round(seconds, 2), code=process.returncode, left=left
    )


def stops(images: Path, names: Sequence[str], moments: Sequence[float]) -> Iterator[Stop]:
    """Stop every command at every moment by both signals.

    Args:
        images: folder of pictures.
        names: keys of `COMMANDS`.
        moments: seconds between a command's start and the signal.
    """
    picture = next(path for path in sorted(images.iterdir()) if path.suffix in {".png", ".jpg", ".webp"})
    with tempfile.TemporaryDirectory() as folder:
        stream = Path(folder) / "picture.lcast"
        subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "layercast", "encode", str(picture), "-o", str(stream), "--captioner", "none"],
            check=True,
        )
        cases = itertools.product(names, moments, (signal.SIGTERM, signal.SIGINT))
        for place, (name, moment, number) in enumerate(cases):
            out = Path(folder) / str(place)
            out.mkdir()
            paths = {"PICTURE": str(picture), "IMAGES": str(images), "STREAM": str(stream), "OUT": str(out)}
            line = [_replace(word, paths) for word in COMMANDS[name].split()]
            yield stop_at(name, line, out, moment, number)


def _replace(word: str, paths: dict[str, str]) -> str:
    first, slash, rest = word.partition("/")
    return paths[first] + slash + rest if first in paths else word


def main() -> int:
    """Print a row for each stop; return the exit code: 0 if all ended in time and left nothing."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.stopping",
        description="Measure how fast commands end after SIGTERM and Ctrl-C, at many moments of their work.",
        epilog="example: python -m evaluation.stopping --images pictures/ --moments 0.3,1,2,4",
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of pictures")
    parser.add_argument("--commands", default=",".join(COMMANDS), help="names, separated by commas (default: all)")
    parser.add_argument("--moments", default="0.2,0.5,1,2,3,5,8", help="seconds after the start (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    options = parser.parse_args()
    # A shell starts background commands with Ctrl-C ignored, and commands inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rows = []
    for stop in stops(options.images, options.commands.split(","), [float(one) for one in options.moments.split(",")]):
        rows.append(stop)
        print(  # noqa: T201
            f"{stop.command}, {stop.signal} at {stop.moment} s: {stop.seconds:.2f} s, code {stop.code}, "
            f"{stop.left} left",
            file=sys.stderr,
        )
    held = all(row.seconds <= BOUND and not row.left for row in rows)
    slowest = max(rows, key=lambda row: row.seconds)
    load = os.getloadavg()[0]
    if options.json:
        print(json.dumps({"held": held, "load": load, "stops": [asdict(row) for row in rows]}))  # noqa: T201
    else:
        print(  # noqa: T201
            f"{len(rows)} stops, slowest {slowest.seconds:.2f} s ({slowest.command} at {slowest.moment} s), "
            f"{sum(row.left for row in rows)} files and processes left; load of the machine {load:.1f}"
        )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
