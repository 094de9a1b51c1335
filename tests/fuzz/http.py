"""Fuzz the HTTP interfaces of `layercast receive` and `layercast watch`, as they run for their users.

    python -m tests.fuzz.http --requests 20000

No request may end a server, be answered with status 500, log an error, or take a connection from those that follow.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.choices import Choices, RandomChoices
from tests.fuzz.http_requests import GATEWAY, PAGE, request
from tests.support.brokers import free_port

#: Requests in progress at a time.
AT_ONCE = 8

#: How long a client waits for an answer, in seconds. The server ends a request that lacks a part of its body later.
WAIT = 1.0

#: How long a command may take until its HTTP server runs, in seconds.
START = 120.0

_ROOT = Path(__file__).parents[2]
_ERRORS = re.compile(rb"Traceback|^(?:ERROR|CRITICAL)", re.MULTILINE)


@dataclass(slots=True)
class Tally:
    """Results of a run.

    Attributes:
        outcomes: number of requests by status, or by what else happened.
        failures: what must not happen.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


async def fuzz(choices: Choices, count: int) -> Tally:
    """Send requests to both servers; return what happened."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        page: tuple[str, ...] = (
            "receive",
            "--model",
            "none",
            "--listen",
            "ws://127.0.0.1:0",
            "--allow",
            "redraw,original",
        )
        page += ("--archive", f"{folder}/archive", "--viewer")
        gateway: tuple[str, ...] = ("watch", "--to", "ws://127.0.0.1:1", "--outbox", f"{folder}/outbox", "--http")
        for name, routes, command in (("page", PAGE, page), ("gateway", GATEWAY, gateway)):
            async with _serving(name, command, Path(folder), tally) as port:
                requests = [(request(choices, routes, port), choices.one_in(2)) for _ in range(count // 2)]
                await _send_all(requests, name, port, tally)
                await asyncio.to_thread(_check_life, f"http://127.0.0.1:{port}/metrics", name, tally)
    return tally


async def _send_all(requests: list[tuple[bytes, bool]], name: str, port: int, tally: Tally) -> None:
    seats = asyncio.Semaphore(AT_ONCE)

    async def send(data: bytes, *, ends: bool) -> None:
        async with seats:
            outcome = await _send(data, port, ends=ends)
        tally.outcomes[f"{name} {outcome}"] += 1
        # Without a receiver, the gateway's health is 503.
        if outcome.startswith("5") and b"/healthz" not in data:
            tally.failures.append(f"{name}: {outcome} for {data[:300]!r}")

    await asyncio.gather(*(send(data, ends=ends) for data, ends in requests))


@contextlib.asynccontextmanager
async def _serving(name: str, command: tuple[str, ...], folder: Path, tally: Tally) -> AsyncIterator[int]:
    """Run a command that ends with the address of its HTTP server, and yield the port.

    At the end, check that the command still ran, and that it logged no error.
    """
    log, port = folder / f"{name}.log", free_port()
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "layercast", *command, f"127.0.0.1:{port}"),
            cwd=_ROOT,
            env=os.environ | {"PYTHONPATH": str(_ROOT)},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=errors,
        )
        try:
            async with asyncio.timeout(START):
                while await _send(b"", port, ends=True) == "ConnectionRefusedError":  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            yield port
            if process.returncode is not None:
                tally.failures.append(f"{name}: ended with exit code {process.returncode}")
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
    if found := _ERRORS.search(content := log.read_bytes()):
        tally.failures.append(f"{name}: logged {content[found.start() :][:2000].decode(errors='replace')}")


async def _send(data: bytes, port: int, *, ends: bool) -> str:
    """Send a request; return the status of the answer, or what happened in its place."""
    try:
        async with asyncio.timeout(WAIT):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(data)
                if ends:
                    writer.write_eof()
                answer = await reader.read(64)
            finally:
                writer.close()
    except TimeoutError:
        return "timeout"
    except OSError as error:
        return type(error).__name__
    return answer[9:12].decode("latin-1") or "closed"


def _check_life(url: str, name: str, tally: Tally) -> None:
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            response.read()
    except OSError as error:
        tally.failures.append(f"{name}: a proper request at the end fails: {error}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code: 0 if nothing failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.http", description="Fuzz the HTTP interfaces.")
    parser.add_argument("--requests", type=int, default=20_000, help="number of requests to both servers (20000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the requests (1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    tally = asyncio.run(fuzz(RandomChoices(options.seed), options.requests))
    if options.json:
        sys.stdout.write(f"{json.dumps({'outcomes': tally.outcomes, 'failures': tally.failures})}\n")
    else:
        for outcome, number in tally.outcomes.most_common():
            sys.stdout.write(f"{number:7} {outcome}\n")
        sys.stdout.write("".join(f"{failure}\n" for failure in tally.failures[:20]))
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
