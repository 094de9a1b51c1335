"""Measure how long the demo takes until something moves on its page.

python -m evaluation.viewer.first_movement                 on this machine as it is, then beside 4 busy processes
python -m evaluation.viewer.first_movement --busy 0 --json

Starts scripts/demo, as a user does, with a headless Chromium that runs already and opens the page as soon as its port
is open. Prints the seconds from the start of the script until the page is served, until the recorded arrival moves
(the slider runs), and until the first picture is drawn. Needs layercast to be installed by scripts/setup, and Chromium.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from evaluation.viewer.browser import DevTools, find_browser, open_tab, running_browser
from evaluation.viewer.idle import session_seconds

#: The bar, and when to stop waiting, in seconds.
MAX_SECONDS, PATIENCE = 3.0, 120.0

#: How long the browser has to start before the demo does, and how often the port is tried, in seconds.
SETTLING, GLANCE = 4.0, 0.02

#: How a user starts the demo.
_DEMO = (str(Path(__file__).parents[2] / "scripts" / "demo"),)

#: Runs in the page from its first moment: notes when the slider moves, and when a picture is shown.
_LOOK = """
    window.moments = {};
    const look = () => {
      const slider = document.getElementById("scrub");
      if (slider?.valueAsNumber > 0 && document.body.dataset.view === "picture") moments.moving ??= Date.now();
      if (document.querySelector("#layer-a img")) moments.picture ??= Date.now();
      if (!moments.moving || !moments.picture) setTimeout(look, 40);
    };
    look();
"""


async def measure(browser: str, busy: int, command: Sequence[str] = _DEMO) -> dict[str, float]:
    """Start the demo beside busy processes.

    Args:
        browser: path of the browser, from `find_browser`.
        busy: number of processes that do nothing but compute.
        command: starts the demo; `--viewer HOST:PORT` is added.

    Returns:
        `served`, `moving`, `picture`: seconds since the start of the script. `demo_cpu`, `browser_cpu`: processor time
        of both until the first picture, in seconds.

    Raises:
        TimeoutError: nothing moved within `PATIENCE`.
    """
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    async with running_browser(browser, "about:blank") as (chromium, profile), open_tab(profile) as tab:
        await tab.call("Page.enable")
        await tab.call("Page.addScriptToEvaluateOnNewDocument", source=_LOOK)
        await asyncio.sleep(SETTLING)
        async with _processes(busy, sys.executable, "-c", "while True: pass"):
            began, browser_before = time.time(), session_seconds(chromium.pid)
            async with _processes(1, *command, "--viewer", f"127.0.0.1:{port}") as demo, asyncio.timeout(PATIENCE):
                await _port_is_open(port)
                served = time.time()
                await tab.call("Page.navigate", url=f"http://127.0.0.1:{port}/")
                moments = await _moments(tab)
                used = session_seconds(demo[0]), session_seconds(chromium.pid) - browser_before
    return {
        "served": round(served - began, 2),
        "moving": round(moments["moving"] / 1000 - began, 2),
        "picture": round(moments["picture"] / 1000 - began, 2),
        "demo_cpu": round(used[0], 2),
        "browser_cpu": round(used[1], 2),
    }


async def _port_is_open(port: int) -> None:
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(GLANCE)


async def _moments(tab: DevTools) -> dict[str, Any]:
    while True:
        moments = await tab.evaluate("window.moments") or {}
        if {"moving", "picture"} <= set(moments):
            return dict(moments)
        await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def _processes(count: int, *command: str) -> AsyncIterator[list[int]]:
    """Run a command so many times while the block runs, each in a session of its own; yields the sessions."""
    started = [
        await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL, start_new_session=True)
        for _ in range(count)
    ]
    try:
        yield [process.pid for process in started]
    finally:
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            await process.wait()


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns 1 if the bar is missed or there is no browser."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.viewer.first_movement",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--busy", default="0,4", help="busy processes beside it, one run each (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="runs of each; the median counts (default: 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    browser = find_browser()
    if browser is None:
        sys.stderr.write("this needs Chromium; on Debian: apt install chromium\n")
        return 1
    rows = []
    for busy in map(int, options.busy.split(",")):
        load = os.getloadavg()[0]
        runs = [asyncio.run(measure(browser, busy)) for _ in range(options.runs)]
        runs.sort(key=lambda run: run["moving"])
        row = {"busy": busy, **runs[len(runs) // 2], "slowest": runs[-1]["moving"], "load_before": round(load, 1)}
        rows.append(row)
        if not options.json:
            sys.stdout.write(
                f"beside {busy} busy processes: page served after {row['served']:.1f} s; moves after "
                f"{row['moving']:.1f} s (at most {MAX_SECONDS:g}), slowest of {options.runs} runs "
                f"{row['slowest']:.1f} s; first picture after {row['picture']:.1f} s; "
                f"processor time {row['demo_cpu']:.1f} s, and {row['browser_cpu']:.1f} s of the browser\n"
            )
    met = all(row["moving"] <= MAX_SECONDS for row in rows)
    if options.json:
        sys.stdout.write(json.dumps({"processors": os.cpu_count(), "met": met, "runs": rows}) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
