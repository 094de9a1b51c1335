"""Measure what the live page costs.

python -m evaluation.viewer                    the sample's recorded arrival, 64 watchers
python -m evaluation.viewer RECORDING --json   another one, such as of an archive

Prints the bytes that a watcher of one picture receives, its slider included, and the processor time that the server
spends on each watcher while a picture arrives. The picture arrives as fast as it was recorded. With Chromium on this
machine (Linux), also what a page costs that shows a finished picture for a minute: the time of all its processes.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from evaluation.viewer.arrival import events_of
from evaluation.viewer.browser import find_browser
from evaluation.viewer.idle import measure_idle
from receiver.viewer import Viewer, ViewerOptions
from receiver.viewer.pictures.recording import recording_from_bytes
from receiver.viewer.pictures.state import PictureState

#: The sample that the demo begins with.
SAMPLE = Path(__file__).parents[2] / "layercast" / "samples" / "01.arrival"

#: The bars: bytes for a watcher, its share of one core at the server, and that of an idle page in the browser.
MAX_BYTES, MAX_SHARE, MAX_IDLE = 150_000, 0.02, 0.01


async def measure(recording: PictureState, watchers: int) -> dict[str, float]:
    """Let a picture arrive before a number of watchers.

    Returns:
        `seconds` of the arrival, `cpu_seconds` of the server, and `watcher_bytes`, the most that one received.
    """
    loop = asyncio.get_running_loop()
    events = events_of(recording)
    viewer = Viewer(ViewerOptions(clock=loop.time))
    async with viewer.serve("127.0.0.1", 0) as url:
        process = None
        if watchers:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "evaluation.viewer.watching", url, str(watchers), stdout=asyncio.subprocess.PIPE
            )
            while viewer.watchers < watchers:  # noqa: ASYNC110 - the viewer has no event for this
                await asyncio.sleep(0.1)
        began, cpu = loop.time(), time.process_time()
        for event in events:
            await asyncio.sleep(max(0.0, began + event.at - loop.time()))
            viewer.publish(event)
        received = [0]
        if process:
            out, _ = await process.communicate()
            received = json.loads(out)
        return {
            "seconds": loop.time() - began,
            "cpu_seconds": time.process_time() - cpu,
            "watcher_bytes": max(received),
        }


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns 1 if a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.viewer", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recording", nargs="?", type=Path, default=SAMPLE, help="default: the sample")
    parser.add_argument("--watchers", type=int, default=64, metavar="N", help="watchers at once (default: %(default)s)")
    parser.add_argument(
        "--idle",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="watch an idle page so long; 0 for not (default: 60)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    recording = recording_from_bytes(options.recording.read_bytes(), name="measured")
    alone = asyncio.run(measure(recording, 0))
    crowd = asyncio.run(measure(recording, options.watchers))
    extra = max(0.0, crowd["cpu_seconds"] - alone["cpu_seconds"])
    row: dict[str, float] = {
        "picture_bytes": recording.received,
        "frames": len(recording.shown),
        "arrival_seconds": round(crowd["seconds"], 2),
        "watcher_bytes": int(crowd["watcher_bytes"]),
        "watchers": options.watchers,
        "core_share_per_watcher": round(extra / crowd["seconds"] / options.watchers, 5),
    }
    browser = find_browser() if options.idle > 0 else None
    if browser:
        idle = asyncio.run(measure_idle(recording, browser, options.idle))
        row |= {f"idle_{name}": round(share, 5) for name, share in idle.items()}
    met = row["watcher_bytes"] <= MAX_BYTES and row["core_share_per_watcher"] <= MAX_SHARE
    met = met and row.get("idle_page_share", 0.0) <= MAX_IDLE
    if options.json:
        sys.stdout.write(json.dumps(row | {"met": met}) + "\n")
    else:
        sys.stdout.write(
            f"a picture of {row['picture_bytes']:,} bytes with {row['frames']} frames costs a watcher "
            f"{row['watcher_bytes']:,} bytes, slider included (at most {MAX_BYTES:,})\n"
            f"each of {row['watchers']} watchers takes {row['core_share_per_watcher']:.2%} of a core "
            f"(at most {MAX_SHARE:.0%})\n"
        )
        if browser:
            sys.stdout.write(
                f"a page that is idle for {options.idle:g} s takes {row['idle_page_share']:.2%} of a core in the "
                f"browser (at most {MAX_IDLE:.0%}), and {row['idle_server_share']:.2%} at the server\n"
            )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
