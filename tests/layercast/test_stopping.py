"""SIGTERM and Ctrl-C end a command at once while it loads a model, whatever the library is busy with."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: A model whose loading takes ten minutes, in code that no signal interrupts.
_PROGRAM = """
import sys, time
import receiver.receiver
from layercast.cli import main

def load(self, model):
    print("loading", flush=True)
    end = time.monotonic() + 600
    while time.monotonic() < end:
        time.sleep(0.01)

receiver.drawing._start = load
sys.argv[1:] = ["receive", "--listen", "ws://127.0.0.1:0", "--viewer", "none", "-q", "--archive", sys.argv[1]]
sys.exit(main())
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_loading_delays_no_signal(number: signal.Signals, code: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == b"loading\n"
        one.send_signal(number)
        assert one.wait(timeout=120) == code
